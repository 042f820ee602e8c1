"""Who is measured: pcc, the libraries beside it, and how each is run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import pathlib
import shutil
import sys
import time
from collections.abc import Callable

import numpy as np

import data
import networks
from cases import Case
from process import Dialogue, Failed, run, run_measured

HERE = pathlib.Path(__file__).resolve().parent
PEERS = HERE.parent / "peers"
LIBRARY = HERE.parent / "library/step.cpp"
CXX_FLAGS = ["-std=c++20", "-O3", "-march=native", "-mprefer-vector-width=512",
             "-fno-math-errno", "-fno-trapping-math", "-fopenmp"]


class Workshop:
    """Files that contenders share: parameters, data, compiled artifacts."""

    def __init__(self, folder: pathlib.Path, build: pathlib.Path, timeout: float):
        self.folder, self.build, self.timeout = folder, build, timeout
        self.python = sys.executable
        self.gpu_flags: tuple[str, ...] = ()  # more of them for PccOnGpu
        folder.mkdir(parents=True, exist_ok=True)
        self.data_of: tuple | None = None
        self.made: dict[tuple, pathlib.Path] = {}

    def prepare(self, case: Case) -> None:
        """Writes the case's first weights and batches for all forms of peers.

        Cases follow each other; only the files of the last one are kept.
        """
        parameters = data.parameters(case)
        np.savez(self.parameters, **parameters)
        flat = np.concatenate([array.ravel() for array in parameters.values()])
        flat.tofile(self.folder / "parameters.bin")
        key = (case.dims[0], case.dims[-1], case.batch, case.batches, case.images)
        if key != self.data_of:
            arrays = data.batches(case)
            np.savez(self.data, **arrays)
            for name, array in arrays.items():
                array.tofile(self.folder / f"{name}.bin")
            self.data_of = key

    def forget_caches(self) -> None:
        """Lets compilers of the libraries start from nothing."""
        shutil.rmtree(self.folder / "inductor", ignore_errors=True)

    @property
    def parameters(self) -> pathlib.Path:
        return self.folder / "parameters.npz"

    @property
    def data(self) -> pathlib.Path:
        return self.folder / "data.npz"

    def artifact(self, case: Case, flags: tuple[str, ...]) -> pathlib.Path:
        """The model of a case, compiled with the flags."""
        key = (case.network(), flags)
        if key not in self.made:
            source = self.folder / f"model{len(self.made)}.pcir"
            source.write_text(networks.pcir(case))
            artifact = source.with_suffix(".pcx")
            run([self.build / "bin/pcc", source, "-o", artifact,
                 f"--batch={case.batch}", *flags])
            self.made[key] = artifact
        return self.made[key]

    def bench(self, artifacts: list[pathlib.Path], case: Case, threads: list[int],
              blocks: int, budget: float) -> dict:
        """What pcx-run bench finds for artifacts on numbers of threads.

        Blocks are a tenth as long as those of processes that take turns, and ten
        times as many: what differs little needs close neighbours in time.
        """
        result = self.folder / "bench.json"
        run([self.build / "bin/pcx-run", "bench", *artifacts, "--threads",
             ",".join(map(str, threads)), "--batch", case.batch, "--blocks",
             10 * blocks, "--block-seconds", budget / 10, "--json", result,
             "--quiet"], threads=max(threads))
        return json.loads(result.read_text())

    def library(self, name: str) -> pathlib.Path:
        """The C++ program on a library, compiled where it is newer."""
        program = self.folder / f"step-{name}"
        if (not program.exists()
                or program.stat().st_mtime < LIBRARY.stat().st_mtime):
            compiler = shutil.which("g++") or shutil.which("c++")
            try:
                run([compiler, *CXX_FLAGS, f"-DUSE_{name.upper()}", LIBRARY, "-o",
                     program, *link_flags(name)])
            except Failed as failed:
                package = {"openblas": "libopenblas-dev", "onednn": "libdnnl-dev",
                           "mkl": "the Python package mkl-devel"}[name]
                raise Failed(f"does not compile; is {package} installed? "
                             f"({failed})") from None
        return program


def link_flags(name: str) -> list[str]:
    """Where a library is: in the virtual environment or in the system.

    A distribution's OpenBLAS may be too old to know the processor, and then
    falls back to kernels without AVX; the Python package is up to date.
    """
    prefix = pathlib.Path(sys.prefix)
    path = lambda folder: [f"-L{folder}", f"-Wl,-rpath,{folder}"]
    if name == "mkl":
        found = sorted((prefix / "lib").glob("libmkl_rt.so*"))
        link = [f"-l:{found[-1].name}"] if found else ["-lmkl_rt"]
        return [f"-I{prefix}/include", *path(prefix / "lib"), *link]
    if name == "openblas":
        with contextlib.suppress(ImportError):
            import scipy_openblas32 as package

            return ["-DOPENBLAS_OF_SCIPY", f"-I{package.get_include_dir()}",
                    *path(package.get_lib_dir()), "-lscipy_openblas"]
    return [{"openblas": "-lopenblas", "onednn": "-ldnnl"}[name]]


class Contender:
    """One side of a comparison, ready to train a case."""

    versions = ""

    def __init__(self, case: Case, shop: Workshop):
        self.case, self.shop = case, shop

    def step_seconds(self, budget: float) -> float:
        """Trains for about so many seconds; returns seconds a step."""
        raise NotImplementedError

    def first_step(self) -> dict[str, np.ndarray]:
        """Energy and weights after one step from the first weights."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends its processes."""


