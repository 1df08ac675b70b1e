"""The Fréchet distance between two sets of features, and what a finite sample does to it.

The distance of two finite samples of one distribution is not 0 but about proportional to 1/N, so
that values at different N do not compare: here N is always printed, with the value that a line
against 1/N reaches at infinitely many clips and with what real clips score against real clips.

References:
    Dowson & Landau, "The Fréchet distance between multivariate normal distributions" (1982).
    Heusel et al., "GANs trained by a two time-scale update rule ..." (2017): FID.
    Unterthiner et al., "Towards accurate generative models of video" (2018): FVD.
    Chong & Forsyth, "Effectively unbiased FID and Inception score ..." (2020): the line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

from vidgen.evaluation.features.feature import FeatureNetwork, UnsuitableClipsError, not_computed
from vidgen.evaluation.features.i3d import load_i3d
from vidgen.evaluation.jackknife import interval, leave_groups_out, shuffled
from vidgen.types import Score

Distance = Callable[[np.ndarray, np.ndarray], float]
"""Of the rows of two sets, a clip each."""

_LEAST = 8
"""Clips below which nothing is said of a covariance."""

_SIZES, _SMALLEST = 8, 0.25
"""Sample sizes of the line, spaced evenly from this share of N to N, and draws of each."""

_DRAWS = 2


def frechet_distance(
    x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "M E"], *, ddof: int = 0
) -> float:
    """Squared Fréchet (2-Wasserstein) distance of the normal distributions fitted to two sets.

    |μx - μy|² + tr Σx + tr Σy - 2 tr (Σx Σy)^½, in float64. The last trace is the nuclear norm of
    Xc Ycᵀ / sqrt((N - ddof)(M - ddof)) for centred features: no matrix square root is taken, so
    that nothing turns complex or negative where N < D.

    Args:
        x: features of N samples.
        y: features of M samples.
        ddof: the covariance divides by N - ddof. 0 (StyleGAN-V) by default; others take 1.

    Raises:
        ValueError: if the widths differ, or there are not two samples a set.
    """
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features of {x.shape[1]} and of {y.shape[1]} numbers do not compare")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"a covariance needs two samples, got {len(x)} and {len(y)}")
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    mean_x, mean_y = x.mean(0), y.mean(0)
    x = (x - mean_x[None, :]) / np.sqrt(len(x) - ddof)
    y = (y - mean_y[None, :]) / np.sqrt(len(y) - ddof)
    # Turned by the orthogonal factors of Xc and Yc the nuclear norm is that of a smaller matrix.
    small_x, small_y = (
        np.asarray(np.linalg.qr(z, mode="r")) if len(z) > z.shape[1] else z for z in (x, y)
    )
    cross = np.linalg.svd(small_x @ small_y.T, compute_uv=False).sum()
    apart = np.sum((mean_x - mean_y) ** 2)
    return float(apart + np.sum(x**2) + np.sum(y**2) - 2.0 * cross)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrechetEstimate:
    """A Fréchet distance, and what its sample size does to it.

    Attributes:
        value: at N clips a set.
        n: N, the smaller of the two sets.
        low: lower end of the interval of `value`, by a jackknife over groups of clips.
        high: upper end.
        extrapolated: where the line against 1/N ends at infinitely many clips.
        floor: real against real, mean over disjoint halves of the real set; about the least that
            anything can score with `floor_n` clips a set.
        at_floor: `value` with as few clips as `floor`, which is what compares with it.
        floor_n: clips a set of those two.
    """

    value: float
    n: int
    low: float
    high: float
    extrapolated: float
    floor: float
    at_floor: float
    floor_n: int

    @property
    def score(self) -> Score:
        """The value at N, with all the rest in the note."""
        note = (
            f"N={self.n}; extrapolated to infinite N {self.extrapolated:.4g}; at "
            f"N={self.floor_n} {self.at_floor:.4g} against {self.floor:.4g} of real against real; "
            "jackknife over groups of clips, of the value at this N"
        )
        return Score(
            value=self.value, low=self.low, high=self.high, n=self.n, better="lower", note=note
        )

    @property
    def limit(self) -> Score:
        """The value at infinitely many clips, which has no interval."""
        note = f"line against 1/N through N={self.n} and less; no interval"
        return Score(value=self.extrapolated, n=self.n, better="lower", note=note)


def frechet_estimate(
    real: Float[np.ndarray, "N D"],
    fake: Float[np.ndarray, "M E"],
    *,
    distance: Distance = frechet_distance,
) -> FrechetEstimate:
    """The distance of two sets with its interval, its extrapolation and its floor.

    Sets of one size may be answers and the clips they answer, row by row: rows are left out and
    drawn in pairs, which is right for independent sets too.

    Args:
        real: features of real clips.
        fake: features of the clips that are judged.
        distance: of two such sets, for what is no `frechet_distance` of their rows.

    Raises:
        ValueError: for fewer than 8 clips a set.
    """
    n = min(len(real), len(fake))
    if n < _LEAST:
        raise ValueError(f"a Fréchet distance needs at least {_LEAST} clips a set, got {n}")
    order = shuffled(real)[:n]  # one N for both, so that it can be printed
    other = order if len(real) == len(fake) else shuffled(fake)[:n]
    real, fake = real[order], fake[other]
    value = distance(real, fake)
    left_out = leave_groups_out(lambda rows: distance(real[rows], fake[rows]), n)
    low, high = interval(value, left_out)
    floor_n = n // 2
    halves = _disjoint_halves(real, floor_n)
    return FrechetEstimate(
        value=value,
        n=n,
        low=max(low, 0.0),
        high=high,
        extrapolated=extrapolate(real, fake, distance=distance),
        floor=float(np.mean([distance(a, b) for a, b in halves])),
        at_floor=_mean_at(real, fake, floor_n, distance),
        floor_n=floor_n,
    )


def extrapolate(
    real: Float[np.ndarray, "N D"],
    fake: Float[np.ndarray, "N D"],
    *,
    distance: Distance = frechet_distance,
) -> float:
    """Where the distance ends at infinitely many clips: the intercept of a line against 1/n.

    Fitted to subsamples of eight sizes from N/4 to N, without replacement; of all but the whole
    set, two draws. A little below 0 where the distributions are the same.
    """
    n = len(real)
    sizes = np.unique(np.linspace(max(_SMALLEST * n, _LEAST), n, _SIZES).astype(np.int64))
    values = [_mean_at(real, fake, int(size), distance) for size in sizes]
    if len(sizes) < 2:
        return values[0]
    return float(np.polyfit(1.0 / sizes, values, 1)[1])


def frechet_video_distance(
    real: UInt8[np.ndarray, "N T H W C"],
    fake: UInt8[np.ndarray, "M T H W C"],
    *,
    network: FeatureNetwork | None = None,
) -> Score:
    """Fréchet video distance at a printed N, with its extrapolation and its floor in the note.

    Context frames that were given to a generator are part of its clips, and count.

    Args:
        real: real clips; at least 9 frames for I3D.
        fake: the clips that are judged.
        network: turns clips into features; I3D on Kinetics-400 (400 logits) by default.

    Returns:
        The distance with a jackknife interval; without a value and with the reason where the
        network is not installed or cannot judge such clips.
    """
    return from_features(real, fake, network, frechet_score)


def frechet_score(real: Float[np.ndarray, "N D"], fake: Float[np.ndarray, "M E"]) -> Score:
    """`frechet_estimate` as a score."""
    try:
        return frechet_estimate(real, fake).score
    except ValueError as reason:
        return Score.missing(str(reason), better="lower")


def from_features(
    real: np.ndarray,
    fake: np.ndarray,
    network: FeatureNetwork | None,
    score: Callable[[np.ndarray, np.ndarray], Score],
) -> Score:
    """A score of two sets of clips [N T H W C] by their features; I3D's where none is named."""
    try:
        network = load_i3d() if network is None else network
        found = score(network(real), network(fake))
    except (UnsuitableClipsError, ImportError) as reason:
        return Score.missing(not_computed(reason), better="lower")
    return dataclasses.replace(found, note=f"{network.name}; {found.note}")


def _disjoint_halves(rows: np.ndarray, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(rows)) for _ in range(_DRAWS)]
    return [(rows[o[:size]], rows[o[size : 2 * size]]) for o in orders]


def _mean_at(real: np.ndarray, fake: np.ndarray, size: int, distance: Distance) -> float:
    if size >= len(real):
        return distance(real, fake)
    rng = np.random.default_rng(size)
    draws = [rng.permutation(len(real))[:size] for _ in range(_DRAWS)]
    return float(np.mean([distance(real[rows], fake[rows]) for rows in draws]))
