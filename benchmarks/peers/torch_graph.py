#!/usr/bin/env python3
"""PyTorch on a GPU, the step written by hand and played as a CUDA graph.

The step is that of torch_hand.py with PyTorch's fused AdamW: what a user would
write who wants the least overhead without a compiler. Batches are on the device;
each is copied to where the graph reads it. Products are float32, as PyTorch's
own setting is.
"""

from __future__ import annotations

import torch

from torch_hand import TorchByHand
from worker import Unsupported, serve


class TorchGraph(TorchByHand):
    device = "cuda"

    def __init__(self, case, options, parameters, batches):
        if not torch.cuda.is_available():
            raise Unsupported("this PyTorch has no CUDA")
        torch.backends.cuda.matmul.allow_tf32 = False
        super().__init__(case, options | {"compile": False}, parameters, batches)
        self.versions += f" on CUDA {torch.version.cuda}"
        self.record()

    @torch.no_grad()
    def record(self) -> None:
        """Records a step. What the steps before it changed is put back."""
        arrays = [*self.w[1:], *self.b[1:],
                  *(array for pairs in (self.first, self.second)
                    for pair in pairs[1:] for array in pair),
                  *self.counts, self.count]
        before = [array.clone() for array in arrays]
        self.given = tuple(array.clone() for array in self.batches[0])
        arguments = (*self.given, self.w, self.b, self.first, self.second, self.count)
        # Libraries make their workspaces in the first steps, on another stream as
        # PyTorch's manual asks for.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.one(*arguments)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.energy = self.one(*arguments)
        for array, old in zip(arrays, before):
            array.copy_(old)

    @torch.no_grad()
    def step(self, index):
        for place, array in zip(self.given, self.batches[index]):
            place.copy_(array)
        self.graph.replay()

    def finish(self):
        torch.cuda.synchronize()


if __name__ == "__main__":
    serve(TorchGraph)
