"""Jackknife intervals, for statistics of whole sets that are no mean over clips.

A percentile bootstrap is invalid for these: it draws clips twice, which looks like less spread, so
its interval can miss the estimate. Leaving clips out draws none twice.

References: Efron & Stein, "The jackknife estimate of variance" (1981); Shao & Wu, "A general theory
for jackknife variance estimation" (1989), for groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

GROUPS = 16
"""Groups that are left out in turn where leaving out single clips costs too much."""


def standard_error(left_out: Sequence[float] | Float[np.ndarray, "G"]) -> float:
    """se² = (G - 1)/G Σ_g (θ_g - mean θ)² of the G estimates that each lack one part.

    Raises:
        ValueError: for fewer than two estimates.
    """
    left_out = np.asarray(left_out, np.float64)
    if left_out.size < 2:
        raise ValueError("a jackknife needs at least two parts to leave out")
    return float(np.sqrt((left_out.size - 1) * np.mean((left_out - left_out.mean()) ** 2)))


def interval(
    value: float, left_out: Sequence[float] | Float[np.ndarray, "G"], *, confidence: float = 0.95
) -> tuple[float, float]:
    """value ± t_{G-1} se, see `standard_error`.

    Args:
        value: the estimate with nothing left out.
        left_out: the G estimates that each lack one part.
        confidence: coverage of the interval.
    """
    reach = float(stats.t.ppf(0.5 + confidence / 2, len(left_out) - 1))
    half = reach * standard_error(left_out)
    return value - half, value + half


def leave_groups_out(
    statistic: Callable[[Int[np.ndarray, "m"]], Any], n: int, *, least: int = 2
) -> Float[np.ndarray, "G *shape"]:
    """A statistic of n clips without each of `GROUPS` groups of them in turn.

    Args:
        statistic: of the rows that are kept; a number, or an array of one shape.
        n: number of clips, which must stand in an order that has nothing to do with what they
            show, see `shuffled`.
        least: rows that the statistic needs.

    Raises:
        ValueError: if fewer are left without the largest group.
    """
    groups = min(GROUPS, n)
    rows = np.arange(n)
    if n - -(-n // groups) < least:
        raise ValueError(f"without a group of {n} clips fewer than {least} are left")
    return np.array([statistic(rows[rows % groups != one]) for one in range(groups)], np.float64)


def shuffled(rows: Float[np.ndarray, "N D"]) -> Int[np.ndarray, "N"]:
    """An order of rows by a hash of what they hold: as good as random, and the same whatever order
    the rows come in, so that no number depends on that.
    """
    names = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
