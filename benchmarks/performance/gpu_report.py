"""docs/gpu-performance.md: what benchmarks/gpu found."""

from __future__ import annotations

import sys

from contenders import KINDS
from gpu_machine import median_limits
from report import geometric_mean, left_out, names_in, number, spread, table

OWN = "pcc-gpu"
TITLES = {
    "mlp": "The paper's classifier, batch 128, T = 8: microseconds a step",
    "steps": "The same, PC, T steps of inference: microseconds a step",
    "fig8": "The paper's Fig. 8: microseconds a step",
}
HEAD = """# Performance on a GPU

Written by `benchmarks/gpu`, which measures all of it in one run; nothing here is
edited by hand. Before anything was timed the first step of each contender agreed
with pcc's on the CPU, in float32's tolerance (not that of products in TF32 or BF16,
which round their factors), and an epoch with the data set on the device agreed with one
with the data set on the host to the bit.

pcc's time is that of `pcx-run --device cuda`'s log, `seconds` of training alone,
in a fresh process for each block; its batches come from the data set on the
device. The others have all batches on the device. **Bold** is their time by pcc's
in the same block, the median."""


def say(row: dict) -> None:
    """A case's results in lines on the terminal."""
    case = row["case"]
    print(f"{case['section']}: {case['label']}")
    for name, values in row["seconds"].items():
        more = (f"  {row['ratios'][name]['median']:.2f}x"
                if name in row.get("ratios", {}) else "")
        print(f"  {name:20} {1e6 * values['median']:9.1f} us {spread(values)}{more}")
    for name, reason in row["missing"].items():
        print(f"  {name:20} left out: {reason}")
    sys.stdout.flush()


def machine(results: dict) -> str:
    facts = results["machine"]
    rows = [[name, str(value)] for name, value in facts.items()
            if name not in ("versions", "cpu", "cores")]
    rows.append(["CPU", f"{facts['cpu']}, {facts['cores']} cores used"])
    if clocks := [clock for row in results["rows"] for clock in row["clock_mhz"]]:
        rows.append(["clock before the blocks",
                     f"{min(clocks):.0f} to {max(clocks):.0f} MHz"])
    if found := median_limits(results["limits"]):
        for name, title in (("float32", "product of 8192 x 8192 matrices, float32"),
                            ("tf32", "the same, TF32"),
                            ("bfloat16", "the same, BF16")):
            rows.append([title, f"{number(found[name] / 1e12)} TFLOP/s"])
        rows.append(["copy within its memory", f"{number(found['copy'] / 1e9)} GB/s"])
    else:
        rows.append(["limits", f"not measured: {results['limits'][0]['missing']}"])
    rows += [[KINDS[name].title, text]
             for name, text in facts.get("versions", {}).items()]
    if results["flags"]:
        rows.append(["further flags of pcc", " ".join(results["flags"])])
    return table(["", ""], rows)


def times(rows: list[dict], limits: dict) -> str:
    """A line for each case, a column for each contender."""
    names = names_in(rows, "seconds")
    header = ["", *(KINDS[name].title for name in names), "pcc, TFLOP/s"]
    if limits:
        header.append("of float32 products")
    body = []
    for row in rows:
        cells = [row["case"]["label"]]
        for name in names:
            if name not in row["seconds"]:
                cells.append("–")
                continue
            values = row["seconds"][name]
            cell = f"{number(1e6 * values['median'])} {spread(values)}"
            if name in row.get("ratios", {}):
                cell += f", **{row['ratios'][name]['median']:.2f}x**"
            cells.append(cell)
        if OWN in row["seconds"]:
            rate = row["flops"] / row["seconds"][OWN]["median"]
            cells.append(number(rate / 1e12))
            if limits:
                cells.append(f"{100 * rate / limits['float32']:.1f} %")
        body.append(cells + ["–"] * (len(header) - len(cells)))
    return table(header, body)


def means(rows: list[dict]) -> str:
    """The geometric mean of each contender's ratios; the base counts once."""
    distinct = [row for row in rows
                if row["case"]["label"] not in ("D x1", "L x1", "T x1")]
    body = []
    for name in names_in(rows, "seconds"):
        found = [row["ratios"][name]["median"] for row in distinct
                 if name in row.get("ratios", {})]
        if found:
            body.append([KINDS[name].title, f"**{geometric_mean(found):.2f}x**",
                         f"{min(found):.2f}x to {max(found):.2f}x", str(len(found))])
    return ("Geometric mean of the ratios over all points:\n\n"
            + table(["", "mean", "from, to", "points"], body)) if body else ""


def missing(rows: list[dict], wrong: list[str]) -> str:
    return "\n".join([
        *left_out(rows),
        *(f"- Left out, it does other work: {line}." for line in wrong)])


def text(results: dict) -> str:
    """The whole page."""
    limits = median_limits(results["limits"])
    settings = results["settings"]
    parts = [HEAD, f"Measured {results['day']}, {settings['blocks']} interleaved "
             f"blocks of {settings['seconds']:g} s of each; medians, ± half the "
             "distance between the quartiles. The rate counts what exact elimination "
             "leaves, two FLOPs a multiply-add of a product "
             "([derivation](../benchmarks/performance/flops.py)).",
             "## The machine", machine(results)]
    for section, title in TITLES.items():
        rows = [row for row in results["rows"] if row["case"]["section"] == section]
        if not rows:
            continue
        parts += [f"## {title}", times(rows, limits)]
        if section == "fig8":
            parts.append(means(rows))
        parts.append(missing(rows, []))
    parts.append(missing([], results["wrong"]))
    return "\n\n".join(part for part in parts if part) + "\n"
