"""In processes of this machine, some at once, each a fresh interpreter that does one job."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from vidgen.bucket import BucketPath, address
from vidgen.comparison.executors.assignment import Assignment, refuse_seconds
from vidgen.comparison.executors.attempt import Ending
from vidgen.comparison.executors.child import ENVIRONMENT, arguments_of, ending_of
from vidgen.comparison.executors.pool import keep_going
from vidgen.comparison.experiment import Experiment
from vidgen.leash import Child


class InProcesses:
    """Job processes on this machine.

    They share its devices. Where one is killed, or dies of a signal, it is started again and goes
    on from its checkpoint. When this process is stopped, or killed, they save and leave.

    Args:
        at_once: how many run at a time.
        retries: how often a job whose process was lost is started again.
        arguments: from a run folder to those of an interpreter that does its job.

    Raises:
        ValueError: if a number cannot be meant so.
    """

    def __init__(
        self,
        at_once: int = 2,
        *,
        retries: int = 2,
        arguments: Callable[[str], Sequence[str]] = arguments_of,
    ) -> None:
        if at_once < 1:
            raise ValueError(f"--jobs-at-once must be at least 1, got {at_once}")
        check_retries(retries)
        self._at_once, self._retries, self._arguments = at_once, retries, arguments

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

    def _start(self, assignment: Assignment) -> _Process:
        # Where devices are shared, none takes most of a GPU's memory beforehand.
        shared = {} if self._at_once == 1 else {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        log = os.fspath(assignment.run.log)
        arguments = self._arguments(os.fspath(assignment.run.path))
        return _Process(Child(arguments, log, {**ENVIRONMENT, **shared}), address(log))


class _Process:
    """An attempt at a job by a child process, see `Attempt`."""

    def __init__(self, child: Child, log: Path | BucketPath) -> None:
        self._child, self._log = child, log
        self.stop, self.kill = child.let_go, child.kill

    def ending(self) -> Ending | None:
        code = self._child.code
        return None if code is None else ending_of(code, self._log)


def check_retries(retries: int) -> None:
    """Refuse what cannot be meant.

    Raises:
        ValueError: if it is negative.
    """
    if retries < 0:
        raise ValueError(f"--retries must be at least 0, got {retries}")
