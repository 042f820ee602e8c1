#!/usr/bin/env python3
"""PyTorch with autograd: the energy is written down, gradients are taken.

Weights are frozen while the states move and states while the weights do, so
that no gradient is computed that is not used.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from worker import Peer, serve

ACTIVATIONS = {"leaky_relu": lambda a: functional.leaky_relu(a, 0.01),
               "relu": torch.relu, "identity": lambda a: a}


class TorchAutograd(Peer):
    def __init__(self, case, options, parameters, batches):
        torch.set_num_threads(case["threads"])
        torch.set_num_interop_threads(1)
        self.versions = f"PyTorch {torch.__version__}"
        self.case, self.count = case, len(case["dims"]) - 1
        names = [case["activation"]] * (self.count - 1) + [case["output_activation"]]
        self.activations = [ACTIVATIONS[name] for name in names]
        tensor = lambda name: torch.from_numpy(parameters[name].copy())
        numbers = range(1, self.count + 1)
        self.weights = [tensor(f"fc{i}.weight") for i in numbers]
        self.biases = [tensor(f"fc{i}.bias") for i in numbers]
        self.optimizer = torch.optim.AdamW(
            self.weights + self.biases, lr=case["w_lr"],
            weight_decay=case["weight_decay"], fused=True)
        self.batches = [(torch.from_numpy(x), torch.from_numpy(y))
                        for x, y in batches]
        self.train = {"pc": self.predictive_coding, "ipc": self.incremental,
                      "bp": self.backpropagation}[case["algorithm"]]

    def freeze(self, frozen: bool) -> None:
        for parameter in self.weights + self.biases:
            parameter.requires_grad_(not frozen)

    def predict(self, layer: int, h):
        return self.activations[layer](functional.linear(
            h, self.weights[layer], self.biases[layer]))

    @torch.no_grad()
    def start(self, x, y):
        states = [x]
        for layer in range(self.count - 1):
            if self.case["init"] == "zero":
                states.append(x.new_zeros(len(x), self.case["dims"][layer + 1]))
            else:
                states.append(self.predict(layer, states[-1]))
        return states + [y]

    def energy(self, states):
        return sum(0.5 * (states[i + 1] - self.predict(i, states[i])).square().sum()
                   for i in range(self.count))

    @torch.no_grad()
    def move(self, states, gradients, traces):
        for h, g, trace in zip(states[1:-1], gradients, traces):
            trace.mul_(self.case["h_momentum"]).add_(g)
            h.sub_(trace, alpha=self.case["h_lr"])

    def update(self, gradients, size):
        for parameter, gradient in zip(self.weights + self.biases, gradients):
            parameter.grad = gradient.div_(size)
        self.optimizer.step()

    def start_inference(self, x, y):
        """All states, those that move, and the traces of these."""
        states = self.start(x, y)
        free = states[1:-1]
        for h in free:
            h.requires_grad_(True)
        return states, free, [torch.zeros_like(h) for h in free]

    def predictive_coding(self, x, y):
        self.freeze(True)
        states, free, traces = self.start_inference(x, y)
        for _ in range(self.case["steps"]):
            self.move(states, torch.autograd.grad(self.energy(states), free), traces)
        for h in free:
            h.requires_grad_(False)
        self.freeze(False)
        energy = self.energy(states)
        self.update(torch.autograd.grad(energy, self.weights + self.biases), len(x))
        return energy.detach() / len(x)

    def incremental(self, x, y):
        self.freeze(False)
        states, free, traces = self.start_inference(x, y)
        for _ in range(self.case["steps"]):
            energy = self.energy(states)
            gradients = torch.autograd.grad(energy,
                                            free + self.weights + self.biases)
            self.move(states, gradients[:len(free)], traces)
            self.update(gradients[len(free):], len(x))
        return energy.detach() / len(x)

    def backpropagation(self, x, y):
        self.freeze(False)
        for layer in range(self.count):
            x = self.predict(layer, x)
        loss = (x - y).square().sum()
        self.update(torch.autograd.grad(loss, self.weights + self.biases), len(x))
        return loss.detach() / len(x)

    def step(self, index):
        self.last = self.train(*self.batches[index])

    def finish(self):
        pass

    def result(self):
        arrays = {"energy": np.asarray(self.last)}
        for i in range(self.count):
            arrays[f"fc{i + 1}.weight"] = self.weights[i].detach().numpy()
            arrays[f"fc{i + 1}.bias"] = self.biases[i].detach().numpy()
        return arrays


if __name__ == "__main__":
    serve(TorchAutograd)
