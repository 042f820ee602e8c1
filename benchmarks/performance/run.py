#!/usr/bin/env python3
"""pcc beside other libraries, in one run on this machine.

    benchmarks/run                        # everything; hours
    benchmarks/run --quick                # a few points and peers, minutes
    benchmarks/run --check                # only whether all do the same work
    benchmarks/run --only mlp --peers pcx openblas --blocks 20

Sections (--only):

    mlp         the paper's classifier under PC, iPC and backpropagation, batch 128
    batch       the same, PC, batches of 1 to 512
    steps       the same, PC, 1 to 64 inference steps
    fig8        the paper's Fig. 8: batch, width, depth and steps times 1 to 6
    width       the classifier with hidden layers of 1024 and 2048
    techniques  pcc alone, with one of its techniques left out at a time
    cores       pcc alone on one and two threads, for the model of many
    start       compilation, first step, memory, artifact

All contenders of a case take turns in blocks, in rotating order, on the same
processors; before each block the FMA peak and the core-to-core round trip are
measured. Peers are processes that live as long as the case and stand still
while another is measured; pcc is a fresh pcx-run for every block. Before the
first block every contender's first step is compared with pcc's.

Results are in the folder --output: performance.json (every block), the report
performance.md and pictures. --write-docs puts the report and the pictures into
docs/. Measured sections replace what performance.json had of them; --resume
keeps the cases that it has.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from cases import SECTIONS, cpus
from options import ROOT, add_options, complete

# Folders of results, of a quick run the second.
OUTPUTS = ("build/benchmarks", "build/benchmarks/quick")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/run", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(SECTIONS),
                        default=list(SECTIONS), help="sections to measure")
    parser.add_argument("--cases", nargs="+", metavar="LABEL",
                        help="of these, the cases so labelled, as 'B = 16'")
    parser.add_argument("--peers", nargs="+", metavar="NAME",
                        help="contenders beside pcc; 'none' for pcc alone")
    parser.add_argument("--threads", nargs="+", type=int,
                        help="numbers of threads (1 and all; quick all)")
    parser.add_argument("--check", action="store_true",
                        help="compare the first steps and stop; exits with 1 "
                        "where one differs")
    parser.add_argument("--no-check", action="store_true",
                        help="measure without comparing first")
    parser.add_argument("--resume", action="store_true",
                        help="do not measure again what performance.json has")
    parser.add_argument("--report", action="store_true",
                        help="only write the report of performance.json anew")
    parser.add_argument("--write-docs", action="store_true",
                        help="put the report into docs/")
    add_options(parser, *OUTPUTS)
    options = parser.parse_args()
    everyone = [len(cpus())] if options.quick else [1, len(cpus())]
    options.threads = sorted(set(options.threads or everyone))
    complete(options, *OUTPUTS)
    return options


def names_of(options: argparse.Namespace, section: str) -> list[str]:
    """The contenders of a section."""
    from contenders import KINDS, default_names

    if not options.peers:
        return default_names(section, options.quick)
    peers = [name for name in options.peers if name not in ("none", "pcc")]
    if unknown := [name for name in peers if name not in KINDS]:
        sys.exit(f"error: unknown peer '{unknown[0]}'; there are {', '.join(KINDS)}")
    return ["pcc", *peers]


def say(row: dict) -> None:
    """A case's results in lines on the terminal."""
    case = row["case"]
    print(f"{case['section']}: {case['label']}, {case['threads']} thread(s)")
    for name, values in row.get("seconds", {}).items():
        more = (f"  {row['ratios'][name]['median']:.2f}x" if name in row.get("ratios", {})
                else f"  {row['flops'] / values['median'] / 1e9:.0f} GFLOP/s of "
                f"{row['peak_gflops']['median']:.0f}" if name == "pcc" else "")
        print(f"  {name:20} {1e3 * values['median']:9.4f} ms{more}")
    for count, values in row.get("step_s", {}).items():
        print(f"  pcc, {count} thread(s)  {1e3 * values['median']:9.4f} ms")
    for name, values in row.get("start", {}).items():
        print(f"  {name:20} " + "  ".join(f"{key} {value['median']:.4g}"
                                          for key, value in values.items()))
    for name, reason in row["missing"].items():
        print(f"  {name:20} left out: {reason}")
    sys.stdout.flush()


def in_order(rows: list[dict]) -> list[dict]:
    """Rows in the order of the sections and of their cases."""
    threads = sorted({row["case"]["threads"] for row in rows})
    labels = [(case.section, case.algorithm, case.label)
              for name in SECTIONS for case in SECTIONS[name](threads)]
    return sorted(rows, key=lambda row: (
        labels.index(tuple(row["case"][name]
                           for name in ("section", "algorithm", "label"))),
        row["case"]["threads"]))


def write_report(results: dict, options: argparse.Namespace) -> None:
    import plots
    import report

    document = (ROOT / "docs/performance.md").read_text()
    target = options.output / "performance.md"
    target.write_text(report.fill(document, results))
    pictures = plots.draw(results, options.output)
    if options.write_docs:
        for path in [target, *pictures]:
            shutil.copy(path, ROOT / "docs" / path.name)
    print(f"wrote {target}" + (" and docs/" if options.write_docs else ""))


def main() -> None:
    options = parse()
    import flops
    import report
    from cases import select
    from cores import measure_cores
    from check import check
    from contenders import Workshop
    from machine import Machine
    from measure import measure, measure_start, measure_variants

    flops.self_check()
    stored = options.output / "performance.json"
    results = json.loads(stored.read_text()) if stored.exists() else {"rows": []}
    if options.report:
        return write_report(results, options)
    for tool in ("pcc", "pcx-run"):
        if not (options.build / "bin" / tool).exists():
            sys.exit(f"error: {options.build / 'bin' / tool} is missing")

    cases = [case for case in select(options.only, options.threads, options.quick)
             if not options.cases or case.label in options.cases]
    shop = Workshop(options.output / "work", options.build.resolve(), options.timeout)
    names = {section: names_of(options, section) for section in options.only}
    if not options.no_check:
        wrong = check(cases, names, shop)
        if wrong:
            sys.exit("error: these do not do the same work:\n  " + "\n  ".join(wrong))
    if options.check:
        return
    machine = Machine(shop.folder)
    facts = machine.describe()
    facts["versions"] = results.get("machine", {}).get("versions", {})
    results["machine"] = facts
    for case in cases:
        if options.resume and any(row["key"] == case.key for row in results["rows"]):
            continue
        chosen = names[case.section]
        row = (measure_start(case, chosen, min(options.blocks, 3), shop)
               if case.section == "start" else
               measure_variants(case, chosen, options.blocks, options.seconds, shop)
               if case.section == "techniques" else
               measure_cores(case, sorted({1, case.threads}), options.blocks,
                             options.seconds, shop)
               if case.section == "cores" else
               measure(case, chosen, options.blocks, options.seconds, shop, machine))
        row["day"] = report.today()
        row["settings"] = {"blocks": options.blocks, "seconds": options.seconds,
                           "cpu": facts["cpu"]}
        facts["versions"] |= row["versions"]
        say(row)
        others = [old for old in results["rows"] if old["key"] != case.key]
        results["rows"] = in_order(others + [row])
        stored.write_text(json.dumps(results, indent=1) + "\n")
    write_report(results, options)


if __name__ == "__main__":
    main()
