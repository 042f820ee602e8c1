"""The report: tables in Markdown, put between marks of a document."""

from __future__ import annotations

import datetime
import math
import re
import statistics

from contenders import KINDS
from cores import fit_bandwidth, is_fitted, parts, speedup

SECTIONS = {
    "machine": "what was measured on",
    "mlp": "ms a step, and seconds an epoch of 468 steps",
    "batch": "PC, ms a step",
    "steps": "PC, ms a step",
    "fig8": "PC, ms a step",
    "width": "PC, ms a step",
    "techniques": "ms a step without one of them",
    "cores": "what many cores would do",
    "start": "one process from the command to its first step",
}


PICTURES = {
    "mlp": "Bars: the time of a training step of each library by that of pcc",
    "batch": "Lines: milliseconds a step over the batch size, each library",
    "steps": "Lines: milliseconds a step over the inference steps, each library",
    "fig8": "Lines: milliseconds a step over batch, width, depth and steps times "
            "1 to 6, each library",
}


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value: float) -> str:
    """Three figures, without an exponent."""
    if value >= 100:
        return f"{value:.0f}"
    digits = 2 - math.floor(math.log10(value)) if value > 0 else 2
    return f"{value:.{max(0, min(digits, 4))}f}"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{number(count)} {unit}"
        count /= 1000
    return f"{number(count)} GB"


def spread(values: dict) -> str:
    """Half the distance of the quartiles, of the median."""
    return f"±{50 * (values['high'] - values['low']) / values['median']:.0f} %"


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.mean(map(math.log, values)))


def machine(facts: dict) -> str:
    caches = ", ".join(
        f"L{cache['level']} {cache['bytes'] >> 10} KiB"
        + (f" shared by {cache['shared_by']}" if cache["shared_by"] > 1 else "")
        for cache in facts["caches"])
    listed = lambda values: ", ".join(number(value) for value in values)
    rows = [
        ["CPU", f"{facts['cpu']}, {facts['cores']} cores used"
         + (", virtual" if facts["virtual"] else "")],
        ["vectors", facts["vectors"]], ["caches", caches or "unknown"],
        ["memory", f"{facts['memory_gib']} GiB"], ["Linux", facts["kernel"]],
        ["FMA peak of 1, 2, ... threads",
         f"{listed(facts['peak_gflops'])} GFLOP/s"],
        ["memory bandwidth of 1, 2, ... threads",
         f"{listed(facts['bandwidth_gbs'])} GB/s"],
    ]
    if facts["round_trip_ns"]:
        rows.append(["core-to-core round trip", f"{facts['round_trip_ns']:.0f} ns"])
    rows += [[KINDS[name].title, text] for name, text in facts["versions"].items()
             if not name.startswith("pcc-")]
    return table(["", ""], rows)


def names_in(rows: list[dict], field: str) -> list[str]:
    """Contenders of some rows, in the order of their definition."""
    return [name for name in KINDS if any(name in row[field] for row in rows)]


def times(rows: list[dict], statistic: str = "median") -> str:
    """A line for each contender, a column for each case."""
    names = names_in(rows, "seconds")
    header = [""] + [f"{row['case']['label']}, {threads(row)}" for row in rows]
    body = []
    for name in names:
        cells = []
        for row in rows:
            if name not in row["seconds"]:
                cells.append("–")
                continue
            values = row["seconds"][name]
            cell = number(1e3 * values[statistic])
            if statistic == "median":
                cell += f" {spread(values)}"
            if name != "pcc" and "pcc" in row["seconds"]:
                cell += f", **{ratio(row, name, statistic):.2f}x**"
            cells.append(cell)
        body.append([KINDS[name].title, *cells])
    return table(header, body + rates(rows, statistic))


def ratio(row: dict, name: str, statistic: str = "median") -> float:
    """Their time by pcc's; of the blocks' ratios, or of the best quartiles."""
    if statistic == "median":
        return row["ratios"][name]["median"]
    return row["seconds"][name][statistic] / row["seconds"]["pcc"][statistic]


def threads(row: dict) -> str:
    count = row["case"]["threads"]
    return f"{count} thread" + ("s" if count > 1 else "")


def rates(rows: list[dict], statistic: str) -> list[list[str]]:
    """pcc's rate and what the machine could do in the same blocks."""
    if not all("pcc" in row["seconds"] for row in rows):
        return []
    rate = [row["flops"] / row["seconds"]["pcc"][statistic] / 1e9 for row in rows]
    result = [
        ["needed work, MFLOP a step", *(number(row["flops"] / 1e6) for row in rows)],
        ["pcc, GFLOP/s", *map(number, rate)],
        ["FMA peak, GFLOP/s", *(number(row["peak_gflops"]["median"]) for row in rows)],
        ["pcc, share of the peak",
         *(f"{100 * one / row['peak_gflops']['median']:.0f} %"
           for one, row in zip(rate, rows))],
    ]
    if any(row["case"]["threads"] > 1 for row in rows):
        result.append(["round trip, ns",
                       *(f"{row['round_trip_ns']['median']:.0f}"
                         if row["case"]["threads"] > 1 else "" for row in rows)])
    return result


def mlp(rows: list[dict]) -> str:
    result = [times(rows)]
    names = names_in(rows, "seconds")
    epochs = [[KINDS[name].title,
               *(number(468 * row["seconds"][name]["median"])
                 if name in row["seconds"] else "–" for row in rows)]
              for name in names]
    header = [""] + [f"{row['case']['label']}, {threads(row)}" for row in rows]
    result += ["Seconds an epoch of 468 steps:", table(header, epochs)]
    if several := [row for row in rows if row["case"]["threads"] > 1]:
        result += ["Best quartile of the blocks, ms a step:",
                   times(several, "best_quartile")]
    return "\n\n".join(result)


