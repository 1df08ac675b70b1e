"""Curves of a comparison: loss along a training, and quality against what it cost."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from vidgen.comparison.folder import RunFolder
from vidgen.comparison.results import Results
from vidgen.training import Cost, read_metrics

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
        labelled: whether the legend names it; one seed of several does.
    """

    phase: str
    split: str
    loss: tuple[float, ...]
    seconds: tuple[float, ...]
    flops: tuple[float, ...]
    labelled: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """A generator's quality at a price."""

    price: float
    value: float
    low: float
    high: float


def loss_curves(run: RunFolder, *, labelled: bool = True) -> list[Curve]:
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
                        labelled=labelled,
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
    prompts: str = "all",
    along_budgets: bool = True,
) -> dict[str, list[Point]]:
    """Oracle success against a price.

    Args:
        results: of the comparison.
        price: a metric of `results.PRICES`.
        generators: who is drawn.
        prompts: on which the quality was measured.
        along_budgets: at every share of the budget that was trained, or at the whole one alone.
    """
    found: dict[str, list[Point]] = {}
    shares = sorted({row.share for row in results.summary}) if along_budgets else [1.0]
    for share in shares:
        for name in generators:
            quality = results.one(name, "oracle_success", prompts=prompts, share=share)
            cost = results.one(name, price, share=share)
            if quality is None or quality.value is None or cost is None or not cost.value:
                continue
            low = quality.value if quality.low is None else quality.low
            high = quality.value if quality.high is None else quality.high
            found.setdefault(name, []).append(
                Point(price=cost.value, value=quality.value, low=low, high=high)
            )
    return found
