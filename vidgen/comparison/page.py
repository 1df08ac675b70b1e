"""The report: one self-contained page, a pure function of a run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vidgen.comparison import figures
from vidgen.comparison.curves import against_price, loss_curves
from vidgen.comparison.folder import ComparisonFolder
from vidgen.comparison.gallery import gallery
from vidgen.comparison.results import Results, Row
from vidgen.comparison.verdict import (
    CHANCE,
    STRATA,
    Verdict,
    amount,
    number,
    seconds,
    untrusted,
)
from vidgen.evaluation import METRICS
from vidgen.evaluation.anchors import DESCRIPTIONS

PRIMARY = (
    ("oracle_success", "text", "text"),
    ("oracle_success", "text+image", "text + frame"),
    ("oracle_success_majority", "text", "text"),
    ("oracle_success_majority", "text+image", "text + frame"),
    ("psnr", "text+image", "text + frame"),
    ("drift_identity", "all", "all"),
)
"""Columns of the first table: metric, prompts, and how the prompts are named."""

HEADS = {
    "oracle_success": "Oracle success",
    "oracle_success_majority": "by majority",
    "psnr": "PSNR, dB",
    "drift_identity": "Identity drift",
}

COSTS = {
    "parameters": "Parameters",
    "trained_parameters": "Trained parameters",
    "training_seconds": "Training",
    "compile_seconds": "Compiling",
    "clips_seen": "Clips seen",
    "training_flops": "Model FLOPs",
    "optimizer_flops": "Optimiser FLOPs",
    "sampling_p50": "One clip, p50",
    "sampling_p95": "One clip, p95",
    "sampling_rate": "Clips/s in batches",
    "sampling_flops": "FLOPs a clip",
}

PRICE_AXES = {
    "training_seconds": "training seconds",
    "training_flops": "training FLOPs (model)",
    "parameters": "parameters",
    "sampling_p50": "seconds to sample a clip (median, batch 1)",
}


def render(
    folder: ComparisonFolder, record: Mapping[str, Any], results: Results, verdict: Verdict
) -> str:
    """The page as HTML without any outside resource.

    Args:
        folder: of the comparison.
        record: its ``experiment.json``.
        results: its rows.
        verdict: in words.

    Raises:
        ImportError: if matplotlib or jinja2 is absent, naming the extra that brings them.
    """
    try:
        import jinja2
        import matplotlib  # noqa: F401 - the figures need it, and say so less well
    except ImportError as error:
        raise ImportError(
            f"the report needs {error.name}: pip install 'vidgen[report]'; "
            "then `vidgen report DIR` writes it, and nothing is computed again"
        ) from error

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vidgen.comparison", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cards = record["cards"]
    everybody = [name for name in record["order"] if name in results.who("generator")]
    contestants = [name for name in everybody if cards[name]["family"] != "baseline"]
    look = figures.looks(contestants)
    experiment = record["experiment"]
    return environment.get_template("report.html.jinja").render(
        title=experiment["name"],
        experiment=experiment,
        record=record,
        verdict=verdict,
        budget=_budget(experiment["budget"]),
        cards={name: cards[name] for name in everybody},
        contestants=contestants,
        look=look,
        heads=[
            (HEADS[metric], words, _hint(results, metric, prompts))
            for metric, prompts, words in PRIMARY
        ],
        tables=_tables(results, everybody, contestants),
        forest=_forest(results, contestants, everybody, look),
        losses=_losses(folder, results, contestants, look),
        trade_offs=_trade_offs(results, contestants, look),
        shown=_shown(folder, record, contestants),
        cost_heads=list(COSTS.values()),
        costs=_costs(results, everybody),
        rows=[row for row in results.summary if row.metric in METRICS and row.share == 1.0],
        metrics=METRICS,
        number=number,
        configuration=json.dumps(experiment, indent=2),
    )


def _budget(data: Mapping[str, Any]) -> str:
    return f"{data['amount']:g} {data['unit']}"


def _hint(results: Results, metric: str, prompts: str) -> str:
    why = untrusted(results, metric, prompts)
    known = METRICS[metric].definition if metric in METRICS else metric
    return f"{known}. Not to be trusted here: {why}" if why else known


def _tables(
    results: Results, everybody: Sequence[str], contestants: Sequence[str]
) -> list[tuple[str, list[tuple[str, str, list[Row | None]]]]]:
    """(title, [(who, what it is, cells)]): contestants, then what frames them."""
    baselines = [name for name in everybody if name not in contestants]
    anchors = results.who("anchor")

    def lines(names: Sequence[str]) -> list[tuple[str, str, list[Row | None]]]:
        return [
            (
                name,
                DESCRIPTIONS.get(name.partition(" ")[0], ""),
                [results.one(name, metric, prompts=prompts) for metric, prompts, _ in PRIMARY],
            )
            for name in names
        ]

    return [
        ("Generators", lines(contestants)),
        ("Anchors: what the numbers are framed by", lines([*baselines, *anchors])),
    ]


def _forest(
    results: Results, contestants: Sequence[str], everybody: Sequence[str], look: Mapping[str, Any]
) -> str:
    panels, chance = {}, {}
    for prompts, words in STRATA:
        rows = [results.one(name, "oracle_success", prompts=prompts) for name in contestants]
        panels[words] = [row for row in rows if row is not None]
        floor = [
            row
            for row in results.pick("oracle_success", prompts=prompts)
            if row.high is not None
            and row.generator not in contestants
            and (row.generator in CHANCE or row.generator in everybody)
        ]
        if floor:
            chance[words] = max(floor, key=lambda row: row.high or 0.0)
    return figures.forest(panels, chance, look) if contestants else ""


def _losses(
    folder: ComparisonFolder, results: Results, contestants: Sequence[str], look: Mapping[str, Any]
) -> str:
    found = {}
    for name in contestants:
        seeds = sorted({r.seed for r in results.rows if r.generator == name and r.seed is not None})
        curves = [
            curve
            for place, seed in enumerate(seeds)
            for curve in loss_curves(folder.run(name, seed), labelled=place == 0)
        ]
        if curves:
            found[name] = curves
    return figures.losses(found, look) if found else ""


def _trade_offs(results: Results, contestants: Sequence[str], look: Mapping[str, Any]) -> str:
    panels = {
        label: against_price(
            results, price, generators=contestants, along_budgets=price.startswith("training")
        )
        for price, label in PRICE_AXES.items()
    }
    panels = {label: series for label, series in panels.items() if series}
    return figures.trade_offs(panels, look) if panels else ""


def _shown(
    folder: ComparisonFolder, record: Mapping[str, Any], contestants: Sequence[str]
) -> list[Any]:
    experiment = record["experiment"]
    protocol = f"{experiment['test_split']}-{experiment['prompts']}"
    columns = [(name, folder.run(name, experiment["seeds"][0])) for name in contestants]
    return gallery(folder, protocol, columns)


def _costs(results: Results, everybody: Sequence[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(who, [(value, note)]) in the order of `COSTS`."""
    table = []
    for name in everybody:
        rows = [results.one(name, metric) for metric in COSTS]
        cells = [
            ("-", "" if row is None else row.note)
            if row is None or row.value is None
            else (_amount(metric, row.value), "")
            for metric, row in zip(COSTS, rows, strict=True)
        ]
        table.append((name, cells))
    return table


def _amount(metric: str, value: float) -> str:
    is_time = metric.endswith("_seconds") or metric.startswith("sampling_p")
    return seconds(value) if is_time else amount(value)
