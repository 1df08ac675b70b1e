"""Whom people prefer: the strengths of rivals, out of votes between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy import special

Preferred = Literal["first", "second", "neither"]

PREFERRED: tuple[Preferred, ...] = get_args(Preferred)

_STEPS = 100
"""Of Newton's method, at most; the fit is convex, and takes twenty or so."""

_LARGEST_STEP = 1.0
"""In log-strength: far from the end Newton's own would overshoot."""

_ENOUGH = 1e-9

_Z = 1.959964

_PRIOR = 0.5
"""Won, and lost as often, by each rival against one of average strength."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vote:
    """What somebody said of two clips under the same prompt.

    Attributes:
        first: who made one.
        second: who made the other.
        preferred: which; "neither" where both are as good.
        visitor: who said so; votes of one are not independent.
    """

    first: str
    second: str
    preferred: Preferred
    visitor: str

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise ValueError(f"{self.first!r} has no rival in this vote")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Strength:
    """How much a rival is preferred.

    Attributes:
        name: of the rival.
        value: log-odds of being preferred to an average one; 0 is the mean of all.
        low: lower end of its 95% interval.
        high: upper end.
        votes: that it was in.
        won: share of those in which it was preferred, half of a draw.
    """

    name: str
    value: float
    low: float
    high: float
    votes: int
    won: float


def bradley_terry(votes: Sequence[Vote], *, resamples: int = 2000, seed: int = 0) -> list[Strength]:
    """The strengths of all rivals, the strongest first.

    The odds that i is preferred to j are exp(s_i - s_j). A draw is half a win of each. So that a
    rival that never lost is not infinitely strong, each has besides half a win and half a loss
    against an average one. Intervals are the 2.5% and 97.5% points of a bootstrap over visitors, or
    over votes where there is but one visitor, and no narrower than the curvature of the likelihood
    allows: few or unanimous votes hardly vary when they are drawn again, and say little all the
    same.

    Args:
        votes: at least one.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: without votes.

    References: Bradley & Terry, "Rank analysis of incomplete block designs", Biometrika 39 (1952);
        with a prior as Caron & Doucet, "Efficient Bayesian inference for generalized Bradley-Terry
        models" (2012).
    """
    if not votes:
        raise ValueError("no votes, and so nobody is preferred")
    names = sorted({name for vote in votes for name in (vote.first, vote.second)})
    place = {name: row for row, name in enumerate(names)}
    visitors = sorted({vote.visitor for vote in votes})
    row_of = {visitor: row for row, visitor in enumerate(visitors)}
    alone = len(visitors) == 1
    won = np.zeros((len(votes) if alone else len(visitors), len(names), len(names)))
    for number, vote in enumerate(votes):
        cluster = number if alone else row_of[vote.visitor]
        i, j = place[vote.first], place[vote.second]
        share = {"first": 1.0, "second": 0.0, "neither": 0.5}[vote.preferred]
        won[cluster, i, j] += share
        won[cluster, j, i] += 1.0 - share
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(won), np.full(len(won), 1 / len(won)), size=resamples)
    everybody = won.sum(axis=0)
    flat = won.reshape(len(won), -1)
    again = (drawn @ flat).reshape(resamples, len(names), len(names))
    fitted, curves = _fit(everybody[None])
    values = fitted[0]
    centre = np.eye(len(names)) - 1.0 / len(names)
    spread = np.sqrt(np.diag(centre @ np.linalg.inv(curves[0]) @ centre))
    low, high = np.quantile(_fit(again)[0], [0.025, 0.975], axis=0)
    low, high = np.minimum(low, values - _Z * spread), np.maximum(high, values + _Z * spread)
    played = everybody.sum(axis=1) + everybody.sum(axis=0)
    found = [
        Strength(
            name=name,
            value=float(values[row]),
            low=float(low[row]),
            high=float(high[row]),
            votes=round(played[row]),
            won=float(everybody[row].sum() / played[row]),
        )
        for row, name in enumerate(names)
    ]
    return sorted(found, key=lambda one: -one.value)


def _fit(
    won: Float[np.ndarray, "R n n"],
) -> tuple[Float[np.ndarray, "R n"], Float[np.ndarray, "R n n"]]:
    """Log-strengths of mean 0 from how often each rival (row) was preferred to each (column), and
    the curvature of minus the log-posterior at them; by Newton's method.
    """
    wins, games = won.sum(axis=2), won + won.swapaxes(1, 2)
    strength = np.zeros(wins.shape)
    diagonal = np.eye(won.shape[1])
    curve = np.zeros(won.shape)
    for _ in range(_STEPS):
        odds = special.expit(strength[:, :, None] - strength[:, None, :])
        own = special.expit(strength)
        slope = wins + _PRIOR - (games * odds).sum(axis=2) - 2 * _PRIOR * own
        weight = games * odds * (1.0 - odds)
        along = weight.sum(axis=2) + 2 * _PRIOR * own * (1.0 - own)
        curve = diagonal * along[:, None] - weight
        step = np.linalg.solve(curve, slope[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        strength += step / np.maximum(longest / _LARGEST_STEP, 1.0)
        if longest.max() < _ENOUGH:
            break
    return strength - strength.mean(axis=1, keepdims=True), curve
