"""SIGTERM and Ctrl-C: finish the step, save, and leave with a documented exit code."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""What a process exits with when training was interrupted and saved: 128 plus the signal."""


leaving = threading.Event()
"""Set while training that was asked to stop saves and leaves, which a second signal would abort."""


class Interrupted(SystemExit):
    """Training was asked to stop and has saved; the same command goes on from there.

    A `SystemExit`, so that a process which does not catch it ends with the documented code (130
    after Ctrl-C, 143 after SIGTERM), and a harness that survives failing jobs does not survive it.
    """

    def __init__(self, received: signal.Signals, where: str) -> None:
        super().__init__(EXIT_CODES[received])
        self.exit_code = EXIT_CODES[received]
        self.where = where

    def __str__(self) -> str:
        return f"interrupted {self.where}; saved, exit code {self.exit_code}"


class Interrupt:
    """Whether a signal has asked the run to stop; None until then."""

    received: signal.Signals | None = None


@contextlib.contextmanager
def listening() -> Iterator[Interrupt]:
    """Note the first SIGTERM or SIGINT instead of dying of it; a second one aborts at once.

    Signals reach the main thread only; in any other thread nothing is installed.
    """
    interrupt = Interrupt()
    leaving.clear()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    previous = {number: signal.getsignal(number) for number in EXIT_CODES}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.received = signal.Signals(number)
        leaving.set()
        restore()  # so that the next signal is not held back by a save that hangs

    for number in EXIT_CODES:
        signal.signal(number, note)
    try:
        yield interrupt
    finally:
        restore()
