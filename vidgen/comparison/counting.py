"""How much was read so far, on the terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn


@contextlib.contextmanager
def counting(name: str, console: Console) -> Iterator[Callable[[], None]]:
    """What is to be called after each thing that was read; the count vanishes in the end."""
    columns = SpinnerColumn(), TextColumn("{task.description}: {task.completed} read")
    # A pipe would get an empty line for it.
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(name, total=None)

    def tick() -> None:
        # The thread that draws must not run earlier: TFDS replaces the import statement while it is
        # imported, and what that thread imports meanwhile fails.
        progress.start()
        progress.advance(task)

    try:
        yield tick
    finally:
        progress.stop()
