"""The toy's training as one of several processes: what a test starts some of.

They are stopped twice: by SIGTERM, which the last one alone receives, and by SIGKILL in the second
phase. Or they train to the end and sample, each clips of its own. Or they are refused, or a save
fails.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import toy

from vidgen.contract import stream
from vidgen.training import CheckpointError, Interrupted, processes, train
from vidgen.training.mirror import Mirror

CLIPS = 4


def struck(settings: dict[str, Any], count: int, index: int) -> None:
    """Prints with what the SIGTERM was answered."""

    def term(size: int, seed: int) -> Any:
        last = index == count - 1
        strike = lambda: os.kill(os.getpid(), signal.SIGTERM) if last else None  # noqa: E731
        return toy.Tripwire(own_rows(size, seed, count, index), 3, strike)

    def kill(size: int, seed: int) -> Any:
        second = seed == int(jax.random.bits(stream(0, "second", "data")))
        strike = lambda: os.kill(os.getpid(), signal.SIGKILL) if second else None  # noqa: E731
        return toy.Tripwire(own_rows(size, seed, count, index), 9, strike)

    try:
        train(toy.Toy(), **settings, data=term)
    except Interrupted as left:
        print(left, flush=True)
    train(toy.Toy(), **settings, data=kill)


def sampled(settings: dict[str, Any], folder: Path, count: int, index: int) -> None:
    """Leaves this process's share of the clips."""
    data = lambda size, seed: own_rows(size, seed, count, index)  # noqa: E731
    params = train(toy.Toy(), **settings, data=data).params
    keys = np.split(jax.random.split(jax.random.key(5), CLIPS), count)[index]
    np.save(folder / f"clips-{index}.npy", jax.jit(toy.Toy().sample)(params, None, keys))


def apart(settings: dict[str, Any], index: int) -> None:
    """As on hosts that have no folder in common: none sees what the first one makes."""
    if index:
        Path.is_dir = lambda self: False  # type: ignore[method-assign]
    train(toy.Toy(), **settings, data=toy.rows)


def unpublished(settings: dict[str, Any], count: int, index: int) -> None:
    """The store, of which the first one alone knows, takes no second checkpoint."""
    publish, taken = Mirror.publish, []

    def once(self: Mirror, checkpoint: Path) -> None:
        if taken:
            raise ConnectionError("the line is dead")
        taken.append(publish(self, checkpoint))

    Mirror.publish = once  # type: ignore[method-assign]
    data = lambda size, seed: own_rows(size, seed, count, index)  # noqa: E731
    try:
        train(toy.Toy(), **settings, data=data)
    except CheckpointError as error:
        print(error, flush=True)


def own_rows(size: int, seed: int, count: int, index: int) -> Any:
    """The rows of each batch that this process reads."""
    own = lambda batch: jax.tree.map(lambda x: np.split(x, count)[index], batch)  # noqa: E731
    return iter(toy.rows(size, seed).map(own).to_iter_dataset())


def main(doing: str, folder: str, address: str, count: int, index: int) -> None:
    """Be one of the processes."""
    processes.join(address, count, index)
    assert jax.process_count() == count
    settings = toy.setting(folder=folder)
    del settings["data"]
    settings["config"] = dataclasses.replace(
        settings["config"], accept_changes=True, sharding="full"
    )
    if doing == "struck":
        struck(settings, count, index)
    elif doing == "apart":
        apart(settings, index)
    elif doing == "unpublished":
        unpublished(settings, count, index)
    else:
        sampled(settings, Path(folder), count, index)


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5]))
