"""Rollouts: clips longer than training's, made and judged beside the answers of each run.

Everything is found again in ``rollout.json``, see `beside`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from vidgen.comparison import beside
from vidgen.comparison.folder import ComparisonFolder, RunFolder, read_json, write_json
from vidgen.comparison.jobs import Job, restored
from vidgen.comparison.pairs import ClipKey
from vidgen.comparison.rows import ROLLOUT, Row
from vidgen.comparison.setting import Setting
from vidgen.contract import Generator
from vidgen.evaluation import (
    ClipSet,
    UnrollableError,
    anchors,
    judge_rollouts,
    left_out,
    method_of,
    roll_out,
    rollout,
)
from vidgen.evaluation.judge import Scores
from vidgen.evaluation.observations import Observations
from vidgen.evaluation.rollout import Method

ROLLED_ANCHORS = ("held-out-real", "decaying-real")
"""Real clips, and those that drift: all others repeat or reorder frames, and break nothing that is
measured here."""


def roll_job_out(job: Job, setting: Setting, console: Console) -> None:
    """Have the trained generator of a finished job roll out, and judge it, or do what is left.

    Nothing is done where the experiment does not ask for it, or at a share of the budget.

    Args:
        job: whose scores are there.
        setting: of its comparison.
        console: where progress is shown.
    """
    if rolled_out(job, setting):
        return
    run = setting.folder.run(job.generator, job.seed)
    asked = _asked(setting, job.generator, job.seed)
    beside.complete(
        run.rollout,
        asked,
        make=lambda: _make(run, job, setting, asked, console),
        judge=lambda about: _judge(run, setting, about),
    )


def rolled_out(job: Job, setting: Setting) -> bool:
    """Whether nothing is left of that, or nothing was asked for."""
    if job.share != 1.0 or setting.experiment.horizon == 1:
        return True
    run = setting.folder.run(job.generator, job.seed)
    return "rows" in beside.known(run.rollout, _asked(setting, job.generator, job.seed))


def roll_anchors_out(setting: Setting) -> None:
    """Make and judge the anchors of rollouts, unless that is done, or nobody knows how real clips
    go on.
    """
    if setting.experiment.horizon == 1 or setting.longer_prompts is None:
        return
    asked = _asked(setting, None, None)
    runs = {name: setting.folder.anchor(name) for name in ROLLED_ANCHORS}
    left = [n for n, run in runs.items() if "rows" not in beside.known(run.rollout, asked)]
    source = setting.longer_source
    if not left or source is None:
        return
    made = anchors(setting.longer_prompts, source, seed=setting.experiment.prompt_seed)
    for name in left:
        made[name].save(runs[name].samples(setting.experiment.longer_protocol))
        _judge(runs[name], setting, {"asked": asked, "generator": name, "seed": None, "method": ""})


def judge_rollout_again(run: RunFolder, setting: Setting) -> None:
    """Judge the rollouts that lie in a run folder anew; no model is needed."""
    _judge(run, setting, read_json(run.rollout))


def rollouts_of(folder: ComparisonFolder) -> tuple[list[Row], dict[ClipKey, list[float | None]]]:
    """The rows of all rollouts of a comparison, and the slopes of single clips."""
    return beside.rows_and_clips(_judged(folder), ROLLOUT)


def observed_rollouts(folder: ComparisonFolder) -> dict[str, list[Observations]]:
    """Metrics along the frames of rollouts by who made them, a seed each; anchors have one."""
    seen: dict[str, list[Observations]] = {}
    for found in _judged(folder):
        if found["observed"] is not None:
            observed = Observations.from_json(found["observed"])
            seen.setdefault(found["generator"], []).append(observed)
    return seen


def _judged(folder: ComparisonFolder) -> list[dict[str, Any]]:
    return beside.judged(folder, lambda run: run.rollout)


def _asked(setting: Setting, generator: str | None, seed: int | None) -> dict[str, Any]:
    """All that decides the rollouts of a run."""
    return setting.asked(generator, seed, 1.0) | {"horizon": setting.experiment.horizon}


def _make(
    run: RunFolder, job: Job, setting: Setting, asked: Mapping[str, Any], console: Console
) -> dict[str, Any]:
    """Draw the rollouts and save them; says how they were made, or why they were not."""
    experiment = setting.experiment
    about = {"asked": asked, "generator": job.generator, "seed": job.seed}
    try:
        method = _method(setting.generator(job.generator), setting)
    except UnrollableError as why:
        return {**about, "method": "", "why": str(why)}
    console.print(
        f"{job.generator}: rolling out to {experiment.longer_frames} frames, {method}",
        highlight=False,
    )
    generator, params, sampler = restored(job, setting)
    roll = rollout(
        generator, experiment.task, frames=experiment.longer_frames, jit=setting.compiled
    )
    real = setting.longer_prompts
    roll_out(
        setting.prompts,
        setting.encoder,
        experiment.task,
        lambda condition, keys: roll(params, condition, keys, sampler),
        frames=experiment.longer_frames,
        batch_size=min(experiment.answer_batch, len(setting.prompts)),
        truth=None if real is None else real.truth,
    ).save(run.samples(experiment.longer_protocol))
    return {**about, "method": method}


def _method(generator: Generator, setting: Setting) -> Method:
    """How a generator rolls out.

    Raises:
        UnrollableError: if it cannot, or was never given a frame in training.
    """
    method = method_of(generator, setting.experiment.task)
    if method == "chained" and not setting.experiment.context_rate:
        name = generator.card.name
        raise UnrollableError(f"{name} has no rollout of its own and never learned from a frame")
    return method


def _judge(run: RunFolder, setting: Setting, about: Mapping[str, Any]) -> None:
    """Score the rollouts that lie in a run folder, or say why there are none."""
    experiment = setting.experiment
    observed: Observations | None = None
    scores: Scores
    if "why" in about:
        scores = left_out(setting.judge, about["why"])
    else:
        clips = ClipSet.load(run.samples(experiment.longer_protocol))
        scores, observed = judge_rollouts(
            setting.judge,
            clips,
            setting.longer_prompts,
            task=experiment.task,
            method=about["method"] or "own",
        )
    write_json(
        run.rollout,
        {
            **{
                key: about[key]
                for key in ("asked", "generator", "seed", "method", "why")
                if key in about
            },
            "frames": experiment.longer_frames,
            "observed": None if observed is None else observed.to_json(),
            **beside.scored(scores, about, protocol=ROLLOUT, method=about["method"]),
        },
    )
