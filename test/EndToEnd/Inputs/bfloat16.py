"""Inputs for bfloat16.test, and how far apart gradients are.

  bfloat16.py write FOLDER           x.npy and y.npy, 37 samples; exact_x.npy,
                                     exact_y.npy and params.npz, of numbers that
                                     are exact in bfloat16
  bfloat16.py compare START A B LEAST MOST
                                     archives of pcx-run exec: of a step with
                                     rate 0, and of two with rate 1
  bfloat16.py outputs A B MOST       archives with an output "prediction"

`compare` prints for each weight the cosine of the two gradients START - A and
START - B and the largest difference, relative to the largest element. It fails
where a cosine is less than LEAST or a difference more than MOST, or where all are
exactly alike: the two were to be computed in different ways. `outputs` fails where
two predictions are further apart than MOST, relative to the largest, or exactly
alike.
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

    def exact(size):
        return [numbers.randrange(-64, 64) / 64 for _ in range(size)]

    for name, size in [("exact_x", 50), ("exact_y", 33)]:
        with open(f"{folder}/{name}.npy", "wb") as file:
            file.write(npy((SAMPLES, size), exact(SAMPLES * size)))
    with zipfile.ZipFile(f"{folder}/params.npz", "w") as archive:
        for name, rows, columns in [("fc1", 20, 50), ("fc2", 33, 20)]:
            archive.writestr(
                f"{name}.weight.npy", npy((rows, columns), exact(rows * columns))
            )


def weights(path):
    """The weights of an archive, by name."""
    result = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("params/") and name.endswith("weight.npy"):
                _, result[name] = read_npy(archive.read(name))
    return result


def outputs(first, second, most):
    a, b = [
        read_npy(zipfile.ZipFile(path).read("prediction.npy"))[1]
        for path in (first, second)
    ]
    difference = max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, a))
    print(f"prediction: difference {difference:.2e}")
    # NaN fails, too.
    if not 0 < difference <= most:
        sys.exit(f"expected a difference of {most}, but some")


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
elif sys.argv[1] == "outputs":
    outputs(*sys.argv[2:4], float(sys.argv[4]))
else:
    compare(*sys.argv[2:5], *map(float, sys.argv[5:7]))