class Pcc(Contender):
    """pcc's artifact in pcx-run: a fresh process for every block.

    Counted is what `pcx-run train` logs as seconds of training: the loop over an
    epoch with the copying of every batch, not reading the data. Batches are in
    the order of the data, as those of the others, which are ready. The first
    epoch of each process is dropped.
    """

    def __init__(self, case, shop, flags: tuple[str, ...] = ("--mcpu=native",)):
        super().__init__(case, shop)
        self.program = shop.build / "bin/pcx-run"
        self.flags = flags
        self.artifact = shop.artifact(case, flags)
        self.versions = run([shop.build / "bin/pcc", "--version"]).split("\n")[0]
        self.epoch: float | None = None

    def command(self, epochs: int, log: pathlib.Path) -> list:
        return [self.program, "train", self.artifact, "--data", self.shop.data,
                "--epochs", epochs, "--batch", self.case.batch, "--drop-last",
                "--no-shuffle",
                "--train-accuracy-samples", 0, "--params", self.shop.parameters,
                "--threads", self.case.threads, "--log", log, "--quiet"]

    def step_seconds(self, budget):
        log = self.shop.folder / "pcc.jsonl"
        if self.epoch is None:
            self.epoch = self.train(2, log)[-1]
        epochs = max(1, min(10000, math.ceil(budget / self.epoch)))
        seconds = self.train(epochs + 1, log)[1:]
        return sum(seconds) / len(seconds) / self.case.batches

    def train(self, epochs: int, log: pathlib.Path) -> list[float]:
        log.unlink(missing_ok=True)
        run(self.command(epochs, log), threads=self.case.threads)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line["seconds"] for line in lines if "seconds" in line]

    def first_step(self, device="cpu"):
        with np.load(self.shop.data) as archive:
            batch = {name: archive[name][:self.case.batch] for name in archive}
        given, result = self.shop.folder / "in.npz", self.shop.folder / "out.npz"
        np.savez(given, **batch)
        run([self.program, "exec", self.artifact, "--params", self.shop.parameters,
             "--input", f"image={given}:image", "--input", f"label={given}:label",
             "--threads", self.case.threads, "--device", device, "-o", result,
             "--quiet"],
            threads=self.case.threads)
        with np.load(result) as archive:
            return {name.removeprefix("params/"): archive[name]
                    for name in archive
                    if name == "energy" or name.startswith("params/fc")}

    def start(self) -> dict[str, float]:
        """Seconds to compile and to train one step; memory and file sizes."""
        source = self.artifact.with_suffix(".pcir")
        fresh = self.shop.folder / "start.pcx"
        compile_seconds, compile_memory = run_measured(
            [self.shop.build / "bin/pcc", source, "-o", fresh,
             f"--batch={self.case.batch}", *self.flags], self.case.threads)
        log = self.shop.folder / "start.jsonl"
        first, _ = run_measured([*self.command(1, log), "--max-steps", 1],
                                self.case.threads)
        _, memory = run_measured(self.command(1, log), self.case.threads)
        return {"compile_s": compile_seconds, "first_step_s": first,
                "max_rss": memory, "compile_rss": compile_memory,
                "artifact_bytes": fresh.stat().st_size}


