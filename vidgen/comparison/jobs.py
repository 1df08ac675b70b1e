"""Jobs: a comparison is a set of independent ones, whose only output is a run folder.

A job trains a generator with one seed on one share of the budget, has it answer the prompts, and
has the answers judged. Each of the three leaves its file before the next begins, so that a job
that was stopped goes on where it was; a finished one is recognised and skipped.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from rich.console import Console

from vidgen.allocator import release_freed_memory
from vidgen.comparison import records
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import FolderError, RunFolder, read_json, write_json
from vidgen.comparison.looking import look
from vidgen.comparison.price import (
    Stopwatch,
    latency,
    parameters,
    read_by_sampling,
    watch_neighbours,
)
from vidgen.comparison.rows import RECONSTRUCTION, Row, as_json, rows_of
from vidgen.comparison.selection import Tried, all_tried, chosen, select
from vidgen.comparison.setting import Setting
from vidgen.contract import Attends, Generator, Reconstructs
from vidgen.evaluation import (
    ClipSet,
    anchors,
    answer,
    judge_reconstructions,
    reconstruct,
)
from vidgen.evaluation.judge import Scores
from vidgen.training import (
    Cost,
    Trained,
    candidates_of,
    computing,
    devices_here,
    processes,
    restore,
    train,
)
from vidgen.types import Params, Score


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One training: which generator, which seed, which share of the budget."""

    generator: str
    seed: int
    share: float = 1.0

    def __str__(self) -> str:
        part = "" if self.share == 1.0 else f" at {self.share:.0%} of the budget"
        return f"{self.generator} seed {self.seed}{part}"


def jobs_of(experiment: Experiment) -> list[Job]:
    """The jobs of an experiment: seed by seed, so that the first seed compares all families."""
    return [
        Job(generator=name, seed=seed, share=share)
        for seed in experiment.seeds
        for share in (1.0, *experiment.curve)
        for name in experiment.generators
    ]


def finished(job: Job, setting: Setting) -> bool:
    """Whether a job's scores are there.

    Raises:
        FolderError: if they are there, but answer another question; the differences are named.
    """
    run = setting.folder.run(job.generator, job.seed, job.share)
    return _done(run, setting.asked(job.generator, job.seed, job.share))


def run_job(job: Job, setting: Setting, console: Console) -> None:
    """Train, answer and judge, or do what is left of it.

    Args:
        job: what to do.
        setting: of its comparison.
        console: where progress is shown.

    Raises:
        vidgen.training.Interrupted: after a signal during training, when all is saved.
        FolderError: if the folder holds the scores of another question.
    """
    if processes.agreed(lambda: finished(job, setting)):
        return
    run = setting.folder.run(job.generator, job.seed, job.share)
    generator = setting.generator(job.generator)
    trained = _train(job, generator, setting, console)
    sample_answers(job, generator, trained.params, setting, console)
    _judge(
        run,
        setting,
        setting.asked(job.generator, job.seed, job.share),
        generator=job.generator,
        seed=job.seed,
        share=job.share,
    )
    let_go()


def help_train(job: Job, setting: Setting, console: Console) -> None:
    """The part of `run_job` in which processes but the first take part: the training."""
    if not processes.agreed(lambda: finished(job, setting)):
        _train(job, setting.generator(job.generator), setting, console)


def try_job(job: Job, setting: Setting, console: Console) -> tuple[Tried, Cost]:
    """Train, and score on validation prompts; the test split is not touched.

    Checkpoints and sampler settings are chosen as for an answer of the test prompts. What was done
    of it before is kept, as in `run_job`.

    Args:
        job: what to train.
        setting: of its experiment.
        console: where progress is shown.

    Returns:
        What was chosen, with its score; and what training cost.

    Raises:
        vidgen.training.Interrupted: after a signal during training, when all is saved.
        ValueError: if no metric that could decide has a value.
    """
    run = setting.folder.run(job.generator, job.seed, job.share)
    asked = setting.asked(job.generator, job.seed, job.share)
    generator = setting.generator(job.generator)
    try:
        trained = _train(job, generator, setting, console)
        candidates = _candidates(run, setting, generator, trained.params)
        sample = setting.compiled(generator.sample)
        select(run, setting, asked, sample, candidates, console, even_one=True)
        return next(tried for tried in all_tried(run) if tried.is_chosen), trained.cost
    finally:
        let_go()


