#!/usr/bin/env python3
"""PyTorch, the step written by hand from the equations.

Options: "compile" puts torch.compile (inductor, C++ wrapper) around the whole
step; "eliminate" leaves out what is provably nothing, as pcc does: feedback to
states that the error has not reached, predictions whose parent has not moved,
weight gradients that are zero. Without it every inference step computes all of
it, the first prediction too.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker import Peer, serve

SLOPE = 0.01
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Layers:
    """Predictions of the layers 1 ... L (index 0 is unused)."""

    def __init__(self, case: dict):
        self.count = len(case["dims"]) - 1
        self.names = ([""] + [case["activation"]] * (self.count - 1)
                      + [case["output_activation"]])

    def predict(self, layer: int, h: Tensor, w: list, b: list) -> Tensor:
        return self.activate(layer, torch.addmm(b[layer], h, w[layer].t()))

    def activate(self, layer: int, a: Tensor) -> Tensor:
        if self.names[layer] == "relu":
            return torch.relu(a)
        if self.names[layer] == "leaky_relu":
            return functional.leaky_relu(a, SLOPE)
        return a

    def scaled(self, layer: int, value: Tensor, u: Tensor) -> Tensor:
        """value * f'(a); the sign of u is that of a."""
        if self.names[layer] == "relu":
            return torch.ops.aten.threshold_backward(value, u, 0)
        if self.names[layer] == "leaky_relu":
            return torch.ops.aten.leaky_relu_backward(value, u, SLOPE, False)
        return value


class Step:
    """The three algorithms on lists of tensors indexed by layer.

    h are states, u predictions, e = h - u errors and d = e f'(a), so that
    dF/dh = e - d W of the layer above and dF/dW = -d^T h.
    """

    def __init__(self, case: dict, eliminate: bool):
        self.case, self.layers = case, Layers(case)
        self.travels = eliminate and case["init"] == "forward"
        self.eliminate = eliminate

    def start(self, x: Tensor, y: Tensor, w: list, b: list):
        """Initial states and predictions."""
        layers = self.layers
        h, u = [x], [x]
        for i in range(1, layers.count + 1):
            if self.case["init"] == "zero":
                state = x.new_zeros(x.shape[0], w[i].shape[0])
                if self.eliminate and i > 1:  # the product with zeros
                    prediction = layers.activate(i, b[i].expand_as(state))
                else:
                    prediction = layers.predict(i, h[-1], w, b)
            else:
                prediction = state = layers.predict(i, h[-1], w, b)
            h.append(state)
            u.append(prediction)
        h[-1] = y
        return h, u

    def errors(self, lowest: int, h: list, u: list, e: list, d: list) -> None:
        for i in range(lowest, self.layers.count + 1):
            e[i] = h[i] - u[i]
            d[i] = self.layers.scaled(i, e[i], u[i])

    def move(self, t: int, h: list, e: list, d: list, trace: list, w: list) -> int:
        """Moves the states; returns the lowest one that moved."""
        rate, momentum = self.case["h_lr"], self.case["h_momentum"]
        last = self.layers.count
        lowest = max(1, last - 1 - t) if self.travels else 1
        for i in range(lowest, last):
            if e[i] is None:
                g = -(d[i + 1] @ w[i + 1])
            else:
                g = torch.addmm(e[i], d[i + 1], w[i + 1], alpha=-1)
            if momentum:
                if trace[i] is not None:
                    g = torch.add(g, trace[i], alpha=momentum)
                trace[i] = g
            h[i] = torch.sub(h[i], g, alpha=rate)
        return lowest

    def predictive_coding(self, x, y, w, b):
        """Energy and the weight gradients; None for those that are zero."""
        layers, last = self.layers, self.layers.count
        h, u = self.start(x, y, w, b)
        e: list = [None] * (last + 1)
        d: list = [None] * (last + 1)
        trace: list = [None] * (last + 1)
        self.errors(last if self.travels else 1, h, u, e, d)
        for t in range(self.case["steps"]):
            lowest = self.move(t, h, e, d, trace, w)
            for i in range(lowest + 1 if self.eliminate else 1, last + 1):
                u[i] = layers.predict(i, h[i - 1], w, b)
            self.errors(lowest, h, u, e, d)
        return self.energy(e, x), self.weight_gradients(h, d)

    def energy(self, e: list, x: Tensor) -> Tensor:
        parts = [torch.dot(value.view(-1), value.view(-1))
                 for value in e if value is not None]
        return sum(parts) * (0.5 / x.shape[0])

    def weight_gradients(self, h: list, d: list) -> list:
        """The mean over the batch, negative as d is."""
        scale = -1.0 / h[0].shape[0]
        return [None] + [
            None if d[i] is None else
            (torch.mul(d[i].t() @ h[i - 1], scale), d[i].sum(0) * scale)
            for i in range(1, self.layers.count + 1)]

    def backpropagation(self, x, y, w, b):
        layers, last = self.layers, self.layers.count
        h = [x]
        for i in range(1, last + 1):
            h.append(layers.predict(i, h[-1], w, b))
        error = y - h[-1]
        d: list = [None] * (last + 1)
        d[last] = layers.scaled(last, 2 * error, h[last])
        for i in range(last - 1, 0, -1):
            d[i] = layers.scaled(i, d[i + 1] @ w[i + 1], h[i])
        return 2 * self.energy([error], x), self.weight_gradients(h, d)

    def adamw(self, gradients, w, b, first, second, count):
        """optax's AdamW, in place. `count` is a tensor of the steps so far."""
        count += 1
        rate, decay = self.case["w_lr"], self.case["weight_decay"]
        correct1 = 1 - BETA1 ** count
        correct2 = torch.sqrt(1 - BETA2 ** count)
        for i in range(1, self.layers.count + 1):
            for kind, parameter in enumerate((w[i], b[i])):
                m, v = first[i][kind], second[i][kind]
                if gradients[i] is None:
                    m.mul_(BETA1)
                    v.mul_(BETA2)
                else:
                    g = gradients[i][kind]
                    m.mul_(BETA1).add_(g, alpha=1 - BETA1)
                    v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
                step = (m / correct1) / (torch.sqrt(v) / correct2 + EPSILON)
                parameter.copy_(parameter * (1 - rate * decay) - rate * step)

    def incremental(self, x, y, w, b, update):
        """States and weights move T times, each time from one point."""
        layers, last = self.layers, self.layers.count
        h, u = self.start(x, y, w, b)
        trace: list = [None] * (last + 1)
        for t in range(self.case["steps"]):
            e: list = [None] * (last + 1)
            d: list = [None] * (last + 1)
            fresh = self.travels and t == 0  # hidden errors are zero
            if t > 0:
                for i in range(1, last + 1):
                    u[i] = layers.predict(i, h[i - 1], w, b)
            self.errors(last if fresh else 1, h, u, e, d)
            gradients = self.weight_gradients(h, d)
            if not (self.eliminate and t + 1 == self.case["steps"]):
                self.move(0 if fresh else last, h, e, d, trace, w)
            update(gradients)
        return self.energy(e, x)


