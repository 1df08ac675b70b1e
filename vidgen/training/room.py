"""Whether training fits into the memory that is there, said before it starts, and with what would.

What a step needs is XLA's own plan of its buffers, which is known once the step is compiled; before
that the state alone is counted, and is refused where not even it fits. Between two batch sizes the
plan is taken to be a line: the state, gradients and updates stay, all else grows with the clips.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from vidgen.allocator import release_freed_memory
from vidgen.training.step import Blueprint

_SPARED = 0.05
"""Share of the memory that a batch size which is advised leaves free."""


class OutOfMemoryError(RuntimeError):
    """A phase needs more memory than there is; the message says how much, and which batch fits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Needs:
    """Bytes that one phase takes on a device.

    Attributes:
        phase: its name.
        batch_size: clips a step.
        state: of weights, their average, the optimiser's memory and what is carried along.
        working: of a step besides, its batch included; 0 where that is not known yet.
        constant: of those, what does not grow with the batch.
    """

    phase: str
    batch_size: int
    state: int
    working: int = 0
    constant: int = 0

    @classmethod
    def of_state(cls, shapes: Blueprint) -> Needs:
        """What a phase takes at least, before anything is compiled."""
        state = _held(shapes.state)
        return cls(phase=shapes.phase.name, batch_size=shapes.phase.batch_size, state=state)

    @classmethod
    def of_step(cls, shapes: Blueprint, plan: Any) -> Needs:
        """What it takes by the plan of its compiled step, `Programs.buffers`."""
        found = cls.of_state(shapes)
        if plan is None:
            return found
        whole = plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes
        working = max(0, whole - plan.alias_size_in_bytes - found.state)
        constant = min(working, 2 * _held(shapes.state.state.params))
        return dataclasses.replace(found, working=working, constant=constant)

    @property
    def total(self) -> int:
        """All of it."""
        return self.state + self.working

    def advice(self, there: int) -> str:
        """Which batch fits into so many bytes."""
        a_clip = (self.working - self.constant) / self.batch_size
        room = there * (1.0 - _SPARED) - self.state - self.constant
        fits = self.batch_size if a_clip <= 0 else min(self.batch_size - 1, int(room / a_clip))
        if room <= 0 or fits < 1:
            return (
                "not even one clip a step fits: set remat, which computes again what would be "
                "kept, make the model smaller, or take a larger device"
            )
        return (
            f"a batch_size of {fits} fits, by the same count; or the same batch in microbatches or "
            "with remat, see the phase's config"
        )

    def __str__(self) -> str:
        if not self.working:
            return f"the state of phase {self.phase!r} alone needs {_gib(self.state)}"
        return (
            f"a step of phase {self.phase!r} with {self.batch_size} clips needs "
            f"{_gib(self.total)}, {_gib(self.state)} of them for its state"
        )


def check(needs: Needs) -> None:
    """Refuse a phase that does not fit.

    Raises:
        OutOfMemoryError: with what is needed, what there is, and a batch size that fits.
    """
    there = available()
    if there is not None and needs.total > there:
        release_freed_memory()  # what this process keeps for its next step counts as taken
        there = available()
    if there is not None and needs.total > there:
        raise OutOfMemoryError(f"{needs}, and {_gib(there)} are there; {needs.advice(there)}")


@contextlib.contextmanager
def explained(needs: Needs) -> Iterator[None]:
    """Turn the device's own complaint, while a phase computes, into one with numbers and advice.

    Raises:
        OutOfMemoryError: instead of a `jax.errors.JaxRuntimeError` of exhausted resources.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not exhausted(error):
            raise
        there = available()
        # It was to fit and did not (another process, or pieces too small): the plan is no guide.
        half = needs.batch_size // 2
        advice = f"try a batch_size of {half}" if half else "make the model smaller"
        if there is not None and needs.total > there:
            advice = needs.advice(there)
        known = "" if there is None else f", and {_gib(there)} are there now"
        raise OutOfMemoryError(f"{error}. By its plan {needs}{known}; {advice}") from error


def exhausted(error: Exception) -> bool:
    """Whether a device ran out of memory."""
    return "RESOURCE_EXHAUSTED" in str(error)


def available() -> int | None:
    """Bytes that this process may still take where JAX computes; None where nobody tells.

    On an accelerator those that JAX may take of it, less what it holds. On the host those that
    neither the system nor the container lacks, with what caches would give back.
    """
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        facts = device.memory_stats() or {}
        limit = facts.get("bytes_limit")
        return None if limit is None else int(limit) - int(facts.get("bytes_in_use", 0))
    found = [bytes_ for bytes_ in (_of_system(), _of_container()) if bytes_ is not None]
    return min(found) if found else None


def _held(tree: Any) -> int:
    """Bytes of a state, or a part of it, that one device holds: of a split array, its part."""
    parts = [(leaf.sharding.shard_shape(leaf.shape), leaf.dtype) for leaf in jax.tree.leaves(tree)]
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in parts)


def _of_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        facts = dict(line.split(":", 1) for line in lines)
        return sum(int(facts[name].split()[0]) * 1024 for name in ("MemAvailable", "SwapFree"))
    except (OSError, KeyError, ValueError):
        return None  # not Linux


def _of_container() -> int | None:
    """What is left of a control group's limit (version 2); None without one."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((folder / f"memory.{n}").read_text()) for n in ("max", "current"))
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return limit - used + int(facts.get("inactive_file", 0))
    except (OSError, ValueError):
        return None  # "max", which is no limit, among them


def _gib(count: float | int) -> str:
    return f"{count / 2**30:,.2f} GiB"