class Peer(Contender):
    """A persistent process that is asked for blocks of steps."""

    def __init__(self, case, shop, name: str):
        super().__init__(case, shop)
        self.name = name
        self.step: float | None = None
        self.began = time.perf_counter()
        self.dialogue = self.launch()
        self.ready = time.perf_counter() - self.began
        self.versions = self.dialogue.versions

    def launch(self) -> Dialogue:
        raise NotImplementedError

    def ask_steps(self, count: int) -> float:
        return self.dialogue.ask(f"run {count}")["seconds"] / count

    def step_seconds(self, budget):
        if self.step is None:
            self.ask_steps(1)  # compiles
            self.step = self.ask_steps(3)
            self.step = self.ask_steps(self.steps_in(min(budget, 0.3)))
        return self.ask_steps(self.steps_in(budget))

    def steps_in(self, budget: float) -> int:
        return max(1, min(1_000_000, round(budget / self.step)))

    def start(self) -> dict[str, float]:
        """Seconds to a first step with the compilation in it, and memory."""
        self.ask_steps(1)
        first = time.perf_counter() - self.began
        self.ask_steps(self.case.batches)
        memory = self.dialogue.ask("memory")["max_rss"]
        return {"first_step_s": first, "compile_s": first - self.ready,
                "max_rss": memory}

    def close(self):
        self.dialogue.close()


class PccOnGpu(Pcc):
    """The same on the first GPU; what is not for the device is as it was."""

    def __init__(self, case, shop, *flags: str):
        super().__init__(case, shop, ("--mcpu=native", "--target=cuda", *flags,
                                      *shop.gpu_flags))

    def command(self, epochs, log):
        return [*super().command(epochs, log), "--device", "cuda"]

    def first_step(self):
        return super().first_step("cuda")

    def trained(self, place: str) -> bytes:
        """All arrays after an epoch with the data on the device or the host."""
        saved = self.shop.folder / f"trained-{place}.safetensors"
        command = self.command(1, self.shop.folder / "trained.jsonl")
        run(["env", f"PCX_DEVICE_DATA={place}", *command, "--save", saved],
            threads=self.case.threads)
        data = saved.read_bytes()
        # The header has the time, too.
        return data[8 + int.from_bytes(data[:8], "little"):]


class PythonPeer(Peer):
    """A script of benchmarks/peers."""

    def __init__(self, case, shop, name, script: str, environment=(), **options):
        self.script, self.options = script, options
        self.environment = dict(environment)
        super().__init__(case, shop, name)

    def launch(self):
        given = self.shop.folder / f"{self.name}.json"
        given.write_text(json.dumps({
            "case": dataclasses.asdict(self.case), "options": self.options,
            "parameters": str(self.shop.parameters), "data": str(self.shop.data)}))
        return Dialogue(
            [self.shop.python, PEERS / self.script, given], self.case.threads,
            given.with_suffix(".log"), self.shop.timeout,
            TORCHINDUCTOR_CACHE_DIR=str(self.shop.folder / "inductor"),
            PYTHONDONTWRITEBYTECODE="1", **self.environment)

    def first_step(self):
        result = self.shop.folder / f"{self.name}.npz"
        self.dialogue.ask(f"check {result}")
        with np.load(result) as archive:
            return {name: archive[name] for name in archive}


