"""Do feature networks agree? Rank correlation of what they say of the same clips."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two metrics rank the same sets alike.

    Attributes:
        first: name of a metric.
        second: of the other.
        kendall: Kendall's τ-b, in [-1, 1].
        spearman: Spearman's ρ, in [-1, 1].
        n: how many sets.
    """

    first: str
    second: str
    kendall: float
    spearman: float
    n: int


def rank_agreement(values: Mapping[str, Mapping[str, float]]) -> list[Agreement]:
    """The agreement of every pair of metrics on the sets that both have a value for.

    Args:
        values: by metric, then by set (an anchor or a generator).

    Returns:
        A pair each; pairs with fewer than three sets in common, or on which one metric does not
        vary, are left out: they have no rank correlation.
    """
    found = []
    for first, second in itertools.combinations(values, 2):
        common = [name for name in values[first] if name in values[second]]
        x, y = ([values[metric][name] for name in common] for metric in (first, second))
        if len(common) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
            continue
        found.append(
            Agreement(
                first=first,
                second=second,
                kendall=float(np.asarray(stats.kendalltau(x, y))[0]),
                spearman=float(np.asarray(stats.spearmanr(x, y))[0]),
                n=len(common),
            )
        )
    return found
