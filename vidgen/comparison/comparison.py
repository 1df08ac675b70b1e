"""Run a comparison, or go on with one, and turn what it left behind into results and a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath
from rich.console import Console

from vidgen.allocator import keep_freed_memory
from vidgen.comparison.answers import judge_answers_again
from vidgen.comparison.executors import Executor, Here
from vidgen.comparison.executors.assignment import assignments
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import ComparisonFolder, FolderError, read_json, write_json
from vidgen.comparison.jobs import judge_again, judge_the_oracle
from vidgen.comparison.pairs import PRIMARY_METRICS
from vidgen.comparison.question import prepare, resolve, setting_of
from vidgen.comparison.results import Results, agreement, collect
from vidgen.comparison.rollouts import judge_rollout_again
from vidgen.comparison.rows import FURTHER, as_json
from vidgen.comparison.setting import Setting
from vidgen.comparison.verdict import Verdict, verdict
from vidgen.training import Budget


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a comparison came to.

    Attributes:
        results: tidy rows, see `Results`.
        verdict: in words.
        report: path of the page.
        failed: jobs that ended in an error, with the error.
    """

    results: Results
    verdict: Verdict
    report: epath.Path
    failed: Mapping[str, str] = dataclasses.field(default_factory=dict)


def compare(
    experiment: str | Experiment,
    out: epath.PathLike | None = None,
    seeds: Sequence[int] | None = None,
    budget: Budget | str | None = None,
    generators: Sequence[str] | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    executor: Executor | None = None,
    console: Console | None = None,
) -> Comparison:
    """Train every generator, have all answer the same prompts, judge them and write the report.

    A folder that holds a part of this comparison already is gone on with: finished jobs are
    skipped, a stopped one resumes. The same call always leads to the same numbers where the budget
    is in steps, clips or FLOPs.

    Example:
        >>> import vidgen
        >>> vidgen.compare("quick", out="runs/quick", seeds=(0, 1, 2))  # doctest: +SKIP

    Args:
        experiment: a name from ``experiments/``, a path to a Python file, or an `Experiment`.
        out: the run folder, local or in a bucket; ``runs/<experiment>`` by default.
        seeds: of training, instead of the experiment's.
        budget: such as ``"400steps"``, instead of the experiment's.
        generators: names, instead of the experiment's; any that are registered.
        changes: by dotted path, see `vidgen.comparison.overrides.apply`.
        executor: where the jobs run, such as `InProcesses` of `vidgen.comparison.executors`; by
            default in this process. Numbers do not depend on it.
        console: where progress is shown; none is by default.

    Returns:
        Results, verdict and the path of the page. Jobs that failed are named in `failed` and have
        no numbers; all others do.

    Raises:
        vidgen.registry.UnknownNameError: for a name that nothing answers to.
        FolderError: if the folder holds a comparison with another question.
        vidgen.training.Interrupted: after SIGTERM or Ctrl-C during training, when all is saved.
    """
    resolved = resolve(experiment, seeds, budget, generators, changes)
    executor = executor or Here()
    executor.check(resolved)
    settings = prepare(resolved, out)
    return carry_out(settings, executor=executor, console=console)


def carry_out(
    settings: Sequence[Setting],
    *,
    executor: Executor | None = None,
    console: Console | None = None,
) -> Comparison:
    """Do all that a comparison asks for, or what is left of it, and write the report.

    Args:
        settings: as `prepare` returned them.
        executor: where the jobs run; by default in this process.
        console: where progress is shown; none is by default.

    Raises:
        vidgen.training.Interrupted: after SIGTERM or Ctrl-C during training, when all is saved.
        FolderError: if a run of the folder answers another question.
    """
    console = console or Console(quiet=True)
    keep_freed_memory()  # before the judge's networks learn
    failed = (executor or Here()).run(assignments(settings, console), console)
    return dataclasses.replace(report(settings[0].folder.path), failed=failed)


def report(directory: epath.PathLike, *, recompute: bool = False) -> Comparison:
    """Write ``results.json``, ``report.html``, its figures and tables anew; no model is needed.

    All of them are a pure function of what lies beneath.

    Args:
        directory: a run folder of `compare`.
        recompute: judge the saved clips again instead of taking the saved scores.

    Raises:
        FolderError: if the folder holds no comparison, or a damaged one.
    """
    from vidgen.comparison.page import write_page

    folder = ComparisonFolder.at(directory)
    if not folder.experiment.exists():
        raise FolderError(
            f"{folder.path} holds no comparison: {folder.experiment.name} does not exist there"
        )
    record = read_json(folder.experiment)
    if recompute:
        evaluate(folder)
    results = collect(folder)
    baselines = [n for n, card in record["cards"].items() if card["family"] == "baseline"]
    words = verdict(results, baselines=baselines)
    write_json(
        folder.results,
        {
            "experiment": record["experiment"]["name"],
            "hash": record["hash"],
            "verdict": dataclasses.asdict(words),
            "rows": as_json(results.rows),
            "summary": as_json(results.summary),
            "pairs": as_json(results.pairs),
            "trust": as_json(results.trust),
            "devices": results.devices,
            "sampled_on": results.sampled_on,
            "neighbours": results.neighbours,
            "primary_metrics": list(PRIMARY_METRICS),
            "agreement": [dataclasses.asdict(pair) for pair in agreement(results)],
        },
    )
    write_page(folder, record, results, words)
    return Comparison(results=results, verdict=words, report=folder.report)


def evaluate(folder: ComparisonFolder) -> None:
    """Judge every saved answer of a comparison again."""
    setting = setting_of(folder)
    if folder.holds_court:
        judge_the_oracle(setting)
    for run in [*folder.anchors(), *folder.runs()]:
        if run.scores.exists():
            judge_again(run, setting)
        if run.answers.exists():
            judge_answers_again(run, setting)
        if run.rollout.exists():
            judge_rollout_again(run, setting)
    for question in FURTHER:
        if folder.further(question).experiment.exists():
            evaluate(folder.further(question))
