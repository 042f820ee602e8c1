"""What is measured: networks, algorithms and the sections of the report."""

from __future__ import annotations

import dataclasses
import os

MLP = (784, 128, 128, 128, 10)


@dataclasses.dataclass(frozen=True)
class Case:
    """One training step of one network, on so many threads.

    Layers are fully connected, each with its activation and a vode with the
    squared error; the last one has the output activation and is clamped to the
    label. Names of the numbers are those of models/mlp.pcir.
    """

    section: str
    label: str
    threads: int
    algorithm: str = "pc"  # pc, ipc or bp
    dims: tuple[int, ...] = MLP
    batch: int = 128
    steps: int = 8  # of inference, T
    activation: str = "leaky_relu"
    output_activation: str = "identity"
    init: str = "forward"  # or zero
    h_lr: float = 0.010534787245955935
    h_momentum: float = 0.65
    w_lr: float = 2.968930522737348e-4
    weight_decay: float = 3.550241114984682e-4
    images: bool = True  # Fashion-MNIST, where it is there; else noise
    batches: int = 468  # different ones, ready in memory

    @property
    def layers(self) -> int:
        return len(self.dims) - 1

    @property
    def key(self) -> str:
        """A name for files and results."""
        label = self.label.replace(" ", "").replace("=", "")
        return f"{self.section}-{label}-{self.threads}threads"

    def network(self) -> Case:
        """The same without what does not change the compiled program."""
        return dataclasses.replace(self, section="", label="", threads=0,
                                   images=False, batches=0)


def cpus() -> list[int]:
    """The processors that a benchmark may use."""
    return sorted(os.sched_getaffinity(0))


def mlp(threads: list[int]) -> list[Case]:
    """The paper's classifier under three algorithms."""
    return [Case("mlp", name.upper() if name != "ipc" else "iPC", count,
                 algorithm=name)
            for name in ("pc", "ipc", "bp") for count in threads]


def batch(threads: list[int]) -> list[Case]:
    """The same classifier, predictive coding, other batches."""
    return [Case("batch", f"B = {size}", count, batch=size,
                 batches=min(468, 59904 // size))
            for size in (1, 4, 16, 64, 512) for count in threads]


def steps(threads: list[int]) -> list[Case]:
    """The same classifier, predictive coding, other numbers of steps T."""
    return [Case("steps", f"T = {count}", max(threads), steps=count)
            for count in (1, 2, 4, 8, 16, 32, 64)]


def fig8(threads: list[int]) -> list[Case]:
    """The paper's Fig. 8: a small network that grows along one axis at a time.

    States start at zero, ReLU behind every layer, no momentum.
    """
    base = {"B": 32, "D": 64, "L": 2, "T": 8}
    cases = []
    for axis in base:
        for factor in range(1, 7):
            size = base | {axis: base[axis] * factor}
            cases.append(Case(
                "fig8", f"{axis} x{factor}", max(threads),
                dims=(size["D"],) * (size["L"] + 1), batch=size["B"],
                steps=size["T"], activation="relu", output_activation="relu",
                init="zero", h_lr=0.05, h_momentum=0.0, w_lr=1e-3,
                weight_decay=1e-4, images=False, batches=256))
    return cases


def width(threads: list[int]) -> list[Case]:
    """The same classifier, predictive coding, wider hidden layers."""
    return [Case("width", f"width {size}", max(threads),
                 dims=(784, size, size, size, 10), batches=count)
            for size, count in ((1024, 32), (2048, 8))]


def techniques(threads: list[int]) -> list[Case]:
    """What pcc does to be fast, left out one at a time."""
    sizes = (("", MLP, 468), (", width 1024", (784, 1024, 1024, 1024, 10), 32))
    return [Case("techniques", f"{title}{size}", min(threads), algorithm=name,
                 dims=dims, batches=batches)
            for size, dims, batches in sizes
            for name, title in (("pc", "PC"), ("ipc", "iPC"), ("bp", "BP"))]


def cores(threads: list[int]) -> list[Case]:
    """For the model of many cores, which one and two are measured for."""
    return [Case("cores", f"{title}, B = {size}", max(threads), algorithm=name,
                 batch=size, batches=59904 // size)
            for size in (128, 1024)
            for name, title in (("pc", "PC"), ("ipc", "iPC"), ("bp", "BP"))]


def start(threads: list[int]) -> list[Case]:
    """From the command to the first step: time, memory and size."""
    return [Case("start", name.upper() if name != "ipc" else "iPC",
                 max(threads), algorithm=name, batches=64)
            for name in ("pc", "ipc", "bp")]


SECTIONS = {function.__name__: function
            for function in (mlp, batch, steps, fig8, width, techniques, cores,
                             start)}


def select(names: list[str], threads: list[int], quick: bool) -> list[Case]:
    """The cases of the sections, or a few small ones of each."""
    cases = [case for name in names for case in SECTIONS[name](threads)]
    if quick:
        keep = {"B = 16", "T = 4", "B x1", "D x6", "L x6", "width 1024", "PC", "iPC",
                "BP"}
        cases = [dataclasses.replace(case, batches=min(case.batches, 64))
                 for case in cases if case.label in keep
                 and not (case.section in ("start", "techniques")
                          and case.label != "PC")]
    return cases
