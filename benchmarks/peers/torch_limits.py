#!/usr/bin/env python3
"""What a GPU can do, measured with PyTorch: one line of JSON.

Products of large square matrices in float32 (fused multiply-adds), TF32 and
BF16 (tensor cores), in FLOP a second; a copy within the device's memory, in
bytes read and written a second. Each is the best of several.
"""

from __future__ import annotations

import json
import sys

import torch


def best_seconds(run, repeats: int) -> float:
    """Seconds of the fastest of so many runs, by the device's clock."""
    run()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return min(times)


def product_rate(size: int, dtype: torch.dtype, tf32: bool) -> float:
    torch.backends.cuda.matmul.allow_tf32 = tf32
    a, b = (torch.randn(size, size, device="cuda").to(dtype) for _ in range(2))
    result = torch.empty_like(a)
    return 2 * size ** 3 / best_seconds(lambda: torch.mm(a, b, out=result), 10)


def copy_rate(size: int) -> float:
    source = torch.zeros(size, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * size / best_seconds(lambda: target.copy_(source), 10)


def main() -> None:
    quick = "--quick" in sys.argv
    size, copied = (2048, 1 << 26) if quick else (8192, 1 << 30)
    print(json.dumps({
        "float32": product_rate(size, torch.float32, False),
        "tf32": product_rate(size, torch.float32, True),
        "bfloat16": product_rate(size, torch.bfloat16, False),
        "copy": copy_rate(copied),
        "torch": torch.__version__, "cuda": torch.version.cuda}))


if __name__ == "__main__":
    main()
