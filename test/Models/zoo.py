"""Runs pc-opt on every model of the zoo and compares the zoo with its README.

usage: zoo.py PC-OPT MODELS
"""

import pathlib
import re
import subprocess
import sys


def expand(text):
    """Names that a shell makes of `a{b,c}d`."""
    braces = re.search(r"\{([^{}]*)\}", text)
    if not braces:
        return [text]
    before, after = text[: braces.start()], text[braces.end() :]
    return [
        name
        for choice in braces[1].split(",")
        for name in expand(before + choice + after)
    ]


def main(pc_opt, models):
    readme = (models / "README.md").read_text()
    listed = {name for text in re.findall(r"`([^`]+)`", readme) for name in expand(text)}
    problems = []
    files = sorted(models.glob("*.pcir"))
    for file in files:
        for arguments in (["--verify-roundtrip"], ["--pc-to-simplified-pipeline"]):
            run = subprocess.run(
                [pc_opt, str(file), *arguments], capture_output=True, text=True
            )
            if run.returncode != 0:
                problems.append(f"{file.name} {arguments}:\n{run.stderr}")
            programs = re.findall(r"(?:pc\.program|func\.func) @(\w+)", run.stdout)
            # What a model that does not classify is for.
            uses = {"evaluate", "sample", "recall_mask"}
            if not uses.intersection(programs) or len(programs) < 2:
                problems.append(
                    f"{file.name} {arguments}: expected a program that trains and "
                    f"one of {sorted(uses)}, found {programs}"
                )
    for file in files + sorted(models.glob("recipes/*.toml")):
        name = str(file.relative_to(models))
        if name not in listed:
            problems.append(f"README.md does not list {name}")
    if not files:
        problems.append(f"no models in {models}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
