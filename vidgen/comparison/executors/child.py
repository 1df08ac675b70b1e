"""A job in a process of its own: `vidgen job RUN`, on a leash.

The leash is the child's standard input: when it ends, the job saves and leaves. Whoever holds the
other end lets go of it to stop the job, and by dying in whatever way.
"""

from __future__ import annotations

import datetime
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

LEASHED = "--leashed"
"""The option of `vidgen job` that says so."""

PATIENCE = 300.0
"""Seconds that a leashed job waits for the lock of its run folder: longer than a dead holder on
another host takes to be recognised, and than a living one on a leash takes to save."""


def command_of(run: str) -> list[str]:
    """What runs the job of a run folder, by this interpreter."""
    return [sys.executable, "-m", "vidgen", "job", run, LEASHED]


class Child:
    """A child process on a leash, whose output is appended to a log.

    Args:
        command: what it runs.
        log: the file.
        environment: variables that it gets beside those of this process; None takes one away.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str | None]
    ) -> None:
        variables = {**os.environ, **environment}
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            file.write(f"--- started {now} on {platform.node()}\n".encode())
            file.flush()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in variables.items() if value is not None},
                # Ctrl-C reaches whoever holds the leash, and no job twice.
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        """Its exit code, or minus the signal that killed it; None while it runs."""
        return self._process.poll()

    def let_go(self) -> None:
        """Have it save and leave; as often as one likes."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def leave_when_let_go() -> None:
    """In the child: turn the end of the leash into SIGTERM, after which training saves."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="leash", daemon=True).start()


def last_line(log: Path) -> str:
    """What a job said last; nothing where it has said nothing yet."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
