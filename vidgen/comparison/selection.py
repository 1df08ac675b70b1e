"""Selection: which sampler settings a trained generator answers with, chosen on validation prompts.

Every seed chooses for itself: tuning is a part of what is repeated, so that the spread between
seeds holds the luck of the choice as well. The test prompts are answered once, as was chosen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from vidgen import registry
from vidgen.comparison import records
from vidgen.comparison.folder import RunFolder, read_json, write_json
from vidgen.comparison.price import Stopwatch, latency
from vidgen.comparison.rows import Row, as_json, rows_of
from vidgen.comparison.sampler import combinations, sampler_class
from vidgen.comparison.setting import Setting
from vidgen.evaluation import METRICS, Group, answer
from vidgen.evaluation.judge import Scores
from vidgen.evaluation.metrics import Stratum
from vidgen.types import Params

CHOSEN_BY: tuple[tuple[str, Stratum], ...] = (
    ("oracle_success", "all"),
    ("kvd_in_domain", "all"),
    ("psnr", "text+image"),
)
"""Metric and prompts that decide: the first that has a value for every setting."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """A sampler setting that was tried on validation prompts.

    Attributes:
        sampler: its values by field.
        row: what it came to by the metric that decided.
        is_chosen: whether it is the one that answered the test prompts.
        price: what sampling with it costs, by names of `rows.PRICES`; empty where it was tried
            before that was measured.
    """

    sampler: Mapping[str, Any]
    row: Row
    is_chosen: bool
    price: Mapping[str, float | None]


def tried_settings(run: RunFolder) -> list[Tried]:
    """The settings that a run tried, in their order; none where it tried none."""
    if not run.selection.exists():
        return []
    data = read_json(run.selection)
    found = []
    for place, tried in enumerate(data["tried"]):
        rows = [Row(**row) for row in tried["rows"]]
        found.append(
            Tried(
                sampler=tried["sampler"],
                row=next(
                    r for r in rows if (r.metric, r.prompts) == (data["metric"], data["prompts"])
                ),
                is_chosen=place == data["chosen_setting"],
                price=tried.get("price", {}),
            )
        )
    return found


def chosen_sampler(run: RunFolder, setting: Setting, name: str) -> Any:
    """The sampler settings of a run: the chosen ones, or the experiment's where none were tried."""
    if run.selection.exists():
        kind = sampler_class(registry.entry(name).generator)
        return records.decode(kind or Any, read_json(run.selection)["chosen"])
    return setting.experiment.samplers.get(name)


def select_sampler(
    run: RunFolder,
    setting: Setting,
    asked: Mapping[str, Any],
    sample: Callable[..., Any],
    params: Mapping[str, Params],
    console: Console,
) -> Any:
    """Try a sweep's settings on the validation prompts, unless that is done; returns the best.

    Leaves ``selection.json``, with each setting's scores and sampling speed, and each setting's
    answers in the run folder, so that the choice can be followed from disk. Speed has no part in
    the choice. The first of equally good settings is taken. A choice that was made when
    something else was asked, such as another sweep, is forgotten.

    Args:
        run: of the trained generator.
        setting: of its comparison.
        asked: of the generator, see `Setting.asked`.
        sample: jitted `Generator.sample`, the same for all settings: traced ones compile once.
        params: what each phase exported.
        console: where progress is shown.

    Raises:
        ValueError: if no metric of `CHOSEN_BY` has a value for every setting.
    """
    experiment, name = setting.experiment, asked["generator"]
    if run.selection.exists() and not records.same(read_json(run.selection).get("asked"), asked):
        run.selection.unlink()
        for stale in run.path.glob("samples/*-setting-*.npz"):
            stale.unlink()
    sweep = (experiment.sweeps or {}).get(name)
    if sweep is None or run.selection.exists():
        return chosen_sampler(run, setting, name)
    kind = sampler_class(registry.entry(name).generator)
    settings = combinations(name, kind, experiment.samplers.get(name), sweep)
    prompts, protocol = setting.validation_prompts, experiment.validation_protocol
    console.print(
        f"{name}: {len(settings)} sampler settings on {len(prompts)} validation prompts",
        highlight=False,
    )
    answered, prices = [], []
    batch = min(experiment.answer_batch, len(prompts))
    for place, sampler in enumerate(settings):
        watch = Stopwatch(sample, params, sampler)
        answers = answer(prompts, setting.encoder, experiment.task, watch, batch_size=batch)
        answers.save(run.samples(f"{protocol}-setting-{place}"))
        answered.append(answers)
        single = latency(watch, experiment.task, repeats=experiment.latency_repeats)
        prices.append(single | watch.rate())

    def judged(group: Group) -> list[Scores]:
        judge = setting.judge.only([group])
        return [_of_group(group, judge.judge(answers, prompts)) for answers in answered]

    metric, scores, best = _best(judged)
    write_json(
        run.selection,
        {
            "asked": asked,
            "protocol": protocol,
            "metric": metric[0],
            "prompts": metric[1],
            "chosen": records.encode(settings[best]),
            "chosen_setting": best,
            "tried": [
                {
                    "sampler": records.encode(sampler),
                    "rows": as_json(
                        rows_of(score, generator=name, kind="generator", seed=asked["seed"])
                    ),
                    "price": price,
                }
                for sampler, score, price in zip(settings, scores, prices, strict=True)
            ],
        },
    )
    return settings[best]


def _best(
    judged: Callable[[Group], Sequence[Scores]],
) -> tuple[tuple[str, Stratum], Sequence[Scores], int]:
    """The deciding metric, each setting's scores in its group, and the place of the best setting.

    Args:
        judged: gives each setting's scores in a group of metrics; asked for no more groups than it
            takes to decide.
    """
    for key in CHOSEN_BY:
        scores = judged(METRICS[key[0]].group)
        found = [score[key] for score in scores if key in score]
        values = [score.value for score in found if score.value is not None]
        if len(values) == len(scores):
            best = max(values) if found[0].better == "higher" else min(values)
            return key, scores, values.index(best)
    raise ValueError(
        "no sampler setting can be chosen: none of "
        f"{', '.join(metric for metric, _ in CHOSEN_BY)} has a value on the validation prompts; "
        "leave the sweep out"
    )


def _of_group(group: Group, scores: Scores) -> Scores:
    """Without the other groups, which were left out on purpose and say that nobody asked."""
    return {key: score for key, score in scores.items() if METRICS[key[0]].group == group}
