"""Tests of one generator against another.

Two questions, and each has its own replicate:

- *Is this family better, whoever trains it?* The replicate is the training seed. `between_seeds`
  compares seed means by an exact permutation of the seeds' labels, with Welch's t interval. It is
  the only test that a verdict rests on, and needs `power.ENOUGH_SEEDS`.
- *Are these trained models better than those, on prompts like these?* The replicate is the prompt,
  which both answered: `over_prompts` pairs them, with every prompt a cluster across seeds. It says
  nothing about another training, however many prompts there are.

Several tests are a family: `holm` bounds the chance of any false rejection in it,
`benjamini_hochberg` the expected share of false ones among the rejections.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from vidgen.evaluation.statistics import clustered

_MOST_SPLITS = 200_000
_MOST_OUTCOMES = 65_536
_DRAWS = 9_999


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """By how much one generator differs from another.

    Attributes:
        value: mean of the first minus mean of the second.
        low: lower end of the 95% interval; None where the replicates do not spread.
        high: its upper end.
        n: replicates: seeds of the generator that has fewer, or prompts.
        p: two-sided; None for a single replicate, and where no test was wanted.
        note: how interval and p were made.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    p: float | None
    note: str


def between_seeds(
    a: Sequence[float], b: Sequence[float], *, confidence: float = 0.95
) -> Difference:
    """The difference of two families, each trained with several seeds.

    Args:
        a: a value a seed of the first; at least one.
        b: of the second. Equal seed numbers are not paired: they draw nothing alike in two
            families.
        confidence: coverage of the interval.

    Raises:
        ValueError: if either has no value.

    References: Welch, "The generalization of Student's problem", Biometrika 34 (1947).
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.size == 0 or second.size == 0:
        raise ValueError("a difference needs a value of both generators")
    value, n = float(first.mean() - second.mean()), min(first.size, second.size)
    if n < 2:
        return Difference(
            value=value, low=None, high=None, n=n, p=None, note="one seed, no interval"
        )
    p = label_permutation(first, second)
    squares = [float(x.var(ddof=1)) / x.size for x in (first, second)]
    error = math.sqrt(sum(squares))
    if error <= 1e-12 * max(np.abs(first).max(), np.abs(second).max()):
        note = "no spread between seeds, no interval"
        return Difference(value=value, low=None, high=None, n=n, p=p, note=note)
    freedom = error**4 / sum(
        square**2 / (x.size - 1) for square, x in zip(squares, (first, second), strict=True)
    )
    half = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * error
    return Difference(
        value=value,
        low=value - half,
        high=value + half,
        n=n,
        p=p,
        note=f"Welch's t over {n} seeds; p by permutation of the seeds' labels",
    )


def over_prompts(
    a: np.ndarray, b: np.ndarray, *, confidence: float = 0.95, test: bool = True
) -> Difference:
    """The difference of trained models on the prompts that both answered.

    The values of each generator are averaged over its seeds, so that a prompt is one cluster; the
    differences of the prompts then have a t interval, and a mid-p by flips of their signs.

    Args:
        a: float [S P], a value a seed and prompt of the first; NaN where a prompt has none, which
            leaves the prompt out for both.
        b: float [S' P], of the second on the same prompts in the same order.
        confidence: coverage of the interval.
        test: whether p is wanted, which costs thousands of flips.

    Raises:
        ValueError: if the numbers of prompts differ, or none has a value of both.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"values [S P] of the same prompts, got {first.shape} and {second.shape}")
    differences = first.mean(0) - second.mean(0)
    differences = differences[np.isfinite(differences)]
    value, low, high = clustered(differences, confidence=confidence)
    n = differences.size
    if n < 2:
        note = "one prompt, no interval"
        return Difference(value=value, low=None, high=None, n=n, p=None, note=note)
    if low == high:
        low = high = None
    seeds = min(len(first), len(second))
    which = "one seed" if seeds == 1 else f"{seeds} seeds"
    return Difference(
        value=value,
        low=low,
        high=high,
        n=n,
        p=sign_flip(differences, mid_p=True) if test else None,
        note=f"paired over prompts within {which}, clustered by prompt",
    )


