"""How energy spreads over the layers, and what the rates do to the accuracy.

784-512-512-10, leaky ReLU, cross entropy, T = 8, 8 epochs of Fashion-MNIST, as in
the paper's section on energy propagation: a grid of state rates and weight rates,
AdamW and SGD with momentum 0.9 for the weights. The ratio of two layers is that of
the norms over a batch of their energies after the inference steps, at the end of
the training; energies by inference step are those of the best run with AdamW.
"""

import argparse

from common import Tools, table

MEAN, DEVIATION = 0.28604063391685486, 0.35302424454689024
OPTIMISERS = {"adamw": ("train", "AdamW"), "sgd": ("sgd", "SGD, momentum 0.9")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--width", type=int, nargs="+", default=[512])
    parser.add_argument("--h-lr", type=float, nargs="+",
                        default=[1e-3, 1e-2, 1e-1, 1.0])
    parser.add_argument("--adamw-lr", type=float, nargs="+",
                        default=[1e-4, 1e-3, 1e-2])
    parser.add_argument("--sgd-lr", type=float, nargs="+",
                        default=[1e-3, 1e-2, 1e-1])
    parser.add_argument("--optimisers", nargs="+", choices=OPTIMISERS,
                        default=list(OPTIMISERS))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=128)


def train(tools, artifact, options, width, optimiser, h_lr, w_lr):
    """The log of a run, or None where it ended with numbers that are none."""
    name = f"{optimiser}-{width}-{h_lr:g}-{w_lr:g}"
    return tools.try_train(
        artifact, name, options.epochs, "--program", OPTIMISERS[optimiser][0],
        "--data", options.data, "--normalise", f"{MEAN},{DEVIATION}", "--batch",
        options.batch, "--drop-last", "--set", f"h_lr={h_lr}", "--set",
        f"w_lr={w_lr}", "--save", tools.saved(name))


def layer_energies(tools, options, width, optimiser, h_lr, w_lr):
    """Norms of the energies over a test batch, [steps, vodes]."""
    import numpy as np

    from common import images

    artifact = tools.compile("models/classifier.pcir", "-D", f"width={width}",
                             "-D", "steps=8", "--trace", "--batch", "128")
    x, labels = images(options.data, "test")
    inputs = {"x": (x[:128] - np.float32(MEAN)) / np.float32(DEVIATION),
              "label": np.eye(10, dtype=np.float32)[labels[:128]]}
    out = tools.execute(
        artifact, OPTIMISERS[optimiser][0], inputs, "--params",
        tools.saved(f"{optimiser}-{width}-{h_lr:g}-{w_lr:g}"), "--set",
        f"h_lr={h_lr}")
    return np.array([[np.linalg.norm(out[f"{vode}.energy.{step}"])
                      for vode in ("h1", "h2", "label")] for step in range(9)])


def run(options: argparse.Namespace) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tools = Tools(options, "stability")
    rates = {"adamw": options.adamw_lr, "sgd": options.sgd_lr}
    for width in options.width:
        artifact = tools.compile("models/classifier.pcir", "-D",
                                 f"width={width}")
        accuracy, energies = {}, {}
        for optimiser in options.optimisers:
            rows = []
            for h_lr in options.h_lr:
                cells = []
                for w_lr in rates[optimiser]:
                    key = (width, optimiser, h_lr, w_lr)
                    log = train(tools, artifact, options, *key)
                    if not log:
                        cells.append("NaN")
                        continue
                    accuracy[key] = 100 * log[-1]["test_accuracy"]
                    cells.append(f"{accuracy[key]:.1f}")
                    # As the paper: ratios of nets that have learnt something.
                    if accuracy[key] > 50:
                        energies[key] = layer_energies(tools, options, *key)
                best = max((key for key in energies
                            if key[1:3] == (optimiser, h_lr)),
                           key=lambda key: accuracy[key], default=None)
                # Before the last inference step, as the paper's code.
                ratio = ([f"{first / second:.1e}" for first, second in
                          zip(energies[best][-2], energies[best][-2][1:])]
                         if best else ["", ""])
                rows.append([f"{h_lr:g}", *cells, *ratio])
            print(f"\n{OPTIMISERS[optimiser][1]}, width {width}: test accuracy "
                  f"after {options.epochs} epochs by state rate (rows) and "
                  "weight rate, in per cent; ratios of energies of the best of "
                  "the row:\n")
            table(["state rate"] + [f"{rate:g}" for rate in rates[optimiser]]
                  + ["E1 / E2", "E2 / E3"], rows)

        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3))
        best = max((key for key in energies if key[1] == "adamw"),
                   key=lambda key: accuracy[key])
        print(f"\nNorms of the energies over a test batch, AdamW, state rate "
              f"{best[2]:g}, weight rate {best[3]:g}, before inference step t:\n")
        table(["t", "layer 1", "layer 2", "label"],
              [[step, *(f"{value:.2e}" for value in line)]
               for step, line in enumerate(energies[best])])
        for vode, name in enumerate(("1", "2", "3 (label)")):
            steps = [step for step in range(9) if energies[best][step, vode] > 0]
            left.semilogy(steps, energies[best][steps, vode], "o-",
                          label=f"layer {name}")
        left.set(xlabel="inference step", ylabel="norm of the energies",
                 title=f"AdamW {best[3]:g}, state rate {best[2]:g}")
        left.legend(fontsize=7)
        for optimiser, colour in zip(options.optimisers, ("C0", "C1")):
            for index, w_lr in enumerate(rates[optimiser]):
                points = [(h_lr, accuracy[width, optimiser, h_lr, w_lr])
                          for h_lr in options.h_lr
                          if (width, optimiser, h_lr, w_lr) in accuracy]
                if points:
                    middle.semilogx(*zip(*points), "o-", color=colour,
                                    alpha=(index + 1) / len(rates[optimiser]),
                                    label=f"{optimiser} {w_lr:g}")
        middle.set(xlabel="state rate", title="test accuracy, %", ylim=(0, 100))
        middle.legend(fontsize=6)
        for index, name in enumerate(("E1 / E2", "E2 / E3")):
            for key, values in energies.items():
                if key[1] == "adamw":
                    right.loglog(key[2] * (0.9 + 0.2 * index),
                                 values[-2][index] / values[-2][index + 1], "o",
                                 color=f"C{index}")
            right.plot([], [], "o", color=f"C{index}", label=name)
        right.axhline(1, color="grey", linestyle="--")
        right.set(xlabel="state rate", title="ratios of energies, AdamW")
        right.legend(fontsize=7)
        figure.tight_layout()
        figure.savefig(tools.pictures / f"stability-{width}.png", dpi=90)
        plt.close(figure)
