"""Precision, recall, density and coverage: is what is made real, and is what is real made?

References:
    Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models"
    (2019), section 3.
    Naeem et al., "Reliable fidelity and diversity metrics for generative models" (2020), section 3.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.jackknife import interval, leave_groups_out, shuffled, standard_error
from vidgen.evaluation.statistics import wilson
from vidgen.types import Score

NEIGHBOURS = 5
"""k: the fifth neighbour, as Naeem et al. chose."""

_ROWS_AT_ONCE = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class PRDC:
    """The four of them.

    Attributes:
        precision: share of fakes within reach of a real clip, which is the distance from that real
            clip to its k-th neighbour among the other real ones. Blurred fakes move to where real
            clips are dense and gain by it, in density too; recall is what they lose.
        recall: share of real clips within reach of a fake, which is the distance from that fake to
            its k-th neighbour among the other fakes.
        density: mean number of real clips within whose reach a fake lies, over k; about 1 for real
            clips, and not bounded by it.
        coverage: share of real clips within whose reach a fake lies.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(
    real: Float[np.ndarray, "N D"], fake: Float[np.ndarray, "M E"], *, k: int = NEIGHBOURS
) -> PRDC:
    """Precision, recall, density and coverage of fakes against real clips.

    Neighbours are Euclidean; nothing is its own neighbour. Real and fake are not interchangeable:
    swapped, precision becomes recall.

    Args:
        real: features of real clips.
        fake: features of the clips that are judged.
        k: which neighbour.

    Raises:
        ValueError: if the widths differ, or a set has no k-th neighbour.
    """
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"features of {real.shape[1]} and {fake.shape[1]} numbers do not compare")
    if min(len(real), len(fake)) <= k:
        raise ValueError(
            f"the {k}-th neighbour needs more than {k} clips a set, got {len(real)} and {len(fake)}"
        )
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    reach_real, reach_fake = _reach(real, k), _reach(fake, k)
    hits = np.zeros(len(fake), np.int64)
    recalled, covered = np.zeros(len(real), np.bool_), np.zeros(len(real), np.bool_)
    for start in range(0, len(real), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        apart = _squares(real[rows], fake)
        within = apart <= reach_real[rows, None]
        hits += within.sum(0)
        covered[rows] = within.any(1)
        recalled[rows] = (apart <= reach_fake[None, :]).any(1)
    return PRDC(
        precision=float((hits > 0).mean()),
        recall=float(recalled.mean()),
        density=float(hits.mean() / k),
        coverage=float(covered.mean()),
    )


def prdc_scores(
    real: Float[np.ndarray, "N D"], fake: Float[np.ndarray, "M E"], *, k: int = NEIGHBOURS
) -> dict[str, Score]:
    """`prdc` as scores, with the spread that leaving out groups of clips shows.

    The three shares get Wilson's interval at the sample size that this spread implies, density a
    jackknife interval. Sets of one size may be answers and the clips they answer, row by row.
    """
    names = [field.name for field in dataclasses.fields(PRDC)]
    try:
        found = prdc(real, fake, k=k)
    except ValueError as reason:
        return {name: Score.missing(str(reason)) for name in names}
    n = min(len(real), len(fake))
    order = shuffled(real)[:n]
    other = order if len(real) == len(fake) else shuffled(fake)[:n]
    one, two = real[order], fake[other]
    if n < k + 2:
        note = f"k={k}, N={n}; too few clips for an interval"
        return {name: Score(value=getattr(found, name), n=n, note=note) for name in names}
    left_out = leave_groups_out(
        lambda rows: dataclasses.astuple(prdc(one[rows], two[rows], k=k)), n, least=k + 1
    )
    return {
        name: _score(getattr(found, name), spread, n, k, share=name != "density")
        for name, spread in zip(names, left_out.T, strict=True)
    }


def _score(value: float, left_out: np.ndarray, n: int, k: int, *, share: bool) -> Score:
    note = f"k={k}, N={n}"
    if not share:
        low, high = interval(value, left_out)
        low, note = max(low, 0.0), f"{note}; jackknife over groups of clips"
        return Score(value=value, low=low, high=high, n=n, note=note)
    variance = standard_error(left_out) ** 2
    effective = min(value * (1 - value) / variance, n) if variance > 0 else n
    # One clip at the least: neighbours move together, but no share rests on less than that.
    effective = max(effective, 1.0)
    low, high = wilson(value * effective, effective)
    note = f"{note}; Wilson at the sample size that a jackknife over groups implies"
    return Score(value=value, low=low, high=high, n=n, note=note)


def _reach(x: np.ndarray, k: int) -> np.ndarray:
    """float64 [N], squared distance of each row to its k-th neighbour among the others."""
    reach = np.empty(len(x))
    for start in range(0, len(x), _ROWS_AT_ONCE):
        block = _squares(x[start : start + _ROWS_AT_ONCE], x)
        place = np.arange(len(block))
        block[place, start + place] = np.inf
        reach[start : start + len(block)] = np.partition(block, k - 1, axis=1)[:, k - 1]
    return reach


def _squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float64 [N M], squared Euclidean distances."""
    squares = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1)[None, :] - 2.0 * (x @ y.T)
    return np.maximum(squares, 0.0)