def _train(job: Job, generator: Generator, setting: Setting, console: Console) -> Trained:
    experiment = setting.experiment
    with computing(experiment.precision):
        return train(
            generator,
            name=job.generator,
            seed=job.seed,
            budget=experiment.budget if job.share == 1.0 else experiment.budget.share(job.share),
            data=setting.batches,
            validation=setting.validation_batches,
            folder=setting.folder.run(job.generator, job.seed, job.share).path,
            fingerprint=setting.training_fingerprint(job.generator),
            config=experiment.training,
            candidates=experiment.candidates,
            console=console,
        )


def let_go() -> None:
    """Drop compiled programs: those of one family, or config, are of no use to the next, and memory
    is.
    """
    jax.clear_caches()
    release_freed_memory()


def sample_answers(
    job: Job,
    generator: Generator,
    params: dict[str, Params],
    setting: Setting,
    console: Console,
) -> None:
    """Have a trained generator answer the prompts, unless it has; measure its price.

    Answers that were given when something else was asked, such as another sampler setting, are
    given anew.
    """
    experiment, prompts, name = setting.experiment, setting.prompts, job.generator
    run = setting.folder.run(name, job.seed, job.share)
    asked = setting.asked(name, job.seed, job.share)
    candidates = _candidates(run, setting, generator, params)
    path = run.samples(experiment.protocol)
    before = read_json(run.price).get("asked") if run.price.exists() else None
    if not (path.exists() and records.same(before, asked)):
        console.print(f"{name}: answering {len(prompts)} prompts", highlight=False)
        sample = setting.compiled(generator.sample)
        choice = select(run, setting, asked, sample, candidates, console)
        watch = Stopwatch(sample, candidates[choice.step](), choice.sampler)
        batch = min(experiment.answer_batch, len(prompts))
        with watch_neighbours() as neighbours:
            answers = answer(prompts, setting.encoder, experiment.task, watch, batch_size=batch)
            single = latency(watch, experiment.task, repeats=experiment.latency_repeats)
        answers.save(path)
        is_shown = job.share == 1.0 and job.seed == experiment.seeds[0]
        if isinstance(generator, Attends) and experiment.attention and is_shown:
            look(
                generator,
                candidates[choice.step](),
                answers,
                setting.encoder,
                experiment.task,
                run.attention(experiment.protocol),
                prompts=experiment.attention,
                compiled=setting.compiled,
            )
        # Last, since it says what was asked of the answers.
        size = parameters(
            params, read_by_sampling(generator, experiment.task, params, choice.sampler)
        )
        price = {"parameters": size, **single, **watch.rate()}
        where = {"device": devices_here(), "neighbours": neighbours.share}
        write_json(run.price, {"asked": asked, **where, **price})
    path = run.samples(f"{experiment.protocol}-{RECONSTRUCTION}")
    if isinstance(generator, Reconstructs) and not path.exists():
        through = setting.compiled(generator.reconstruct)
        weights = candidates[chosen(run, setting, name).step]()
        reconstruct(
            prompts,
            setting.encoder,
            experiment.task,
            lambda video, condition: through(weights, video, condition),
            batch_size=min(experiment.answer_batch, len(prompts)),
        ).save(path)


def run_anchors(setting: Setting) -> None:
    """Make and judge the anchors, unless that is done."""
    asked = setting.asked(None, None, 1.0)
    made: dict[str, ClipSet] | None = None
    names = read_json(setting.folder.experiment).get("anchors", [])
    if names and all(_done(setting.folder.anchor(name), asked) for name in names):
        return
    source = setting.source(setting.experiment.test_split)
    made = anchors(setting.prompts, source, seed=setting.experiment.prompt_seed)
    for name, clips in made.items():
        if name in setting.experiment.generators:
            continue
        run = setting.folder.anchor(name)
        if not _done(run, asked):
            clips.save(run.samples(setting.experiment.protocol))
            _judge(run, setting, asked, generator=name, seed=None)
    judge_the_oracle(setting)
    kept = [name for name in made if name not in setting.experiment.generators]
    write_json(setting.folder.experiment, {**read_json(setting.folder.experiment), "anchors": kept})


def judge_the_oracle(setting: Setting) -> None:
    """Publish the oracle's own error: what it lets pass of real clips, and of broken ones."""
    try:
        shares = setting.judge.own_error(setting.prompts, seed=setting.experiment.judge_seed)
    except (
        ValueError,
        ImportError,
    ) as reason:  # clips without a truth, or without a second identity
        content: dict[str, Any] = {"own_error": {}, "why": str(reason)}
    else:
        own = {
            kind: {k: v for k, v in dataclasses.asdict(score).items() if k != "per_clip"}
            for kind, score in shares.items()
        }
        content = {"own_error": own, "why": ""}
    seen = setting.judge.observe(setting.prompts, setting.prompts)
    write_json(setting.folder.oracle, content | {"observed": {"real": seen.to_json()}})


