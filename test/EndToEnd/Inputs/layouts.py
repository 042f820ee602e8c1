"""Arrays for layouts.test, and what one step of learning makes of them.

  layouts.py write FOLDER           x.npy, y.npy, params.npz, data.npz
  layouts.py npz FILE               checks an archive of pcx-run exec
  layouts.py safetensors FILE       checks a checkpoint

One linear layer without a bias, squared error, one sample: with u = W x the
gradient of W is -(y - u) x^T. SGD with momentum 1/2 and rate 1/4 from a trace
that is not zero. Every number is exact in f32.
"""

import struct
import sys
import zipfile

from arrays import npy, read_npy, read_safetensors

X = [1.0, 2.0, -1.0]
Y = [4.0, -8.0]
W = [[1.0, 2.0, 3.0], [-4.0, 5.0, 7.0]]
TRACE = [[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]

U = [sum(w * x for w, x in zip(row, X)) for row in W]
NEW_TRACE = [
    [0.5 * t - (y - u) * x for t, x in zip(row, X)]
    for row, y, u in zip(TRACE, Y, U)
]
NEW_W = [
    [w - 0.25 * t for w, t in zip(row, trace)] for row, trace in zip(W, NEW_TRACE)
]


def flat(rows):
    return [value for row in rows for value in row]


def write(folder):
    for name, shape, values in [("x", (1, 3), X), ("y", (1, 2), Y)]:
        with open(f"{folder}/{name}.npy", "wb") as file:
            file.write(npy(shape, values))
    with zipfile.ZipFile(f"{folder}/params.npz", "w") as archive:
        archive.writestr("fc.weight.npy", npy((2, 3), flat(W)))
        archive.writestr("sgd.trace.fc.weight.npy", npy((2, 3), flat(TRACE)))
    with zipfile.ZipFile(f"{folder}/data.npz", "w") as archive:
        archive.writestr("train_x.npy", npy((1, 3), X))
        archive.writestr("train_y.npy", npy((1, 2), Y))


def expect(what, found, shape, values):
    if found != (shape, values):
        sys.exit(f"{what}: expected {(shape, values)}, found {found}")


def check_npz(path):
    with zipfile.ZipFile(path) as archive:

        def array(name):
            return read_npy(archive.read(f"{name}.npy"))

        expect("u", array("u"), [1, 2], U)
        expect("weight", array("params/fc.weight"), [2, 3], flat(NEW_W))
        expect("trace", array("params/sgd.trace.fc.weight"), [2, 3], flat(NEW_TRACE))


def check_safetensors(path):
    arrays = read_safetensors(path)

    def array(name):
        _, shape, data = arrays[name]
        return shape, list(struct.unpack(f"<{len(data) // 4}f", data))

    # Training starts with a trace of zero.
    trace = [[-(y - u) * x for x in X] for y, u in zip(Y, U)]
    weight = [[w - 0.25 * t for w, t in zip(*rows)] for rows in zip(W, trace)]
    expect("weight", array("fc.weight"), [2, 3], flat(weight))
    expect("trace", array("sgd.trace.fc.weight"), [2, 3], flat(trace))


{"write": write, "npz": check_npz, "safetensors": check_safetensors}[sys.argv[1]](
    sys.argv[2]
)
