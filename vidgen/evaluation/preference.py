"""Whom people prefer: the strengths of rivals, out of votes between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

Preferred = Literal["first", "second", "neither"]

PREFERRED: tuple[Preferred, ...] = get_args(Preferred)

_STEPS = 200
"""Of the fit; each doubles or halves a strength at most, and 50 settle twelve rivals to 1e-6."""

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
    over votes where there is but one visitor.

    Args:
        votes: at least one.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: without votes.

    References: Bradley & Terry, "Rank analysis of incomplete block designs", Biometrika 39 (1952);
        fitted as Hunter, "MM algorithms for generalized Bradley-Terry models" (2004).
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
    values = _fit(everybody[None])[0]
    low, high = np.quantile(_fit(again), [0.025, 0.975], axis=0)
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


def _fit(won: Float[np.ndarray, "R n n"]) -> Float[np.ndarray, "R n"]:
    """Log-strengths of mean 0 from how often each rival (row) was preferred to each (column)."""
    wins, games = won.sum(axis=2) + _PRIOR, won + won.swapaxes(1, 2)
    strength = np.ones(wins.shape)
    for _ in range(_STEPS):
        pairs = games / (strength[:, :, None] + strength[:, None, :])
        strength = wins / (pairs.sum(axis=2) + 2 * _PRIOR / (strength + 1.0))
    found = np.log(strength)
    return found - found.mean(axis=1, keepdims=True)
