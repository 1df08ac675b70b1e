"""The price of a generator: its parameters, and what a clip costs to sample."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

from vidgen.contract import Generator, stream
from vidgen.training import flops
from vidgen.training.timing import time_calls
from vidgen.types import Condition, Layout, Params, Task

_STAT = Path("/proc/stat")
_TICKS = 20
"""Of the cores' time, which the system counts in hundredths of a second: fewer tell nothing."""


@dataclasses.dataclass
class Neighbours:
    """How much others took of the cores that this process may use, see `watch_neighbours`.

    Attributes:
        share: of these cores' time, what other processes and other machines on the same processor
            took, from 0 to 1; None where the system does not say, as Linux does, where an
            accelerator computes, or where it was over too soon.
    """

    share: float | None = None


@contextlib.contextmanager
def watch_neighbours() -> Iterator[Neighbours]:
    """Observe the neighbours of what runs inside; their share is known at its end."""
    neighbours, before = Neighbours(), _core_seconds()
    yield neighbours
    after = _core_seconds()
    if before is None or after is None or jax.default_backend() != "cpu":
        return
    busy, own, total = (b - a for a, b in zip(before, after, strict=True))
    if total * _tick() >= _TICKS:
        neighbours.share = float(np.clip((busy - own) / total, 0.0, 1.0))


def _tick() -> int:
    """Counts of the system a second."""
    return os.sysconf("SC_CLK_TCK")


def _core_seconds() -> tuple[float, float, float] | None:
    """Of our cores together: seconds at work, those of this process, and all there were."""
    try:
        lines = _STAT.read_text().splitlines()
        ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    except (OSError, AttributeError):  # the second where a system has the file and is not Linux
        return None
    busy = total = 0
    for name, *counts in (line.split() for line in lines):
        if name in ours:
            user, nice, system, idle, waiting, *interrupts_and_stolen = map(int, counts[:8])
            working = user + nice + system + sum(interrupts_and_stolen)
            busy, total = busy + working, total + working + idle + waiting
    return busy / _tick(), time.process_time(), total / _tick()


class Stopwatch:
    """A jitted sampler with its parameters bound, that notes how long each call takes.

    Args:
        sample: jitted `Generator.sample`.
        params: what each phase exported.
        sampler: the generator's sampler settings; None for its default.
    """

    def __init__(
        self, sample: Callable[..., Any], params: Mapping[str, Params], sampler: Any
    ) -> None:
        self._sample, self._params, self._sampler = sample, params, sampler
        self._seconds: list[float] = []
        self._batch = 0

    def __call__(self, condition: Condition, keys: Any) -> Any:
        """float [B T H W C], finished."""
        start = time.perf_counter()
        video = self.untimed(condition, keys)
        self._seconds.append(time.perf_counter() - start)
        self._batch = condition.batch_size
        return video

    def untimed(self, condition: Condition, keys: Any) -> Any:
        """The same, not noted."""
        video = self._sample(self._params, condition, keys, self._sampler)
        return jax.block_until_ready(video)

    def flops(self, condition: Condition, keys: Any) -> float | None:
        """FLOPs of a call by the analytic counter; None where it does not know a primitive."""
        try:
            counted = flops.count(self._sample, self._params, condition, keys, self._sampler)
        except (flops.UncountedPrimitiveError, flops.UnknownTripCountError):
            return None
        return float(counted.model)

    def rate(self) -> dict[str, float | None]:
        """Clips a second in batches: the median call after the first, which compiled."""
        warm = self._seconds[1:]
        return {"sampling_rate": self._batch / float(np.median(warm)) if warm else None}


def latency(watch: Stopwatch, task: Task, *, repeats: int) -> dict[str, float | None]:
    """Seconds of a call for one clip, p50 and p95 after warm-ups, and its FLOPs.

    Args:
        watch: the sampler.
        task: the shapes to sample.
        repeats: timed calls, after three warm-ups.
    """
    condition, keys = _question(task)
    timing = time_calls(lambda: watch.untimed(condition, keys), repetitions=repeats)
    return {
        "sampling_p50": timing.median,
        "sampling_p95": timing.p95,
        "sampling_flops": watch.flops(condition, keys),
    }


def rate(watch: Stopwatch, task: Task, *, rows: int) -> dict[str, float | None]:
    """Clips a second in batches of so many rows, see `Stopwatch.rate`; takes four calls."""
    condition, keys = _question(task, rows)
    for _ in range(4):
        watch(condition, keys)
    return watch.rate()


def read_by_sampling(
    generator: Generator, task: Task, params: Mapping[str, Params], sampler: Any = None
) -> list[bool]:
    """Which of the exports are looked at when clips are drawn; computes nothing.

    What a phase leaves for later phases alone is not. A tokenizer and motion compensation are,
    where clips are drawn through them.

    Args:
        generator: whose they are.
        task: the one that it was built for.
        params: what each phase exported, or its shapes.
        sampler: the generator's sampler settings; None for its default.

    Returns:
        One a leaf, in the order of `jax.tree.leaves`.
    """

    def drawn(params: dict[str, Params]) -> Any:  # the condition within: no array is made of it
        return generator.sample(params, *_question(task), sampler)

    traced = jax.make_jaxpr(drawn)(dict(params))
    # Within programs that a sampler jits by itself, too.
    return dce_jaxpr(traced.jaxpr, [True] * len(traced.jaxpr.outvars))[1]


def parameters(params: Mapping[str, Params], read: Sequence[bool]) -> int:
    """Numbers that sampling reads, all phases together.

    Args:
        params: what each phase exported, or its shapes.
        read: which of them, see `read_by_sampling`.
    """
    leaves = jax.tree.leaves(dict(params))
    return sum(int(np.size(leaf)) for leaf, counts in zip(leaves, read, strict=True) if counts)


def _question(task: Task, rows: int = 1) -> tuple[Condition, Any]:
    """What so many clips are asked by, and their keys."""
    condition = Condition.of(
        jnp.ones((rows, task.text_length, task.text_width)),
        jnp.ones((rows, task.text_length), bool),
        jnp.zeros((rows, *task.context_shape)),
        jnp.zeros((rows, task.context_frames), bool),
        Layout(
            boxes=jnp.full((rows, task.frames, task.objects, 4), jnp.array([0.0, 0.0, 0.5, 0.5])),
            mask=jnp.ones((rows, task.frames, task.objects), bool),
            kind=jnp.ones((rows, task.objects, task.text_width)),
        )
        if task.objects
        else None,
    )
    return condition, jax.random.split(stream(0, "latency"), rows)
