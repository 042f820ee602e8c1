"""Autoencoders: the paper's Table 2, MNIST and Fashion-MNIST.

A decoder 64-128-128-784 whose code inference finds (PC, iPC) and, as baseline, a
linear encoder and decoder trained by backpropagation. The score is the squared
error of a pixel on the test set, the best of 30 epochs.
"""

import argparse

from common import RECIPES, Tools, mean_and_error, table

NAMES = {"pc": "PC", "ipc": "iPC", "bp": "BP"}
SETS = {"mnist": "MNIST", "fmnist": "Fashion-MNIST"}
# Mean squared error x 1000: the paper, Table 2.
PUBLISHED = {"mnist": {"pc": 9.25, "ipc": 9.09, "bp": 9.08},
             "fmnist": {"pc": 10.56, "ipc": 10.11, "bp": 10.04}}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mnist", help="folder of MNIST's IDX files; without it "
                        "MNIST's rows are left out")
    parser.add_argument("--fmnist", default="fashion-mnist",
                        help="data set or folder of Fashion-MNIST (%(default)s)")
    parser.add_argument("--algorithms", nargs="+", choices=NAMES,
                        default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=3)


def run(options: argparse.Namespace) -> None:
    tools = Tools(options, "autoencoder")
    rows = []
    for data in SETS:
        folder = getattr(options, data)
        if not folder:
            continue
        for algorithm in options.algorithms:
            recipe = RECIPES / f"autoencoder_{data}_{algorithm}.toml"
            artifact = tools.compile_recipe(recipe)
            best, last, rest = [], [], []
            for seed in range(options.seeds):
                log = tools.train(artifact, f"{recipe.stem}.{seed}", "--recipe",
                                  recipe, "--data", folder, "--seed", seed)
                errors = [1000 * line["test_mse"] for line in log]
                best.append(min(errors))
                last.append(errors[-1])
            rows.append([SETS[data], NAMES[algorithm], options.seeds,
                         mean_and_error(best), mean_and_error(last),
                         f"{PUBLISHED[data][algorithm]:.2f}"])
    table(["data", "algorithm", "seeds", "best epoch", "last epoch", "paper"],
          rows)