class LibraryPeer(Peer):
    """benchmarks/library/step.cpp on OpenBLAS, MKL or oneDNN."""

    def __init__(self, case, shop, name, library: str, eliminate: bool):
        self.library, self.eliminate = library, eliminate
        super().__init__(case, shop, name)

    def launch(self):
        case, folder = self.case, self.shop.folder
        values = {"dims": ",".join(map(str, case.dims)),
                  "eliminate": int(self.eliminate),
                  "parameters": folder / "parameters.bin",
                  "images": folder / "image.bin", "labels": folder / "label.bin"}
        for name in ("algorithm", "batch", "steps", "threads", "init", "activation",
                     "output_activation", "h_lr", "h_momentum", "w_lr",
                     "weight_decay"):
            values[name] = getattr(case, name)
        return Dialogue([self.shop.library(self.library),
                         *(f"{key}={value}" for key, value in values.items())],
                        case.threads, folder / f"{self.name}.log",
                        self.shop.timeout, MKL_THREADING_LAYER="SEQUENTIAL",
                        MKL_INTERFACE_LAYER="LP64")

    def first_step(self):
        result = self.shop.folder / f"{self.name}.bin"
        self.dialogue.ask(f"check {result}")
        values = np.fromfile(result, np.float32)
        arrays, position = {"energy": values[0]}, 1
        for name, array in data.parameters(self.case).items():
            arrays[name] = values[position:position + array.size].reshape(array.shape)
            position += array.size
        return arrays


@dataclasses.dataclass(frozen=True)
class Kind:
    """A contender by name: what it is called and how it is made."""

    title: str
    make: Callable[[Case, Workshop, str], Contender]
    # Of steps times layers; unrolled graphs beyond compile for minutes.
    largest_depth: int = 10 ** 9
    # Where it is measured unless it is named; everywhere if empty.
    sections: tuple[str, ...] = ()

    def refuses(self, case: Case) -> str:
        depth = case.steps * case.layers if case.algorithm != "bp" else 0
        return ("its compilation takes minutes" if depth > self.largest_depth
                else "")


def python(script: str, **options):
    return lambda case, shop, name: PythonPeer(case, shop, name, script, **options)


def on_gpu(*flags: str):
    return lambda case, shop, name: PccOnGpu(case, shop, *flags)


def variant(*flags: str, mcpu: str = "native"):
    """pcc with something left out or chosen otherwise."""
    return lambda case, shop, name: Pcc(case, shop, (f"--mcpu={mcpu}", *flags))


def library(which: str, eliminate: bool):
    return lambda case, shop, name: LibraryPeer(case, shop, name, which, eliminate)


