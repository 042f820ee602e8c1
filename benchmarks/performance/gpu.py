#!/usr/bin/env python3
"""pcc on a GPU beside other libraries, in one run on this machine.

    benchmarks/gpu                        # everything
    benchmarks/gpu --quick                # a few points, minutes
    benchmarks/gpu --only mlp --blocks 20
    benchmarks/gpu --dry-run              # what would be measured; needs no GPU

First the results: pcc's first step on the GPU, and that of each library, beside
pcc's on the CPU, and an epoch with the data on the device beside one with the
data on the host. Where pcc differs nothing is measured. Then the card's limits,
by PyTorch, before and after the sections (--only):

    mlp         the paper's classifier under PC, iPC and backpropagation, batch 128
    steps       the same, PC, 1 to 64 inference steps
    fig8        the paper's Fig. 8: batch, width, depth and steps times 1 to 6

All contenders of a case take turns in blocks, in rotating order; before each
block the card's clock is read. Results are in the folder --output: gpu.json
(every block) and the report, which a run without --quick, --only and --output
also puts into docs/gpu-performance.md.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import sys

import gpu_machine
from cases import SECTIONS, Case, cpus, select
from options import ROOT, add_options, complete

# Folders of results, of a quick run the second.
OUTPUTS = ("build/benchmarks/gpu", "build/benchmarks/gpu-quick")
CONTENDERS = {
    "mlp": ["pcc-gpu", "pcc-gpu-graph", "pcc-gpu-tf32", "pcc-gpu-bf16", "pcx-gpu",
            "pcx-gpu-unrolled", "pcx-gpu-tf32", "torch-graph"],
    "steps": ["pcc-gpu", "pcc-gpu-graph", "pcx-gpu", "torch-graph"],
    "fig8": ["pcc-gpu", "pcc-gpu-graph", "pcx-gpu", "torch-graph"],
}
# These round their factors: not the same work to float32's tolerance.
UNCHECKED = ["pcc-gpu-tf32", "pcc-gpu-bf16", "pcx-gpu-tf32"]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/gpu", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(CONTENDERS),
                        help="sections to measure")
    parser.add_argument("--dry-run", action="store_true",
                        help="say what would be measured and stop")
    parser.add_argument("--networks", type=pathlib.Path, metavar="FOLDER",
                        help="with --dry-run, write the networks of all cases there")
    parser.add_argument("--probe", action="store_true",
                        help="only whether there is a GPU; exits with 1 if not")
    parser.add_argument("--pcc-flags", nargs="+", default=[], metavar="FLAG",
                        help="further flags of pcc, as gpu-strategy=graph")
    add_options(parser, *OUTPUTS)
    options = parser.parse_args()
    options.whole = not (options.quick or options.only or options.output)
    options.only = options.only or list(CONTENDERS)
    complete(options, *OUTPUTS)
    return options


def chosen(options: argparse.Namespace) -> list[Case]:
    return select(options.only, [len(cpus())], options.quick)


def dry_run(options: argparse.Namespace) -> None:
    """What would be measured, and the networks if they are asked for."""
    for case in chosen(options):
        print(f"{case.section}: {case.label}, batch {case.batch}, "
              f"{'-'.join(map(str, case.dims))}, T = {case.steps}: "
              f"{', '.join(CONTENDERS[case.section])}")
    print(f"{options.blocks} blocks of {options.seconds:g} s of each")
    if options.networks:
        import networks

        options.networks.mkdir(parents=True, exist_ok=True)
        written: dict[Case, str] = {}
        for section in CONTENDERS:
            for case in SECTIONS[section]([1]):
                # Cases that differ in the data alone are one network.
                if written.setdefault(case.network(), case.key) == case.key:
                    (options.networks / f"{case.key}.pcir").write_text(
                        networks.pcir(case))


def check(cases: list[Case], shop) -> tuple[list[str], list[str]]:
    """What is wrong with pcc, and with others."""
    import dataclasses

    from check import check as check_first_steps
    from contenders import PccOnGpu
    from process import Failed

    names = {section: ["pcc", *(name for name in known if name not in UNCHECKED)]
             for section, known in CONTENDERS.items()}
    wrong = check_first_steps(cases, names, shop)
    own = [line for line in wrong if ", pcc-" in line]
    others = [line for line in wrong if line not in own]
    for algorithm in ("pc", "ipc", "bp"):
        case = dataclasses.replace(
            SECTIONS["mlp"]([len(cpus())])[0], algorithm=algorithm, batches=8)
        shop.prepare(case)
        try:
            contender = PccOnGpu(case, shop)
            if contender.trained("device") != contender.trained("host"):
                own.append(f"{algorithm}: an epoch with the data on the device is "
                           "not one with the data on the host")
        except Failed as failed:
            own.append(f"{algorithm}: {failed}")
    return own, others


def main() -> None:
    options = parse()
    if options.dry_run:
        return dry_run(options)
    if reason := gpu_machine.missing():
        sys.exit(f"benchmarks/gpu: {reason}; it measures on a GPU only")
    if options.probe:
        return
    import flops
    import gpu_report
    import report
    from contenders import Workshop
    from measure import measure

    flops.self_check()
    for tool in ("pcc", "pcx-run"):
        if not (options.build / "bin" / tool).exists():
            sys.exit(f"error: {options.build / 'bin' / tool} is missing")
    shop = Workshop(options.output / "work", options.build.resolve(), options.timeout)
    shop.gpu_flags = tuple(f"--{flag.lstrip('-')}" for flag in options.pcc_flags)
    cases = chosen(options)
    own, others = check(cases, shop)
    if own:
        sys.exit("error: pcc's results on the GPU are not those on the CPU:\n  "
                 + "\n  ".join(own))
    machine = gpu_machine.GpuMachine(options.quick)
    results = {"machine": machine.describe(), "limits": [machine.limits()],
               "wrong": others, "rows": [], "day": report.today(),
               "flags": shop.gpu_flags,
               "settings": {"blocks": options.blocks, "seconds": options.seconds}}
    left_out = {line.split(":")[0].split(", ")[-1] for line in others}
    for case in cases:
        names = [name for name in CONTENDERS[case.section] if name not in left_out]
        machine.clocks.clear()
        row = measure(case, names, options.blocks, options.seconds, shop, machine,
                      own="pcc-gpu")
        row["clock_mhz"] = list(machine.clocks)
        results["rows"].append(row)
        results["machine"].setdefault("versions", {}).update(row["versions"])
        gpu_report.say(row)
        store(results, options)
    results["limits"].append(machine.limits())
    store(results, options)
    target = options.output / "gpu-performance.md"
    target.write_text(gpu_report.text(results))
    if options.whole:
        shutil.copy(target, ROOT / "docs/gpu-performance.md")
    print(f"wrote {target}" + (" and docs/gpu-performance.md" if options.whole else ""))


def store(results: dict, options: argparse.Namespace) -> None:
    (options.output / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
