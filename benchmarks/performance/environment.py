#!/usr/bin/env python3
"""Makes the virtual environment in which the other libraries run.

    python3 environment.py FOLDER [--cuda]

With --cuda those that run on a GPU. A library that cannot be installed is left out with a word: the benchmarks then
say so where its figures would be.
"""

import pathlib
import subprocess
import sys

# What the harness itself needs; without it nothing can be measured.
NEEDED = [["numpy", "matplotlib"]]
TORCH_CPU = "https://download.pytorch.org/whl/cpu"
# Name, and the commands that install it; the alternatives are tried in order.
PEERS: list[tuple[str, list[list[list[str]]]]] = [
    ("PCX", [[["jax[cpu]", "equinox", "optax", "jaxtyping", "tqdm"],
              ["--no-deps", "pcx"]]]),
    ("FabricPC", [[["jax[cpu]", "optax", "jaxtyping", "tqdm"],
                   ["--no-deps", "fabricpc"]]]),
    ("OpenBLAS", [[["scipy-openblas32"]]]),
    ("MKL", [[["mkl-devel"]]]),
    ("PyTorch", [[["--retries", "0", "--timeout", "20", "--index-url",
                   TORCH_CPU, "torch"]],
                 [["torch"]]]),
]

CUDA_PEERS: list[tuple[str, list[list[list[str]]]]] = [
    ("PCX", [[["jax[cuda12]", "equinox", "optax", "jaxtyping", "tqdm"],
              ["--no-deps", "pcx"]]]),
    ("PyTorch", [[["torch"]]]),
]


def base_interpreter() -> str:
    """A Python that the libraries support: 3.11 or later."""
    for name in ("python3.13", "python3.12", "python3.11", sys.executable):
        code = "import sys; sys.exit(sys.version_info < (3, 11))"
        try:
            if not subprocess.run([name, "-c", code], capture_output=True).returncode:
                return name
        except OSError:
            continue
    sys.exit("error: the benchmarks need Python 3.11 or later")


def install(python: pathlib.Path, arguments: list[str]) -> subprocess.CompletedProcess:
    command = [str(python), "-m", "pip", "install", "--quiet",
               "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    peers = CUDA_PEERS if "--cuda" in sys.argv[2:] else PEERS
    python, ready = folder / "bin/python", folder / "ready"
    if ready.exists():
        return
    print(f"making {folder}, once", flush=True)
    subprocess.run([base_interpreter(), "-m", "venv", str(folder)], check=True)
    for arguments in NEEDED:
        done = install(python, arguments)
        if done.returncode:
            sys.exit(f"error: pip install {' '.join(arguments)}\n{done.stderr}")
    for name, alternatives in peers:
        for steps in alternatives:
            failed = next((done for step in steps
                           if (done := install(python, step)).returncode), None)
            if failed is None:
                break
        else:
            print(f"{name} is left out: {failed.stderr.strip().splitlines()[-1]}")
    ready.touch()


if __name__ == "__main__":
    main()
