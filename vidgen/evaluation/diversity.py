"""Diversity: how far answers to one condition lie apart, against real clips of that condition."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.jackknife import interval
from vidgen.types import Score

_LEAST = 3


def diversity(
    real: Float[np.ndarray, "N D"], fake: Float[np.ndarray, "N D"], conditions: Sequence[Hashable]
) -> Score:
    """Mean distance between answers to one condition, over that between real clips of it.

    1 where the answers are as different from each other as real clips under the same caption, 0
    where every key gives the same clip. The distances are Euclidean, of features; every condition
    with several answers counts by its number of pairs, and the interval leaves out conditions in
    turn.

    The condition is a sentence alone: of a sentence with its first frames there is one real clip,
    and no distance between real clips to measure by.

    Args:
        real: features of the real clips, one an answer and of the same condition.
        fake: features of the answers, each drawn with a key of its own.
        conditions: what each was asked, equal where it is the same.

    Returns:
        The ratio; without a value where fewer than three conditions have several answers.
    """
    groups: dict[Hashable, list[int]] = {}
    for row, condition in enumerate(conditions):
        groups.setdefault(condition, []).append(row)
    several = [np.array(rows) for rows in groups.values() if len(rows) > 1]
    if len(several) < _LEAST:
        return Score.missing(
            f"diversity needs {_LEAST} conditions with several answers each, got {len(several)}"
        )
    apart_fake = np.array([_apart(fake[rows]) for rows in several])
    apart_real = np.array([_apart(real[rows]) for rows in several])
    if apart_real.sum() == 0:
        return Score.missing("the real clips of one condition are all the same")
    value = float(apart_fake.sum() / apart_real.sum())
    rest = apart_real.sum() - apart_real
    note = f"{len(several)} conditions with {sum(map(len, several))} answers"
    if (rest <= 0).any():
        return Score(value=value, n=len(several), note=note)
    low, high = interval(value, (apart_fake.sum() - apart_fake) / rest)
    return Score(
        value=value,
        low=max(low, 0.0),
        high=high,
        n=len(several),
        note=f"{note}; jackknife over conditions",
    )


def _apart(rows: np.ndarray) -> float:
    """Sum of the distances of all pairs."""
    rows = np.asarray(rows, np.float64)
    gaps = np.linalg.norm(rows[:, None, :] - rows[None, :, :], axis=-1)
    return float(gaps.sum() / 2)
