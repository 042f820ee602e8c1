"""The loop of a process that trains on request, and what peers share.

A peer is started with a JSON file and answers one line of JSON to each line:

    run N        N training steps -> {"seconds": ...}
    check FILE   the first step from the first weights; FILE.npz gets the energy
                 and the weights after it -> {}
    memory       -> {"max_rss": bytes}

Its first line is {"ready": versions}, or {"unsupported": reason}.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np


class Unsupported(Exception):
    """This library has no such algorithm."""


class Peer:
    """A training loop over batches that are ready in memory."""

    versions: str

    def __init__(self, case: dict, options: dict, parameters: dict[str, np.ndarray],
                 batches: list[tuple[np.ndarray, np.ndarray]]):
        raise NotImplementedError

    def step(self, index: int) -> None:
        """One training step on batch `index`; may return before it is done."""
        raise NotImplementedError

    def finish(self) -> None:
        """Waits for all steps."""

    def result(self) -> dict[str, np.ndarray]:
        """Energy of the last step and the present weights, as pcc names them."""
        raise NotImplementedError


def load(path: str) -> tuple[dict, dict, dict, list]:
    """Case, options, first weights and batches of the JSON file."""
    with open(path) as file:
        given = json.load(file)
    case = given["case"]
    with np.load(given["parameters"]) as archive:
        parameters = {name: archive[name] for name in archive}
    with np.load(given["data"]) as archive:
        image, label = archive["image"], archive["label"]
    size = case["batch"]
    batches = [(image[i:i + size], label[i:i + size])
               for i in range(0, len(image), size)]
    return case, given["options"], parameters, batches


def serve(make: Callable[..., Peer]) -> None:
    """Runs the loop of a peer until the input ends."""
    def say(**answer) -> None:
        print(json.dumps(answer), flush=True)

    case, options, parameters, batches = load(sys.argv[1])
    try:
        peer = make(case, options, parameters, batches)
    except Unsupported as reason:
        say(unsupported=str(reason))
        return
    say(ready=peer.versions)
    index = 0
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "run":
            start = time.perf_counter()
            for _ in range(int(arguments[0])):
                peer.step(index)
                index = index + 1 if index + 1 < len(batches) else 0
            peer.finish()
            say(seconds=time.perf_counter() - start)
        elif command == "check":
            peer.step(0)
            peer.finish()
            np.savez(arguments[0], **peer.result())
            say()
        elif command == "memory":
            usage = resource.getrusage(resource.RUSAGE_SELF)
            say(max_rss=usage.ru_maxrss * 1024)
