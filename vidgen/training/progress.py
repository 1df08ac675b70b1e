"""What a person sees while a phase trains: a bar with ETA, loss and cost, or a line at times."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vidgen.training.cost import PhaseCost


class Display:
    """Progress of one phase on a console: a live bar on a terminal, else a plain line at times.

    Args:
        title: generator and phase.
        console: where to show it; ``Console(quiet=True)`` shows nothing.
        every: seconds between two plain lines where the console is no terminal.
    """

    def __init__(self, title: str, console: Console, *, every: float = 30.0) -> None:
        self._title, self._console, self._every = title, console, every
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task(title, total=1.0, facts="compiling")
        self._spoke = time.monotonic()

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, progress: float, loss: float | None, cost: PhaseCost, seconds: float) -> None:
        """Show how far the phase is, its last loss that was read and what it has cost so far.

        Args:
            progress: share of the phase's budget that is spent.
            loss: None where there is none yet, or it was not finite.
            cost: of the phase.
            seconds: on the training clock.
        """
        facts = _facts(loss, cost, seconds)
        self._bar.update(self._task, completed=progress, facts=facts)
        if not self._console.is_terminal and time.monotonic() - self._spoke > self._every:
            self._spoke = time.monotonic()
            self._say(f"{progress:4.0%}  {facts}")

    def finish(self, loss: float | None, cost: PhaseCost, seconds: float) -> None:
        """Leave one line behind that says what the phase came to."""
        self._say(_facts(loss, cost, seconds))

    def _say(self, words: str) -> None:
        # Not folded where there is no terminal: a line of a log stays a line.
        terminal = self._console.is_terminal
        self._console.print(f"{self._title}  {words}", highlight=False, soft_wrap=not terminal)


def _facts(loss: float | None, cost: PhaseCost, seconds: float) -> str:
    facts = [f"step {cost.steps}", "loss -" if loss is None else f"loss {loss:.4g}"]
    facts += [f"{seconds:.0f}s", f"{cost.clips / max(seconds, 1e-9):.0f} clips/s"]
    if cost.step_flops is not None:
        facts.append(f"{cost.step_flops * cost.steps:.2g} FLOPs")
    if cost.skipped:
        facts.append(f"{cost.skipped} skipped")
    return "  ".join(facts)
