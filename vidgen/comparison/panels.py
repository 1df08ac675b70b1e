"""Which figures a report has: the panels of each, by the names of their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vidgen.comparison import figures
from vidgen.comparison.crossings import Crossing, crossings
from vidgen.comparison.curves import (
    Point,
    against_price,
    along_settings,
    frame_curves,
    loss_curves,
    total_confusion,
)
from vidgen.comparison.drawing import Look
from vidgen.comparison.folder import ComparisonFolder
from vidgen.comparison.headings import PROMPTS, title
from vidgen.comparison.results import QUALITY, Results
from vidgen.comparison.rows import is_share
from vidgen.comparison.trust import CEILING, CHANCE
from vidgen.comparison.verdict import STRATA
from vidgen.evaluation import METRICS
from vidgen.evaluation.observations import Observations

Panels = Mapping[str, str]
"""SVG by the name of its file."""

TRAINING = {
    "total_flops": "training FLOPs",
    "training_seconds": "device-seconds of training",
    "parameters": "parameters",
}
SAMPLING = {
    "sampling_p50": "seconds a clip, batch 1: p50, bar to p95",
    "sampling_rate": "throughput: clips a second in batches",
}

_FRAME_UNITS = {
    "identity": "share of clips, right identity",
    "one_object": "share of clips, one object",
}
"""What a metric is in a single frame, where its title alone does not say so."""


def forest(
    results: Results, contestants: Sequence[str], everybody: Sequence[str], look: Look
) -> Panels:
    """Oracle success with intervals, a panel a kind of prompts."""
    drawn = {}
    for prompts, _ in STRATA:
        rows = [results.one(name, "oracle_success", prompts=prompts) for name in contestants]
        known = [row for row in rows if row is not None and row.value is not None]
        floor = [
            row
            for row in results.pick("oracle_success", prompts=prompts)
            if row.high is not None
            and row.generator not in contestants
            and (row.generator in CHANCE or row.generator in everybody)
        ]
        chance = max(floor, key=lambda row: row.high or 0.0) if floor else None
        if known:
            name = f"success-{prompts.replace('+', '-')}"
            drawn[name] = figures.forest(f"Prompts: {PROMPTS[prompts]}", known, chance, look)
    return drawn


def training(results: Results, contestants: Sequence[str], look: Look) -> Panels:
    """Quality against training FLOPs, device-seconds and parameters, along the budgets."""
    return _trade_offs(results, TRAINING, contestants, look)


def sampling(results: Results, contestants: Sequence[str], look: Look) -> Panels:
    """Quality against the latency of one clip, and against throughput."""
    return _trade_offs(results, SAMPLING, contestants, look)


def settings(
    folder: ComparisonFolder, contestants: Sequence[str], seeds: Sequence[int], look: Look
) -> Panels:
    """Quality on validation prompts against latency, along the sampler settings that were tried."""
    return {
        f"settings-{metric.replace('_', '-')}": figures.trade_off(
            SAMPLING["sampling_p50"],
            f"{title(metric)}, validation",
            series,
            look,
            share=is_share(metric),
        )
        for (metric, _), series in along_settings(folder, contestants, seeds).items()
    }


def along_frames(
    seen: Mapping[str, Sequence[Observations]],
    contestants: Sequence[str],
    look: Look,
    *,
    given: int,
    trained: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> Panels:
    """Every metric that has a value a frame, against the frame index; a panel a kind of prompts.

    Args:
        seen: by generator or anchor.
        contestants: who is drawn beside real clips.
        look: of the contestants.
        given: first frames that prompts give.
        trained: frames of a clip of training, where these are rollouts beyond it.
        labels: what whom is called; their names where not told.
    """
    drawn = {}
    what = "drift" if trained is None else "rollout"
    who = [*contestants, CEILING]
    found = frame_curves({name: seen[name] for name in who if name in seen})
    for (metric, prompts), curves in sorted(found.items(), key=lambda item: item[0]):
        if prompts == "all" or not any(v is not None for c in curves.values() for v in c.value):
            continue
        drawn[f"{what}-{metric}-{prompts.replace('+', '-')}"] = figures.along_frames(
            f"{title(metric)}, {PROMPTS[prompts]}",
            _FRAME_UNITS.get(metric, title(metric)),
            curves,
            look,
            given=given if prompts == "text+image" else 0,
            share=is_share(metric) or metric == "ssim",
            trained=trained,
            labels=labels,
        )
    return drawn


def losses(
    folder: ComparisonFolder, results: Results, contestants: Sequence[str], look: Look
) -> Panels:
    """The losses of each generator against training seconds and against FLOPs."""
    drawn = {}
    for name in contestants:
        seeds = sorted({r.seed for r in results.rows if r.generator == name and r.seed is not None})
        curves = [curve for seed in seeds for curve in loss_curves(folder.run(name, seed))]
        for axis in ("seconds", "flops") if curves else ():
            drawn[f"loss-{name}-{axis}"] = figures.loss(name, curves, axis, look[name][0])
    return drawn


def confusions(seen: Mapping[str, Sequence[Observations]], what: str = "identity") -> Panels:
    """What was taken for what: on real clips, on reconstructions, and on everybody's answers."""
    drawn = {}
    for who, runs in seen.items():
        found = total_confusion(runs, what)
        if found is not None:
            name = "-".join(who.replace("(", "").replace(")", "").split())
            words = "real clips" if who == "real" else who
            drawn[f"confusion-{what}-{name}"] = figures.confusion(f"{what.title()}: {words}", found)
    return drawn


def crossed(results: Results, contestants: Sequence[str]) -> Mapping[str, Sequence[Crossing]]:
    """Where the lines of `training` cross, by the price's words; prices without any are absent."""
    quality, _ = results.quality(contestants)
    found = {
        label: _crossings(_series(results, price, contestants, quality), quality)
        for price, label in TRAINING.items()
        if _along_budgets(price)
    }
    return {label: some for label, some in found.items() if some}


def _trade_offs(
    results: Results, prices: Mapping[str, str], contestants: Sequence[str], look: Look
) -> Panels:
    quality, _ = results.quality(contestants)
    drawn = {}
    for price, label in prices.items():
        series = _series(results, price, contestants, quality)
        if series:
            drawn[f"quality-{price.replace('_', '-')}"] = figures.trade_off(
                label,
                title(quality),
                series,
                look,
                share=is_share(quality),
                crossed=_crossings(series, quality) if _along_budgets(price) else (),
            )
    return drawn


def _series(
    results: Results, price: str, contestants: Sequence[str], quality: str
) -> dict[str, list[Point]]:
    return against_price(
        results,
        price,
        generators=contestants,
        quality=quality,
        prompts=QUALITY[quality],
        along_budgets=_along_budgets(price),
    )


def _along_budgets(price: str) -> bool:
    return price in ("total_flops", "training_seconds")


def _crossings(series: Mapping[str, Sequence[Point]], quality: str) -> list[Crossing]:
    return crossings(series, better=METRICS[quality].better)
