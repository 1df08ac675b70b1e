"""In this process, one job after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console

from vidgen.comparison.executors.assignment import Assignment, describe
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import FolderError


class Here:
    """The default executor."""

    def check(self, experiment: Experiment) -> None:
        """Refuses nothing."""

    def run(self, work: Iterable[Assignment], console: Console) -> Mapping[str, str]:
        """Do every job, see `Executor.run`."""
        failed: dict[str, str] = {}
        for assignment in work:
            try:
                assignment.do(console)
            except FolderError:
                raise
            except Exception as error:  # one family's fault must not cost the others their numbers
                name = str(assignment)
                failed[name] = describe(error)
                console.print(f"{name} failed: {failed[name]}", style="bold red", markup=False)
        return failed
