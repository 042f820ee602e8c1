#!/usr/bin/env python3
"""Test accuracies of the paper's MLP beside the published ones.

Every row is a recipe of models/recipes with the settings that the authors of
"Benchmarking Predictive Coding Networks Made Simple" (ICLR 2025) published; the
model and the number of inference steps stand in the recipe's first lines, which
are the commands to run it by hand. Prints a Markdown table: the best epoch on the
test set, which is what the paper reports, and the last one, as means over the
seeds with standard errors.

A run that is in the log folder is not repeated: delete its file, or the folder,
to measure anew.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALGORITHMS = ["pc_ce", "pc_se", "pn", "nn", "cn", "ipc", "bp_ce", "bp_se"]
NAMES = {"pc_ce": "PC-CE", "pc_se": "PC-SE", "pn": "PN", "nn": "NN",
         "cn": "CN", "ipc": "iPC", "bp_ce": "BP-CE", "bp_se": "BP-SE"}
# Mean test accuracy in per cent and its deviation: the paper, Table 1.
PUBLISHED = {
    "mnist": {
        "pc_ce": (98.11, 0.03),
        "pc_se": (98.26, 0.04),
        "pn": (98.36, 0.06),
        "nn": (98.26, 0.07),
        "cn": (98.23, 0.09),
        "ipc": (98.45, 0.09),
        "bp_ce": (98.07, 0.06),
        "bp_se": (98.29, 0.08),
    },
    "fmnist": {
        "pc_ce": (89.16, 0.08),
        "pc_se": (89.58, 0.13),
        "pn": (89.57, 0.08),
        "nn": (89.46, 0.08),
        "cn": (89.56, 0.05),
        "ipc": (89.90, 0.06),
        "bp_ce": (89.04, 0.08),
        "bp_se": (89.48, 0.07),
    },
}


def commands(recipe: pathlib.Path) -> tuple[str, list[str]]:
    """Model file and definitions from the `pcc` line of a recipe."""
    line = re.search(r"#\s+pcc (\S+)((?: -D \S+)*)", recipe.read_text())
    if not line:
        sys.exit(f"{recipe}: expected a line '# pcc MODEL ...'")
    return line[1], line[2].split()


def compile_model(pcc: str, recipe: pathlib.Path,
                  folder: pathlib.Path) -> pathlib.Path:
    model, definitions = commands(recipe)
    name = "-".join([pathlib.Path(model).stem, *definitions[1::2]])
    artifact = folder / f"{name}.pcx"
    subprocess.run([pcc, str(ROOT / model), *definitions, "-o", str(artifact)],
                   check=True)
    return artifact


def accuracies(log: pathlib.Path, epochs: int) -> list[float]:
    """Test accuracy of each epoch in per cent; empty for a run cut short."""
    if not log.exists():
        return []
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    values = [100 * line["test_accuracy"] for line in lines
              if "test_accuracy" in line and "epoch" in line]
    return values if len(values) == epochs else []


def summary(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.2f} ± {error:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="folder of MNIST's IDX files; without it "
                        "MNIST's rows are left out")
    parser.add_argument("--fmnist", default="fashion-mnist",
                        help="data set or folder of Fashion-MNIST (%(default)s)")
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS,
                        default=ALGORITHMS, metavar="NAME",
                        help="rows to run: " + ", ".join(ALGORITHMS))
    parser.add_argument("--data", nargs="+", choices=["mnist", "fmnist"],
                        default=["mnist", "fmnist"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--drop-worst", type=int, default=0, metavar="N",
                        help="leave out the N seeds whose best epochs are worst: "
                        "the paper's code runs 7 seeds and drops 2 "
                        "(%(default)s)")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--logs", default=str(ROOT / "build/accuracy"))
    options = parser.parse_args()
    folder = pathlib.Path(options.logs)
    folder.mkdir(parents=True, exist_ok=True)
    pcc, pcx_run = (f"{options.build}/bin/{name}" for name in ("pcc", "pcx-run"))
    sets = {"fmnist": options.fmnist}
    if options.mnist:
        sets["mnist"] = options.mnist

    print("| data | algorithm | seeds | best epoch | last epoch | paper "
          "| difference |\n|---|---|---|---|---|---|---|")
    for data in options.data:
        if data not in sets:
            print(f"MNIST is left out: say --mnist FOLDER", file=sys.stderr)
            continue
        for algorithm in options.algorithms:
            recipe = ROOT / f"models/recipes/mlp_{data}_{algorithm}.toml"
            artifact = None
            best, last = [], []
            for seed in range(options.seeds):
                log = folder / f"{recipe.stem}.{seed}.jsonl"
                values = accuracies(log, options.epochs)
                if not values:
                    artifact = artifact or compile_model(pcc, recipe, folder)
                    log.unlink(missing_ok=True)
                    subprocess.run(
                        [pcx_run, "train", str(artifact), "--recipe",
                         str(recipe), "--data", sets[data], "--seed", str(seed),
                         "--epochs", str(options.epochs), "--threads",
                         str(options.threads), "--train-accuracy-samples", "0",
                         "--quiet", "--log", str(log)], check=True)
                    values = accuracies(log, options.epochs)
                best.append(max(values))
                last.append(values[-1])
            kept = sorted(range(options.seeds), key=lambda seed: -best[seed])
            kept = kept[:max(1, options.seeds - options.drop_worst)]
            best, last = ([values[seed] for seed in kept]
                          for values in (best, last))
            mean, spread = PUBLISHED[data][algorithm]
            seeds = (f"{len(kept)} of " if options.drop_worst else "") + \
                str(options.seeds)
            print(f"| {data} | {NAMES[algorithm]} | {seeds} "
                  f"| {summary(best)} | {summary(last)} | {mean} ± {spread} "
                  f"| {statistics.mean(best) - mean:+.2f} |", flush=True)


if __name__ == "__main__":
    main()
