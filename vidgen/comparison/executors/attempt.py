"""An attempt at a job that runs elsewhere, and how it ended."""

from __future__ import annotations

import dataclasses
from typing import Protocol, runtime_checkable


@dataclasses.dataclass(frozen=True)
class Ending:
    """How an attempt at a job ended.

    Attributes:
        why: what went wrong; nothing where all is done.
        lost: whether its process, machine or node was lost, so that another attempt may do better;
            a job that failed would fail again.
    """

    why: str = ""
    lost: bool = False


@runtime_checkable
class Attempt(Protocol):
    """A job that runs elsewhere."""

    def ending(self) -> Ending | None:
        """How it ended; None while it runs."""
        ...

    def stop(self) -> None:
        """Have it save and leave."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...
