"""Candidates: what the last phase had learned at some shares of its budget, to be chosen from.

A training that is past its best has left the better network behind. Which one is better is not for
training to say: it keeps the exports, and whoever judges chooses. The last candidate is what the
phase leaves at its end, in its own checkpoint; the others lie in ``candidates/<step>/``, exports
alone, as whole and as verified as checkpoints are.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from vidgen.bucket import BucketPath
from vidgen.training import processes
from vidgen.training.checkpoint import Checkpoints, steps_in
from vidgen.training.manifest import MANIFEST, Record, verify

FOLDER = "candidates"

_FIRST = 0.5
"""Share of the phase after which candidates are kept: none is worth trying before."""


def shares(count: int) -> tuple[float, ...]:
    """Shares of the last phase at which candidates are kept, even over its second half.

    The end, which is the last candidate, is not among them.

    Example:
        >>> shares(2), shares(1)
        ((0.75,), ())

    Args:
        count: candidates, the end among them.

    Raises:
        ValueError: if there is not even the end.
    """
    if count < 1:
        raise ValueError(f"candidates must be at least 1, the end of training; got {count}")
    return tuple(_FIRST + (1.0 - _FIRST) * i / count for i in range(1, count))


def reached(before: float, after: float, at: tuple[float, ...]) -> bool:
    """Whether progress came to one of the shares, but not to the end.

    A function of progress alone, as `budget.crossed` is.
    """
    nudge = 1e-9
    return after < 1.0 and any(before < share - nudge <= after for share in at)


def kept(run: Path | BucketPath) -> list[int]:
    """Steps of the candidates that a run kept before its end, in order."""
    folder = run / FOLDER
    return [step for step in steps_in(folder) if (folder / str(step) / MANIFEST).exists()]


class Candidates:
    """Where a phase that is being trained keeps its candidates, for the holder of the run's lock.

    Opening removes those of steps after the one that the run goes on from: those steps are taken
    again, and under a budget in seconds the candidates may fall on others.

    Args:
        run: the run folder, absolute.
        count: candidates, the end among them.
        since: the step that the run goes on from.
        say: called with each notice that the user must see.
        publish: see `Checkpoints`.

    Raises:
        CheckpointError: if one that was kept is damaged: the choice would be among fewer than was
            said, and that step is not taken again.
    """

    def __init__(
        self,
        run: Path,
        *,
        count: int,
        since: int,
        say: Callable[[str], None],
        publish: Callable[[Path], None] | None = None,
    ) -> None:
        self.shares = shares(count)
        folder = run / FOLDER

        def tidy() -> None:
            for step in steps_in(folder):
                if step > since:
                    shutil.rmtree(folder / str(step))
                elif step in kept(run):
                    verify(folder / str(step))

        processes.agreed(tidy)
        keep = max(2, count - 1)
        self._checkpoints = Checkpoints(folder, keep=keep, say=say, publish=publish)

    def keep(self, record: Record, export: Any) -> None:
        """Keep an export. Returns once it is whole on disk: no later checkpoint may outlive it.

        One without arrays is the same at every step, so that there is nothing to choose from.
        """
        if not jax.tree.leaves(export):
            return
        self._checkpoints.save(record, export=export)
        self._checkpoints.wait()

    def close(self) -> None:
        """Let go of the folder."""
        self._checkpoints.close()
