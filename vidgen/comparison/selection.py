"""Selection: the checkpoint and the sampler settings that answer, chosen on validation prompts.

Every seed chooses for itself: tuning is a part of what is repeated, so that the spread between
seeds holds the luck of the choice as well. The test prompts are answered once, as was chosen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from vidgen import registry
from vidgen.comparison import records
from vidgen.comparison.folder import RunFolder, read_json, write_json
from vidgen.comparison.price import Stopwatch, latency
from vidgen.comparison.rows import Row, as_json, rows_of
from vidgen.comparison.sampler import combinations, sampler_class
from vidgen.comparison.setting import Setting
from vidgen.evaluation import METRICS, ClipSet, Group, answer
from vidgen.evaluation.judge import Scores
from vidgen.evaluation.metrics import Stratum
from vidgen.types import Params

CHOSEN_BY: tuple[tuple[str, Stratum], ...] = (
    ("oracle_success", "all"),
    ("kvd_in_domain", "all"),
    ("psnr", "text+image"),
)
"""Metric and prompts that decide: the first that has a value for all that were tried."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """A checkpoint with a sampler setting, as tried on validation prompts.

    Attributes:
        step: of the last phase that the checkpoint is of; None for its end.
        sampler: values by field; empty for a generator without any.
        row: what it came to by the metric that decided.
        is_chosen: whether it is the one that answered the test prompts.
        price: what sampling with it costs, by names of `rows.PRICES`; empty where it was tried
            before that was measured.
    """

    step: int | None
    sampler: Mapping[str, Any]
    row: Row
    is_chosen: bool
    price: Mapping[str, float | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """What a run answers with.

    Attributes:
        step: of the last phase, whose checkpoint it is; None for its end.
        sampler: the generator's sampler settings; None for its default.
    """

    step: int | None
    sampler: Any


def all_tried(run: RunFolder) -> list[Tried]:
    """What a run tried, in its order; nothing where it tried nothing."""
    if not run.selection.exists():
        return []
    data = read_json(run.selection)
    found = []
    for place, tried in enumerate(data["tried"]):
        rows = [Row(**row) for row in tried["rows"]]
        found.append(
            Tried(
                step=tried.get("step"),
                sampler=tried["sampler"] or {},
                row=next(
                    r for r in rows if (r.metric, r.prompts) == (data["metric"], data["prompts"])
                ),
                is_chosen=place == data["chosen_setting"],
                price=tried.get("price", {}),
            )
        )
    return found


def chosen(run: RunFolder, setting: Setting, name: str) -> Choice:
    """What was chosen; where nothing was tried, the end of training and the usual sampler."""
    if run.selection.exists():
        kind = sampler_class(registry.entry(name).generator)
        data = read_json(run.selection)
        sampler = records.decode(kind or Any, data["chosen"])
        return Choice(step=data.get("chosen_step"), sampler=sampler)
    return Choice(step=None, sampler=setting.experiment.samplers.get(name))


def select(
    run: RunFolder,
    setting: Setting,
    asked: Mapping[str, Any],
    sample: Callable[..., Any],
    params: Mapping[int | None, Callable[[], Mapping[str, Params]]],
    console: Console,
    *,
    even_one: bool = False,
) -> Choice:
    """Try every checkpoint with every sampler setting, unless that is done; returns the best.

    Leaves ``selection.json``, with the scores and sampling speed of each, and each one's answers
    in the run folder, so that the choice can be followed from disk. Speed has no part in the
    choice. Of equally good ones the first is taken: the latest checkpoint, and of it the first
    setting. A choice that was made when something else was asked, such as another sweep, is
    forgotten.

    Args:
        run: of the trained generator.
        setting: of its comparison.
        asked: of the generator, see `Setting.asked`.
        sample: jitted `Generator.sample`, the same for all settings: traced ones compile once.
        params: by step of the last phase, in the order of preference, what reads all phases'
            exports; None is the end of training.
        console: where progress is shown.
        even_one: whether a single choice is tried as well, for its score; usually it is taken
            untried.

    Raises:
        ValueError: if no metric of `CHOSEN_BY` has a value for all that were tried.
    """
    experiment, name = setting.experiment, asked["generator"]
    _forget_another_choice(run, asked)
    sweep = (experiment.sweeps or {}).get(name)
    untried = sweep is None and len(params) == 1 and not even_one
    if untried or run.selection.exists():
        return chosen(run, setting, name)
    kind = sampler_class(registry.entry(name).generator)
    samplers = combinations(name, kind, experiment.samplers.get(name), sweep or {})
    choices = [Choice(step=step, sampler=sampler) for step in params for sampler in samplers]
    prompts = setting.validation_prompts
    several = f"{len(choices)} choices of checkpoint and sampler settings on "
    console.print(
        f"{name}: {several if len(choices) > 1 else ''}{len(prompts)} validation prompts",
        highlight=False,
    )
    answered, prices = _answered(run, setting, sample, params.values(), samplers)

    def judged(group: Group) -> list[Scores]:
        judge = setting.judge.only([group])
        return [_of_group(group, judge.judge(answers, prompts)) for answers in answered]

    key, scores, best = _best(judged)
    _record(run, setting, asked, key, list(zip(choices, scores, prices, strict=True)), best)
    return choices[best]


def _forget_another_choice(run: RunFolder, asked: Mapping[str, Any]) -> None:
    """Remove a choice that was made when something else was asked, and what was tried for it."""
    if run.selection.exists() and not records.same(read_json(run.selection).get("asked"), asked):
        run.selection.unlink()
        for stale in run.path.glob("samples/*-setting-*.npz"):
            stale.unlink()


def _answered(
    run: RunFolder,
    setting: Setting,
    sample: Callable[..., Any],
    params: Iterable[Callable[[], Mapping[str, Params]]],
    samplers: Sequence[Any],
) -> tuple[list[ClipSet], list[Mapping[str, float | None]]]:
    """Every checkpoint's answers with every sampler setting, saved, and what sampling costs."""
    experiment, prompts = setting.experiment, setting.validation_prompts
    batch = min(experiment.answer_batch, len(prompts))
    answered: list[ClipSet] = []
    prices: list[Mapping[str, float | None]] = []
    for read in params:
        weights = read()
        for place, sampler in enumerate(samplers):
            watch = Stopwatch(sample, weights, sampler)
            answers = answer(prompts, setting.encoder, experiment.task, watch, batch_size=batch)
            name = f"{experiment.validation_protocol}-setting-{len(answered)}"
            answers.save(run.samples(name))
            if len(answered) < len(samplers):
                single = latency(watch, experiment.task, repeats=experiment.latency_repeats)
                prices.append(single | watch.rate())
            else:  # no checkpoint is faster than another
                prices.append(prices[place])
            answered.append(answers)
    return answered, prices


