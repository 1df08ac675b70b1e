"""A job in a process of its own, `vidgen job RUN --leashed`, seen from both sides.

See `vidgen.leash` for what holds the two together.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from vidgen.bucket import BucketPath
from vidgen.comparison.executors.attempt import Ending
from vidgen.training.interrupt import leaving

PATIENCE = 300.0
"""Seconds that a job waits for the lock of its run folder: longer than a dead holder on another
host takes to be recognised, and than a living one takes to save when its leash has ended."""

ENVIRONMENT = {
    # For the log: every line as it comes, and of an error where it was raised.
    "PYTHONUNBUFFERED": "1",
    "VIDGEN_TRACEBACK": "1",
}
"""Variables of such a process."""


def arguments_of(run: str) -> list[str]:
    """What an interpreter is to do the job of a run folder by."""
    return ["-m", "vidgen", "job", run, "--leashed", "--wait", str(PATIENCE)]


def leave_when_let_go() -> None:
    """In the child: turn the end of the leash into SIGTERM, after which training saves.

    Nothing is sent where a signal came already: a scheduler may send it to every process there is.
    """

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        if not leaving.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="leash", daemon=True).start()


def ending_of(code: int, log: Path | BucketPath) -> Ending:
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


def last_line(log: Path | BucketPath) -> str:
    """What a job said last; nothing where it has said nothing yet."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
