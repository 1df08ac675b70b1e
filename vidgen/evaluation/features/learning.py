"""How a judge's network learns from clips that lie in memory, and how it lies on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from etils import epath

from vidgen import bucket, nn
from vidgen.evaluation.arrays import parse_arrays, write_arrays
from vidgen.optim import Optimizer, Schedule
from vidgen.types import SCHEMA_VERSION

Progress = Callable[[int, int], None]
"""Told of steps done and of all steps, after each."""

Step = Callable[..., tuple[nn.Weights, Any]]
"""(weights, optimiser's state, rows of each array ..., progress) -> the first two after it."""

RUN_OFTEN = {"xla_backend_optimization_level": 2}
"""Of the compiler: a step is as fast as at its best, and compiled in three quarters of the time."""

T = TypeVar("T")
C = TypeVar("C", bound="LearningConfig")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """How a judge's network is sized and trained.

    Attributes:
        width: D, numbers of a vector, a multiple of 16.
        steps: of training. A number of steps and never of seconds: the network is part of the
            question.
        batch_size: clips a step.
        clips: of the training split, drawn once, at the most.
        optimizer: of its weights.
    """

    width: int = 64
    steps: int = 160
    batch_size: int = 32
    clips: int = 4096
    optimizer: Optimizer = Optimizer(
        kind="muon", learning_rate=1e-2, adam_learning_rate=3e-3, schedule=Schedule(warmup=0.05)
    )

    def __post_init__(self) -> None:
        for name in ("width", "steps", "batch_size", "clips"):
            if getattr(self, name) < 1:
                raise ValueError(f"{type(self).__name__}.{name} must be at least 1")

    @classmethod
    def of(cls: type[C], data: dict[str, Any]) -> C:
        """What `dataclasses.asdict` made of one."""
        optimizer = dict(data["optimizer"])
        schedule = Schedule(**optimizer.pop("schedule"))
        return cls(**{**data, "optimizer": Optimizer(**optimizer, schedule=schedule)})


def learn(
    step: Step,
    weights: nn.Weights,
    state: Any,
    arrays: Sequence[np.ndarray],
    *,
    steps: int,
    batch_size: int,
    seed: int,
    progress: Progress | None,
) -> nn.Weights:
    """The weights after so many steps on rows that are shuffled anew in each pass.

    Args:
        step: one step.
        weights: to begin with.
        state: of the optimiser.
        arrays: what is learned from, a row a clip.
        steps: how many.
        batch_size: rows a step.
        seed: of the order.
        progress: told of each step.
    """
    rng = np.random.default_rng([seed, 3])
    order = np.zeros(0, np.int64)
    for done in range(steps):
        while len(order) < batch_size:
            order = np.concatenate([order, rng.permutation(len(arrays[0]))])
        rows, order = order[:batch_size], order[batch_size:]
        batch = [array[rows] for array in arrays]
        weights, state = step(weights, state, *batch, jnp.float32(done / steps))
        if progress is not None:
            progress(done + 1, steps)
    return weights


def write_network(
    path: epath.PathLike, name: str, card: Any, weights: dict[str, np.ndarray]
) -> None:
    """Write a network's card, a dataclass, and its weights as ``npz``, whole or not at all."""
    header = {"schema_version": SCHEMA_VERSION, "name": name, "card": dataclasses.asdict(card)}
    write_arrays(path, weights, header=header)


def read_network(
    path: epath.PathLike,
    what: str,
    build: Callable[[dict[str, Any], dict[str, np.ndarray]], T],
    name_of: Callable[[T], str],
) -> T:
    """Read a network that `write_network` wrote.

    Args:
        path: of the file.
        what: it holds, for errors.
        build: makes it from card and weights.
        name_of: its name, which is a hash of its weights.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or of a newer schema; the message names it.
    """
    content = bucket.anywhere(path).read_bytes()
    try:
        header, weights = parse_arrays(content)
        if header["schema_version"] > SCHEMA_VERSION:
            raise ValueError(f"schema {header['schema_version']} is newer: update vidgen")
        found = build(header["card"], weights)
        if name_of(found) != header["name"]:
            raise ValueError("its weights do not have the hash that it names")
    except Exception as error:  # zip, zlib, npy and JSON each fail in ways of their own
        raise ValueError(f"{path} is no readable {what}: {error}") from error
    return found
