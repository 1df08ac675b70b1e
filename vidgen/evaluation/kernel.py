"""The kernel distance between two sets of features: unbiased, whatever their size.

References:
    Gretton et al., "A kernel two-sample test" (2012), lemma 6 and the estimate for pairs after it.
    Bińkowski et al., "Demystifying MMD GANs" (2018): the cubic kernel on features.
    Unterthiner et al., "Towards accurate generative models of video" (2018): KVD.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from jaxtyping import Float, UInt8

from vidgen.evaluation.features.feature import FeatureNetwork
from vidgen.evaluation.frechet import from_features
from vidgen.evaluation.jackknife import interval
from vidgen.types import Score

_ROWS_AT_ONCE = 1024

_LEAST = 3
"""Clips without one of which there is still a U-statistic."""


def kernel_distance(
    x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "M E"], *, paired: bool = False
) -> float:
    """Squared maximum mean discrepancy under (x·y/D + 1)³, as an unbiased U-statistic.

    Unbiased, it is 0 on average, and as often below as above, for samples of one distribution.

    Args:
        x: features of N samples.
        y: features of M samples.
        paired: whether row i of y answers row i of x. The products of a clip with the one that it
            answers, and with any that equals it, are then left out, which keeps the estimate
            unbiased although the two are alike: 0 for equal sets, where the ordinary estimate is
            far below 0.

    Raises:
        ValueError: if the widths differ, there are not two samples a set, or pairs are not of one
            number.
    """
    return _Sums.of(x, y, paired=paired).estimate


def kernel_score(
    real: Float[np.ndarray, "N D"], fake: Float[np.ndarray, "M E"], *, paired: bool = False
) -> Score:
    """`kernel_distance` with a jackknife interval over the U-statistic.

    Each clip (each pair of them) is left out in turn, which the sums of the kernel's rows give
    exactly. Where the two distributions are the same the interval is wider than it need be.
    """
    try:
        sums = _Sums.of(real, fake, paired=paired)
    except ValueError as reason:
        return Score.missing(str(reason), better="lower")
    n = min(len(real), len(fake))
    if n < _LEAST:
        return Score(value=sums.estimate, n=n, better="lower", note=f"N={n}; no interval")
    low, high = sums.interval()
    how = "pairs" if paired else "clips"
    return Score(
        value=sums.estimate,
        low=low,
        high=high,
        n=n,
        better="lower",
        note=f"N={n}; jackknife over the U-statistic, leaving out {how}",
    )


def kernel_video_distance(
    real: UInt8[np.ndarray, "N T H W C"],
    fake: UInt8[np.ndarray, "M T H W C"],
    *,
    network: FeatureNetwork | None = None,
) -> Score:
    """Kernel video distance, unbiased at every N, with a jackknife interval.

    Args:
        real: real clips; at least 9 frames for I3D.
        fake: the clips that are judged.
        network: turns clips into features; I3D on Kinetics-400 (400 logits) by default.

    Returns:
        The distance; without a value and with the reason where the network is not installed or
        cannot judge such clips.
    """
    return from_features(real, fake, network, kernel_score)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Sums:
    """Sums over the rows of the three kernel matrices.

    Attributes:
        x: float64 [N], of the kernel among x, the diagonal left out.
        y: float64 [M], likewise among y.
        x_to_y: float64 [N], from each x to all y but those that are left out.
        y_to_x: float64 [M], the other way round.
        x_count: int64 [N], how many terms `x_to_y` has.
        y_count: int64 [M], and `y_to_x`.
        paired: whether row i of y answers row i of x.
    """

    x: np.ndarray
    y: np.ndarray
    x_to_y: np.ndarray
    y_to_x: np.ndarray
    x_count: np.ndarray
    y_count: np.ndarray
    paired: bool

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, *, paired: bool) -> _Sums:
        if x.shape[1] != y.shape[1]:
            raise ValueError(f"features of {x.shape[1]} and of {y.shape[1]} numbers do not compare")
        if min(len(x), len(y)) < 2:
            raise ValueError(f"a kernel distance needs two clips a set, got {len(x)} and {len(y)}")
        if paired and len(x) != len(y):
            raise ValueError(f"{len(x)} and {len(y)} clips are no pairs")
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        x_to_y, y_to_x = _row_sums(x, y)
        x_count, y_count = np.full(len(x), len(y)), np.full(len(y), len(x))
        if paired:
            rows, columns = _left_out(x, y)
            products = (np.sum(x[rows] * y[columns], axis=1) / x.shape[1] + 1.0) ** 3
            for sums, counts, places in ((x_to_y, x_count, rows), (y_to_x, y_count, columns)):
                np.subtract.at(sums, places, products)
                np.subtract.at(counts, places, 1)
        return cls(
            x=_row_sums(x, x)[0] - _diagonal(x),
            y=_row_sums(y, y)[0] - _diagonal(y),
            x_to_y=x_to_y,
            y_to_x=y_to_x,
            x_count=x_count,
            y_count=y_count,
            paired=paired,
        )

    @property
    def estimate(self) -> float:
        n, m = len(self.x), len(self.y)
        within = self.x.sum() / (n * (n - 1)) + self.y.sum() / (m * (m - 1))
        # Sets that are the same clip over and over leave no product of different ones.
        return float(within - 2.0 * self.x_to_y.sum() / max(self.x_count.sum(), 1))

    def interval(self) -> tuple[float, float]:
        """Each pair left out in turn; or each clip, where the variances of both sets add up."""
        n, m = len(self.x), len(self.y)
        total, count = self.x_to_y.sum(), self.x_count.sum()
        lack_x = (self.x.sum() - 2 * self.x) / ((n - 1) * (n - 2))
        lack_y = (self.y.sum() - 2 * self.y) / ((m - 1) * (m - 2))
        if self.paired:
            lack = total - self.x_to_y - self.y_to_x
            lack = lack / np.maximum(count - self.x_count - self.y_count, 1)
            return interval(self.estimate, lack_x + lack_y - 2 * lack)
        lack_x = lack_x - 2 * (total - self.x_to_y) / (count - self.x_count)
        lack_y = lack_y - 2 * (total - self.y_to_x) / (count - self.y_count)
        half = math.hypot(*(interval(0.0, lack)[1] for lack in (lack_x, lack_y)))
        return self.estimate - half, self.estimate + half


def _left_out(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the products that pairs leave out: with its own, and with its equals."""
    places: dict[bytes, list[int]] = {}
    for place, row in enumerate(y):
        places.setdefault(row.tobytes(), []).append(place)
    out = [(i, j) for i, row in enumerate(x) for j in {i, *places.get(row.tobytes(), ())}]
    rows, columns = np.array(out).T
    return rows, columns


def _diagonal(x: np.ndarray) -> np.ndarray:
    return (np.sum(x * x, axis=1) / x.shape[1] + 1.0) ** 3


def _row_sums(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the kernel matrix [N M] over its rows and its columns, in blocks."""
    rows, columns = np.zeros(len(x)), np.zeros(len(y))
    for start in range(0, len(x), _ROWS_AT_ONCE):
        block = (x[start : start + _ROWS_AT_ONCE] @ y.T / x.shape[1] + 1.0) ** 3
        rows[start : start + _ROWS_AT_ONCE] = block.sum(1)
        columns += block.sum(0)
    return rows, columns
