"""Curves: loss along a training, quality against what it cost, metrics along the frames."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vidgen.comparison.folder import ComparisonFolder, RunFolder, read_json
from vidgen.comparison.results import Results
from vidgen.comparison.rows import LATENCY, Row, mean_of, summarise
from vidgen.comparison.selection import Tried, all_tried
from vidgen.evaluation import Confusion
from vidgen.evaluation.observations import FrameCurve, Observations
from vidgen.evaluation.statistics import over_seeds
from vidgen.training import Cost, read_metrics

Curves = Mapping[str, FrameCurve]
"""Curves of one metric on one kind of prompts, by generator or anchor."""

MOST_POINTS = 300
"""Of a curve; longer ones are thinned, which no eye sees and every page feels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """The loss of one phase of one training.

    Attributes:
        phase: its name.
        split: "train" or "validation".
        loss: at the points.
        seconds: on the training clock, earlier phases included.
        flops: model and optimiser, earlier phases included; empty where they are not counted.
    """

    phase: str
    split: str
    loss: tuple[float, ...]
    seconds: tuple[float, ...]
    flops: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """A generator's quality at a price.

    Attributes:
        price: what it cost.
        value: the quality.
        low: lower end of its 95% interval.
        high: upper end.
        price_high: the 95th percentile of the price, where it is a latency; else None.
        label: which setting it is; empty where its generator has but one.
    """

    price: float
    value: float
    low: float
    high: float
    price_high: float | None = None
    label: str = ""


