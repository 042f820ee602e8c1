"""How much work a training step needs, from the equations.

Two FLOPs a multiply-add, matrix products alone. What exact elimination removes
is not counted, so that a share of the FMA peak says how well the remaining work
runs, not how much was executed.
"""

from cases import Case


def multiply_adds(case: Case) -> int:
    """Multiply-adds that one sample's training step needs.

    Layer l (from 0) has the product of its widths m[l]; `forward` is all
    predictions once, and so are all weight gradients; `back` is the feedback to
    all hidden states, which layer 0 has no part in, its input being clamped.
    """
    m = [a * b for a, b in zip(case.dims, case.dims[1:])]
    layers, steps = len(m), case.steps
    forward, back = sum(m), sum(m[1:])
    if case.algorithm == "bp":
        return forward + back + forward
    if case.algorithm == "ipc":
        # Step 0 after a forward initialisation has an error at the output alone:
        # one feedback, one weight gradient. From then on decay alone moves every
        # weight, and all predictions and weight gradients are new each step. The
        # last step's states are not read again.
        if case.init != "forward":
            raise ValueError("incremental PC is counted for a forward start")
        if steps == 1:
            return forward + m[-1]
        return (forward + m[-1] + m[-1]  # t = 0
                + (steps - 1) * (forward + forward)
                + (steps - 2) * back)
    if case.init == "zero":
        # Only the first prediction is a product at the start: all others see a
        # state of zeros. From then on every hidden state moves each step.
        return m[0] + steps * (back + back) + forward
    # The error moves one layer a step: feedback to the states that it has
    # reached, then the predictions whose parent moved. A weight gradient is zero
    # where the error has not arrived.
    total = forward
    for t in range(steps):
        first = max(1, layers - 1 - t)
        total += 2 * sum(m[first:])
    return total + sum(m[max(0, layers - 1 - steps):])


def needed_flops(case: Case) -> float:
    """FLOPs of one training step of a batch."""
    return 2.0 * multiply_adds(case) * case.batch


def self_check() -> None:
    """The figures of the paper's classifier: GFLOP in 468 steps of 128."""
    for algorithm, gflop in (("pc", 85.7), ("ipc", 266.3), ("bp", 36.3)):
        case = Case("", "", 1, algorithm=algorithm)
        counted = needed_flops(case) * 468 / 1e9
        assert abs(counted - gflop) < 0.05, (algorithm, counted)


if __name__ == "__main__":
    self_check()