# JAX on the GPU, without most of its memory taken at once. Its own setting lets
# float32 products round their factors to TF32; "float32" does not.
JAX_CUDA = {"JAX_PLATFORMS": "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
JAX_FLOAT32 = JAX_CUDA | {"JAX_DEFAULT_MATMUL_PRECISION": "float32"}

KINDS: dict[str, Kind] = {
    "pcc": Kind("pcc", lambda case, shop, name: Pcc(case, shop)),
    "pcx": Kind("PCX, scan", python("pcx_peer.py", loop="scan")),
    "pcx-unrolled": Kind("PCX, unrolled", python("pcx_peer.py", loop="unroll"), 150),
    "fabricpc": Kind("FabricPC", python("fabricpc_peer.py")),
    "torch-eager": Kind("PyTorch by hand, eager", python(
        "torch_hand.py", compile=False, eliminate=True)),
    "torch-compile": Kind("PyTorch by hand, torch.compile", python(
        "torch_hand.py", compile=True, eliminate=True), 100),
    "torch-compile-plain": Kind("PyTorch by hand, torch.compile, nothing eliminated",
                                python("torch_hand.py", compile=True,
                                       eliminate=False), 100, ("mlp",)),
    "torch-autograd": Kind("PyTorch autograd", python("torch_autograd.py"),
                           sections=("mlp", "batch", "start")),
    "openblas": Kind("C++ on OpenBLAS", library("openblas", True)),
    "openblas-plain": Kind("C++ on OpenBLAS, nothing eliminated",
                           library("openblas", False), sections=("mlp",)),
    "mkl": Kind("C++ on MKL", library("mkl", True)),
    "mkl-plain": Kind("C++ on MKL, nothing eliminated", library("mkl", False),
                      sections=("mlp",)),
    "onednn": Kind("C++ on oneDNN", library("onednn", True)),
    "onednn-plain": Kind("C++ on oneDNN, nothing eliminated",
                         library("onednn", False), sections=("mlp",)),
    "pcc-whole": Kind("every step computed in full", variant(
        "--eliminate=false", "--without=hoist"), sections=("techniques",)),
    "pcc-peel-front": Kind("first steps not peeled", variant(
        "--without=peel-front"), sections=("techniques",)),
    "pcc-peel-last": Kind("last step not peeled", variant(
        "--without=peel-last"), sections=("techniques",)),
    "pcc-hoist": Kind("nothing moved out of the loop", variant(
        "--without=hoist"), sections=("techniques",)),
    "pcc-fuse": Kind("a kernel for each operation", variant(
        "--without=fuse"), sections=("techniques",)),
    "pcc-pack": Kind("weights by rows", variant(
        "--without=pack"), sections=("techniques",)),
    "pcc-block": Kind("the whole batch one block of samples", lambda case, shop,
                      name: Pcc(case, shop, ("--mcpu=native",
                                             f"--sample-block={case.batch}")),
                      sections=("techniques",)),
    "pcc-avx2": Kind("AVX2 (x86-64-v3) instead of the widest vectors", variant(
        mcpu="x86-64-v3"), sections=("techniques",)),
    # Of benchmarks/gpu alone, which names them.
    "pcc-gpu": Kind("pcc on the GPU", on_gpu(), sections=("gpu",)),
    "pcc-gpu-graph": Kind("pcc, a kernel for each group", on_gpu(
        "--gpu-strategy=graph"), sections=("gpu",)),
    "pcc-gpu-tf32": Kind("pcc, products in TF32", on_gpu("--precision=tf32"),
                         sections=("gpu",)),
    "pcc-gpu-bf16": Kind("pcc, products in BF16", on_gpu("--precision=bf16"),
                         sections=("gpu",)),
    "pcx-gpu": Kind("PCX on the GPU, scan, float32", python(
        "pcx_peer.py", loop="scan", environment=JAX_FLOAT32), sections=("gpu",)),
    "pcx-gpu-unrolled": Kind("PCX on the GPU, unrolled, float32", python(
        "pcx_peer.py", loop="unroll", environment=JAX_FLOAT32), 150, ("gpu",)),
    "pcx-gpu-tf32": Kind("PCX on the GPU, scan, products in TF32", python(
        "pcx_peer.py", loop="scan", environment=JAX_CUDA), sections=("gpu",)),
    "torch-graph": Kind("PyTorch by hand, a CUDA graph, float32", python(
        "torch_graph.py", eliminate=True), sections=("gpu",)),
}


# What --quick measures: one of each sort, none that compiles for long.
QUICK = ("pcc", "pcx", "fabricpc", "torch-eager", "openblas", "openblas-plain",
         "mkl", "onednn")


def default_names(section: str, quick: bool) -> list[str]:
    """Who is measured in a section."""
    if section in ("techniques", "cores"):
        return ["pcc", *(name for name, kind in KINDS.items()
                         if section in kind.sections)]
    return [name for name, kind in KINDS.items()
            if (not kind.sections or section in kind.sections)
            and (not quick or name in QUICK)]
