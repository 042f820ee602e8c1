"""Options that benchmarks/run and benchmarks/gpu have in common."""

from __future__ import annotations

import argparse
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def add_options(parser: argparse.ArgumentParser, output: str, quick: str) -> None:
    """How long, with what and where to; `output` and, of a quick run, `quick` are
    the folders of results that `complete` chooses."""
    parser.add_argument("--blocks", type=int, help="blocks of a case (10; quick 2)")
    parser.add_argument("--seconds", type=float,
                        help="length of a block (0.5; quick 0.1)")
    parser.add_argument("--quick", action="store_true", help="a few small cases")
    parser.add_argument("--timeout", type=float, default=600,
                        help="seconds for an answer of a peer (%(default)s)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release",
                        help="folder with bin/pcc and bin/pcx-run (build/release, "
                        "which is built first)")
    parser.add_argument("--output", type=pathlib.Path,
                        help=f"folder of results ({output}; quick {quick})")


def complete(options: argparse.Namespace, output: str, quick: str) -> None:
    """Chooses what was left out."""
    options.output = options.output or ROOT / (quick if options.quick else output)
    options.blocks = options.blocks or (2 if options.quick else 10)
    options.seconds = options.seconds or (0.1 if options.quick else 0.5)
