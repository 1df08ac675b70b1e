"""Rows: one number each, who, which kind, which seed, what was measured on which prompts.

A number that could not be computed is a row with value None and the reason in its note.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from vidgen.evaluation import METRICS
from vidgen.evaluation.statistics import over_seeds
from vidgen.types import Better, Score

TEST = "test"
"""Rows of the list of prompts that a verdict rests on."""

COMPOSITIONAL = "compositional"
"""Rows of combinations that no training showed, answered by generators trained without them."""

EQUAL_FLOPS = "equal-flops"
"""Rows of generators that were all trained on the same FLOPs, which answer the test list."""

EQUAL_PARAMETERS = "equal-parameters"
"""Rows of generators that were all sized to the same number of parameters, likewise."""

EQUAL_PRICES = (EQUAL_FLOPS, EQUAL_PARAMETERS)

FURTHER = (COMPOSITIONAL, *EQUAL_PRICES)
"""Of these the rows come from comparisons of their own, inside the folder of the one that asks."""

ROLLOUT = "rollout"
"""Rows of clips longer than any in training, which answer the prompts of the test list."""

RECONSTRUCTION = "reconstruction"
"""Rows of the real clips of the test list through a generator's tokenizer and back: no answers, but
the ceiling of whatever is drawn in its codes. They are anchors, named after the generator."""

Kind = Literal["generator", "anchor"]

PRICES = (
    "parameters",
    "trained_parameters",
    "training_seconds",
    "compile_seconds",
    "training_flops",
    "optimizer_flops",
    "total_flops",
    "clips_seen",
    "sampling_p50",
    "sampling_p95",
    "sampling_rate",
    "sampling_flops",
)
"""What a generator costs; all of it is judged apart from quality."""

LATENCY = ("sampling_p50", "sampling_p95")
"""Of those, what one clip alone takes: the median, and the tail."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One number of a comparison.

    Attributes:
        generator: or the name of an anchor.
        kind: "generator" or "anchor".
        seed: of training; None for anchors, and for a summary over seeds.
        share: of the experiment's budget that it was trained on.
        metric: what was measured.
        prompts: on which: "all", "text" or "text+image".
        value: the number, None where there is none.
        low: lower end of its 95% interval.
        high: upper end.
        n: clips, or seeds, that it rests on.
        better: which way is good.
        note: how the interval was made, or why there is no value.
        protocol: `TEST`, one of `FURTHER`, `ROLLOUT` or `RECONSTRUCTION`.
        method: how clips longer than training's were made, "own" or "chained" (see
            `vidgen.evaluation.METHODS`); empty where there are none.
    """

    generator: str
    kind: Kind
    seed: int | None
    share: float = 1.0
    metric: str
    prompts: str = "all"
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    better: Better = "higher"
    note: str = ""
    protocol: str = TEST
    method: str = ""


def is_share(metric: str) -> bool:
    """Whether a metric lies in [0, 1], where intervals and axes end; False for one not known."""
    return metric in METRICS and METRICS[metric].share


def rows_of(
    scores: Mapping[Any, Score],
    *,
    generator: str,
    kind: Kind,
    seed: int | None,
    share: float = 1.0,
) -> list[Row]:
    """A judge's scores, by (metric, prompts), as rows."""
    return [
        Row(
            generator=generator,
            kind=kind,
            seed=seed,
            share=share,
            metric=metric,
            prompts=prompts,
            value=score.value,
            low=score.low,
            high=score.high,
            n=score.n,
            better=score.better,
            note=score.note,
        )
        for (metric, prompts), score in scores.items()
    ]


def as_json(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Rows, or other plain dataclasses, as JSON."""
    return [dataclasses.asdict(row) for row in rows]


def summarise(rows: Sequence[Row]) -> list[Row]:
    """The rows over seeds.

    With two seeds or more the interval is a t interval on the seeds' values. Where the seeds agree
    to the last digit that interval has no width, and the mean of the intervals within a seed stands
    in for it, labelled so.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row.generator, row.kind, row.share, row.metric, row.prompts, row.protocol)
        groups.setdefault(key, []).append(row)
    return [_over_seeds(group) for group in groups.values()]


def _over_seeds(group: Sequence[Row]) -> Row:
    first = group[0]
    known = [row for row in group if row.value is not None]
    if not known:
        return dataclasses.replace(first, seed=None)
    absent = len(group) - len(known)
    lack = f"; {absent} of {len(group)} seeds have no value ({_why(group)})" if absent else ""
    if len(known) == 1:
        note = known[0].note if first.kind == "anchor" else f"one seed: {known[0].note}"
        return dataclasses.replace(known[0], seed=None, note=note.removesuffix(": ") + lack)
    values = [float(row.value) for row in known if row.value is not None]
    mean, low, high = over_seeds(values)
    note = f"t over {len(known)} seeds"
    if low == high:
        low, high = mean_of(r.low for r in known), mean_of(r.high for r in known)
        note = "no spread between seeds; mean of the intervals within a seed"
    if is_share(first.metric) and low is not None and high is not None:
        low, high = max(low, 0.0), min(high, 1.0)
    return dataclasses.replace(
        known[0], seed=None, value=mean, low=low, high=high, n=len(known), note=note + lack
    )


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean; None where any value is missing."""
    values = list(values)
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _why(group: Sequence[Row]) -> str:
    return "; ".join(dict.fromkeys(row.note for row in group if row.value is None))
