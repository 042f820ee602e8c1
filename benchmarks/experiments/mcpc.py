"""Monte Carlo predictive coding: iris, then MNIST.

Two measurements of iris (sepal and petal length, standardised) are learnt by a
linear model 2-2-2 and a nonlinear one 2-64-64-2; 150 samples of each are compared
with the 150 data points by the earth mover's distance with squared Euclidean
costs, as in the paper's code. What 150 draws of the Gaussian with the data's own
mean and covariance score, and what 150 draws from the data themselves, stand
beside it. On MNIST --epochs of the published setting, and a grid of samples.
"""

import argparse
import pathlib

from common import RECIPES, Tools, mean_and_error, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", default=["iris"],
                        choices=["iris", "mnist"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--draws", type=int, default=3,
                        help="sets of 150 samples a trained model (%(default)s)")
    parser.add_argument("--mnist", help="folder of MNIST's IDX files")
    parser.add_argument("--epochs", type=int, default=1, help="on MNIST; "
                        "published are 100 (%(default)s)")


def distance(left, right) -> float:
    """Earth mover's distance of two sets of as many points."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    costs = cdist(left, right, "sqeuclidean")
    return float(costs[linear_sum_assignment(costs)].mean())


def sample(tools, artifact, parameters, count, seed):
    """Samples of the program @sample, one a call: it has no input."""
    import numpy as np

    result = tools.folder / "sample.npz"
    rows = []
    for index in range(count):
        tools.run(tools.pcx_run, "exec", artifact, "--program", "sample",
                  "--params", parameters, "--seed", seed + index, "--threads",
                  tools.threads, "--quiet", "-o", result)
        with np.load(result) as archive:
            rows.append(archive["sample"].reshape(1, -1))
    return np.concatenate(rows)


def iris(options, tools) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    from sklearn.datasets import load_iris

    points = load_iris().data[:, (0, 2)]
    points = (points - points.mean(0)) / points.std(0)
    data = tools.folder / "iris.npz"
    np.savez(data, data=np.repeat(points, 150, axis=0).astype(np.float32))

    rng = np.random.default_rng(0)
    draws = {"a Gaussian with the data's mean and covariance":
             lambda: rng.multivariate_normal(points.mean(0), np.cov(points.T),
                                             len(points)),
             "the data, with replacement":
             lambda: points[rng.integers(len(points), size=len(points))]}
    rows = [[name, "", mean_and_error([distance(draw(), points)
                                       for _ in range(20)], 3)]
            for name, draw in draws.items()]
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
    for axis, stem in zip(axes, ("mcpc_iris_linear", "mcpc_iris")):
        recipe = RECIPES / f"{stem}.toml"
        artifact = tools.compile_recipe(recipe)
        before, after = [], []
        for seed in range(options.seeds):
            name = f"{stem}.{seed}"
            tools.train(artifact, name, "--recipe", recipe, "--data", data,
                        "--seed", seed)
            sets = [sample(tools, artifact, tools.saved(name), len(points),
                           10000 * (index + 1))
                    for index in range(options.draws)]
            after += [distance(drawn, points) for drawn in sets]
        rows.append([f"`{stem}`", len(after), mean_and_error(after, 3)])
        drawn = np.concatenate(sets)
        axis.scatter(*drawn.T, s=3, color="C0", label="samples")
        axis.scatter(*points.T, s=12, color="C3", marker="x", label="iris")
        axis.set(title=stem, xlabel="sepal length")
    axes[0].set(ylabel="petal length")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(tools.pictures / "mcpc-iris.png", dpi=80)
    plt.close(figure)
    table(["150 samples of", "sets", "earth mover's distance"], rows)


def mnist(options, tools) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    recipe = RECIPES / "mcpc_mnist.toml"
    artifact = tools.compile_recipe(recipe)
    name = f"mcpc_mnist.{options.epochs}"
    log = tools.train(artifact, name, "--recipe", recipe, "--data",
                      options.mnist, "--epochs", options.epochs)
    table(["epoch", "energy", "of the image", "seconds"],
          [[line["epoch"], f"{line['energy']:.1f}",
            f"{line['energy.image']:.1f}", f"{line['seconds']:.0f}"]
           for line in log])
    drawn = sample(tools, artifact, tools.saved(name), 40, 0)
    figure, axes = plt.subplots(4, 10, figsize=(6, 2.4))
    for axis, image in zip(axes.ravel(), drawn):
        axis.imshow(image.reshape(28, 28), cmap="gray", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
    figure.subplots_adjust(0, 0, 1, 1, 0.03, 0.03)
    figure.savefig(tools.pictures / "mcpc-mnist.png", dpi=80)
    plt.close(figure)


def run(options: argparse.Namespace) -> None:
    tools = Tools(options, "mcpc")
    if "iris" in options.parts:
        iris(options, tools)
    if "mnist" in options.parts:
        mnist(options, tools)
