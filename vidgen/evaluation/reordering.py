"""Other orders and other clips than the right ones, for whoever breaks clips on purpose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def disorder(length: int, rng: np.random.Generator) -> np.ndarray:
    """int64 [length], a random order that is not the natural one."""
    order = rng.permutation(length)
    while length > 1 and (order == np.arange(length)).all():
        order = rng.permutation(length)
    return order


def others(labels: Sequence[str], rng: np.random.Generator, what: str) -> np.ndarray:
    """int64 [N], for each clip a random one of another label.

    Raises:
        ValueError: if all N labels are the same; the message names `what` they are.
    """
    if len(set(labels)) < 2:
        raise ValueError(f"clips of one {what} cannot be broken by changing it")
    names = np.array(labels)
    return np.array([rng.choice(np.flatnonzero(names != name)) for name in names])
