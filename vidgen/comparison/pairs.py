"""Pairs: who differs from whom on which metric, by how much, and whether a test supports it.

The primary metrics were chosen before anything was run, and each is a family of its own: its pairs,
on all prompts of the test list, share Holm's correction. Every other test (other metrics, one kind
of prompts, the compositional list, equal prices) is exploratory and shares one Benjamini-Hochberg
correction.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vidgen.comparison.rows import PRICES, TEST, Row
from vidgen.evaluation import METHODS
from vidgen.evaluation.power import ALPHA, ENOUGH_SEEDS
from vidgen.evaluation.significance import (
    Difference,
    benjamini_hochberg,
    between_seeds,
    holm,
    over_prompts,
)
from vidgen.types import Better

PRIMARY_METRICS = ("oracle_success", "kvd_in_domain", "drift_identity")
"""Preregistered: what the verdict is about. The rest is exploratory."""

ClipKey = tuple[str, int | None, str, str, str]
"""Generator, seed, metric, prompts, protocol: of which run and metric clips have values."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Two generators on one metric.

    Attributes:
        a: a generator.
        b: another.
        metric: what was measured.
        prompts: on which: "all", "text" or "text+image".
        protocol: on which list, see `Row.protocol`.
        better: which way is good.
        difference: a's mean minus b's.
        low: lower end of its 95% interval; None where there is none.
        high: upper end.
        n: seeds of the generator that has fewer; prompts, where `paired` says so.
        paired: whether the interval is over the prompts that both answered within one seed, which
            says nothing about another training.
        p: two-sided, by exact permutation of the seeds' labels; None for a description.
        p_adjusted: the same within its family.
        family: the tests that it was corrected with and how; or that it is descriptive only.
        primary: whether the metric was preregistered.
        note: how the interval was made.
    """

    a: str
    b: str
    metric: str
    prompts: str = "all"
    protocol: str = TEST
    better: Better = "higher"
    difference: float
    low: float | None = None
    high: float | None = None
    n: int
    paired: bool = False
    p: float | None = None
    p_adjusted: float | None = None
    family: str
    primary: bool = False
    note: str = ""

    @property
    def winner(self) -> str | None:
        """Who is better, where the test supports it at the level of its family; else None."""
        if self.p_adjusted is None or self.p_adjusted > ALPHA or self.difference == 0:
            return None
        return self.a if (self.difference > 0) == (self.better == "higher") else self.b

    @property
    def ahead(self) -> str | None:
        """Who has the better mean, tested or not; None where they are equal."""
        if self.difference == 0:
            return None
        return self.a if (self.difference > 0) == (self.better == "higher") else self.b


def pairs_of(
    rows: Sequence[Row],
    contestants: Sequence[str],
    clips: Mapping[ClipKey, Sequence[float | None]] | None = None,
) -> tuple[Pair, ...]:
    """Every pair of contestants on every metric that both have, at the whole budget.

    Args:
        rows: one a seed, of everybody.
        contestants: who is compared, baselines left out.
        clips: a value a clip, where a metric has them; None for a clip without one. They are
            needed for the interval of one seed against another.
    """
    groups: dict[tuple[str, str, str], dict[str, dict[int | None, Row]]] = {}
    for row in rows:
        usable = row.kind == "generator" and row.share == 1.0 and row.value is not None
        if usable and row.generator in contestants and row.metric not in PRICES:
            group = groups.setdefault((row.metric, row.prompts, row.protocol), {})
            group.setdefault(row.generator, {})[row.seed] = row
    found = [
        _pair(group[a], group[b], clips or {})
        for group in groups.values()
        for a, b in itertools.combinations([n for n in contestants if n in group], 2)
    ]
    return _adjusted(found)


def supported_best(pairs: Sequence[Pair]) -> str | None:
    """Who is better than everybody else on one metric, every step supported by its test.

    Args:
        pairs: of one metric, kind of prompts and protocol.
    """
    names = dict.fromkeys(name for pair in pairs for name in (pair.a, pair.b))
    for name in names:
        mine = [pair for pair in pairs if name in (pair.a, pair.b)]
        if len(mine) == len(names) - 1 and all(pair.winner == name for pair in mine):
            return name
    return None


def _pair(
    a: Mapping[int | None, Row],
    b: Mapping[int | None, Row],
    clips: Mapping[ClipKey, Sequence[float | None]],
) -> Pair:
    first, second = next(iter(a.values())), next(iter(b.values()))
    seeds = min(len(a), len(b))
    found, paired = between_seeds(_values(a), _values(b)), False
    if seeds == 1:
        inside = _within(a, b, clips)
        found, paired = (found, False) if inside is None else (inside, True)
    tested = seeds >= ENOUGH_SEEDS
    few = "one seed" if seeds == 1 else f"{seeds} seeds"
    return Pair(
        a=first.generator,
        b=second.generator,
        metric=first.metric,
        prompts=first.prompts,
        protocol=first.protocol,
        better=first.better,
        difference=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        paired=paired,
        p=found.p if tested else None,
        family="" if tested else f"descriptive only: {few}",
        primary=first.metric in PRIMARY_METRICS
        and (first.prompts, first.protocol) == ("all", TEST),
        note=(found.note if tested else found.note.partition("; p by")[0]) + _made(first, second),
    )


def _made(a: Row, b: Row) -> str:
    """How two made clips longer than training's, which are not alike where they did otherwise."""
    if not (a.method and b.method):
        return ""
    return "; " + ", ".join(f"{row.generator} by {METHODS[row.method]}" for row in (a, b))


def _values(of: Mapping[int | None, Row]) -> list[float]:
    return [row.value for row in of.values() if row.value is not None]


def _within(
    a: Mapping[int | None, Row],
    b: Mapping[int | None, Row],
    clips: Mapping[ClipKey, Sequence[float | None]],
) -> Difference | None:
    """The difference on the prompts that both answered; None where clips have no values."""
    tables = []
    for side in (a, b):
        keys = [(r.generator, r.seed, r.metric, r.prompts, r.protocol) for r in side.values()]
        if any(key not in clips for key in keys):
            return None
        tables.append(np.array([clips[key] for key in keys], np.float64))  # None becomes NaN
    if tables[0].shape[1] != tables[1].shape[1] or not np.isfinite(tables[0] + tables[1]).any():
        return None
    return over_prompts(*tables, test=False)  # with one seed no p-value is given


def _adjusted(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs with their families' corrections, in the order given."""
    done = list(pairs)

    def correct(places: list[int], family: str, adjust: Callable[..., np.ndarray]) -> None:
        # A pair that lacks seeds was planned all the same, and does not ease the others' level.
        raw = [1.0 if (p := pairs[i].p) is None else p for i in places]
        for i, adjusted in zip(places, adjust(raw), strict=True):
            if pairs[i].p is not None:
                done[i] = dataclasses.replace(pairs[i], p_adjusted=float(adjusted), family=family)

    for metric in PRIMARY_METRICS:
        mine = [i for i, pair in enumerate(pairs) if pair.primary and pair.metric == metric]
        correct(mine, f"Holm over {_count(len(mine), 'pair')} of {metric}", holm)
    rest = [i for i, pair in enumerate(pairs) if not pair.primary]
    family = f"Benjamini-Hochberg over {_count(len(rest), 'exploratory test')}"
    correct(rest, family, benjamini_hochberg)
    return tuple(done)


def _count(n: int, noun: str) -> str:
    return f"the one {noun}" if n == 1 else f"the {n} {noun}s"
