"""In processes of this machine, some at once, each a fresh interpreter that does one job."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from vidgen.comparison.executors.assignment import Assignment, refuse_seconds
from vidgen.comparison.executors.child import Child, command_of, last_line
from vidgen.comparison.executors.pool import Ending, keep_going
from vidgen.comparison.experiment import Experiment

_ENVIRONMENT = {
    # For the log: every line as it comes, and of an error where it was raised.
    "PYTHONUNBUFFERED": "1",
    "VIDGEN_TRACEBACK": "1",
}


class InProcesses:
    """Job processes on this machine.

    They share its devices. Where one is killed, or dies of a signal, it is started again and goes
    on from its checkpoint. When this process is stopped, or killed, they save and leave.

    Args:
        at_once: how many run at a time.
        retries: how often a job whose process was lost is started again.
        command: from a run folder to the command that does its job.

    Raises:
        ValueError: if a number cannot be meant so.
    """

    def __init__(
        self,
        at_once: int = 2,
        *,
        retries: int = 2,
        command: Callable[[str], Sequence[str]] = command_of,
    ) -> None:
        if at_once < 1:
            raise ValueError(f"--jobs-at-once must be at least 1, got {at_once}")
        check_retries(retries)
        self._at_once, self._retries, self._command = at_once, retries, command

    def check(self, experiment: Experiment) -> None:
        """Refuse a budget in seconds where several jobs run at once, see `Executor.check`."""
        if self._at_once > 1:
            refuse_seconds(experiment)

    def run(self, work: Iterable[Assignment], console: Console) -> Mapping[str, str]:
        """Do every job, see `Executor.run`."""
        return keep_going(
            [assignment for assignment in work if not assignment.is_done],
            self._start,
            console,
            at_once=self._at_once,
            retries=self._retries,
        )

    def _start(self, assignment: Assignment) -> JobProcess:
        run = assignment.run
        # Where devices are shared, none takes most of a GPU's memory beforehand.
        shared = {} if self._at_once == 1 else {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        return JobProcess(self._command(os.fspath(run.path)), Path(os.fspath(run.log)), shared)


class JobProcess:
    """An attempt at a job by a child process.

    Args:
        command: what the child runs.
        log: where what it says is kept.
        environment: beside that of this process; None takes a variable away.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str | None]
    ) -> None:
        self._child, self._log = Child(command, log, {**_ENVIRONMENT, **environment}), log

    def ending(self) -> Ending | None:
        """How it ended, see `Attempt`."""
        code = self._child.code
        return None if code is None else ending_of(code, self._log)

    def stop(self) -> None:
        """Have it save and leave."""
        self._child.let_go()

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()


def ending_of(code: int, log: Path) -> Ending:
    """What an exit code says of a job.

    Args:
        code: negative, the number of a signal that killed the process; 143 where SIGTERM stopped
            it, and it saved.
        log: what it said.
    """
    if code == 0:
        return Ending()
    if code < 0:
        return Ending(f"killed by {signal.Signals(-code).name}", lost=True)
    if code == 128 + signal.SIGTERM:
        return Ending("stopped by SIGTERM", lost=True)
    return Ending(f"exit code {code}: {last_line(log)}")


def check_retries(retries: int) -> None:
    """Refuse what cannot be meant.

    Raises:
        ValueError: if it is negative.
    """
    if retries < 0:
        raise ValueError(f"--retries must be at least 0, got {retries}")
