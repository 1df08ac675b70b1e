"""What a person sees of jobs that run elsewhere: a line for each that runs, and how many are left.

A job says what it does in its log, a line at times; the last one is shown. Where there is no
terminal, a line is printed when a job starts or ends.
"""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vidgen.bucket import BucketPath, address
from vidgen.comparison.executors.assignment import Assignment
from vidgen.comparison.executors.child import last_line

_REFRESH = 1.0
"""Seconds between two looks into the logs."""


class Screen:
    """The progress of all jobs.

    Args:
        console: where it is shown.
        count: of all jobs.
    """

    def __init__(self, console: Console, count: int) -> None:
        self._console, self._count = console, count
        self._running: dict[Assignment, float] = {}
        self._finished = self._failed = 0
        self._words, self._drawn = "", 0.0
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def started(self, assignment: Assignment, attempt: int) -> None:
        """A job starts, for the first time or again."""
        self._running[assignment] = time.monotonic()
        self._say(f"{assignment}: started" + (f", attempt {attempt}" if attempt > 1 else ""))

    def lost(self, assignment: Assignment, why: str) -> None:
        """The process of a job is gone; it will be started again."""
        del self._running[assignment]
        self._say(f"{assignment}: {why}; it goes on from its checkpoint", "bold yellow")

    def failed(self, assignment: Assignment, why: str) -> None:
        """A job has failed."""
        del self._running[assignment]
        self._failed += 1
        self._say(f"{assignment} failed: {why}", "bold red")

    def finished(self, assignment: Assignment) -> None:
        """A job is done."""
        self._finished += 1
        minutes = (time.monotonic() - self._running.pop(assignment)) / 60
        self._say(f"{assignment}: finished in {minutes:.1f} min ({self._so_far})")

    def stopping(self, count: int) -> None:
        """All jobs that run were asked to save and leave."""
        self._words = "saving; a second Ctrl-C ends them at once"
        self._say(f"stopping {count} job{'s' if count != 1 else ''}: {self._words}")

    def refresh(self) -> None:
        """Look into the logs again, where somebody looks at the screen."""
        if self._console.is_terminal and time.monotonic() - self._drawn > _REFRESH:
            self._drawn = time.monotonic()
            self._live.update(self._render(), refresh=True)

    @property
    def _so_far(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._finished} of {self._count}{failed}"

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        # What does not fit on a terminal cannot be drawn over.
        shown = list(self._running)[: max(1, self._console.height - 3)]
        for assignment in shown:
            table.add_row(str(assignment), Text(says(assignment)))
        hidden = len(self._running) - len(shown)
        more = f"; {hidden} more run" if hidden else ""
        words = f"; {self._words}" if self._words else ""
        return Group(table, Text(f"{self._so_far} finished{more}{words}", style="bold"))

    def _say(self, words: str, style: str | None = None) -> None:
        self._console.print(words, style=style, markup=False, highlight=False, soft_wrap=True)


def says(assignment: Assignment) -> str:
    """What a job said last, without its own name; where it has said nothing, that it waits."""
    log = address(assignment.run.log)
    if isinstance(log, BucketPath):
        return "runs; its log is there when it has ended"
    line = last_line(log)
    job = assignment.job
    for name in (f"{job.generator} seed {job.seed} ", f"{job.generator}: "):
        line = line.removeprefix(name)
    return line or "waiting for its resources"
