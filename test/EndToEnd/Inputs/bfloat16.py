"""Inputs for bfloat16.test, and how far apart gradients are.

  bfloat16.py write FOLDER           x.npy and y.npy, 37 samples
  bfloat16.py compare START A B LEAST MOST
                                     archives of pcx-run exec: of a step with
                                     rate 0, and of two with rate 1

Prints for each weight the cosine of the two gradients START - A and START - B
and the largest difference, relative to the largest element. Fails where a cosine
is less than LEAST or a difference more than MOST, or where all are exactly
alike: the two were to be computed in different ways.
"""

import math
import random
import sys
import zipfile

from arrays import npy, read_npy

SAMPLES = 37


def write(folder):
    numbers = random.Random(1)
    for name, size in [("x", 50), ("y", 10)]:
        values = [numbers.uniform(-1, 1) for _ in range(SAMPLES * size)]
        with open(f"{folder}/{name}.npy", "wb") as file:
            file.write(npy((SAMPLES, size), values))


def weights(path):
    """The weights of an archive, by name."""
    result = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("params/") and name.endswith("weight.npy"):
                _, result[name] = read_npy(archive.read(name))
    return result


def compare(start, first, second, least, most):
    start, first, second = weights(start), weights(first), weights(second)
    assert start, "no weights"
    largest = 0.0
    for name, values in start.items():
        a = [x - y for x, y in zip(values, first[name])]
        b = [x - y for x, y in zip(values, second[name])]
        norms = math.sqrt(sum(x * x for x in a) * sum(x * x for x in b))
        cosine = sum(x * y for x, y in zip(a, b)) / norms
        difference = max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, a))
        print(f"{name}: cosine {cosine:.7f}, difference {difference:.2e}")
        # NaN fails, too.
        if not (cosine >= least and difference <= most):
            sys.exit(f"expected a cosine of {least} and a difference of {most}")
        largest = max(largest, difference)
    if largest == 0:
        sys.exit("the gradients are exactly alike")


if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    compare(*sys.argv[2:5], *map(float, sys.argv[5:7]))