def loss_curves(run: RunFolder) -> list[Curve]:
    """The curves of one run; none where it logged nothing."""
    if not (run.metrics.exists() and run.cost.exists()):
        return []
    cost, rows = Cost.read(os.fspath(run.path)), read_metrics(os.fspath(run.path))
    curves = []
    seconds_before, flops_before, countable = 0.0, 0.0, True
    for name, phase in cost.phases.items():
        steps, clock = np.array(phase.timeline or [[0.0, 0.0]], float).T
        total = phase.seconds.get("train", float(clock[-1]))
        steps = np.concatenate([[0.0], steps, [max(phase.steps, 1)]])
        clock = np.concatenate([[0.0], clock, [max(total, float(clock[-1]))]])
        countable &= phase.step_flops is not None
        for split in ("train", "validation"):
            mine = [
                row
                for row in rows
                if (row["phase"], row["split"]) == (name, split) and row.get("loss") is not None
            ]
            mine = mine[:: max(1, len(mine) // MOST_POINTS)]
            if mine:
                at = np.array([row["step"] for row in mine], float)
                flops = flops_before + at * (phase.step_flops or 0)
                curves.append(
                    Curve(
                        phase=name,
                        split=split,
                        loss=tuple(float(row["loss"]) for row in mine),
                        seconds=tuple((seconds_before + np.interp(at, steps, clock)).tolist()),
                        flops=tuple(flops.tolist()) if countable else (),
                    )
                )
        seconds_before += total
        flops_before += phase.steps * (phase.step_flops or 0)
    return curves


def against_price(
    results: Results,
    price: str,
    *,
    generators: Sequence[str],
    quality: str = "oracle_success",
    prompts: str = "all",
    along_budgets: bool = True,
) -> dict[str, list[Point]]:
    """Quality against a price.

    Args:
        results: of the comparison.
        price: a metric of `rows.PRICES`.
        generators: who is drawn.
        quality: the metric.
        prompts: on which the quality was measured.
        along_budgets: at every share of the budget that was trained, or at the whole one alone.
    """
    found: dict[str, list[Point]] = {}
    shares = sorted({row.share for row in results.summary}) if along_budgets else [1.0]
    for share in shares:
        for name in generators:
            good = results.one(name, quality, prompts=prompts, share=share)
            cost = results.one(name, price, share=share)
            if good is None or good.value is None or cost is None or not cost.value:
                continue
            tail = results.one(name, "sampling_p95", share=share)
            found.setdefault(name, []).append(
                _point(
                    good,
                    cost.value,
                    price_high=tail.value if tail and price == "sampling_p50" else None,
                )
            )
    return found


def along_settings(
    folder: ComparisonFolder, names: Sequence[str], seeds: Sequence[int]
) -> dict[tuple[str, str], dict[str, list[Point]]]:
    """Quality on validation prompts against the latency of one clip, at each sampler setting tried.

    Where checkpoints were tried as well, each seed's is the one that it chose. With several seeds a
    point is their mean. A setting without a measured latency, or without a
    value, has none.

    Args:
        folder: of the comparison.
        names: generators.
        seeds: of training; all are drawn that tried the setting.

    Returns:
        Points by (metric, prompts) that decided, and by generator.
    """
    found: dict[tuple[str, str], dict[str, list[Point]]] = {}
    for name in names:
        groups: dict[str, list[Tried]] = {}
        for seed in seeds:
            of_run = all_tried(folder.run(name, seed))
            steps = [tried.step for tried in of_run if tried.is_chosen]
            for tried in of_run:
                if tried.step not in steps:
                    continue
                key = json.dumps([tried.row.metric, tried.row.prompts, tried.sampler])
                groups.setdefault(key, []).append(tried)
        varied = _varied([group[0].sampler for group in groups.values()])
        for group in groups.values():
            row = summarise([tried.row for tried in group])[0]
            median, tail = (mean_of(tried.price.get(of) for tried in group) for of in LATENCY)
            if row.value is None or not median:
                continue
            said = ", ".join(f"{field} {group[0].sampler.get(field)}" for field in varied)
            series = found.setdefault((row.metric, row.prompts), {})
            series.setdefault(name, []).append(_point(row, median, price_high=tail, label=said))
    return found


def _varied(samplers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields that differ among settings."""
    fields = dict.fromkeys(field for sampler in samplers for field in sampler)
    return [f for f in fields if any(s.get(f) != samplers[0].get(f) for s in samplers)]


def _point(row: Row, price: float, *, price_high: float | None, label: str = "") -> Point:
    """A row that has a value, at a price."""
    assert row.value is not None
    return Point(
        price=price,
        value=row.value,
        low=row.value if row.low is None else row.low,
        high=row.value if row.high is None else row.high,
        price_high=price_high,
        label=label,
    )


def observations(folder: ComparisonFolder) -> dict[str, list[Observations]]:
    """What the judge saw of everybody at the whole budget, a seed each; anchors have one.

    Runs that were judged before observations were kept are absent.
    """
    found: dict[str, list[Observations]] = {}
    for run in [*folder.anchors(), *folder.runs(shares=False)]:
        scores = read_json(run.scores) if run.scores.exists() else {}
        for who, data in scores.get("observed", {}).items():
            found.setdefault(who, []).append(Observations.from_json(data))
    return found


def frame_curves(seen: Mapping[str, Sequence[Observations]]) -> Mapping[tuple[str, str], Curves]:
    """By metric and prompts, everybody's curve along the frames.

    With several seeds a curve is the mean over them, and its interval a t interval over them.
    """
    found: dict[tuple[str, str], dict[str, FrameCurve]] = {}
    for who, runs in seen.items():
        groups: dict[tuple[str, str], list[FrameCurve]] = {}
        for run in runs:
            for curve in run.curves:
                groups.setdefault((curve.metric, curve.prompts), []).append(curve)
        for key, curves in groups.items():
            found.setdefault(key, {})[who] = curves[0] if len(curves) == 1 else _averaged(curves)
    return found


def total_confusion(runs: Sequence[Observations], name: str) -> Confusion | None:
    """One confusion, its counts summed over seeds; None where nobody kept it."""
    known = [run.confusions[name] for run in runs if name in run.confusions]
    if not known:
        return None
    return dataclasses.replace(known[0], counts=sum(one.counts for one in known))


def _averaged(curves: Sequence[FrameCurve]) -> FrameCurve:
    ends: list[tuple[float | None, float | None, float | None]] = []
    for values in zip(*(curve.value for curve in curves), strict=True):
        known = [value for value in values if value is not None]
        mean, low, high = over_seeds(known) if known else (None, None, None)
        ends.append((mean, low, high) if len(known) > 1 else (mean, None, None))
    value, low, high = zip(*ends, strict=True)
    return dataclasses.replace(curves[0], value=value, low=low, high=high)
