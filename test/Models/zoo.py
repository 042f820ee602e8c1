"""Runs pc-opt on every model of the zoo and compares the zoo with its README.

usage: zoo.py PC-OPT MODELS
"""

import pathlib
import subprocess
import sys


def main(pc_opt, models):
    readme = (models / "README.md").read_text()
    problems = []
    files = sorted(models.glob("*.pcir"))
    for file in files:
        for arguments in (["--verify-roundtrip"], ["--pc-to-simplified-pipeline"]):
            run = subprocess.run(
                [pc_opt, str(file), *arguments], capture_output=True, text=True
            )
            if run.returncode != 0:
                problems.append(f"{file.name} {arguments}:\n{run.stderr}")
            for program in ("@train", "@evaluate"):
                if program not in run.stdout:
                    problems.append(f"{file.name} {arguments}: no {program}")
    for file in files + sorted(models.glob("recipes/*.toml")):
        name = str(file.relative_to(models))
        if f"`{name}`" not in readme:
            problems.append(f"README.md does not list {name}")
    if not files:
        problems.append(f"no models in {models}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
