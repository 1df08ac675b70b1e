"""Several answers to each prompt that gives first frames, made and judged beside those of the list.

The first is the one that a run's scores rest on, so that K of them cost K - 1. Everything is found
again in ``answers.json``, see `beside`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from vidgen.comparison import beside
from vidgen.comparison.folder import ComparisonFolder, RunFolder, read_json, write_json
from vidgen.comparison.jobs import Job, restored
from vidgen.comparison.pairs import ClipKey
from vidgen.comparison.rows import TEST, Row
from vidgen.comparison.setting import Setting
from vidgen.evaluation import ClipSet, answer, asked_again, further_answers, judge_answers


def ask_job_again(job: Job, setting: Setting, console: Console) -> None:
    """Have the trained generator of a finished job answer again, and judge all answers, or do what
    is left.

    Nothing is done where the experiment does not ask for it, or at a share of the budget.

    Args:
        job: whose scores are there.
        setting: of its comparison.
        console: where progress is shown.
    """
    if answered_again(job, setting):
        return
    run = setting.folder.run(job.generator, job.seed)
    asked = _asked(setting, job.generator, job.seed)
    beside.complete(
        run.answers,
        asked,
        make=lambda: _make(run, job, setting, asked, console),
        judge=lambda about: _judge(run, setting, about),
    )


def answered_again(job: Job, setting: Setting) -> bool:
    """Whether nothing is left of that, or nothing was asked for."""
    if job.share != 1.0 or not _is_asked(setting):
        return True
    run = setting.folder.run(job.generator, job.seed)
    return "rows" in beside.known(run.answers, _asked(setting, job.generator, job.seed))


def ask_anchors_again(setting: Setting) -> None:
    """Make and judge what the anchors answer, unless that is done."""
    experiment = setting.experiment
    if not _is_asked(setting):
        return
    asked = _asked(setting, None, None)
    made = further_answers(setting.prompts, answers=experiment.answers, seed=experiment.prompt_seed)
    for name, clips in made.items():
        run = setting.folder.anchor(name)
        if "rows" not in beside.known(run.answers, asked):
            clips.save(run.samples(experiment.several_protocol))
            _judge(run, setting, {"asked": asked, "generator": name, "seed": None})


def judge_answers_again(run: RunFolder, setting: Setting) -> None:
    """Judge the answers that lie in a run folder anew; no model is needed."""
    _judge(run, setting, read_json(run.answers))


def answers_of(folder: ComparisonFolder) -> tuple[list[Row], dict[ClipKey, list[float | None]]]:
    """The rows of all answers of a comparison, and the values of single prompts."""
    return beside.rows_and_clips(beside.judged(folder, lambda run: run.answers), TEST)


def _is_asked(setting: Setting) -> bool:
    return setting.experiment.answers > 1 and bool(setting.prompts.context_mask.any())


def _asked(setting: Setting, generator: str | None, seed: int | None) -> dict[str, Any]:
    """All that decides the answers of a run."""
    return setting.asked(generator, seed, 1.0) | {"answers": setting.experiment.answers}


def _make(
    run: RunFolder, job: Job, setting: Setting, asked: Mapping[str, Any], console: Console
) -> dict[str, Any]:
    """Draw the further answers and save them."""
    experiment = setting.experiment
    again = asked_again(setting.prompts, answers=experiment.answers)
    console.print(
        f"{job.generator}: {len(again)} further answers, {experiment.answers} a prompt",
        highlight=False,
    )
    generator, params, sampler = restored(job, setting)
    sample = setting.compiled(generator.sample)
    answer(
        again,
        setting.encoder,
        experiment.task,
        lambda condition, keys: sample(params, condition, keys, sampler),
        batch_size=min(experiment.answer_batch, len(setting.prompts)),
    ).save(run.samples(experiment.several_protocol))
    return {"asked": asked, "generator": job.generator, "seed": job.seed}


def _judge(run: RunFolder, setting: Setting, about: Mapping[str, Any]) -> None:
    """Score the answers that lie in a run folder."""
    experiment = setting.experiment
    first, further = (
        ClipSet.load(run.samples(name))
        for name in (experiment.protocol, experiment.several_protocol)
    )
    scores = judge_answers(
        setting.judge, first, further, setting.prompts, answers=experiment.answers
    )
    kept = {key: about[key] for key in ("asked", "generator", "seed")}
    write_json(run.answers, {**kept, **beside.scored(scores, about)})
