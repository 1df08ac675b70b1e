"""Clocks that sum to the wall clock: what compiling, training, validating and writing cost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, get_args

Name = Literal["compile", "train", "validate", "log", "checkpoint", "profile"]
NAMES: tuple[Name, ...] = get_args(Name)


class Clocks:
    """Six clocks of which exactly one runs at any moment, so that they sum to the wall clock.

    ``compile`` also holds tracing, FLOP counting and initialisation; ``train`` the steps and the
    wait for their data; ``checkpoint`` saving, verifying and loading; ``profile`` the steps of a
    profile, which are taken back.

    Args:
        used: seconds that an interrupted run had on each clock; they go on from there.
        now: a monotonic clock in seconds.

    Example:
        >>> clocks = Clocks()
        >>> with clocks.on("train"):
        ...     pass
        >>> clocks["train"] >= 0
        True
    """

    def __init__(
        self,
        used: Mapping[str, float] | None = None,
        *,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._now = now
        self._seconds: dict[Name, float] = dict.fromkeys(NAMES, 0.0)
        self._running: Name = "compile"
        self._since = now()
        self.resume(used or {})

    def resume(self, used: Mapping[str, float]) -> None:
        """Add the seconds that an interrupted run had used."""
        for name in NAMES:
            self._seconds[name] += used.get(name, 0.0)

    def __getitem__(self, name: Name) -> float:
        """Seconds on one clock, up to this moment."""
        running = self._now() - self._since if name == self._running else 0.0
        return self._seconds[name] + running

    def read(self) -> dict[str, float]:
        """Seconds on every clock, up to this moment."""
        return {name: self[name] for name in NAMES}

    @contextlib.contextmanager
    def on(self, name: Name) -> Iterator[None]:
        """Let another clock run meanwhile."""
        previous = self._switch(name)
        try:
            yield
        finally:
            self._switch(previous)

    def _switch(self, name: Name) -> Name:
        now = self._now()
        self._seconds[self._running] += now - self._since
        previous, self._running, self._since = self._running, name, now
        return previous