def judge_again(run: RunFolder, setting: Setting) -> None:
    """Judge the answers that lie in a run folder anew; no model is needed.

    Raises:
        FolderError: if there is nothing to judge.
    """
    before = read_json(run.scores)
    _judge(
        run,
        setting,
        before["asked"],
        generator=before["generator"],
        seed=before["seed"],
        share=before["share"],
    )


def restored(job: Job, setting: Setting) -> tuple[Generator, dict[str, Params], Any]:
    """A trained generator, its exports at the checkpoint that was chosen, whose checksums are
    verified, and the sampler settings that were.
    """
    generator = setting.generator(job.generator)
    run = setting.folder.run(job.generator, job.seed, job.share)
    choice = chosen(run, setting, job.generator)
    return generator, restore(run.path, generator, step=choice.step), choice.sampler


def _candidates(
    run: RunFolder, setting: Setting, generator: Generator, end: dict[str, Params]
) -> dict[int | None, Callable[[], dict[str, Params]]]:
    """What reads each candidate, the latest first; the end of training is there."""
    found: dict[int | None, Callable[[], dict[str, Params]]] = {None: lambda: end}
    steps = candidates_of(run.path) if setting.experiment.candidates > 1 else []
    for step in reversed(steps):
        found[step] = functools.partial(restore, run.path, generator, step=step)
    return found


def _judge(
    run: RunFolder,
    setting: Setting,
    asked: dict[str, Any],
    *,
    generator: str,
    seed: int | None,
    share: float = 1.0,
) -> None:
    """Score what lies in the run folder; scores.json is the last file of a job."""
    name = setting.experiment.protocol
    answers = ClipSet.load(run.samples(name))
    scores = setting.judge.judge(answers, setting.prompts)
    observed = {generator: setting.judge.observe(answers, setting.prompts).to_json()}
    kind = "anchor" if seed is None else "generator"
    rows = rows_of(scores, generator=generator, kind=kind, seed=seed, share=share)
    per_clip = _per_clip(scores.get(("oracle_success", "all")))
    kept = kept_values(scores)
    back = run.samples(f"{name}-{RECONSTRUCTION}")
    rebuilt: list[Row] = []
    if back.exists():
        answers = ClipSet.load(back)
        scores = setting.judge.judge(answers, setting.prompts)
        title = f"{RECONSTRUCTION} ({generator})"
        observed[title] = setting.judge.observe(answers, setting.prompts).to_json()
        rows += rows_of(scores, generator=title, kind="anchor", seed=seed, share=share)
        left = judge_reconstructions(setting.judge, answers, setting.prompts, scores)
        rebuilt = [
            dataclasses.replace(row, protocol=RECONSTRUCTION)
            for row in rows_of(left, generator=title, kind="anchor", seed=seed, share=share)
        ]
    write_json(
        run.scores,
        {
            "generator": generator,
            "seed": seed,
            "share": share,
            "protocol": name,
            "hash": records.fingerprint(asked),
            "asked": asked,
            "rows": as_json(rows),
            RECONSTRUCTION: as_json(rebuilt),
            "per_clip": {"oracle_success": per_clip},
            "observed": observed,
            "clips": kept,
        },
    )


def kept_values(scores: Scores) -> list[dict[str, Any]]:
    """What metrics say of single clips, as JSON: by it two generators are paired on a prompt."""
    return [
        {"metric": metric, "prompts": prompts, "values": _values(score.per_clip)}
        for (metric, prompts), score in scores.items()
        if score.per_clip is not None
    ]


def _per_clip(score: Score | None) -> list[bool] | None:
    """Which clips are right, for the marks in the report."""
    if score is None or score.per_clip is None:
        return None
    return [bool(value) for value in score.per_clip]


def _values(per_clip: np.ndarray) -> list[float | None]:
    """A value a clip for JSON, to six digits; None for a clip that has none."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in per_clip]


def _done(run: RunFolder, asked: dict[str, Any]) -> bool:
    if not run.scores.exists():
        return False
    before = read_json(run.scores)
    if before.get("hash") == records.fingerprint(asked):
        return True
    changes = records.difference(before.get("asked", {}), asked)
    raise FolderError(
        f"{run.path} answers another question:\n  "
        + "\n  ".join(changes)
        + "\nChoose another --out, or remove that folder"
    )


__all__ = [
    "Job",
    "finished",
    "jobs_of",
    "judge_again",
    "judge_the_oracle",
    "kept_values",
    "let_go",
    "restored",
    "run_anchors",
    "run_job",
    "sample_answers",
    "try_job",
]
