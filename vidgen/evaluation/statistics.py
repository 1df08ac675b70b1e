"""Intervals: what a number of clips, or of training seeds, can and cannot show.

Within one trained model the replicate is the prompt: proportions get Wilson intervals, means a
t interval that is clustered by prompt. Between models the replicate is the training seed: a
t interval on seed means. A percentile bootstrap is used nowhere but for average precision over
hundreds of clips, which has no simpler interval: between seeds it covered 79% at three
seeds where it promised 95%. All intervals are two-sided, at 95% unless told otherwise. Tests stand
in `significance`, and what a number of seeds can show at all in `power`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from scipy import stats

from vidgen.types import Better, Score


def wilson(
    successes: int | float, n: int | float, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Wilson's score interval of a proportion, which stays honest near 0 and 1.

    Args:
        successes: how many; fractional under an effective sample size.
        n: of how many; at least 1.
        confidence: coverage of the interval.

    Raises:
        ValueError: if there are no trials, or more successes than trials.

    References: Wilson, "Probable inference", JASA 22 (1927).
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} is no proportion")
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    p = successes / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # Exact at the ends, where rounding would leave the estimate just outside its interval.
    low = 0.0 if successes == 0 else float(centre - half)
    return low, 1.0 if successes == n else float(centre + half)


def clustered(
    values: np.ndarray, clusters: np.ndarray | None = None, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Mean with a t interval whose standard error is clustered.

    With residuals r and G clusters, se² = G/(G-1) Σ_g (Σ_{i in g} r_i)² / n², on G - 1 degrees of
    freedom. With every value a cluster of its own this is the ordinary t interval.

    Args:
        values: float [n], finite.
        clusters: [n], equal where values belong together (clips of one prompt); None if none do.
        confidence: coverage of the interval.

    Returns:
        mean, low, high. With one cluster the ends are NaN: one replicate has no spread.

    Raises:
        ValueError: if there is no value.
    """
    values = np.asarray(values, np.float64)
    if values.size == 0:
        raise ValueError("no values, no mean")
    mean = float(values.mean())
    own = np.arange(values.size) if clusters is None else clusters
    _, group = np.unique(own, return_inverse=True)
    sums = np.bincount(group, weights=values - mean)
    if len(sums) < 2:
        return mean, float("nan"), float("nan")
    error = np.sqrt(len(sums) / (len(sums) - 1) * np.sum(sums**2)) / values.size
    half = float(stats.t.ppf(0.5 + confidence / 2, len(sums) - 1) * error)
    return mean, mean - half, mean + half


def over_seeds(
    seed_means: Sequence[float], *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Mean over training seeds with its t interval: (mean, low, high); NaN ends for one seed."""
    return clustered(np.asarray(seed_means, np.float64), confidence=confidence)


def proportion(successes: np.ndarray, *, better: Better = "higher", note: str = "") -> Score:
    """The share of clips for which something holds, with Wilson's interval.

    Args:
        successes: bool [N], a clip each, N >= 1.
        better: which way is good.
        note: goes before the name of the interval.
    """
    successes = np.asarray(successes, bool)
    low, high = wilson(int(successes.sum()), successes.size)
    return Score(
        value=float(successes.mean()),
        low=low,
        high=high,
        n=successes.size,
        better=better,
        per_clip=successes.astype(np.float64),
        note=_join(note, "Wilson over prompts"),
    )


def repeated(successes: np.ndarray, *, better: Better = "higher", note: str = "") -> Score:
    """The share of clips for which something holds, of S trainings that were asked about the same
    clips, with Wilson's interval at the number of clips: one that is asked again is no other clip.

    Args:
        successes: bool [S N].
        better: which way is good.
        note: goes before the name of the interval.
    """
    shares = np.asarray(successes, bool).mean(axis=0)
    low, high = wilson(float(shares.sum()), shares.size)
    return Score(
        value=float(shares.mean()),
        low=low,
        high=high,
        n=shares.size,
        better=better,
        per_clip=shares,
        note=_join(note, "Wilson over prompts, mean over trainings"),
    )


def rate(
    shares: np.ndarray,
    *,
    observations: int | None = None,
    better: Better = "higher",
    note: str = "",
) -> Score:
    """The mean of shares in [0, 1], one a clip (such as its share of frames with two objects).

    Frames of one clip are not independent, so the interval is Wilson's at the effective sample
    size that the spread between clips implies, and at the number of clips where there is none.

    Args:
        shares: float [N] in [0, 1], a clip each, N >= 1.
        observations: of which all shares are made, beyond which no sample counts; None for as many
            as their spread implies.
        better: which way is good.
        note: goes before the name of the interval.

    References: Korn & Graubard, "Confidence intervals for proportions with small expected number
        of positive counts estimated from survey data", Survey Methodology 24 (1998).
    """
    shares = np.asarray(shares, np.float64)
    mean, n = float(np.clip(shares.mean(), 0.0, 1.0)), shares.size
    # Of shares that are all the same, rounding makes a variance that is not 0.
    variance = shares.var(ddof=1) / n if np.ptp(shares) > 0 else 0.0
    effective = max(mean * (1 - mean) / variance, n) if variance > 0 else n
    if observations is not None:
        effective = min(effective, observations)
    low, high = wilson(min(mean * effective, effective), effective)
    return Score(
        value=mean,
        low=low,
        high=high,
        n=n,
        better=better,
        per_clip=shares,
        note=_join(note, "Wilson, clustered by prompt"),
    )


def average(values: np.ndarray, *, better: Better = "higher", note: str = "") -> Score:
    """The mean of one finite value a clip, with a t interval over prompts.

    Args:
        values: float [N], a clip each. NaN marks a clip that has no value: it is left out of the
            mean, and the note says how many were.
        better: which way is good.
        note: goes before the name of the interval.
    """
    values = np.asarray(values, np.float64)
    kept = values[np.isfinite(values)]
    absent = values.size - kept.size
    if kept.size == 0:
        return Score.missing(_join(note, "no clip has a value"), better=better)
    if absent:
        note = _join(note, f"{absent} of {values.size} clips have no value and are left out")
    mean, low, high = clustered(kept)
    single = kept.size == 1
    return Score(
        value=mean,
        low=None if single else low,
        high=None if single else high,
        n=kept.size,
        better=better,
        per_clip=values,
        note=_join(note, "one clip, no interval" if single else "t over prompts"),
    )


@runtime_checkable
class HasInterval(Protocol):
    """A `Score`, or a row of a comparison: whatever may have the ends of an interval."""

    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def mean_of_known(values: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Mean of each clip over those of its values that are known; NaN where none is.

    Args:
        values: float [N T].
        known: bool [N T]; the finite ones if not given.

    Returns:
        float64 [N].
    """
    known = np.isfinite(values) if known is None else known
    total = np.where(known, values, 0.0).sum(1, dtype=np.float64)
    return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)


def apart(a: HasInterval, b: HasInterval) -> bool:
    """Whether two intervals do not overlap; False where either has none."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.low > b.high or b.low > a.high


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
