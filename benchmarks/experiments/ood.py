"""Data from elsewhere has a higher energy: MNIST against four other sets.

784-512-512-10, GELU, cross entropy, 75 epochs on 30,000 images of MNIST; then 100
inference steps with the label clamped that the network itself predicts. Energies
before and after these steps score 8,000 test images of each set, each normalised
by its own mean and deviation, as in the paper's code. The energy before is the
negative logarithm of the largest softmax probability, so its column is that of
the softmax baseline.
"""

import argparse
import json

from common import RECIPES, Tools, images, table

# Mean and deviation of each set's pixels.
SETS = {"mnist": ("MNIST", 0.1307, 0.3081),
        "fmnist": ("Fashion-MNIST", 0.2860, 0.3530),
        "kmnist": ("KMNIST", 0.1918, 0.3483),
        "notmnist": ("notMNIST", 0.4248, 0.4585),
        "emnist": ("EMNIST letters a to j", 0.1722, 0.3309)}
TRAINING, TEST = 30000, 8000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mnist", required=True, help="folder of IDX files")
    parser.add_argument("--fmnist", default="fashion-mnist")
    for name in ("kmnist", "notmnist", "emnist"):
        parser.add_argument(f"--{name}", help="folder of IDX files")
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    tools = Tools(options, "ood")
    recipe = RECIPES / "ood_mnist.toml"
    artifact = tools.compile_recipe(recipe)

    def normalised(name, x):
        return (x - np.float32(SETS[name][1])) / np.float32(SETS[name][2])

    training = tools.folder / f"training.{options.seed}.npz"
    if not training.exists():
        x, labels = images(options.mnist, "train")
        chosen = np.random.default_rng(options.seed).permutation(len(x))
        chosen = chosen[:TRAINING]
        test, test_labels = images(options.mnist, "test")
        np.savez(training, train_image=normalised("mnist", x[chosen]),
                 train_label=labels[chosen],
                 test_image=normalised("mnist", test), test_label=test_labels)
    name = f"{recipe.stem}.{options.seed}"
    log = tools.train(artifact, name, "--recipe", recipe, "--data", training,
                      "--seed", options.seed)
    print(f"Test accuracy on MNIST: {100 * log[-1]['test_accuracy']:.2f} % "
          f"(last of {len(log)} epochs)")

    for own in (True, False):
        files = {}
        for data in SETS:
            if not getattr(options, data):
                continue
            x, labels = images(getattr(options, data), "test")
            if data == "emnist":
                x = x[(labels >= 1) & (labels <= 10)]
            # A bare name belongs to the training split, hence --split train.
            files[data] = tools.folder / f"{data}{'.own' if own else ''}.npz"
            np.savez(files[data],
                     image=normalised(data if own else "mnist", x[:TEST]))
        result, energies = {}, {}
        for output in ("before", "after"):
            saved = tools.folder / f"energies.{output}{'.own' if own else ''}.npz"
            against = [part for data, file in files.items() if data != "mnist"
                       for part in ("--against", file)]
            report = json.loads(tools.run(
                tools.pcx_run, "energy", artifact, "--params", tools.saved(name),
                "--program", "energy", "--output", output, "--data",
                files["mnist"], "--split", "train", "--normalise", "0,1",
                *against, "--threads", tools.threads, "--save", saved,
                "--json"))
            result[output] = dict(zip(files, report["sets"]))
            with np.load(saved) as archive:
                energies[output] = dict(zip(files, (archive[key].ravel()
                                                    for key in archive)))
        print("\nEach set is normalised by " +
              ("its own" if own else "MNIST's") + " mean and deviation:\n")
        rows = []
        for data in files:
            cells = [SETS[data][0], result["after"][data]["samples"]]
            for output in ("before", "after"):
                cells.append(f"{result[output][data]['mean']:.4f}")
            for output in ("before", "after"):
                for key in ("auc", "auc_lowest_quarter"):
                    value = result[output][data].get(key)
                    cells.append("" if value is None else f"{value:.3f}")
            rows.append(cells)
        table(["data", "images", "NLL before", "after", "AUC before (softmax)",
               "of the lowest quarter", "AUC after", "of the lowest quarter"],
              rows)
        if own:
            figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
            for axis, output in zip(axes, ("before", "after")):
                for data, values in energies[output].items():
                    axis.hist(np.log10(np.maximum(values, 1e-12)),
                              np.linspace(-12, 1, 80), histtype="step",
                              label=SETS[data][0])
                axis.set(xlabel="log10 of the energy",
                         title=f"{output} relaxation")
            axes[0].legend(fontsize=7)
            figure.tight_layout()
            figure.savefig(tools.pictures / "ood.png", dpi=90)
            plt.close(figure)
