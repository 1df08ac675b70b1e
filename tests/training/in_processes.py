"""The toy's training as one of several processes: what a test starts some of.

They are stopped twice: by SIGTERM, which the last one alone receives, and by SIGKILL in the second
phase.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import jax
import numpy as np
import toy

from vidgen.contract import stream
from vidgen.training import Interrupted, processes, train


def main(folder: str, address: str, count: int, index: int) -> None:
    """Prints with what the SIGTERM was answered."""
    processes.join(address, count, index)
    assert jax.process_count() == count

    def own_rows(size: int, seed: int) -> Any:
        own = lambda batch: jax.tree.map(lambda x: np.split(x, count)[index], batch)  # noqa: E731
        return iter(toy.rows(size, seed).map(own).to_iter_dataset())

    def term(size: int, seed: int) -> Any:
        last = index == count - 1
        strike = lambda: os.kill(os.getpid(), signal.SIGTERM) if last else None  # noqa: E731
        return toy.Tripwire(own_rows(size, seed), 3, strike)

    def kill(size: int, seed: int) -> Any:
        second = seed == int(jax.random.bits(stream(0, "second", "data")))
        strike = lambda: os.kill(os.getpid(), signal.SIGKILL) if second else None  # noqa: E731
        return toy.Tripwire(own_rows(size, seed), 9, strike)

    config = toy.setting()["config"]
    config = type(config)(**vars(config) | {"accept_changes": True})
    try:
        train(toy.Toy(), **toy.setting(folder=folder, config=config, data=term))
    except Interrupted as left:
        print(left, flush=True)
    train(toy.Toy(), **toy.setting(folder=folder, config=config, data=kill))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
