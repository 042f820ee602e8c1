"""Rates that transfer: deep residual networks in muPC and without it.

in-width-...-width-10 with identity skips, ReLU, squared error, as many inference
steps as layers, Adam. A grid of widths, depths and weight rates, --epochs of MNIST
each: in muPC (models/mupc.pcir) one rate is good for all sizes, in the standard
parametrisation (residual.pcir) the best one moves. Then --deep layers of width 128
for three epochs, with the rate that was best for the smallest network.
"""

import argparse

from common import Tools, table

MODELS = {"muPC": "models/mupc.pcir",
          "standard": "benchmarks/experiments/residual.pcir"}
# Three epochs of MNIST at width 128 with jpc's scalings, by depth.
PUBLISHED = {8: 90.8, 16: 87.8, 32: 85.2, 64: 83.5, 128: 83.9}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mnist", required=True, help="folder of IDX files")
    parser.add_argument("--width", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--depth", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--w-lr", type=float, nargs="+",
                        default=[4.0 ** -n for n in range(6, 0, -1)])
    parser.add_argument("--h-lr", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--deep", type=int, nargs="*", default=[8, 16, 32])


def compiled(tools, model, width, depth):
    return tools.compile(MODELS[model], "-D", f"width={width}", "-D",
                         f"blocks={depth - 2}", "-D", f"steps={depth}", "--batch",
                         "64")


def accuracy(options, tools, artifact, name, rate, epochs):
    """Test accuracy in per cent, or None where training ended in NaN."""
    log = tools.try_train(
        artifact, f"{name}-{rate:.4g}-{epochs}", epochs, "--data", options.mnist,
        "--batch", 64, "--set", f"w_lr={rate}", "--set", f"h_lr={options.h_lr}")
    return 100 * log[-1]["test_accuracy"] if log else None


def run(options: argparse.Namespace) -> None:
    tools = Tools(options, "mupc")
    best = {}
    for model in MODELS:
        rows = []
        for depth in options.depth:
            for width in options.width:
                artifact = compiled(tools, model, width, depth)
                found = [accuracy(options, tools, artifact,
                                  f"{model}-{width}-{depth}", rate,
                                  options.epochs) for rate in options.w_lr]
                most = max(value for value in found if value is not None)
                best.setdefault(model, options.w_lr[found.index(most)])
                rows.append([depth, width, *(
                    "NaN" if value is None else
                    f"**{value:.1f}**" if value == most else f"{value:.1f}"
                    for value in found)])
        print(f"\n{model}: test accuracy after {options.epochs} epoch(s) by "
              "weight rate\n")
        table(["layers", "width"] + [f"{rate:.2g}" for rate in options.w_lr],
              rows)
    rows = []
    for depth in options.deep:
        found = accuracy(options, tools, compiled(tools, "muPC", 128, depth),
                         f"muPC-128-{depth}", best["muPC"], 3)
        rows.append([depth, f"{found:.1f}" if found else "NaN",
                     PUBLISHED.get(depth, "")])
    if rows:
        print(f"\nmuPC, width 128, weight rate {best['muPC']:.2g}, three "
              "epochs:\n")
        table(["layers", "test accuracy", "jpc"], rows)