def _record(
    run: RunFolder,
    setting: Setting,
    asked: Mapping[str, Any],
    key: tuple[str, Stratum],
    tried: Sequence[tuple[Choice, Scores, Mapping[str, float | None]]],
    best: int,
) -> None:
    """Write down what was tried, at which price, what it came to by `key`, and what was chosen."""
    name, seed = asked["generator"], asked["seed"]
    taken = tried[best][0]
    write_json(
        run.selection,
        {
            "asked": asked,
            "protocol": setting.experiment.validation_protocol,
            "metric": key[0],
            "prompts": key[1],
            "chosen": records.encode(taken.sampler),
            **_at(taken.step, "chosen_step"),
            "chosen_setting": best,
            "tried": [
                {
                    **_at(choice.step, "step"),
                    "sampler": records.encode(choice.sampler),
                    "rows": as_json(rows_of(scores, generator=name, kind="generator", seed=seed)),
                    "price": price,
                }
                for choice, scores, price in tried
            ],
        },
    )


def _at(step: int | None, key: str) -> dict[str, int]:
    """The step for a record; the end of training goes without, as in records without candidates."""
    return {} if step is None else {key: step}


def _best(
    judged: Callable[[Group], Sequence[Scores]],
) -> tuple[tuple[str, Stratum], Sequence[Scores], int]:
    """The deciding metric, everybody's scores in its group, and the place of the best.

    Args:
        judged: gives everybody's scores in a group of metrics; asked for no more groups than it
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
        "neither checkpoint nor sampler setting can be chosen: none of "
        f"{', '.join(metric for metric, _ in CHOSEN_BY)} has a value on the validation prompts; "
        "leave out sweeps and candidates"
    )


def _of_group(group: Group, scores: Scores) -> Scores:
    """Without the other groups, which were left out on purpose and say that nobody asked."""
    return {key: score for key, score in scores.items() if METRICS[key[0]].group == group}
