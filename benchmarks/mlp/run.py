#!/usr/bin/env python3
"""Side by side: pcc and PCX train the paper's MLP on the same machine.

Alternates blocks of both (each block is a fresh process that trains a few
epochs of Fashion-MNIST), measures the machine's FMA peak and core-to-core round
trip before each block, and writes a table: seconds an epoch, the ratio, the
share of the FMA peak. One-thread figures are steady; two-thread figures depend
on the round trip between the cores, so the best quartile of the blocks is given
beside the median.

    benchmarks/mlp/run                    # builds what it needs, makes its venv
    benchmarks/mlp/run --blocks 10 --threads 1 2 --algorithms pc
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SAMPLES, BATCH = 60000, 128
STEPS = SAMPLES // BATCH  # drop last, as PCX's scripts do
DIMS = (784, 128, 128, 128, 10)


def needed_flops(algorithm: str, steps: int = 8) -> float:
    """FLOPs of one epoch that exact elimination leaves, two a multiply-add.

    Counted from the equations, layer by layer: the forward pass once; at step t
    of the inference the products whose operands moved; the weight gradients.
    """
    macs = [a * b for a, b in zip(DIMS, DIMS[1:])]
    layers = len(macs)
    forward, back = sum(macs), sum(macs[1:])
    if algorithm == "bp":
        per_sample = forward + back + forward
    elif algorithm == "pc":
        per_sample = forward
        for t in range(steps):
            # Feedback into the hidden states that have an error above them...
            first = max(1, layers - 1 - t)
            per_sample += sum(macs[first:])
            # ...and the predictions whose parent moved.
            per_sample += sum(macs[first:])
        per_sample += forward  # weight gradients
    else:
        raise ValueError(algorithm)
    return 2.0 * per_sample * STEPS * BATCH


def run(command, **kwargs):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nfailed with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def make_environment(folder: pathlib.Path) -> pathlib.Path:
    """A virtual environment with PCX; returns its interpreter."""
    python = folder / "bin" / "python"
    if not python.exists():
        base = next((p for p in ("python3.13", "python3.12", "python3.11", sys.executable) if _exists(p)), None)
        run([base, "-m", "venv", folder])
        run([python, "-m", "pip", "install", "-q", "jax[cpu]", "equinox", "optax", "jaxtyping", "numpy", "tqdm"])
        run([python, "-m", "pip", "install", "-q", "--no-deps", "pcx"])
    return python


def _exists(program: str) -> bool:
    try:
        code = "import sys; sys.exit(sys.version_info < (3, 11))"
        return subprocess.run([program, "-c", code], capture_output=True).returncode == 0
    except OSError:
        return False


def pinned(threads: int):
    """The processors that both sides of a block may use."""
    cpus = sorted(os.sched_getaffinity(0))[:threads]
    return lambda: os.sched_setaffinity(0, cpus)


def time_pcc(args, artifact, threads, folder) -> list[float]:
    log = folder / "pcc.jsonl"
    log.unlink(missing_ok=True)
    run([args.build / "bin" / "pcx-run", "train", artifact, "--data", args.data, "--epochs", args.epochs + 1,
         "--batch", BATCH, "--drop-last", "--threads", threads, "--log", log, "--quiet"], preexec_fn=pinned(threads))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    seconds = [line["seconds"] for line in lines if "seconds" in line]
    return seconds[1:]


def time_pcx(args, python, algorithm, threads, folder) -> list[float]:
    out = folder / "pcx.json"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    run([python, HERE / "pcx_mlp.py", "--idx", args.data_folder, "--algo", algorithm, "--loop", args.loop,
         "--epochs", args.epochs + 1, "--json", out], env=environment, preexec_fn=pinned(threads))
    return [row["seconds"] for row in json.loads(out.read_text())["rows"]][1:]


def summary(values: list[float]) -> dict:
    values = sorted(values)
    quartile = values[: max(1, len(values) // 4)]
    return {"median": statistics.median(values), "best_quartile": statistics.mean(quartile),
            "min": values[0], "max": values[-1], "n": len(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="build folder with pcc and pcx-run")
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "build" / "benchmarks" / "venv")
    parser.add_argument("--blocks", type=int, default=10, help="interleaved blocks of each side")
    parser.add_argument("--epochs", type=int, default=2, help="timed epochs a block (one more is dropped)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, len(os.sched_getaffinity(0))])
    parser.add_argument("--algorithms", nargs="+", default=["pc"], choices=["pc", "bp"])
    parser.add_argument("--loop", default="scan", choices=["scan", "unroll"], help="PCX's T loop; scan is its faster one")
    parser.add_argument("--data", default="fashion-mnist", help="data set of pcx-run")
    parser.add_argument("--data-folder", default="/usr/share/datasets/fashion-mnist", help="the same as an IDX folder, for PCX")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "benchmarks" / "mlp.json")
    args = parser.parse_args()

    for tool in ("pcc", "pcx-run"):
        if not (args.build / "bin" / tool).exists():
            sys.exit(f"{args.build / 'bin' / tool} is missing: cmake --preset release && cmake --build --preset release")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    python = make_environment(args.venv)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        machine = folder / "machine"
        compiler = next(c for c in ("clang++-22", "clang++", "g++") if subprocess.run(["which", c], capture_output=True).returncode == 0)
        run([compiler, "-std=c++20", "-O3", "-march=native", "-pthread", HERE / "machine.cpp", "-o", machine])
        for algorithm in args.algorithms:
            artifact = folder / f"{algorithm}.pcx"
            source = HERE.parent.parent / "models" / ("mlp.pcir" if algorithm == "pc" else "mlp_bp.pcir")
            run([args.build / "bin" / "pcc", source, "-o", artifact, "--batch", BATCH, "--mcpu=native"])
            for threads in sorted(set(args.threads)):
                ours, theirs, peaks, trips = [], [], [], []
                for block in range(args.blocks):
                    facts = json.loads(run([machine, threads]))
                    peaks.append(facts["peak_gflops"][threads - 1])
                    trips.append(facts["round_trip_ns"])
                    ours.append(statistics.median(time_pcc(args, artifact, threads, folder)))
                    theirs.append(statistics.median(time_pcx(args, python, algorithm, threads, folder)))
                    print(f"{algorithm}, {threads} thread(s), block {block + 1}/{args.blocks}: pcc {ours[-1]:.3f} s, "
                          f"PCX {theirs[-1]:.3f} s an epoch, peak {peaks[-1]:.0f} GFLOP/s, round trip {trips[-1]:.0f} ns", flush=True)
                peak = statistics.median(peaks)
                rows.append({"algorithm": algorithm, "threads": threads, "pcc": summary(ours), "pcx": summary(theirs),
                             "ratio": statistics.median(t / o for t, o in zip(theirs, ours)), "peak_gflops": peak,
                             "round_trip_ns": summary(trips), "flops": needed_flops(algorithm)})
    result = {"machine": platform.processor() or platform.machine(), "cpu": cpu_name(), "rows": rows}
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


def cpu_name() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def table(result: dict) -> str:
    lines = [f"CPU: {result['cpu']}", "",
             "| algorithm | threads | pcc s/epoch, median (best quartile) | PCX s/epoch | ratio | pcc GFLOP/s | share of FMA peak | round trip |",
             "|---|---|---|---|---|---|---|---|"]
    for row in result["rows"]:
        rate = row["flops"] / row["pcc"]["median"] / 1e9
        lines.append(f"| {row['algorithm']} | {row['threads']} | {row['pcc']['median']:.3f} ({row['pcc']['best_quartile']:.3f}) "
                     f"| {row['pcx']['median']:.3f} ({row['pcx']['best_quartile']:.3f}) | {row['ratio']:.2f}x | {rate:.0f} "
                     f"| {100 * rate / row['peak_gflops']:.0f} % of {row['peak_gflops']:.0f} | {row['round_trip_ns']['median']:.0f} ns |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