class TorchByHand(Peer):
    device = "cpu"

    def __init__(self, case, options, parameters, batches):
        torch.set_num_threads(case["threads"])
        torch.set_num_interop_threads(1)
        self.versions = f"PyTorch {torch.__version__}"
        last = len(case["dims"]) - 1
        tensor = lambda name: torch.from_numpy(
            parameters[name].copy()).to(self.device)
        self.w = [None] + [tensor(f"fc{i}.weight") for i in range(1, last + 1)]
        self.b = [None] + [tensor(f"fc{i}.bias") for i in range(1, last + 1)]
        zeros = lambda: [None] + [(torch.zeros_like(w), torch.zeros_like(b))
                                  for w, b in zip(self.w[1:], self.b[1:])]
        self.first, self.second = zeros(), zeros()
        self.compiled = options["compile"]
        self.count = torch.zeros((), dtype=torch.float64, device=self.device)
        self.batches = [(torch.from_numpy(x).to(self.device),
                         torch.from_numpy(y).to(self.device)) for x, y in batches]
        step = Step(case, options["eliminate"])
        self.one = self.plan(step, case["algorithm"])
        if self.compiled:
            import torch._inductor.config as inductor

            inductor.cpp_wrapper = True
            self.one = torch.compile(self.one, dynamic=False, fullgraph=True)

    def plan(self, step: Step, algorithm: str):
        update = step.adamw if self.compiled else self.fused_adamw(step)

        def train(x, y, w, b, first, second, count):
            if algorithm == "ipc":
                return step.incremental(x, y, w, b, lambda gradients: update(
                    gradients, w, b, first, second, count))
            compute = (step.predictive_coding if algorithm == "pc"
                       else step.backpropagation)
            energy, gradients = compute(x, y, w, b)
            update(gradients, w, b, first, second, count)
            return energy

        return train

    def fused_adamw(self, step: Step):
        """PyTorch's own fused AdamW: the fastest eager form."""
        case, last = step.case, step.layers.count
        counts = self.counts = [torch.zeros((), device=self.device)
                                for _ in range(2 * last)]
        zero = [None] + [(torch.zeros_like(w), torch.zeros_like(b))
                         for w, b in zip(self.w[1:], self.b[1:])]
        flat = lambda pairs: [tensor for pair in pairs[1:] for tensor in pair]

        def update(gradients, w, b, first, second, count):
            given = [zero[i] if gradients[i] is None else gradients[i]
                     for i in range(1, last + 1)]
            torch._foreach_add_(counts, 1)
            torch._fused_adamw_(
                flat([None, *zip(w[1:], b[1:])]), flat([None, *given]), flat(first),
                flat(second), [], counts, amsgrad=False, lr=case["w_lr"],
                beta1=BETA1, beta2=BETA2, weight_decay=case["weight_decay"],
                eps=EPSILON, maximize=False)

        return update

    @torch.no_grad()
    def step(self, index):
        self.energy = self.one(*self.batches[index], self.w, self.b, self.first,
                               self.second, self.count)

    def finish(self):
        pass

    def result(self):
        arrays = {"energy": self.energy.cpu().numpy()}
        for i in range(1, len(self.w)):
            arrays[f"fc{i}.weight"] = self.w[i].cpu().numpy()
            arrays[f"fc{i}.bias"] = self.b[i].cpu().numpy()
        return {name: np.asarray(array) for name, array in arrays.items()}


if __name__ == "__main__":
    serve(TorchByHand)
