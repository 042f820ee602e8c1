#!/usr/bin/env python3
"""Published experiments with predictive coding, one command each.

    benchmarks/experiments/run autoencoder --mnist FOLDER
    benchmarks/experiments/run stability
    benchmarks/experiments/run ood --mnist FOLDER --kmnist FOLDER ...
    benchmarks/experiments/run mcpc --mnist FOLDER
    benchmarks/experiments/run memory --tiny-imagenet FOLDER
    benchmarks/experiments/run shapes
    benchmarks/experiments/run mupc --mnist FOLDER

Each prints Markdown tables, as in docs/results.md, and draws pictures. What has
been trained is kept in the folder --logs and not trained again: delete it, or the
NAME.done of one run, to measure anew. The first call makes a virtual environment
with numpy, scipy, scikit-learn, matplotlib and pillow in build/.
"""

import argparse

import autoencoder
import mcpc
import memory
import mupc
import ood
import shapes
import stability
from common import ROOT

EXPERIMENTS = {"autoencoder": autoencoder, "stability": stability, "ood": ood,
               "mcpc": mcpc, "memory": memory, "shapes": shapes, "mupc": mupc}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="experiment", required=True)
    for name, module in EXPERIMENTS.items():
        command = commands.add_parser(
            name, help=module.__doc__.splitlines()[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        command.add_argument("--threads", type=int, default=0,
                             help="0 for one a CPU (%(default)s)")
        command.add_argument("--build", default=str(ROOT / "build/release"),
                             help="folder with bin/pcc and bin/pcx-run")
        command.add_argument("--logs", default=str(ROOT / "build/experiments"),
                             help="folder for logs and parameters")
        command.add_argument("--pictures", help="folder for pictures; by default "
                             "that of the logs")
        module.add_arguments(command)
    options = parser.parse_args()
    EXPERIMENTS[options.experiment].run(options)


if __name__ == "__main__":
    main()
