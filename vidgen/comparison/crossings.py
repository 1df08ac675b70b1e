"""Where one generator overtakes another along a price."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from vidgen.comparison.curves import Point
from vidgen.comparison.wording import amount
from vidgen.types import Better


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crossing:
    """A price at which the lines of two generators cross.

    Attributes:
        ahead: who is better below it.
        behind: who is better above it.
        price: where they are as good as each other.
        value: how good that is.
        apart: whether the order is supported on both sides: up to the crossing before, and up to
            the next, there is a price at which the 95% intervals lie apart.
    """

    ahead: str
    behind: str
    price: float
    value: float
    apart: bool

    def __str__(self) -> str:
        weak = "" if self.apart else " (intervals overlap on one side at least)"
        return f"{self.behind} overtakes {self.ahead} at {amount(self.price)}{weak}"


def crossings(
    series: Mapping[str, Sequence[Point]], *, better: Better = "higher"
) -> list[Crossing]:
    """Every crossing of two lines, where both have been measured.

    Between two budgets a line is straight over the logarithm of the price, and so are the ends of
    its interval. Nothing is said beyond the smaller range of the two.

    Args:
        series: points by generator.
        better: which way is good.
    """
    lines = {name: _Line(points) for name, points in series.items() if len(points) > 1}
    found = [
        crossing
        for (a, one), (b, other) in itertools.combinations(lines.items(), 2)
        for crossing in _of_two((a, one), (b, other), better)
    ]
    return sorted(found, key=lambda crossing: crossing.price)


class _Line:
    """Value and interval over the logarithm of the price."""

    def __init__(self, points: Sequence[Point]) -> None:
        points = sorted(points, key=lambda point: point.price)
        self.x = np.log([point.price for point in points])
        self._y = np.array([(point.low, point.value, point.high) for point in points])

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        low, value, high = (np.interp(x, self.x, y) for y in self._y.T)
        return low, value, high


def _of_two(one: tuple[str, _Line], other: tuple[str, _Line], better: Better) -> list[Crossing]:
    (a, line), (b, against) = one, other
    start, end = max(line.x[0], against.x[0]), min(line.x[-1], against.x[-1])
    if start >= end:
        return []
    inner = np.concatenate([line.x, against.x])
    x = np.unique(np.concatenate([[start, end], inner[(inner > start) & (inner < end)]]))
    (low, value, high), (their_low, theirs, their_high) = line.at(x), against.at(x)
    gap = value - theirs
    sign = np.sign(gap)
    support = (low > their_high).astype(int) - (high < their_low).astype(int)
    known = np.flatnonzero(sign)  # where both are equal, nobody has overtaken anybody yet
    turns = [(i, j) for i, j in itertools.pairwise(known) if sign[i] != sign[j]]
    ends = [0, *(j for _, j in turns), len(x)]
    found = []
    for k, (i, j) in enumerate(turns):
        # Both are straight between neighbours; over a stretch of equality, its middle.
        if j == i + 1:
            at = x[i] + (x[j] - x[i]) * gap[i] / (gap[i] - gap[j])
        else:
            at = (x[i + 1] + x[j - 1]) / 2.0
        before, after = support[ends[k] : i + 1], support[j : ends[k + 2]]
        ahead, behind = (a, b) if (sign[i] > 0) == (better == "higher") else (b, a)
        found.append(
            Crossing(
                ahead=ahead,
                behind=behind,
                price=float(np.exp(at)),
                value=float(line.at(np.array([at]))[1][0]),
                apart=bool((before == sign[i]).any() and (after == sign[j]).any()),
            )
        )
    return found
