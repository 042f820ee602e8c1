"""The inputs of every contender: first weights and batches."""

from __future__ import annotations

import gzip
import pathlib

import numpy as np

from cases import Case

FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")


def parameters(case: Case) -> dict[str, np.ndarray]:
    """First weights, the same for all: uniform by the number of inputs."""
    random = np.random.default_rng(7)
    result = {}
    for i in range(1, case.layers + 1):
        rows, columns = case.dims[i], case.dims[i - 1]
        limit = columns ** -0.5
        for name, shape in ((f"fc{i}.weight", (rows, columns)),
                            (f"fc{i}.bias", (rows,))):
            result[name] = random.uniform(-limit, limit, shape).astype(np.float32)
    return result


def batches(case: Case) -> dict[str, np.ndarray]:
    """Inputs and labels of all batches, one behind the other."""
    count = case.batches * case.batch
    random = np.random.default_rng(11)
    if not case.images:
        return {name: random.standard_normal((count, size)).astype(np.float32)
                for name, size in (("image", case.dims[0]),
                                   ("label", case.dims[-1]))}
    if (FASHION_MNIST / "train-images-idx3-ubyte.gz").exists():
        pixels = read_idx("train-images-idx3-ubyte.gz")[:count].reshape(count, -1)
        classes = read_idx("train-labels-idx1-ubyte.gz")[:count]
        image = (pixels.astype(np.float32) / 255 - 0.5) / 0.5
    else:
        classes = random.integers(0, case.dims[-1], count)
        image = random.uniform(-1, 1, (count, case.dims[0])).astype(np.float32)
    return {"image": np.ascontiguousarray(image),
            "label": np.eye(case.dims[-1], dtype=np.float32)[classes]}


def read_idx(name: str) -> np.ndarray:
    """The array of a compressed IDX file of bytes."""
    with gzip.open(FASHION_MNIST / name, "rb") as file:
        data = file.read()
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
