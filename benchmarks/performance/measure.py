"""Measuring: blocks of all contenders in turn, and what comes of them."""

from __future__ import annotations

import dataclasses
import statistics

from cases import Case
from contenders import KINDS, Contender, Workshop
from flops import needed_flops
from machine import Machine
from process import Failed


def summary(values: list[float]) -> dict:
    """Median with its spread; the best quartile for what is disturbed."""
    ordered = sorted(values)
    best = ordered[:max(1, len(ordered) // 4)]
    quartiles = (statistics.quantiles(ordered, n=4) if len(ordered) > 1
                 else [ordered[0]] * 3)
    return {"median": statistics.median(ordered), "low": quartiles[0],
            "high": quartiles[2], "best_quartile": statistics.mean(best),
            "min": ordered[0], "max": ordered[-1], "blocks": len(ordered)}


def build(case: Case, names: list[str], shop: Workshop,
          ready: dict[str, Contender]) -> dict[str, str]:
    """Makes all contenders that can train the case; says why others cannot."""
    reasons: dict[str, str] = {}
    for name in names:
        if reason := KINDS[name].refuses(case):
            reasons[name] = reason
            continue
        try:
            ready[name] = KINDS[name].make(case, shop, name)
        except Failed as failed:
            reasons[name] = str(failed)
    return reasons


def measure(case: Case, names: list[str], blocks: int, budget: float,
            shop: Workshop, machine: Machine, own: str = "pcc") -> dict:
    """Times a case: each block asks every contender once, in rotating order."""
    shop.prepare(case)
    contenders: dict[str, Contender] = {}
    peaks, trips = [], []
    try:
        reasons = build(case, names, shop, contenders)
        times: dict[str, list[float]] = {name: [] for name in contenders}
        # One block that does not count: compilation, caches, step sizes.
        for name in list(contenders):
            try:
                contenders[name].step_seconds(min(budget, 0.2))
            except Failed as failed:
                reasons[name] = str(failed)
                contenders.pop(name).close()
                times.pop(name)
        for block in range(blocks):
            peak, trip = machine.now(case.threads)
            peaks.append(peak)
            trips.append(trip)
            order = list(contenders)
            shift = block % max(1, len(order))
            for name in order[shift:] + order[:shift]:
                times[name].append(contenders[name].step_seconds(budget))
    finally:
        for contender in contenders.values():
            contender.close()
    return summarised(case, contenders, reasons, times, peaks, trips, own)


def measure_variants(case: Case, names: list[str], blocks: int, budget: float,
                     shop: Workshop) -> dict:
    """Times variants of pcc in one process.

    They differ by less than the speed of many a machine changes within seconds.
    """
    shop.prepare(case)
    contenders: dict[str, Contender] = {}
    reasons = build(case, names, shop, contenders)
    found = shop.bench([contender.artifact for contender in contenders.values()],
                       case, [case.threads], blocks, budget)
    times = {name: row["seconds"]
             for name, row in zip(contenders, found["rows"], strict=True)}
    machine = found["machine"]
    return summarised(case, contenders, reasons, times,
                      [speed["flops"] / 1e9 for speed in machine["speeds"]],
                      [1e9 * machine["round_trip_seconds"]])


def summarised(case: Case, contenders: dict[str, Contender], reasons: dict[str, str],
               times: dict[str, list[float]], peaks: list[float],
               trips: list[float], own: str = "pcc") -> dict:
    """What is kept of a case: medians, and ratios to pcc in the same blocks."""
    row = {"case": dataclasses.asdict(case), "key": case.key,
           "flops": needed_flops(case), "peak_gflops": summary(peaks),
           "round_trip_ns": summary(trips), "missing": reasons,
           "versions": {name: contender.versions
                        for name, contender in contenders.items()},
           "seconds": {name: summary(values) for name, values in times.items()},
           "blocks": times}
    if own in times:
        row["ratios"] = {
            name: summary([other / ours for other, ours in zip(values, times[own])])
            for name, values in times.items() if name != own}
    return row


def measure_start(case: Case, names: list[str], blocks: int, shop: Workshop) -> dict:
    """Compile time, time to the first step, memory and artifact size."""
    shop.prepare(case)
    found: dict[str, list[dict]] = {}
    reasons: dict[str, str] = {}
    versions: dict[str, str] = {}
    for block in range(blocks):
        for name in names:
            if name in reasons:
                continue
            if reason := KINDS[name].refuses(case):
                reasons[name] = reason
                continue
            try:
                shop.forget_caches()
                contender = KINDS[name].make(case, shop, name)
                versions[name] = contender.versions
                try:
                    found.setdefault(name, []).append(contender.start())
                finally:
                    contender.close()
            except Failed as failed:
                reasons[name] = str(failed)
    return {"case": dataclasses.asdict(case), "key": case.key, "missing": reasons,
            "versions": versions,
            "start": {name: {key: summary([row[key] for row in rows])
                             for key in rows[0]}
                      for name, rows in found.items()}}
