"""Results: tidy rows, a pure function of what lies in a run folder.

A row is one number: who, which kind, which seed, what was measured on which prompts, the value, its
interval and how that was made. A number that could not be computed is a row with value None and
the reason in its note.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from etils import epath

from vidgen.comparison.folder import ANCHORS, ComparisonFolder, RunFolder, of_run, read_json
from vidgen.evaluation.agreement import Agreement, rank_agreement
from vidgen.evaluation.feature_judge import KERNEL_DISTANCES
from vidgen.evaluation.statistics import over_seeds
from vidgen.training.cost import Cost
from vidgen.types import Better, Score

Kind = Literal["generator", "anchor"]

PROPORTIONS = frozenset(
    {
        "oracle_success",
        "oracle_success_majority",
        "identity",
        "identity_majority",
        "motion",
        "one_object",
        "missing_rate",
        "extra_rate",
        "precision",
        "recall",
        "coverage",
        "memorisation",
    }
)
"""Metrics that lie in [0, 1], where an interval is cut at the ends."""

PRICES = (
    "parameters",
    "trained_parameters",
    "training_seconds",
    "compile_seconds",
    "training_flops",
    "optimizer_flops",
    "clips_seen",
    "sampling_p50",
    "sampling_p95",
    "sampling_rate",
    "sampling_flops",
)
"""What a generator costs; all of it is judged apart from quality."""


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """All rows of a comparison.

    Attributes:
        rows: one a generator, seed, metric and kind of prompts.
        summary: the same over seeds.
    """

    rows: tuple[Row, ...]
    summary: tuple[Row, ...]

    def pick(self, metric: str, *, prompts: str = "all", share: float = 1.0) -> list[Row]:
        """The summary rows of one metric, generators before anchors."""
        return [
            row
            for row in self.summary
            if (row.metric, row.prompts, row.share) == (metric, prompts, share)
        ]

    def one(self, who: str, metric: str, *, prompts: str = "all", share: float = 1.0) -> Row | None:
        """The summary row of one generator or anchor, None where nothing was measured."""
        rows = self.pick(metric, prompts=prompts, share=share)
        return next((row for row in rows if row.generator == who), None)

    def who(self, kind: Kind) -> list[str]:
        """Names of generators or anchors, in the order of the rows."""
        return list(dict.fromkeys(row.generator for row in self.summary if row.kind == kind))


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


def agreement(results: Results) -> list[Agreement]:
    """How far the in-domain networks rank generators and anchors alike, by kernel distance."""
    return rank_agreement(
        {
            metric: {r.generator: r.value for r in results.pick(metric) if r.value is not None}
            for metric in KERNEL_DISTANCES.values()
        }
    )


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows as JSON."""
    return [dataclasses.asdict(row) for row in rows]


def collect(folder: ComparisonFolder) -> Results:
    """Everything that the run folders below a comparison say, in a fixed order.

    Args:
        folder: of the comparison.

    Raises:
        FolderError: if a file is damaged or of a newer schema.
    """
    rows: list[Row] = []
    for path in _score_files(folder.path):
        rows += [Row(**row) for row in read_json(path)["rows"]]
        if path.parent.parent.name != ANCHORS:
            rows += _price_rows(RunFolder(path.parent))
    rows += _failures(folder.path, {(row.generator, row.seed, row.share) for row in rows})
    order = {name: i for i, name in enumerate(read_json(folder.experiment)["order"])}
    rows.sort(
        key=lambda r: (r.kind == "anchor", order.get(r.generator, len(order)), r.share != 1.0)
    )
    return Results(rows=tuple(rows), summary=tuple(summarise(rows)))


def summarise(rows: Sequence[Row]) -> list[Row]:
    """The rows over seeds.

    With two seeds or more the interval is a t interval on the seeds' values. Where the seeds agree
    to the last digit that interval has no width, and the mean of the intervals within a seed stands
    in for it, labelled so.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row.generator, row.kind, row.share, row.metric, row.prompts)
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
        low, high = _mean_of(r.low for r in known), _mean_of(r.high for r in known)
        note = "no spread between seeds; mean of the intervals within a seed"
    if first.metric in PROPORTIONS and low is not None and high is not None:
        low, high = max(low, 0.0), min(high, 1.0)
    return dataclasses.replace(
        known[0], seed=None, value=mean, low=low, high=high, n=len(known), note=note + lack
    )


def _mean_of(values: Iterable[float | None]) -> float | None:
    values = list(values)
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _why(group: Sequence[Row]) -> str:
    return "; ".join(dict.fromkeys(row.note for row in group if row.value is None))


def _score_files(root: epath.Path) -> list[epath.Path]:
    patterns = (f"{ANCHORS}/*/scores.json", "*/seed-*/scores.json", "budget-*/*/seed-*/scores.json")
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def _failures(root: epath.Path, scored: set[tuple[str, int | None, float]]) -> list[Row]:
    """A row that says why, for each job that ended in an error."""
    rows = []
    for pattern in ("*/seed-*/failure.json", "budget-*/*/seed-*/failure.json"):
        for path in sorted(root.glob(pattern)):
            _, generator, seed, share = of_run(path.parent)
            if (generator, seed, share) not in scored:
                why = f"the job failed: {read_json(path)['error']}"
                rows += [
                    Row(
                        generator=generator,
                        kind="generator",
                        seed=seed,
                        share=share,
                        metric="oracle_success",
                        prompts=prompts,
                        value=None,
                        note=why,
                    )
                    for prompts in ("all", "text", "text+image")
                ]
    return rows


def _price_rows(run: RunFolder) -> list[Row]:
    """What a run cost, from its clocks and from the measured price of sampling."""
    _, generator, seed, share = of_run(run.path)
    values: dict[str, tuple[float | None, str]] = {}
    if run.price.exists():
        values |= {k: (v, "") for k, v in read_json(run.price).items() if k in PRICES}
    if run.cost.exists():
        cost = Cost.read(os.fspath(run.path))
        unknown = "; ".join(p.flops_note for p in cost.phases.values() if p.flops_note)
        values |= {
            "trained_parameters": (sum(p.parameters for p in cost.phases.values()), ""),
            "training_seconds": (cost.seconds("train"), ""),
            "compile_seconds": (cost.seconds("compile"), ""),
            "training_flops": (cost.model_flops, unknown or "not counted"),
            "optimizer_flops": (cost.optimizer_flops, unknown or "not counted"),
            "clips_seen": (cost.clips, ""),
        }
    return [
        Row(
            generator=generator,
            kind="generator",
            seed=seed,
            share=share,
            metric=metric,
            value=None if values[metric][0] is None else float(values[metric][0] or 0.0),
            n=1,
            better="higher" if metric in ("sampling_rate", "clips_seen") else "lower",
            note=values[metric][1] if values[metric][0] is None else "",
        )
        for metric in PRICES
        if metric in values
    ]
