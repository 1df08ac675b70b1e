"""What a number of training seeds can show at all, said before any number is looked at.

A permutation of the labels of n against n seeds has C(2n, n) outcomes, so that its p-values come in
steps of 2 / C(2n, n): few seeds cannot reject whatever the difference, and a family of tests asks
for more.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

from scipy import optimize, stats

ENOUGH_SEEDS = 5
"""With fewer training seeds a comparison describes and prints no p-value."""

ALPHA = 0.05
"""Level of every family of tests."""


def smallest_p(seeds: int) -> float:
    """The smallest two-sided p that a permutation of the labels of n against n seeds can reach."""
    return min(1.0, 2 / math.comb(2 * seeds, seeds))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reach:
    """What a number of seeds can show.

    Attributes:
        seeds: of each generator.
        pairs: of generators that are tested on one metric.
        metrics: that are tested.
        smallest_p: that the permutation of labels can reach.
        threshold: what Holm over the pairs asks of the smallest p.
        threshold_over_metrics: the same over the pairs of all metrics.
        needed: seeds with which Holm over the pairs can reject.
        needed_over_metrics: seeds with which Holm over the pairs of all metrics can.
    """

    seeds: int
    pairs: int
    metrics: int
    smallest_p: float
    threshold: float
    threshold_over_metrics: float
    needed: int
    needed_over_metrics: int

    @property
    def descriptive(self) -> bool:
        """Whether there are too few seeds for any p-value."""
        return self.seeds < ENOUGH_SEEDS

    @property
    def can_reject(self) -> bool:
        """Whether Holm over the pairs of one metric can reject at all."""
        return not self.descriptive and self.smallest_p <= self.threshold

    @property
    def can_reject_over_metrics(self) -> bool:
        """Whether Holm over the pairs of all metrics can."""
        return not self.descriptive and self.smallest_p <= self.threshold_over_metrics

    def __str__(self) -> str:
        """In a sentence or two."""
        if self.descriptive:
            return (
                f"{_count(self.seeds, 'training seed')} a generator: descriptive only, no p-value "
                f"is given; tests over {_count(self.pairs, 'pair')} need {self.needed} seeds."
            )
        words = (
            f"{self.seeds} training seeds a generator reach p = {in_digits(self.smallest_p)} at "
            f"best. Holm over {_count(self.pairs, 'pair')} asks for {in_digits(self.threshold)}"
        )
        words += ", within reach" if self.can_reject else f", for which {self.needed} are needed"
        if self.metrics > 1:
            words += (
                f"; over {_count(self.metrics, 'metric')} as well it would ask for "
                f"{in_digits(self.threshold_over_metrics)}"
            )
            words += (
                ", within reach too"
                if self.can_reject_over_metrics
                else f", for which {self.needed_over_metrics} are needed"
            )
        return words + "."


def what_seeds_can_show(seeds: int, pairs: int, metrics: int = 1, *, alpha: float = ALPHA) -> Reach:
    """Which rejections a number of seeds allows, before any number is looked at.

    Example:
        >>> reach = what_seeds_can_show(5, pairs=3, metrics=3)
        >>> reach.can_reject, reach.can_reject_over_metrics, reach.needed_over_metrics
        (True, False, 6)

    Args:
        seeds: of each generator.
        pairs: of generators, at least 1.
        metrics: that are tested, at least 1.
        alpha: level of the family.

    Raises:
        ValueError: if a number is below 1.
    """
    if min(seeds, pairs, metrics) < 1:
        raise ValueError(f"seeds, pairs and metrics start at 1, got {seeds}, {pairs}, {metrics}")
    thresholds = alpha / pairs, alpha / (pairs * metrics)
    needed = [
        next(n for n in itertools.count(ENOUGH_SEEDS) if smallest_p(n) <= threshold)
        for threshold in thresholds
    ]
    return Reach(
        seeds=seeds,
        pairs=pairs,
        metrics=metrics,
        smallest_p=smallest_p(seeds),
        threshold=thresholds[0],
        threshold_over_metrics=thresholds[1],
        needed=needed[0],
        needed_over_metrics=needed[1],
    )


def minimum_detectable_effect(
    spread: float, n: int, *, alpha: float = ALPHA, power: float = 0.8, paired: bool = False
) -> float:
    """The smallest true difference of means that a two-sided t test finds with this power.

    Args:
        spread: standard deviation between replicates of one generator (of their differences, where
            paired).
        n: replicates of each generator, at least 2.
        alpha: level of the single test; divide by the size of a family before.
        power: chance of finding it.
        paired: whether replicates are pairs.

    Returns:
        In the unit of `spread`; 0 where there is no spread.

    Raises:
        ValueError: if n is below 2, or a share lies outside (0, 1).

    References: Cohen, "Statistical power analysis for the behavioral sciences" (1988), chapter 2.
    """
    if n < 2 or not 0 < alpha < power < 1:
        raise ValueError(f"no effect can be told for n={n}, alpha={alpha}, power={power}")
    freedom = n - 1 if paired else 2 * n - 2
    critical = float(stats.t.isf(alpha / 2, freedom))

    def missing_power(shift: float) -> float:
        # The other tail, significance the wrong way round, is no success and next to nothing.
        return float(stats.nct.sf(critical, freedom, shift)) - power

    highest = critical
    while missing_power(highest) < 0:
        highest *= 2
    shift = optimize.root_scalar(missing_power, bracket=(0.0, highest)).root
    return float(shift) * spread * math.sqrt((1 if paired else 2) / n)


def in_digits(p: float) -> str:
    """A p-value for prose: ``0.0079``."""
    return f"{p:.4f}" if p >= 1e-4 else f"{p:.1e}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