def fig8(rows: list[dict]) -> str:
    """A table for each axis, and the geometric mean of all ratios."""
    result = []
    axes = sorted({row["case"]["label"].split()[0] for row in rows}, key="BDLT".index)
    for axis in axes:
        result.append(times([row for row in rows
                             if row["case"]["label"].startswith(axis)]))
    # The base network is the first point of every axis: it counts once.
    distinct = [row for row in rows
                if row["case"]["label"] not in ("D x1", "L x1", "T x1")]
    means = []
    for name in names_in(rows, "seconds"):
        found = [ratio(row, name) for row in distinct
                 if name != "pcc" and name in row["seconds"] and "ratios" in row]
        if found:
            means.append([KINDS[name].title, f"**{geometric_mean(found):.2f}x**",
                          f"{min(found):.2f}x to {max(found):.2f}x",
                          str(len(found))])
    result.append("Geometric mean of the ratios over all points:")
    result.append(table(["", "mean", "from, to", "points"], means))
    return "\n\n".join(result)


def start(rows: list[dict]) -> str:
    result = []
    for row in rows:
        body = []
        for name in names_in([row], "start"):
            facts = {key: values["median"] for key, values in row["start"][name].items()}
            shown = lambda key, form: form(facts[key]) if key in facts else ""
            body.append([KINDS[name].title, shown("compile_s", number),
                         shown("first_step_s", number), shown("max_rss", size),
                         shown("artifact_bytes", size)])
        result.append(f"{row['case']['label']}, {threads(row)}:")
        result.append(table(["", "compilation, s", "command to first step, s",
                             "largest resident memory", "artifact"], body))
    return "\n\n".join(result)


def cores_table(rows: list[dict]) -> str:
    """Measured and predicted times, then the model's causes for many cores."""
    counts = [1, 2, 4, 8, 16, 32, 64, 192]
    bandwidth = fit_bandwidth(rows)
    milliseconds = lambda row, count: 1e3 * row["step_s"][count]["best_quartile"]
    checked = [[row["case"]["label"], number(milliseconds(row, "1")),
                number(milliseconds(row, "2")), f"{row['speedup']['2']:.2f}x",
                f"{speedup(row, 2, bandwidth):.2f}x"
                + (" (fitted)" if is_fitted(row, rows) else "")]
               for row in rows]
    result = [table(["", "1 thread, ms", "2 threads, ms", "gain of paired blocks",
                     "gain by the model"], checked),
              f"The exchange is fitted at {bandwidth / 1e9:.1f} GB/s a "
              f"core, half a round trip is {1e9 * rows[0]['line_s']:.0f} ns. "
              "Milliseconds a step by cause (work + uneven tasks + meetings + "
              "exchange), and how many times as fast as one core:"]
    body = []
    for row in rows:
        cells = [" + ".join(f"{1e3 * seconds:.3f}" for seconds
                            in parts(row, count, bandwidth).values())
                 + f", **{speedup(row, count, bandwidth):.1f}x**"
                 for count in counts]
        body.append([row["case"]["label"], *cells])
    header = [""] + [f"{count} core" + ("s" if count > 1 else "")
                     + (", 2 nodes" if count > 32 else "") for count in counts]
    return "\n\n".join([*result, table(header, body)])


def left_out(rows: list[dict]) -> list[str]:
    """A line for each reason why a contender was not measured."""
    missing: dict[str, set[str]] = {}
    for row in rows:
        for name, reason in row["missing"].items():
            missing.setdefault(f"{KINDS[name].title}: {reason}", set()).add(
                row["case"]["label"])
    return [f"- Left out: {text} ({', '.join(sorted(labels))})."
            for text, labels in missing.items()]


def conditions(rows: list[dict]) -> str:
    """When and how a section was measured, and who is missing."""
    day = max(row["day"] for row in rows)
    blocks = sorted({row["settings"]["blocks"] for row in rows})
    text = (f"Measured {day} on {rows[0]['settings']['cpu']}, "
            f"{' or '.join(map(str, blocks))} interleaved block"
            f"{'' if blocks == [1] else 's'} of {rows[0]['settings']['seconds']:g} s"
            f" of each; medians, ± half the distance between the quartiles.")
    lines = left_out(rows)
    return "\n".join([text, *([""] if lines else []), *lines])


def section(name: str, results: dict) -> str:
    """The text of a measured section."""
    if name == "machine":
        return machine(results["machine"])
    rows = [row for row in results["rows"] if row["case"]["section"] == name]
    body = {"mlp": mlp, "fig8": fig8, "cores": cores_table,
            "start": start}.get(name, times)(rows)
    picture = (f"\n\n![{PICTURES[name]}](performance-{name}.png)"
               if name in PICTURES else "")
    return f"{conditions(rows)}\n\n{body}{picture}"


def measured(results: dict) -> list[str]:
    """The sections that there are results for."""
    found = {row["case"]["section"] for row in results["rows"]}
    return [name for name in SECTIONS if name in found or name == "machine"]


def fill(document: str, results: dict) -> str:
    """The document with the measured sections replaced; prose stays."""
    for name in measured(results):
        pattern = re.compile(rf"(<!-- measured: {name} -->\n).*?"
                             rf"(<!-- end of measured: {name} -->)", re.S)
        text = f"\n{section(name, results)}\n\n"
        document, count = pattern.subn(
            lambda match: match[1] + text + match[2], document)
        if not count:
            document += (f"\n## {name.capitalize()}: {SECTIONS[name]}\n\n"
                         f"<!-- measured: {name} -->\n{text}"
                         f"<!-- end of measured: {name} -->\n")
    return document


def today() -> str:
    return datetime.date.today().isoformat()
