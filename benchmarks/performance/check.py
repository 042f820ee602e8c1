"""Whether all contenders do the same work: their first step beside pcc's."""

from __future__ import annotations

import dataclasses

import numpy as np

from cases import Case
from contenders import KINDS, Workshop
from process import Failed

# float32 in another order of additions. The first step of Adam is close to
# rate * sign(gradient): where a gradient is nearly zero its direction is rounding,
# so a few weights may be off by the step, and the others must agree closely.
# With the benchmark's rates the first layer's whole error is hardly more than
# rounding; these keep it well above.
RATES = {"h_lr": 0.2, "weight_decay": 30.0}
ENERGY_TOLERANCE = 2e-5  # a weight step
WEIGHT_TOLERANCE = 0.02  # of one step of the rate
OUTLIERS = 2e-3  # share of the weights


def first_step_agrees(case: Case, found: dict, expected: dict) -> str:
    """What differs, or nothing."""
    moves = case.steps if case.algorithm == "ipc" else 1
    if "energy" in found:
        ours, theirs = float(expected["energy"]), float(found["energy"])
        if not abs(ours - theirs) <= ENERGY_TOLERANCE * moves * max(abs(ours), 1e-3):
            return f"energy {theirs:.8g} instead of {ours:.8g}"
    for name, array in expected.items():
        if name == "energy":
            continue
        off = np.abs(found[name] - array) > WEIGHT_TOLERANCE * case.w_lr * moves
        share = float(np.mean(off))
        if not np.all(np.isfinite(found[name])) or share > OUTLIERS:
            return f"{100 * share:.2g} % of {name} differ"
    return ""


def check(cases: list[Case], names: dict[str, list[str]], shop: Workshop
          ) -> list[str]:
    """Checks the contenders of each section; returns what is wrong."""
    wrong, seen = [], set()
    for case in cases:
        case = dataclasses.replace(case, batches=1, **RATES)
        key = (case.network(), case.threads, *names[case.section])
        if key in seen:
            continue
        seen.add(key)
        shop.prepare(case)
        expected = KINDS["pcc"].make(case, shop, "pcc").first_step()
        for name in names[case.section]:
            if name == "pcc":
                continue
            where = (f"{case.section} {case.label}, {case.algorithm}, "
                     f"{case.threads} thread(s), {name}")
            if reason := KINDS[name].refuses(case):
                print(f"{where}: left out, {reason}", flush=True)
                continue
            try:
                contender = KINDS[name].make(case, shop, f"{name}-check")
            except Failed as failed:
                print(f"{where}: left out, {failed}", flush=True)
                continue
            try:
                difference = first_step_agrees(case, contender.first_step(), expected)
            except Failed as failed:
                difference = str(failed)
            finally:
                contender.close()
            print(f"{where}: {difference or 'agrees'}", flush=True)
            if difference:
                wrong.append(f"{where}: {difference}")
    return wrong
