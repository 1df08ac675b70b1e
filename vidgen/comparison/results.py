"""Results: rows, pairs and trust, a pure function of what lies in a run folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from vidgen.comparison import records
from vidgen.comparison.answers import answers_of
from vidgen.comparison.folder import (
    ComparisonFolder,
    FolderError,
    RunFolder,
    of_run,
    read_json,
)
from vidgen.comparison.pairs import ClipKey, Pair, pairs_of, supported_best
from vidgen.comparison.rollouts import rollouts_of
from vidgen.comparison.rows import (
    FURTHER,
    PRICES,
    RECONSTRUCTION,
    TEST,
    Kind,
    Row,
    summarise,
)
from vidgen.comparison.trust import Trust, trust_of
from vidgen.evaluation.agreement import Agreement, rank_agreement
from vidgen.evaluation.feature_judge import KERNEL_DISTANCES
from vidgen.evaluation.metrics import STRATA
from vidgen.training.cost import Cost

_T = TypeVar("_T")

QUALITY = {"oracle_success": "all", "kvd_in_domain": "all", "psnr": "text+image"}
"""What families are ranked and drawn against prices by, and on which prompts: the first of these
that has values."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """All that a comparison measured.

    Attributes:
        rows: one a generator, seed, metric, kind of prompts and protocol.
        summary: the same over seeds.
        pairs: of generators on every metric, baselines left out; tested from five seeds on.
        trust: whether each metric orders the anchors.
        devices: which generators were trained on each; empty for folders that are older than this
            record.
        sampled_on: which generators' sampling was timed on each; likewise.
        neighbours: of each generator, the largest share that others took of the cores on which its
            sampling was timed; without those of whom it is not known.
    """

    rows: tuple[Row, ...]
    summary: tuple[Row, ...]
    pairs: tuple[Pair, ...] = ()
    trust: tuple[Trust, ...] = ()
    devices: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    sampled_on: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    neighbours: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def pick(
        self, metric: str, *, prompts: str = "all", share: float = 1.0, protocol: str = TEST
    ) -> list[Row]:
        """The summary rows of one metric, generators before anchors."""
        wanted = (metric, prompts, share, protocol)
        return [
            row
            for row in self.summary
            if (row.metric, row.prompts, row.share, row.protocol) == wanted
        ]

    def one(
        self,
        who: str,
        metric: str,
        *,
        prompts: str = "all",
        share: float = 1.0,
        protocol: str = TEST,
    ) -> Row | None:
        """The summary row of one generator or anchor, None where nothing was measured."""
        rows = self.pick(metric, prompts=prompts, share=share, protocol=protocol)
        return next((row for row in rows if row.generator == who), None)

    def quality(self, contestants: Sequence[str], *, protocol: str = TEST) -> tuple[str, str]:
        """The first metric of `QUALITY` of which a contestant has a value, and its prompts."""
        for metric, prompts in QUALITY.items():
            found = self.pick(metric, prompts=prompts, protocol=protocol)
            if any(row.value is not None and row.generator in contestants for row in found):
                return metric, prompts
        return next(iter(QUALITY.items()))

    def who(self, kind: Kind) -> list[str]:
        """Names of generators or anchors, in the order of the rows."""
        return list(dict.fromkeys(row.generator for row in self.summary if row.kind == kind))

    def pairs_on(self, metric: str, *, prompts: str = "all", protocol: str = TEST) -> list[Pair]:
        """The pairs of one metric."""
        wanted = (metric, prompts, protocol)
        return [pair for pair in self.pairs if (pair.metric, pair.prompts, pair.protocol) == wanted]

    def best(self, metric: str, *, prompts: str = "all", protocol: str = TEST) -> str | None:
        """Who may be marked as best in a column: better than all others, supported by the tests.

        None where the tests do not say so, and always with fewer than five seeds.
        """
        return supported_best(self.pairs_on(metric, prompts=prompts, protocol=protocol))

    def trust_in(self, metric: str, *, prompts: str = "all", protocol: str = TEST) -> Trust | None:
        """Whether a metric orders the anchors; None where it has none."""
        wanted = (metric, prompts, protocol)
        return next((t for t in self.trust if (t.metric, t.prompts, t.protocol) == wanted), None)


_SAME_QUESTION = (
    tuple(KERNEL_DISTANCES.values()),
    ("oracle_success", "alignment", "alignment_top1", "detected_success"),
)
"""Metrics that answer one question, by networks of their own or by truth."""


def agreement(results: Results) -> list[Agreement]:
    """How far metrics of one question rank generators and anchors alike: the in-domain networks, by
    kernel distance; and the oracle, alignment and the detector, by what was asked.
    """
    return [
        pair
        for metrics in _SAME_QUESTION
        for pair in rank_agreement(
            {
                metric: {r.generator: r.value for r in results.pick(metric) if r.value is not None}
                for metric in metrics
            }
        )
    ]


def collect(folder: ComparisonFolder) -> Results:
    """Everything that the run folders below a comparison say, in a fixed order.

    Args:
        folder: of the comparison.

    Raises:
        FolderError: if a file is damaged or of a newer schema.
    """
    record = read_json(folder.experiment)
    rows, clips = _read(folder, TEST)
    for more, more_clips in (answers_of(folder), rollouts_of(folder)):
        rows, clips = rows + more, clips | more_clips
    for question in FURTHER:
        if folder.further(question).experiment.exists():
            more, more_clips = _read(folder.further(question), question)
            rows, clips = rows + more, clips | more_clips
    order = {name: i for i, name in enumerate(record["order"])}
    rows.sort(
        key=lambda r: (r.kind == "anchor", order.get(r.generator, len(order)), r.share != 1.0)
    )
    contestants = [n for n in record["order"] if record["cards"][n]["family"] != "baseline"]
    summary = tuple(summarise(rows))
    return Results(
        rows=tuple(rows),
        summary=summary,
        pairs=pairs_of(rows, contestants, clips),
        trust=trust_of(summary),
        **_machines(folder, contestants),
    )


def read(folder: ComparisonFolder) -> Results:
    """The results as `vidgen report` wrote them, without looking at what lies beneath.

    A file of schema 1 has rows and summary alone: its pairs and trust are empty until
    `vidgen report` writes it anew.

    Raises:
        FolderError: if there is no such file, or a damaged one or one of a newer schema.
    """
    data = read_json(folder.results)

    def all_of(kind: type[_T], name: str) -> tuple[_T, ...]:
        return tuple(records.decode(kind, item) for item in data.get(name, []))

    try:
        return Results(
            rows=all_of(Row, "rows"),
            summary=all_of(Row, "summary"),
            pairs=all_of(Pair, "pairs"),
            trust=all_of(Trust, "trust"),
            devices={device: tuple(names) for device, names in data.get("devices", {}).items()},
            sampled_on={
                device: tuple(names) for device, names in data.get("sampled_on", {}).items()
            },
            neighbours=data.get("neighbours", {}),
        )
    except ValueError as error:
        raise FolderError(f"{folder.results} does not hold results: {error}") from error


def _read(
    folder: ComparisonFolder, protocol: str
) -> tuple[list[Row], dict[ClipKey, list[float | None]]]:
    """The rows of one folder, and the values of single clips where they were kept."""
    rows: list[Row] = []
    rebuilt: list[Row] = []
    clips: dict[ClipKey, list[float | None]] = {}
    for run in [*folder.anchors(), *folder.runs()]:
        if not run.scores.exists():
            continue
        scores = read_json(run.scores)
        rows += [Row(**row) for row in scores["rows"]]
        if scores["seed"] is None:  # an anchor
            continue
        rows += _price_rows(run)
        if protocol == TEST:
            # Absent where the judging is older than they are.
            rebuilt += [Row(**row) for row in scores.get(RECONSTRUCTION, [])]
        if scores["share"] == 1.0:
            for kept in scores.get("clips", []):
                who = (scores["generator"], scores["seed"])
                clips[*who, kept["metric"], kept["prompts"], protocol] = kept["values"]
    rows += _failures(folder, {(row.generator, row.seed, row.share) for row in rows})
    return [*(dataclasses.replace(row, protocol=protocol) for row in rows), *rebuilt], clips


def _machines(folder: ComparisonFolder, names: Sequence[str]) -> dict[str, Any]:
    """Where the generators were trained and timed, and beside how much: fields of `Results`."""
    trained: dict[str, set[str]] = {}
    timed: dict[str, set[str]] = {}
    neighbours: dict[str, float] = {}
    for run in folder.every_run():
        _, generator, _, _ = of_run(run.path)
        if generator not in names:
            continue
        if run.cost.exists():
            for phase in Cost.read(os.fspath(run.path)).phases.values():
                for device in phase.devices:
                    trained.setdefault(device, set()).add(generator)
        price = read_json(run.price) if run.price.exists() else {}
        if price.get("device"):
            timed.setdefault(price["device"], set()).add(generator)
        if price.get("neighbours") is not None:
            neighbours[generator] = max(price["neighbours"], neighbours.get(generator, 0.0))

    def in_order(found: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
        return {device: tuple(n for n in names if n in found[device]) for device in sorted(found)}

    beside = {name: neighbours[name] for name in names if name in neighbours}
    return {"devices": in_order(trained), "sampled_on": in_order(timed), "neighbours": beside}


def _failures(folder: ComparisonFolder, scored: set[tuple[str, int | None, float]]) -> list[Row]:
    """A row that says why, for each job that ended in an error."""
    rows = []
    for run in folder.runs():
        if not run.failure.exists():
            continue
        _, generator, seed, share = of_run(run.path)
        if (generator, seed, share) not in scored:
            why = f"the job failed: {read_json(run.failure)['error']}"
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
                for prompts in STRATA
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
            "total_flops": (cost.flops, unknown or "not counted"),
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
