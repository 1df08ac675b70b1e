"""What an executor is given, and what it must do with it.

A job's only output is its run folder, and all that it needs beside that lies in the folder of its
comparison. So its address is all that another process, or another machine that sees the folder, has
to be told.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from etils import epath
from rich.console import Console

from vidgen.comparison.answers import answered_again, ask_job_again
from vidgen.comparison.court import prepare_court
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import ComparisonFolder, FolderError, RunFolder, of_run, write_json
from vidgen.comparison.jobs import Job, finished, jobs_of, run_job
from vidgen.comparison.question import setting_of_jobs
from vidgen.comparison.rollouts import roll_job_out, rolled_out
from vidgen.comparison.rows import FURTHER
from vidgen.comparison.setting import Setting
from vidgen.training import LockError

_LOOK = 1.0
"""Seconds between two looks at a run folder that another process is at work in."""


@dataclasses.dataclass(frozen=True, eq=False)
class Assignment:
    """A job of one of the questions of a comparison.

    Attributes:
        job: what to do.
        setting: of its question.
    """

    job: Job
    setting: Setting

    @classmethod
    def at(cls, run: epath.PathLike) -> Assignment:
        """The job of a run folder, as the record of its comparison has it.

        Raises:
            FolderError: if the path is no run, or of no job that was ever asked for.
        """
        path = ComparisonFolder.at(run).path
        folder, generator, seed, _ = of_run(path)
        setting = setting_of_jobs(folder)
        for job in jobs_of(setting.experiment):
            # By its folder, since the name of one has no more than six digits of the share.
            found = cls(job, setting)
            if found.run.path == path:
                return found
        raise FolderError(
            f"{path} is no job of {folder.path}: `vidgen compare`, with {generator!r} "
            f"among its generators and {seed} among its seeds, records it (--print-jobs, to run it "
            "apart)"
        )

    def __str__(self) -> str:
        question = self.setting.folder.path.name
        return f"{self.job} ({question})" if question in FURTHER else str(self.job)

    @property
    def run(self) -> RunFolder:
        """Where all that it leaves lies."""
        job = self.job
        return self.setting.folder.run(job.generator, job.seed, job.share)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left of it.

        Raises:
            FolderError: if the run folder answers another question; the differences are named.
        """
        job, setting = self.job, self.setting
        return finished(job, setting) and answered_again(job, setting) and rolled_out(job, setting)

    def do(self, console: Console, *, patience: float = 0.0) -> None:
        """Do what is left of it, in this process; an error is recorded in the run folder.

        Args:
            console: where progress is shown.
            patience: seconds to wait for another process that is at work in the run folder.

        Raises:
            vidgen.training.Interrupted: after a signal during training, when all is saved.
            FolderError: if the run folder answers another question.
            LockError: if another process is at work in the run folder.
            Exception: whatever else the job fails of.
        """
        self.run.failure.unlink(missing_ok=True)
        until, waits = time.monotonic() + patience, False
        while True:
            try:
                run_job(self.job, self.setting, console)
                ask_job_again(self.job, self.setting, console)
                roll_job_out(self.job, self.setting, console)
            except LockError as error:  # whose run folder it is
                if time.monotonic() >= until:
                    raise
                if not waits:
                    console.print(f"waiting: {error}", markup=False, soft_wrap=True)
                    waits = True
                time.sleep(_LOOK)
            except FolderError:
                raise
            except Exception as error:
                self.record_failure(describe(error))
                raise
            else:
                return

    def record_failure(self, why: str) -> None:
        """Leave behind why it failed, for the report."""
        write_json(self.run.failure, {"error": why})


@runtime_checkable
class Executor(Protocol):
    """Runs jobs, in any order and wherever their run folders are seen."""

    def check(self, experiment: Experiment) -> None:
        """Refuse what it cannot run, before anything is written.

        Args:
            experiment: whose further questions have its budget, or one in FLOPs.

        Raises:
            ValueError: with what to do instead.
        """
        ...

    def run(self, work: Iterable[Assignment], console: Console) -> Mapping[str, str]:
        """Do every job; one that fails costs the others nothing.

        Args:
            work: the jobs. Going through them prepares the court of each question before its first.
            console: where progress is shown.

        Returns:
            The jobs that failed, each by name, with the error.

        Raises:
            KeyboardInterrupt: or `vidgen.training.Interrupted`, after a signal, when all is saved
                and nothing runs any more.
            FolderError: if a run folder answers another question.
        """
        ...


def assignments(settings: Sequence[Setting], console: Console) -> Iterable[Assignment]:
    """The jobs of all questions, in order; the court of each is prepared before its first."""
    for setting in settings:
        prepare_court(setting, console)
        yield from (Assignment(job, setting) for job in jobs_of(setting.experiment))


def describe(error: BaseException) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {error}"


def refuse_seconds(experiment: Experiment) -> None:
    """Refuse a budget in seconds for jobs that run at once.

    Raises:
        ValueError: if it is one, unless the experiment allows for neighbours.
    """
    if experiment.budget.unit == "seconds" and experiment.training.exclusive:
        raise ValueError(
            f"a budget in seconds ({experiment.budget}) is not for jobs at once: they would share "
            "the cores, and what a second buys would depend on the neighbour. Give --budget in "
            "steps, clips or flops, such as 400steps"
        )
