"""Pictures of the results, as PNG."""

from __future__ import annotations

import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from contenders import KINDS

COLOURS = {"pcc": "#c1272d", "pcx": "#1f77b4", "pcx-unrolled": "#6baed6",
           "fabricpc": "#2ca02c", "torch-eager": "#fdae6b",
           "torch-compile": "#e6850e", "torch-compile-plain": "#fdd0a2",
           "torch-autograd": "#a65628", "openblas": "#54278f",
           "openblas-plain": "#bcbddc", "mkl": "#008080",
           "mkl-plain": "#80c0c0", "onednn": "#4d4d4d",
           "onednn-plain": "#bdbdbd"}


def style(name: str) -> dict:
    return {"color": COLOURS[name], "linewidth": 2.5 if name == "pcc" else 1.3,
            "marker": "o", "markersize": 5 if name == "pcc" else 3,
            "zorder": 3 if name == "pcc" else 2, "label": KINDS[name].title}


def lines(axes, rows: list[dict], values: list[float], label: str) -> None:
    """Milliseconds a step of every contender over the values."""
    for name in KINDS:
        points = [(value, 1e3 * row["seconds"][name]["median"])
                  for value, row in zip(values, rows) if name in row["seconds"]]
        if points:
            axes.plot(*zip(*points), **style(name))
    axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.grid(True, which="both", alpha=0.25)


def save(figure, legend_from, path: pathlib.Path) -> None:
    handles, labels = legend_from.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8,
                  frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def over(rows: list[dict], field: str, label: str, path: pathlib.Path) -> None:
    """A panel for each number of threads, over a field of the case."""
    counts = sorted({row["case"]["threads"] for row in rows})
    figure, panels = plt.subplots(1, len(counts), figsize=(4.4 * len(counts) + 1, 4.6),
                                  layout="constrained", squeeze=False, sharey=True)
    for axes, count in zip(panels[0], counts):
        chosen = [row for row in rows if row["case"]["threads"] == count]
        lines(axes, chosen, [row["case"][field] for row in chosen], label)
        axes.set_xscale("log", base=2)
        axes.set_title(f"{count} thread{'s' if count > 1 else ''}", fontsize=10)
    panels[0][0].set_ylabel("ms a step")
    save(figure, panels[0][-1], path)


def fig8(rows: list[dict], path: pathlib.Path) -> None:
    figure, panels = plt.subplots(1, 4, figsize=(12, 4.6), layout="constrained",
                                  sharey=True)
    for axes, axis in zip(panels, "BDLT"):
        chosen = [row for row in rows if row["case"]["label"].startswith(axis)]
        factors = [int(row["case"]["label"].split("x")[1]) for row in chosen]
        lines(axes, chosen, factors, f"{axis}, times")
        axes.set_xlim(0.75, 6.25)
        axes.set_xticks(range(1, 7))
    panels[0].set_ylabel("ms a step")
    save(figure, panels[0], path)


def mlp(rows: list[dict], path: pathlib.Path) -> None:
    """Bars: how many times as long as pcc."""
    names = [name for name in KINDS if any(name in row["seconds"] for row in rows)]
    figure, axes = plt.subplots(figsize=(10, 4.8), layout="constrained")
    width = 0.85 / len(names)
    for i, name in enumerate(names):
        points = [(place + (i - len(names) / 2 + 0.5) * width,
                   row["ratios"][name]["median"] if name != "pcc" else 1.0)
                  for place, row in enumerate(rows)
                  if name in row["seconds"] and "pcc" in row["seconds"]]
        if points:
            bars = axes.bar(*zip(*points), width, color=COLOURS[name],
                            label=KINDS[name].title)
            axes.bar_label(bars, fmt="%.1f", fontsize=6)
    axes.set_xticks(range(len(rows)), [
        f"{row['case']['label']}, {row['case']['threads']} thread"
        f"{'s' if row['case']['threads'] > 1 else ''}" for row in rows])
    axes.set_ylabel("time of a step by that of pcc")
    axes.axhline(1, color=COLOURS["pcc"], linewidth=0.8)
    axes.grid(True, axis="y", alpha=0.25)
    save(figure, axes, path)


def draw(results: dict, folder: pathlib.Path) -> list[pathlib.Path]:
    """Draws what there are results for."""
    of = lambda name: [row for row in results["rows"]
                       if row["case"]["section"] == name]
    forms = {"mlp": mlp, "fig8": fig8,
             "batch": lambda rows, path: over(rows, "batch", "batch size", path),
             "steps": lambda rows, path: over(rows, "steps", "inference steps T", path)}
    drawn = []
    for name, form in forms.items():
        if rows := of(name):
            path = folder / f"performance-{name}.png"
            form(rows, path)
            drawn.append(path)
    return drawn
