"""What many cores would do: a model of a step, checked on the cores here.

A step is a sequence of stages, each a loop over tasks that ends with all threads
meeting (docs/architecture.md). On n cores it takes, for each run of a stage,

    work / share(n)  +  meeting(n)  +  exchange(n)

where work is the stage's time on one core, measured; share(n) is how many tasks
the busiest core has, of all; meeting(n) is what leaving the loop costs, a cache
line that every core takes in turn; and exchange(n) is the time in which a core
reads what the others have written: all weights where a stage of samples begins,
what the samples left behind where one of parameters does.

The speed of that exchange, one number, is fitted to what two cores gain at the
first batch size; the gains at the other one are then predictions, which the report
puts beside what was measured. Cores beyond those here are a calculation with the
constants below.
"""

from __future__ import annotations

import dataclasses
import math
import re

from cases import Case
from contenders import Pcc, Workshop
from process import run

# Kernels take whole tiles of eight samples (lib/Codegen/CPU/KernelEmitter.cpp),
# and a stage of parameters has up to sixty-four tasks (EmitCPU.cpp).
TILE_ROWS = 8
# Of a server with two sockets, each a node of memory: what a line and a byte from
# the other node are taken to cost, times those from the own one.
REMOTE_LINE, REMOTE_BYTE = 3.0, 3.0


@dataclasses.dataclass
class Stage:
    name: str
    runs: float  # a step
    seconds: float  # a run, on one core
    tasks: int

    @property
    def of_samples(self) -> bool:
        return self.name.startswith("samples")


def read_stages(text: str) -> list[Stage]:
    """The stages of a profile on one thread, per call."""
    calls = int(re.search(r"^profile of .*: (\d+) calls", text, re.M)[1])
    lines = text[text.index("\n  stage "):].splitlines()[2:]
    stages = []
    for fields in map(str.split, lines):
        if fields[0].startswith("("):
            break
        stages.append(Stage(fields[0], int(fields[1]) / calls,
                            float(fields[2]) * 1e-6, int(fields[7])))
    return stages


def predict(case: Case, stages: list[Stage], cores: int, line: float,
            bandwidth: float, nodes: int = 1) -> dict[str, float]:
    """Seconds of a step on `cores`, by cause.

    `line` is the time in which a cache line goes from one core to another,
    `bandwidth` in bytes a second what a core reads of others' caches.
    """
    # Of what others wrote, so much is in another node.
    remote = 1 - 1 / nodes
    line *= 1 + remote * (REMOTE_LINE - 1)
    byte = (1 + remote * (REMOTE_BYTE - 1)) / bandwidth
    weights = 4 * sum(a * b for a, b in zip(case.dims, case.dims[1:]))
    # States and errors of all vodes, and the input.
    left = 4 * case.batch * (case.dims[0] + 2 * sum(case.dims[1:]))
    found = {"work": 0.0, "uneven": 0.0, "meeting": 0.0, "exchange": 0.0}
    for stage in stages:
        tasks = (math.ceil(case.batch / TILE_ROWS) if stage.of_samples
                 else stage.tasks)
        used = min(cores, tasks)
        found["work"] += stage.runs * stage.seconds / cores
        found["uneven"] += stage.runs * stage.seconds * (
            math.ceil(tasks / used) / tasks - 1 / cores)
        if cores > 1:
            found["meeting"] += stage.runs * line * cores
            others = 1 - 1 / used
            found["exchange"] += stage.runs * byte * others * (
                weights if stage.of_samples else left / math.sqrt(used))
    return found


def measure_cores(case: Case, counts: list[int], blocks: int, budget: float,
                  shop: Workshop) -> dict:
    """Times of a step on the numbers of threads, and its stages on one."""
    shop.prepare(case)
    own = Pcc(case, shop)
    found = shop.bench([own.artifact], case, counts, blocks, budget)
    text = run([own.program, "train", own.artifact, "--data", shop.data, "--epochs",
                1, "--batch", case.batch, "--drop-last", "--train-accuracy-samples",
                0, "--params", shop.parameters, "--threads", 1, "--profile"],
               threads=1, messages=True)
    return {"case": dataclasses.asdict(case), "key": case.key, "missing": {},
            "versions": {"pcc": own.versions},
            "stages": [dataclasses.asdict(stage) for stage in read_stages(text)],
            "line_s": found["machine"]["round_trip_seconds"] / 2,
            "step_s": {str(row["threads"]): {"median": row["median"],
                                             "best_quartile": row["best_quartile"]}
                       for row in found["rows"]},
            "speedup": {str(row["threads"]): row["speedup_by_threads"]
                        for row in found["rows"] if "speedup_by_threads" in row}}


def parts(row: dict, cores: int, bandwidth: float) -> dict[str, float]:
    """Seconds of a step on so many cores, by cause; beyond 32 on two nodes."""
    case = Case(**row["case"] | {"dims": tuple(row["case"]["dims"])})
    stages = [Stage(**stage) for stage in row["stages"]]
    # The profile may have run at another speed than the step on one thread.
    scale = (row["step_s"]["1"]["best_quartile"]
             / sum(stage.runs * stage.seconds for stage in stages))
    found = predict(case, stages, cores, row["line_s"], bandwidth,
                    nodes=2 if cores > 32 else 1)
    return {cause: scale * seconds for cause, seconds in found.items()}


def speedup(row: dict, cores: int, bandwidth: float) -> float:
    """How many times as fast as on one core a step is on so many."""
    time = lambda count: sum(parts(row, count, bandwidth).values())
    return time(1) / time(cores)


def fit_bandwidth(rows: list[dict]) -> float:
    """Bytes a second with which two cores are as fast as measured.

    Over the cases of the first batch size; the others check it.
    """
    def error(bandwidth: float) -> float:
        return sum(math.log(speedup(row, 2, bandwidth) / row["speedup"]["2"])
                   for row in rows if is_fitted(row, rows))

    low, high = 1e8, 1e12
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if error(middle) < 0 else (low, middle)
    return low


def is_fitted(row: dict, rows: list[dict]) -> bool:
    return row["case"]["batch"] == rows[0]["case"]["batch"]
