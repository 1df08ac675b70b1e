"""Memorisation: do answers lie nearer to training clips than held-out real clips do?

Metrics that compare with real clips reward copies of them. A distance to the nearest training clip
means nothing by itself, since in a small world all clips have near neighbours; against that of
real clips which nobody trained on it does.

References: Meehan, Chaudhuri & Dasgupta, "A non-parametric test to detect data-copying in
generative models" (2020), whose statistic this is, as a share.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.jackknife import interval
from vidgen.types import Score

_ROWS_AT_ONCE = 512


def memorisation(
    train: Float[np.ndarray, "K D"],
    held_out: Float[np.ndarray, "N D"],
    fake: Float[np.ndarray, "M D"],
) -> Score:
    """Share of pairs in which an answer is nearer to its nearest training clip than a held-out real
    clip is to its own.

    0.5 for answers as far from the training clips as held-out real ones, 1 for copies, and below
    0.5 for answers that resemble no real clip at all, which is no merit. Ties count half. The
    interval leaves out answers and held-out clips in turn.

    Args:
        train: features of training clips.
        held_out: features of real clips that nobody trained on.
        fake: features of the answers.
    """
    if min(len(held_out), len(fake)) < 3 or len(train) < 1:
        return Score.missing("memorisation needs three clips a set", better="lower")
    near_real, near_fake = nearest(held_out, train), nearest(fake, train)
    gap = near_real[:, None] - near_fake[None, :]
    wins = (gap > 0) + 0.5 * (gap == 0)
    n, m = wins.shape
    value = float(wins.mean())
    lack_real = (wins.sum() - wins.sum(1)) / ((n - 1) * m)
    lack_fake = (wins.sum() - wins.sum(0)) / (n * (m - 1))
    half = math.hypot(*(interval(0.0, lack)[1] for lack in (lack_real, lack_fake)))
    return Score(
        value=value,
        low=max(value - half, 0.0),
        high=min(value + half, 1.0),
        n=m,
        better="lower",
        note=f"nearest of {len(train)} training clips; jackknife, leaving out clips",
    )


def nearest(x: Float[np.ndarray, "N D"], among: Float[np.ndarray, "K D"]) -> Float[np.ndarray, "N"]:
    """Distance of each row to the nearest of others, exactly 0 for an equal one."""
    found = np.empty(len(x))
    squares = np.sum(among.astype(np.float64) ** 2, axis=1)[None, :]
    for start in range(0, len(x), _ROWS_AT_ONCE):
        block = x[start : start + _ROWS_AT_ONCE].astype(np.float64)
        place = (squares - 2.0 * (block @ among.T.astype(np.float64))).argmin(1)
        gap = block - among[place]
        found[start : start + len(block)] = np.sqrt(np.sum(gap * gap, axis=1))
    return found
