"""The inputs of every contender: the model's text, first weights, batches."""

from __future__ import annotations

import gzip
import pathlib

import numpy as np

from cases import Case

FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")


def pcir(case: Case) -> str:
    """The network and its algorithm as a .pcir file."""
    lines = ["pc.model @net {",
             f"  %h0 = pc.input @image : tensor<{case.dims[0]}xf32>"]
    for i in range(1, case.layers + 1):
        rows, columns = case.dims[i], case.dims[i - 1]
        last = i == case.layers
        name = case.output_activation if last else case.activation
        lines.append(f"  %a{i} = pc.linear @fc{i} %h{i - 1} : "
                     f"tensor<{columns}xf32> -> tensor<{rows}xf32>")
        prediction = f"%a{i}"
        if name != "identity":
            prediction = f"%u{i}"
            lines.append(f"  %u{i} = pc.{name} %a{i} : tensor<{rows}xf32>")
        lines.append(f"  %h{i} = pc.vode @{'label' if last else f'h{i}'} "
                     f"{prediction} energy(se) : tensor<{rows}xf32>")
    lines += ["}", "",
              f"pc.program @train on @net (%image: tensor<{case.dims[0]}xf32>, "
              f"%label: tensor<{case.dims[-1]}xf32>) {{"]
    lines += [f"  {line}" for line in statements(case)]
    return "\n".join(lines + ["}", ""])


def statements(case: Case) -> list[str]:
    """The training program's body."""
    adamw = f"adamw(lr = %w_lr, weight_decay = {case.weight_decay!r})"
    momentum = f", momentum = {case.h_momentum!r}" if case.h_momentum else ""
    infer = f"pc.infer sgd(lr = %h_lr{momentum})"
    head = [f'%w_lr = pc.hyper "w_lr" default {case.w_lr!r}',
            f"pc.clamp @image = %image : tensor<{case.dims[0]}xf32>"]
    label = f"tensor<{case.dims[-1]}xf32>"
    if case.algorithm == "bp":
        return head + [f"pc.backprop @label = %label loss(sse) {adamw}",
                       f'    report("energy") : {label}']
    head = [f'%h_lr = pc.hyper "h_lr" default {case.h_lr!r}'] + head
    head += [f"pc.init {case.init}", f"pc.clamp @label = %label : {label}",
             f"pc.repeat {case.steps} {{"]
    report = 'pc.report "energy" = energy'
    if case.algorithm == "pc":
        return head + [f"  {infer}", "}", report, f"pc.learn {adamw}"]
    return head + [f"  {report}", "  pc.joint {", f"    {infer}",
                   f"    pc.learn {adamw}", "  }", "}"]


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
