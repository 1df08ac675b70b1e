"""What a person reads on the terminal before, after and at the end of long work."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from rich import box
from rich.console import Console
from rich.table import Table

from vidgen import registry
from vidgen.comparison.doctor import Finding
from vidgen.comparison.executors import Assignment
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import RunFolder, read_json
from vidgen.comparison.forecast import asked_several_times, forecast
from vidgen.comparison.jobs import jobs_of
from vidgen.comparison.rows import EQUAL_PARAMETERS, Row
from vidgen.comparison.setting import Setting
from vidgen.comparison.sizing import size_of
from vidgen.comparison.tuning import Search
from vidgen.comparison.wording import amount, interval, short
from vidgen.space import fields_of
from vidgen.training import devices_here, estimate
from vidgen.training.peak import matmul_peak

_NEAR = 0.1
"""Share of the parameters asked for within which a size counts as equal."""

_SHOWN = 5
"""Of the best trials of a search, beside its start."""


def say_cost(experiments: Sequence[Experiment], console: Console) -> None:
    """Print what an experiment will cost, before it starts.

    Args:
        experiments: the one that is asked, and then its further questions.
        console: where it is printed.
    """
    experiment, *others = experiments
    units = {one.budget.unit for one in experiments}
    casts = forecast(experiments, peak=None if units == {"seconds"} else matmul_peak())
    table = Table(title=f"{experiment.name}: what it will cost", title_justify="left")
    # Seconds are kept to. What FLOPs take depends on how far a network fills its machine.
    roughly = "about" if units == {"seconds"} else "at least"
    for column in ("generator", "trained parameters", "trainings", "budget each", roughly):
        table.add_column(column, justify="left" if column == "generator" else "right")
    for cast in casts:
        has_phases = bool(cast.phases)
        table.add_row(
            cast.generator,
            f"{cast.parameters / 1e6:.2f}M" if has_phases else "none",
            str(cast.trainings),
            str(experiment.budget) if has_phases else "nothing to train",
            _minutes(cast.seconds) if has_phases else "seconds",
        )
    console.print(table)
    total = sum(cast.seconds for cast in casts) + 30
    several = (
        f", {asked_several_times(experiment)} of them {experiment.answers} times"
        if experiment.answers > 1
        else ""
    )
    also = "".join(f"once more as {one.name}, {one.budget} each; " for one in others)
    console.print(
        f"{experiment.prompts} prompts each{several}; {also}on {devices_here()}; "
        f"{roughly} {_minutes(total)} in all, compiling and judging included",
        highlight=False,
    )
    for other in others:
        if other.name.endswith(EQUAL_PARAMETERS):
            _say_sizes(other, experiment.equal_parameters or 0, console)


def _say_sizes(experiment: Experiment, wanted: int, console: Console) -> None:
    """Print how near everybody comes to a number of parameters, before anybody is trained."""
    told, far = [], False
    for name, config in experiment.generators.items():
        size = size_of(registry.entry(name).build(experiment.task, config), experiment.task)
        far |= abs(size - wanted) > _NEAR * wanted
        told.append(f"{name} {amount(size)}")
    console.print(
        f"Parameters of {amount(wanted)} asked for: {', '.join(told)}"
        + ("; more than a tenth off, which no config's widths mend" if far else ""),
        style="bold yellow" if far else None,
        highlight=False,
    )


def say_estimate(experiments: Sequence[Experiment], rate: float, console: Console) -> None:
    """Print what each phase of each generator takes, computed from its traced step.

    Args:
        experiments: resolved: the one that is asked, and then its further questions.
        rate: FLOP/s that a device is taken to achieve.
        console: where it is printed.

    Raises:
        ValueError: if the rate is not positive.
    """
    if not rate > 0:
        raise ValueError(f"the rate must be a positive number of FLOP/s, got {rate:g}")
    seconds = 0.0
    for experiment in experiments:
        table, once = _estimated(experiment, rate)
        console.print(table)
        seconds += once * len(experiment.seeds) * sum((1.0, *experiment.curve))
    hours = "?" if math.isnan(seconds) else f"{seconds / 3600:,.2f}"
    console.print(
        f"All trainings, of every seed, budget and question: {hours} hours", highlight=False
    )


def _estimated(experiment: Experiment, rate: float) -> tuple[Table, float]:
    """The table of one question, and the seconds of training everybody once; NaN if not known."""
    table = Table(
        title=f"{experiment.name}: computed, not measured; at {rate:.3g} FLOP/s",
        title_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        caption="clips, TFLOP, ms: of a step; GiB: of the state; work: GiB that a step takes more",
        caption_justify="left",
    )
    table.add_column("phase")
    for column in ("params", "clips", "TFLOP", "GiB", "work", "ms", "steps", "hours"):
        table.add_column(column, justify="right", no_wrap=True)
    taken = 0.0
    for name, config in experiment.generators.items():
        generator = registry.entry(name).build(experiment.task, config)
        phases = estimate(generator, experiment.task, experiment.budget)
        if phases:
            table.add_row(name, style="bold")
        for phase in phases:
            flops = phase.step_flops
            a_step = None if flops is None else flops / rate
            seconds, steps = phase.seconds, phase.steps
            if seconds is None and a_step is not None and steps is not None:
                seconds = steps * a_step
            if steps is None and a_step and seconds is not None:
                steps = round(seconds / a_step)
            taken += math.nan if seconds is None else seconds
            table.add_row(
                f"  {phase.phase}",
                amount(phase.parameters),
                str(phase.batch_size),
                _known(flops, 1e-12, "{:.3f}"),
                _known(phase.state_bytes, 2**-30, "{:.2f}"),
                _known(phase.working_bytes, 2**-30, "{:.1f}"),
                _known(a_step, 1e3, "{:.1f}"),
                _known(steps, 1.0, "{:,.0f}"),
                _known(seconds, 1 / 3600, "{:.2f}"),
            )
    return table, taken


def _known(value: float | int | None, scale: float, form: str) -> str:
    return "?" if value is None else form.format(value * scale)


def _minutes(forecast: float) -> str:
    return f"{max(forecast / 60, 1):.0f} min"


def say_jobs(settings: Sequence[Setting], console: Console) -> None:
    """Print a command for each job that is left to standard output, and to the console what comes
    before them and after.

    Args:
        settings: of all questions, whose records are written.
        console: not standard output.
    """
    jobs = [Assignment(job, one) for one in settings for job in jobs_of(one.experiment)]
    left = [assignment for assignment in jobs if not assignment.is_done]
    for assignment in left:
        print(shlex.join(["vidgen", "job", os.fspath(assignment.run.path)]))
    folder = settings[0].folder.path
    console.print(
        f"{len(left)} of {len(jobs)} jobs are left. Before them, once: "
        f"{shlex.join(['vidgen', 'prepare', os.fspath(folder)])}; after them the same `vidgen "
        "compare` without --print-jobs writes the report",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def say_search_cost(search: Search, trials: int, console: Console) -> None:
    """Print what the rest of a search will cost, before it goes on."""
    left = trials - len(search.done)
    if left < 1:
        return
    seeds = tuple(range(left))  # a trial costs what a seed does
    as_seeds = dataclasses.replace(
        search.experiment,
        name=f"{search.experiment.name}, {left} trials of {len(search.space)} values",
        seeds=seeds,
        prompts=search.experiment.sweep_prompts,
    )
    say_cost([as_seeds], console)


def say_search(search: Search, console: Console) -> None:
    """Print the best trials of a search, the start among them, and how to take up the preset."""
    best, start = search.best, search.trials[0]
    assert best is not None  # or the search would have ended in an error
    assert best.score is not None
    ranked = sorted(
        (trial for trial in search.done if trial.merit is not None),
        key=lambda trial: (-(trial.merit or 0.0), trial.number),
    )
    table = Table(
        title=f"{search.generator}: {best.score.metric} of {best.score.n} validation prompts",
        title_justify="left",
    )
    turned = (" = ".join(fields_of(search.space, path)) for path in search.space)
    for column in ("trial", "value [95% interval]", *turned):
        table.add_column(column, justify="right", overflow="fold")
    shown = ranked[:_SHOWN]
    for trial in shown if start in shown or start not in ranked else [*shown, start]:
        values = [short(value) for value in trial.point.values()]
        name = f"{trial.number} (start)" if trial is start else str(trial.number)
        table.add_row(name, trial.outcome, *values)
    console.print(table)
    failed = [trial for trial in search.done if trial.state == "failed"]
    for trial in failed:
        console.print(f"trial {trial.number} failed: {trial.error}", style="red", markup=False)
    lines = (
        f"The best of {len(search.done)} is trial {best.number}, {best.outcome}; the start came to "
        f"{start.outcome}. The best of many looks better than it is: test prompts will tell.",
        f"Record: {search.record}",
        f"To compare with it: vidgen compare {search.experiment.name} --preset "
        f"{search.generator}={search.preset}",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def say_scores(run: RunFolder, console: Console) -> None:
    """Print the scores of one run."""
    rows = [Row(**row) for row in read_json(run.scores)["rows"]]
    table = Table(title=str(run.path), title_justify="left")
    for column in ("metric", "prompts", "value [95% interval]", "n"):
        table.add_column(column, justify="left" if column in ("metric", "prompts") else "right")
    for row in rows:
        if row.kind == "generator" and row.prompts != "all":
            shown = interval(row) if row.value is not None else row.note
            table.add_row(row.metric, row.prompts, shown, str(row.n))
    console.print(table)


def say_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print what the doctor found, each piece of advice below its finding, and what it comes to."""
    width = max(len(finding.what) for finding in findings)

    def say(line: str, style: str | None = None) -> None:
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    for finding in findings:
        say(f"{finding.what:<{width}}  {finding.found}")
        if finding.advice:
            say(f"{'':<{width}}  -> {finding.advice}", "red" if finding.missing else "yellow")
    missing = [finding.what for finding in findings if finding.missing]
    say(f"To be mended first: {', '.join(missing)}" if missing else "Nothing needed is missing.")


class Stopped(KeyboardInterrupt):
    """SIGTERM outside training; inside, the training loop saves and raises its own."""


@contextlib.contextmanager
def resumable(console: Console) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a clean end that says which command goes on.

    Raises:
        SystemExit: with 130 after Ctrl-C and 143 after SIGTERM.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    previous = signal.getsignal(signal.SIGTERM)
    with contextlib.suppress(ValueError):  # signals are the main thread's alone
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        code = error.code if isinstance(error, SystemExit) else 130
        code = 143 if isinstance(error, Stopped) else code
        command = shlex.join(["vidgen", *sys.argv[1:]])
        console.print(
            f"\nStopped; what was finished is kept. To go on:\n  {command}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        raise SystemExit(code) from error
    finally:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, previous)
