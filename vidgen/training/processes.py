"""Several processes, on one machine or on many, that train one run together.

Each calls the same functions in the same order and computes on its own devices (`Placement`). The
first one alone decides and writes, but for the arrays of checkpoints, of which each writes its own;
what it decides, and what it fails of, is told to all, so that none waits for one that has left.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")

_FILE = "process_0-of-1.json"  # grain's own name for the position of a run of one process

_ROOM = 1024
"""Bytes in whose multiples a decision is told, since each length is a program of its own."""

_PATIENCE = 24 * 3600
"""Seconds that processes whose work is done wait for the first, which may have clips to judge."""


class ProcessError(RuntimeError):
    """The first process failed at what all depend on; it has said why."""


def join(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> None:
    """Make this process one of several. To be called before anything is computed.

    Args:
        coordinator: address and port of process 0, ``10.0.0.1:1234``; None where the cluster says
            it (SLURM, Open MPI, Kubernetes, TPU pods).
        processes: how many there are; None likewise.
        process: which of them this is, from 0; None likewise.

    Raises:
        ValueError: if nothing says what is None.
        RuntimeError: if something was computed already, or the others do not come.
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # nothing to other backends
    jax.distributed.initialize(coordinator, processes, process, shutdown_timeout_seconds=_PATIENCE)


def count() -> int:
    """How many processes there are."""
    return jax.process_count()


def first() -> bool:
    """Whether this is the process that decides and writes."""
    return jax.process_index() == 0


def agreed(decide: Callable[[], T]) -> T:
    """What the first process decides, in all of them. The others do not call `decide`.

    Args:
        decide: whose result is plain JSON, if there are several processes.

    Raises:
        ProcessError: in the others, if it raises.
    """
    if count() == 1:
        return decide()
    error: Exception | None = None
    answer: dict[str, Any] = {}
    if first():
        try:
            answer = {"decided": decide()}
        except Exception as raised:
            error, answer = raised, {"failed": f"{type(raised).__name__}: {raised}"}
    answer = json.loads(_told(json.dumps(answer).encode()))
    if error is not None:
        raise error
    if "failed" in answer:
        raise ProcessError(f"the first process failed: {answer['failed']}")
    return answer["decided"]


def signalled(received: signal.Signals | None) -> signal.Signals | None:
    """A signal that any process has received, in all of them; None if there is none."""
    if count() == 1:
        return received
    from jax.experimental import multihost_utils

    numbers = multihost_utils.process_allgather(np.int32(received or 0))
    number = int(np.max(numbers))
    return signal.Signals(number) if number else None


def everywhere(here: bool) -> bool:
    """Whether something holds in every process."""
    if count() == 1:
        return here
    from jax.experimental import multihost_utils

    return bool(np.all(multihost_utils.process_allgather(np.bool_(here))))


class Moment:
    """The position that an iterator has now, which orbax saves whenever it comes to it.

    Args:
        iterator: with ``get_state``.
    """

    def __init__(self, iterator: Any) -> None:
        self._state = json.dumps(iterator.get_state(), indent=4)

    async def save(self, directory: Any) -> Any:
        """Orbax's way to save."""

        async def write() -> None:
            folder = await directory.await_creation()
            if first():
                (folder / _FILE).write_text(self._state)

        return write()

    async def load(self, directory: Any) -> Any:
        """Nothing is loaded into a moment; orbax takes nothing that has not both ways."""
        raise NotImplementedError


class Position:
    """An iterator of a process's own rows, whose position in all batches is saved by the first
    process alone: it is the same in all, so that any number of processes can go on from it.

    Args:
        iterator: with ``get_state`` and ``set_state``.
    """

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator
        self.get_state, self.set_state = iterator.get_state, iterator.set_state

    def __iter__(self) -> Position:
        return self

    def __next__(self) -> Any:
        return next(self._iterator)

    async def save(self, directory: Any) -> Any:
        """Orbax's way to save; the position is that of this moment."""
        return await Moment(self).save(directory)

    async def load(self, directory: Any) -> Any:
        """Orbax's way to load."""

        async def read() -> None:
            self.set_state(json.loads((directory / _FILE).read_text()))

        return read()


def _told(message: bytes) -> bytes:
    from jax.experimental import multihost_utils

    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
    room = np.zeros(-(-length // _ROOM) * _ROOM, np.uint8)
    if first():
        room[:length] = np.frombuffer(message, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(room))[:length].tobytes()