def label_permutation(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float:
    """Two-sided p of a difference of means under permutation of the labels, observed one included.

    All C(n+m, n) splits are looked at where they are at most 200,000 (ten against ten); otherwise
    9,999 drawn ones and the observed one.

    Args:
        a: float [n].
        b: float [m].

    References: Fisher, "The design of experiments" (1935); Phipson & Smyth, "Permutation p-values
        should never be zero" (2010), on drawn ones.
    """
    pooled = np.concatenate([np.asarray(a, np.float64), np.asarray(b, np.float64)])
    n, m = len(a), len(b)
    exact = math.comb(n + m, n) <= _MOST_SPLITS
    chosen = _splits(n + m, n) if exact else _drawn_splits(n + m, n)
    sums = pooled[chosen].sum(1)
    differences = sums / n - (pooled.sum() - sums) / m
    observed = pooled[:n].mean() - pooled[n:].mean()
    as_far = np.abs(differences) >= abs(observed) - _slack(differences)
    return float(as_far.mean()) if exact else float(as_far.sum() + 1) / (_DRAWS + 1)


def sign_flip(differences: Sequence[float] | np.ndarray, *, mid_p: bool = False) -> float:
    """Two-sided p of a mean difference when each sign might as well be the other.

    Differences of zero say nothing and are left out. Equal ones are flipped in any number, so that
    only how many of each size are flipped matters: where that makes at most 65,536 outcomes (16
    differences, or any number of wins and losses) all of them are looked at and p is exact, for
    wins and losses McNemar's. Otherwise there are 9,999 drawn ones and the observed one.

    Args:
        differences: float [n], one a replicate that saw both: a prompt, or a seed where seeds are
            paired.
        mid_p: count outcomes as extreme as the observed one by half. Wins and losses come in few
            sizes, which makes the exact p reject less often than it says; the mid-p rejects as
            often as it says, on average and no longer at most.

    References: McNemar, "Note on the sampling error of the difference between correlated
        proportions" (1947); Fagerland, Lydersen & Laake, "The McNemar test for binary matched-pairs
        data: mid-p and asymptotic are better than exact conditional" (2013); Phipson & Smyth
        (2010), on drawn ones.
    """
    d = np.asarray(differences, np.float64)
    d = d[d != 0]
    if d.size == 0:
        return 1.0
    # Only ratios matter; a third from one sum and from another differ in their last bits.
    d = np.round(d / np.abs(d).max(), 12)
    sizes, counts = np.unique(np.abs(d), return_counts=True)
    observed = abs(float(d.sum()))
    if math.prod(int(count) + 1 for count in counts) <= _MOST_OUTCOMES:
        flipped = [np.arange(count + 1) for count in counts]
        steps = [s * (c - 2 * f) for s, c, f in zip(sizes, counts, flipped, strict=True)]
        chances = [stats.binom.pmf(f, c, 0.5) for c, f in zip(counts, flipped, strict=True)]
        sums = functools.reduce(np.add.outer, steps).ravel()
        weights, seen = functools.reduce(np.multiply.outer, chances).ravel(), 0.0
    else:
        drawn = np.random.default_rng(0).binomial(counts, 0.5, (_DRAWS, sizes.size))
        sums = (counts[None, :] - 2 * drawn) @ sizes
        weights, seen = np.full(_DRAWS, 1 / (_DRAWS + 1)), 1 / (_DRAWS + 1)
    slack = _slack(sums)
    as_far = np.abs(sums) >= observed - slack
    tied = as_far & (np.abs(sums) <= observed + slack)
    halved = 0.5 * (seen + float(weights[tied].sum())) if mid_p else 0.0
    return min(1.0, seen + float(weights[as_far].sum()) - halved)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values: at most the level, the chance that any rejection is false.

    Args:
        p_values: of one family.

    Returns:
        float [n], in the order given.

    References: Holm, "A simple sequentially rejective multiple test procedure" (1979).
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p-values: at most the level, the share of false ones.

    Args:
        p_values: of one family.

    Returns:
        float [n], in the order given.

    References: Benjamini & Hochberg, "Controlling the false discovery rate" (1995).
    """
    p = np.asarray(p_values, np.float64)
    return stats.false_discovery_control(p, method="bh") if p.size else p


def _slack(values: np.ndarray) -> float:
    """Outcomes that are equal in exact arithmetic differ in their last bits by less than this."""
    return 1e-9 * float(np.abs(values).max())


@functools.lru_cache(maxsize=8)
def _splits(total: int, n: int) -> np.ndarray:
    """int [C(total, n) n], every choice of n places."""
    return np.array(list(itertools.combinations(range(total), n)), np.int64)


def _drawn_splits(total: int, n: int) -> np.ndarray:
    lots = np.random.default_rng(0).random((_DRAWS, total))
    return np.argsort(lots, axis=1)[:, :n]
