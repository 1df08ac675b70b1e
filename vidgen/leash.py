"""A child process on a leash: its standard input, whose other end the one who started it holds.

When the leash ends, the child is to save and leave. Whoever holds it lets go to stop the child, and
does so by dying, in whatever way. Nothing heavy is imported here, since on a cluster a process may
do no more than to hold a leash.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_LOOK = 0.2
"""Seconds between two looks at a child."""


class Child:
    """A Python process on a leash, whose output is appended to a log.

    Args:
        arguments: of this interpreter.
        log: the file; its folder is made. In a bucket it is there once the child has ended.
        environment: variables that it gets beside those of this process; None takes one away.
    """

    def __init__(
        self, arguments: Sequence[str], log: str, environment: Mapping[str, str | None]
    ) -> None:
        variables = {**os.environ, **environment}
        self._address, self._log = log, Path(log)
        if "://" in log:  # where nothing can be appended
            handle, name = tempfile.mkstemp(prefix="vidgen-job-", suffix=".log")
            os.close(handle)
            self._log = Path(name)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as file:
            now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            file.write(f"--- started {now} on {platform.node()}\n".encode())
            file.flush()
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in variables.items() if value is not None},
                # Ctrl-C reaches whoever holds the leash, and no child twice.
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        """Its exit code, or minus the signal that killed it; None while it runs."""
        code = self._process.poll()
        if code is not None:
            self.let_go()
            if "://" in self._address and self._log.exists():
                self._publish()
        return code

    def let_go(self) -> None:
        """Have it save and leave; as often as one likes."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _publish(self) -> None:
        from vidgen.bucket import BucketPath

        there = BucketPath(self._address)
        with contextlib.suppress(OSError):  # whose job went well or ill without it
            before = there.read_bytes() if there.exists() else b""
            there.write_bytes(before + self._log.read_bytes())
            self._log.unlink()

    def kill(self) -> None:
        """End it at once, with all that it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # of which it is the leader
        self._process.wait()
        self.let_go()


def hold(arguments: Sequence[str], log: str, environment: Mapping[str, str | None]) -> int:
    """Hold the leash of a child, see `Child`, until it ends; returns its exit code.

    Whatever interrupts this has the child save and leave first.
    """
    child = Child(arguments, log, environment)
    try:
        while (code := child.code) is None:
            time.sleep(_LOOK)
    finally:
        child.let_go()
        while child.code is None:
            time.sleep(_LOOK)
    return code
