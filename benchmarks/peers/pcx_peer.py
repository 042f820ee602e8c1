#!/usr/bin/env python3
"""PCX (JAX): networks, states and optimisers of the library, one jitted step.

The form is that of the library's own examples: a Python loop over jitted steps.
The option "loop" says how the T inference steps are written: "scan" or, as in
those examples, "unroll". Batches are ready on the device.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pcx as px
import pcx.functional as pxf
import pcx.nn as pxnn
import pcx.predictive_coding as pxc
import pcx.utils as pxu

from worker import Peer, serve

VODE = pxc.VodeParam | pxc.VodeParam.Cache
INIT = (pxc.STATUS.INIT, None)
ACTIVATIONS = {"leaky_relu": jax.nn.leaky_relu, "relu": jax.nn.relu,
               "identity": lambda a: a}
ZERO = {"ruleset": {pxc.STATUS.INIT: ("h, u <- u:to_zero",)},
        "tforms": {"to_zero": lambda n, k, v, rkg: jnp.zeros_like(v)}}


def linear_layers(parameters: dict[str, np.ndarray]) -> list[pxnn.Linear]:
    layers = []
    for i in range(1, len(parameters) // 2 + 1):
        weight = parameters[f"fc{i}.weight"]
        layer = pxnn.Linear(weight.shape[1], weight.shape[0])
        layer.nn.weight.set(jnp.asarray(weight))
        layer.nn.bias.set(jnp.asarray(parameters[f"fc{i}.bias"]))
        layers.append(layer)
    return layers


class Network(pxc.EnergyModule):
    """Linear layers, each with an activation and a vode behind it."""

    def __init__(self, case: dict, parameters: dict[str, np.ndarray]):
        super().__init__()
        self.layers = linear_layers(parameters)
        count = len(self.layers)
        start = ZERO if case["init"] == "zero" else {}
        self.vodes = [pxc.Vode(**start) for _ in range(count)]
        self.vodes[-1].h.frozen = True
        names = [case["activation"]] * (count - 1) + [case["output_activation"]]
        self.activations = px.static([ACTIVATIONS[name] for name in names])

    def __call__(self, x, y=None):
        for vode, layer, f in zip(self.vodes, self.layers, self.activations.get()):
            x = vode(f(layer(x)))
        if y is not None:
            self.vodes[-1].set("h", y)
        return self.vodes[-1].get("u")


class Perceptron(px.Module):
    """The same network without vodes, for backpropagation."""

    def __init__(self, case: dict, parameters: dict[str, np.ndarray]):
        super().__init__()
        self.layers = linear_layers(parameters)
        names = ([case["activation"]] * (len(self.layers) - 1)
                 + [case["output_activation"]])
        self.activations = px.static([ACTIVATIONS[name] for name in names])

    def __call__(self, x):
        for layer, f in zip(self.layers, self.activations.get()):
            x = f(layer(x))
        return x


def state_mask():
    return pxu.M_hasnot(pxc.VodeParam, frozen=True)


def weight_mask():
    return pxu.M(pxnn.LayerParam)


@pxf.vmap(pxu.M(VODE).to((None, 0)), in_axes=(0, 0), out_axes=0)
def forward(x, y, *, model):
    return model(x, y)


@pxf.vmap(pxu.M(VODE).to((None, 0)), in_axes=(0,), out_axes=None, axis_name="batch")
def energy(x, *, model):
    model(x)
    return jax.lax.psum(model.energy(), "batch")


def gradient(mask):
    return pxf.value_and_grad(mask.to([False, True]))(energy)


def infer_once(x, *, model, optim_h):
    with pxu.step(model, clear_params=pxc.VodeParam.Cache):
        _, g = gradient(state_mask())(x, model=model)
    optim_h.step(model, g["model"])


def initialise(x, y, *, model, optim_h):
    with pxu.step(model, INIT, clear_params=pxc.VodeParam.Cache):
        forward(x, y, model=model)
    optim_h.init(state_mask()(model))


def predictive_coding(steps: int, scan: bool):
    @pxf.jit()
    def train(x, y, *, model, optim_w, optim_h):
        model.train()
        initialise(x, y, model=model, optim_h=optim_h)
        if scan:
            def body(i, x, *, model, optim_h):
                infer_once(x, model=model, optim_h=optim_h)
                return x, None

            pxf.scan(body, xs=jnp.arange(steps))(x, model=model, optim_h=optim_h)
        else:
            for _ in range(steps):
                infer_once(x, model=model, optim_h=optim_h)
        optim_h.clear()
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            e, g = gradient(weight_mask())(x, model=model)
        optim_w.step(model, g["model"], scale_by=1.0 / x.shape[0])
        return e / x.shape[0]

    return train


def incremental(steps: int, scan: bool):
    def joint(x, *, model, optim_w, optim_h):
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            e, g = gradient(state_mask() | weight_mask())(x, model=model)
        optim_h.step(model, g["model"])
        optim_w.step(model, g["model"], scale_by=1.0 / x.shape[0])
        return e

    @pxf.jit()
    def train(x, y, *, model, optim_w, optim_h):
        model.train()
        initialise(x, y, model=model, optim_h=optim_h)
        if scan:
            def body(i, x, *, model, optim_w, optim_h):
                e = joint(x, model=model, optim_w=optim_w, optim_h=optim_h)
                return x, e

            _, energies = pxf.scan(body, xs=jnp.arange(steps))(
                x, model=model, optim_w=optim_w, optim_h=optim_h)
            e = energies[-1]
        else:
            for _ in range(steps):
                e = joint(x, model=model, optim_w=optim_w, optim_h=optim_h)
        optim_h.clear()
        return e / x.shape[0]

    return train


@pxf.vmap({"model": None}, in_axes=(0, 0), out_axes=None, axis_name="batch")
def squared_loss(x, y, *, model):
    return jax.lax.pmean(jnp.square(model(x) - y).sum(), "batch")


@pxf.jit()
def backpropagate(x, y, *, model, optim_w):
    model.train()
    with pxu.step(model):
        e, g = pxf.value_and_grad(weight_mask().to([False, True]))(squared_loss)(
            x, y, model=model)
    optim_w.step(model, g["model"])
    return e


class PCX(Peer):
    def __init__(self, case, options, parameters, batches):
        px.RKG.seed(0)
        self.versions = f"PCX on jax {jax.__version__}"
        self.batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in batches]
        self.arguments = {}
        if case["algorithm"] == "bp":
            self.model = Perceptron(case, parameters)
            self.train = backpropagate
        else:
            self.model = Network(case, parameters)
            # Vodes hold arrays before the first jitted call: one compilation.
            with pxu.step(self.model, INIT, clear_params=pxc.VodeParam.Cache):
                forward(*self.batches[0], model=self.model)
            self.arguments["optim_h"] = pxu.Optim(lambda: optax.sgd(
                case["h_lr"], momentum=case["h_momentum"] or None))
            make = predictive_coding if case["algorithm"] == "pc" else incremental
            self.train = make(case["steps"], options["loop"] == "scan")
        self.arguments["optim_w"] = pxu.Optim(
            lambda: optax.adamw(case["w_lr"], weight_decay=case["weight_decay"]),
            weight_mask()(self.model))

    def step(self, index):
        self.energy = self.train(*self.batches[index], model=self.model,
                                 **self.arguments)

    def finish(self):
        jax.block_until_ready((self.energy, [
            array.get() for layer in self.model.layers
            for array in (layer.nn.weight, layer.nn.bias)]))

    def result(self):
        arrays = {"energy": np.asarray(self.energy)}
        for i, layer in enumerate(self.model.layers, 1):
            arrays[f"fc{i}.weight"] = np.asarray(layer.nn.weight.get())
            arrays[f"fc{i}.bias"] = np.asarray(layer.nn.bias.get())
        return arrays


if __name__ == "__main__":
    serve(PCX)
