"""What a person reads on the terminal before, after and at the end of long work."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Iterator
from types import FrameType

import jax
from rich.console import Console
from rich.table import Table

from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import RunFolder, read_json
from vidgen.comparison.forecast import asked_several_times, forecast
from vidgen.comparison.rows import Row
from vidgen.comparison.wording import interval
from vidgen.training.peak import matmul_peak


def say_cost(experiment: Experiment, console: Console) -> None:
    """Print what an experiment will cost, before it starts."""
    unit_is_time = experiment.budget.unit == "seconds"
    casts = forecast(experiment, peak=None if unit_is_time else matmul_peak())
    table = Table(title=f"{experiment.name}: what it will cost", title_justify="left")
    for column in ("generator", "trained parameters", "trainings", "budget each", "about"):
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
    console.print(
        f"{experiment.prompts} prompts each{several}; on {len(jax.devices())} x "
        f"{jax.devices()[0].device_kind}; "
        f"about {_minutes(total)} in all, compiling and judging included",
        highlight=False,
    )


def _minutes(forecast: float) -> str:
    return f"{max(forecast / 60, 1):.0f} min"


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
