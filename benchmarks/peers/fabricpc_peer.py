#!/usr/bin/env python3
"""FabricPC (JAX): its graph, inference and training step, from a Python loop.

The library's inference is gradient descent; momentum, where a case has it, is
added through its own extension point, so that all do the same work.
"""

from __future__ import annotations

import fabricpc
import jax
import jax.numpy as jnp
import numpy as np
import optax
from fabricpc.core.activations import (IdentityActivation, LeakyReLUActivation,
                                       ReLUActivation)
from fabricpc.core.energy import GaussianEnergy
from fabricpc.core.inference import InferenceSGD
from fabricpc.core.initializers import ZerosInitializer
from fabricpc.core.topology import Edge
from fabricpc.core.types import GraphParams, NodeParams
from fabricpc.graph_assembly import TaskMap, graph
from fabricpc.graph_initialization import initialize_params
from fabricpc.graph_initialization.state_initializer import (
    FeedforwardStateInit, GlobalStateInit)
from fabricpc.nodes import Linear
from fabricpc.training.trainer import make_train_step

from worker import Peer, Unsupported, serve

ACTIVATIONS = {"leaky_relu": lambda: LeakyReLUActivation(alpha=0.01),
               "relu": ReLUActivation, "identity": IdentityActivation}


class InferenceMomentum(InferenceSGD):
    """Descent with momentum; the traces ride along in the loop."""

    def __init__(self, momentum: float, **settings):
        super().__init__(**settings)
        self.momentum = momentum

    def run_inference(self, params, initial_state, clamps, structure):
        free = [name for name in structure.nodes if name not in clamps]
        rate = self.config["eta_infer"]

        def body(_, carry):
            state, traces = carry
            state = self.zero_grads(params, state, clamps, structure)
            state = self.forward_value_and_grad(params, state, clamps, structure)
            nodes, moved = dict(state.nodes), {}
            for name in free:
                moved[name] = (nodes[name].latent_grad
                               + self.momentum * traces[name])
                nodes[name] = nodes[name]._replace(
                    z_latent=nodes[name].z_latent - rate * moved[name])
            return state._replace(nodes=nodes), moved

        zeros = {name: jnp.zeros_like(initial_state.nodes[name].z_latent)
                 for name in free}
        state, _ = jax.lax.fori_loop(0, self.config["infer_steps"], body,
                                     (initial_state, zeros))
        return state


class FabricPC(Peer):
    def __init__(self, case, options, parameters, batches):
        if case["algorithm"] == "ipc":
            raise Unsupported("it has no incremental predictive coding")
        self.versions = f"FabricPC {fabricpc.__version__} on jax {jax.__version__}"
        self.backprop = case["algorithm"] == "bp"
        self.structure = self.build(case)
        self.params = self.fill(parameters)
        optimizer = optax.adamw(case["w_lr"], weight_decay=case["weight_decay"])
        self.optimizer_state = optimizer.init(self.params)
        self.train = make_train_step(
            self.structure, optimizer,
            algorithm="backprop" if self.backprop else "pc")
        self.batches = [{"x": jnp.asarray(x), "y": jnp.asarray(y)}
                        for x, y in batches]
        self.key = jax.random.PRNGKey(0)

    def build(self, case):
        count = len(case["dims"]) - 1
        names = [case["activation"]] * (count - 1) + [case["output_activation"]]
        # The loss of backpropagation is the squared error without the half.
        energy = GaussianEnergy(precision=2.0 if self.backprop else 1.0)
        nodes = [Linear(shape=(case["dims"][0],), name="h0")]
        nodes += [Linear(shape=(size,), name=f"h{i}", energy=energy,
                         activation=ACTIVATIONS[name]())
                  for i, (size, name) in enumerate(zip(case["dims"][1:], names), 1)]
        settings = {"eta_infer": case["h_lr"], "infer_steps": case["steps"]}
        inference = (InferenceMomentum(case["h_momentum"], **settings)
                     if case["h_momentum"] else InferenceSGD(**settings))
        start = (FeedforwardStateInit() if case["init"] == "forward"
                 else GlobalStateInit(ZerosInitializer()))
        return graph(nodes=nodes,
                     edges=[Edge(source=a, target=b.slot("in"))
                            for a, b in zip(nodes, nodes[1:])],
                     task_map=TaskMap(x=nodes[0], y=nodes[-1]),
                     inference=inference, graph_state_initializer=start)

    def fill(self, parameters):
        """The library's parameter tree with the common first weights."""
        tree = initialize_params(self.structure, jax.random.PRNGKey(0))
        nodes = dict(tree.nodes)
        for i in range(1, len(parameters) // 2 + 1):
            old = nodes[f"h{i}"]
            edge = next(iter(old.weights))
            nodes[f"h{i}"] = NodeParams(
                weights={edge: jnp.asarray(parameters[f"fc{i}.weight"].T)},
                biases={"b": jnp.asarray(parameters[f"fc{i}.bias"])[None]})
        return GraphParams(nodes=nodes)

    def step(self, index):
        self.params, self.optimizer_state, self.metrics, self.state = self.train(
            self.params, self.optimizer_state, self.batches[index], self.key)

    def finish(self):
        jax.block_until_ready((self.params, self.metrics))

    def result(self):
        # The library reports the energy before the last move of the states; the
        # agreement of the weights is what counts.
        arrays = {}
        if self.backprop:
            arrays["energy"] = np.asarray(self.metrics["energy"])
        for i in range(1, len(self.params.nodes)):
            node = self.params.nodes[f"h{i}"]
            arrays[f"fc{i}.weight"] = np.asarray(next(iter(node.weights.values()))).T
            arrays[f"fc{i}.bias"] = np.asarray(node.biases["b"])[0]
        return arrays


if __name__ == "__main__":
    serve(FabricPC)
