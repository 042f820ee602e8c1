"""The machine: what it is, and what it can do at the moment."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import re
import shutil

from cases import cpus
from process import Failed, run

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = [("avx512f", "AVX-512"), ("avx2", "AVX2"), ("fma", "FMA")]
LARGEST_ARRAYS = 1 << 31


class Machine:
    """Measures the peak and the round trip with a small program."""

    def __init__(self, folder: pathlib.Path):
        compiler = next((found for name in ("clang++-22", "clang++", "g++")
                         if (found := shutil.which(name))), None)
        if not compiler:
            raise Failed("no C++ compiler found")
        folder.mkdir(parents=True, exist_ok=True)
        self.program = folder / "machine"
        run([compiler, "-std=c++20", "-O3", "-march=native", "-pthread",
             HERE / "machine.cpp", "-o", self.program])

    def now(self, threads: int) -> tuple[float, float]:
        """FMA peak of so many threads, GFLOP/s, and the round trip, ns."""
        facts = json.loads(run([self.program, threads]))
        return facts["peak_gflops"][-1], facts["round_trip_ns"]

    def describe(self) -> dict:
        """What does not change while measuring."""
        caches = read_caches()
        # Four times the last level, so that arrays come from memory.
        size = min(LARGEST_ARRAYS, 4 * max(cache["bytes"] for cache in caches)
                   if caches else LARGEST_ARRAYS)
        facts = json.loads(run([self.program, len(cpus()), size]))
        return {"cpu": cpu_field("model name") or platform.machine(),
                "vectors": vectors(), "cores": len(cpus()), "caches": caches,
                "memory_gib": memory_gib(), "kernel": platform.release(),
                "virtual": "hypervisor" in cpu_field("flags").split(),
                "peak_gflops": facts["peak_gflops"],
                "bandwidth_gbs": facts["bandwidth_gbs"],
                "round_trip_ns": facts["round_trip_ns"]}


def cpu_field(name: str) -> str:
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.M)
    return found[1].strip() if found else ""


def vectors() -> str:
    flags = cpu_field("flags").split()
    found = [title for flag, title in VECTORS if flag in flags]
    return found[0] if found else "no AVX"


def read_caches() -> list[dict]:
    """Data caches of the first processor."""
    result = []
    folder = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpus()[0]}/cache")
    for entry in sorted(folder.glob("index*")):
        read = lambda name: (entry / name).read_text().strip()
        try:
            if read("type") == "Instruction":
                continue
            number, unit = re.match(r"(\d+)([KM]?)", read("size")).groups()
            size = int(number) << {"": 0, "K": 10, "M": 20}[unit]
            shared = len(expand(read("shared_cpu_list")))
            result.append({"level": int(read("level")), "bytes": size,
                           "shared_by": shared})
        except (OSError, AttributeError):
            continue
    return result


def expand(ranges: str) -> list[int]:
    """0-3,8 as numbers."""
    result: list[int] = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        result += range(int(first), int(last or first) + 1)
    return result


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30)
