"""Two moons and two circles: small classifiers and what they decide.

PCX's first tutorial: 2-32-32-2, leaky ReLU, cross entropy, T = 8, state rate 0.01,
AdamW 0.01, batches of 32, 8 epochs of 1,024 points; 512 other points are the test
set. The points are scikit-learn's, with the tutorial's noise and random states.
"""

import argparse

from common import RECIPES, Tools, mean_and_error, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=5)


def run(options: argparse.Namespace) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    from sklearn.datasets import make_circles, make_moons

    tools = Tools(options, "shapes")
    recipe = RECIPES / "two_moons.toml"
    artifact = tools.compile_recipe(recipe)
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
    rows = []
    for axis, (name, make, noise) in zip(axes, (("two moons", make_moons, 0.2),
                                                ("two circles", make_circles,
                                                 0.02))):
        x, y = make(n_samples=1024, noise=noise, random_state=42)
        test_x, test_y = make(n_samples=512, noise=noise, random_state=0)
        stem = name.replace(" ", "_")
        data = tools.folder / f"{stem}.npz"
        np.savez(data, train_x=x.astype(np.float32), train_label=y,
                 test_x=test_x.astype(np.float32), test_label=test_y)
        logs = [tools.train(artifact, f"{stem}.{seed}", "--recipe", recipe,
                            "--data", data, "--seed", seed)
                for seed in range(options.seeds)]
        last = [100 * log[-1]["test_accuracy"] for log in logs]
        best = [max(100 * line["test_accuracy"] for line in log)
                for log in logs]
        rows.append([name, options.seeds, mean_and_error(best, 1),
                     mean_and_error(last, 1)])

        low, high = test_x.min(0) - 0.4, test_x.max(0) + 0.4
        grid = np.stack(np.meshgrid(np.linspace(low[0], high[0], 160),
                                    np.linspace(low[1], high[1], 160)), -1)
        logits = tools.execute(
            artifact, "evaluate",
            {"x": grid.reshape(-1, 2).astype(np.float32)}, "--params",
            tools.saved(f"{stem}.0"))["prediction"]
        margin = (logits[:, 1] - logits[:, 0]).reshape(160, 160)
        axis.contourf(grid[..., 0], grid[..., 1], np.tanh(margin / 2), 20,
                      cmap="RdBu_r", alpha=0.5)
        axis.contour(grid[..., 0], grid[..., 1], margin, [0], colors="black")
        axis.scatter(*test_x.T, c=test_y, cmap="RdBu_r", s=6)
        axis.set(title=f"{name}: {last[0]:.1f} %", xticks=[], yticks=[],
                 aspect="equal")
    figure.tight_layout()
    figure.savefig(tools.pictures / "shapes.png", dpi=80)
    table(["data", "seeds", "test accuracy, best epoch, %", "last epoch, %"],
          rows)
