"""The GPU: whether there is one, what it is, and what it can do."""

from __future__ import annotations

import ctypes
import json
import pathlib
import statistics
import sys

PEERS = pathlib.Path(__file__).resolve().parent.parent / "peers"
# What nvidia-smi calls them.
FACTS = {"name": "card", "driver_version": "driver", "memory.total": "memory",
         "power.limit": "power limit", "clocks.max.sm": "largest clock",
         "clocks.max.mem": "memory's clock"}


def missing() -> str:
    """Why nothing can be measured here, or nothing."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"there is no CUDA driver on this machine ({error})"
    count = ctypes.c_int(0)
    result = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if result or count.value == 0:
        return ("there is no GPU on this machine that the CUDA driver can use (error "
                f"{result}; see nvidia-smi and CUDA_VISIBLE_DEVICES)")
    return ""


class GpuMachine:
    """Describes the card and reads its clock."""

    def __init__(self, quick: bool):
        self.quick = quick
        self.clocks: list[float] = []  # MHz, one for each block

    def query(self, fields: list[str]) -> list[str]:
        """What nvidia-smi says of the first card; empty where it is missing."""
        from process import Failed, run

        try:
            text = run(["nvidia-smi", f"--query-gpu={','.join(fields)}",
                        "--format=csv,noheader", "--id=0"])
        except (Failed, OSError):
            return []
        return [value.strip() for value in text.splitlines()[0].split(",")]

    def now(self, threads: int) -> tuple[float, float]:
        """Called before each block: takes the clock down.

        Where benchmarks/run measures the processor there is nothing to give: the
        card's limits are measured before and after all cases.
        """
        if values := self.query(["clocks.sm"]):
            self.clocks.append(float(values[0].split()[0]))
        return 0.0, 0.0

    def describe(self) -> dict:
        import machine

        values = self.query(list(FACTS))
        facts = dict(zip(FACTS.values(), values)) if values else {}
        return facts | {"cpu": machine.cpu_field("model name") or "unknown",
                        "cores": len(machine.cpus())}

    def limits(self) -> dict:
        """Rates of products and copies, or why there are none."""
        from process import Failed, run

        arguments = ["--quick"] if self.quick else []
        try:
            return json.loads(run([sys.executable, PEERS / "torch_limits.py",
                                   *arguments]))
        except Failed as failed:
            return {"missing": str(failed)}


def median_limits(found: list[dict]) -> dict:
    """Of the measurements before and after the cases."""
    whole = [limits for limits in found if "missing" not in limits]
    return {name: statistics.median(limits[name] for limits in whole)
            for name in ("float32", "tf32", "bfloat16", "copy")} if whole else {}
