"""What the experiments share: the tools, runs that are not repeated, tables."""

import argparse
import json
import pathlib
import re
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPES = ROOT / "models/recipes"


class Tools:
    """pcc and pcx-run with a folder for everything that they write."""

    def __init__(self, options: argparse.Namespace, name: str):
        self.pcc = f"{options.build}/bin/pcc"
        self.pcx_run = f"{options.build}/bin/pcx-run"
        self.threads = str(options.threads)
        self.folder = pathlib.Path(options.logs) / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pictures = pathlib.Path(options.pictures or self.folder)
        self.pictures.mkdir(parents=True, exist_ok=True)

    def run(self, *arguments) -> str:
        command = [str(argument) for argument in arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"failed with {done.returncode}: {shlex.join(command)}")
        return done.stdout

    def compile(self, model: str, *flags: str) -> pathlib.Path:
        """Compiles a model of models/; flags are part of the artifact's name."""
        name = "".join(part for flag in flags
                       for part in re.findall(r"[\w.=]+", flag))
        stem = pathlib.Path(model).stem
        artifact = self.folder / f"{stem}{'-' if name else ''}{name}.pcx"
        self.run(self.pcc, ROOT / model, *flags, "-o", artifact)
        return artifact

    def compile_recipe(self, recipe: pathlib.Path) -> pathlib.Path:
        """Compiles as the line `pcc ...` in the recipe's comment says."""
        line = re.search(r"^#\s+pcc (\S+)(.*) -o ", recipe.read_text(), re.M)
        if not line:
            sys.exit(f"{recipe}: expected a line '# pcc MODEL ... -o FILE'")
        return self.compile(line[1], *line[2].split())

    def train(self, artifact: pathlib.Path, name: str, *flags) -> list[dict]:
        """Trains and returns the log, a dictionary an epoch.

        The parameters are then in NAME.safetensors. A run that has ended is not
        repeated, and one that was cut short goes on.
        """
        done = self.folder / f"{name}.done"
        log = self.folder / f"{name}.jsonl"
        saved = self.folder / f"{name}.safetensors"
        if not done.exists():
            log.unlink(missing_ok=True)
            self.run(self.pcx_run, "train", artifact, *flags, "--threads",
                     self.threads, "--quiet", "--log", log, "--save", saved)
            done.touch()
        return [json.loads(line) for line in log.read_text().splitlines()
                if '"epoch"' in line]

    def try_train(self, artifact: pathlib.Path, name: str, epochs: int,
                  *flags) -> list[dict] | None:
        """As train(), or None where training ended early.

        Rates that are too large end in NaN, which is a result.
        """
        done = self.folder / f"{name}.done"
        log = self.folder / f"{name}.jsonl"
        if not done.exists():
            log.unlink(missing_ok=True)
            command = [self.pcx_run, "train", artifact, "--epochs", epochs, *flags,
                       "--train-accuracy-samples", 0, "--threads", self.threads,
                       "--quiet", "--log", log]
            ended = subprocess.run([str(part) for part in command],
                                   capture_output=True, text=True)
            done.write_text(ended.stderr)
        lines = [json.loads(line) for line in log.read_text().splitlines()
                 if '"test_accuracy"' in line] if log.exists() else []
        return lines if len(lines) == epochs else None

    def saved(self, name: str) -> pathlib.Path:
        return self.folder / f"{name}.safetensors"

    def execute(self, artifact: pathlib.Path, program: str, inputs: dict,
                *flags) -> dict:
        """Runs a program on arrays, in as many calls as its batch needs."""
        import numpy as np

        limit = int(json.loads(self.run(self.pcx_run, "inspect", artifact,
                                        "--json"))["max_batch"])
        rows = len(next(iter(inputs.values())))
        given, result = self.folder / "in.npz", self.folder / "out.npz"
        parts = []
        for first in range(0, rows, limit):
            np.savez(given, **{key: value[first:first + limit]
                               for key, value in inputs.items()})
            arguments = [part for key in inputs
                         for part in ("--input", f"{key}={given}:{key}")]
            self.run(self.pcx_run, "exec", artifact, "--program", program,
                     *arguments, *flags, "--threads", self.threads, "--quiet",
                     "-o", result)
            with np.load(result) as archive:
                parts.append({key: archive[key] for key in archive
                              if not key.startswith("params/")})
        return {key: np.concatenate([np.atleast_1d(part[key])
                                     for part in parts]) for key in parts[0]}


def read_idx(path: pathlib.Path):
    """The array of an IDX file of bytes, .gz or not."""
    import gzip

    import numpy as np

    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        data = file.read()
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def images(folder: str, split: str):
    """Images [n, 784] in [0, 1] and labels of an IDX folder's split."""
    import numpy as np

    if folder == "fashion-mnist":
        folder = "/usr/share/datasets/fashion-mnist"
    names = {"train": ["train"], "test": ["t10k", "test"]}[split]
    for name in names:
        for path in sorted(pathlib.Path(folder).glob(f"*{name}-images-idx3*")):
            labels = path.with_name(path.name.replace("images-idx3",
                                                      "labels-idx1"))
            x = read_idx(path).reshape(-1, 784).astype(np.float32) / 255
            return x, read_idx(labels).astype(np.int64)
    sys.exit(f"{folder}: expected an IDX file of the {split} images")


def mean_and_error(values: list[float], digits: int = 2) -> str:
    """Mean with its standard error, or the value if it is the only one."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.{digits}f} ± {error:.{digits}f}"


def table(header: list[str], rows: list[list]) -> None:
    """Prints a Markdown table."""
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    sys.stdout.flush()
