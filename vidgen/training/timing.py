"""How long a call takes, measured the way that this project reports times.

Warm-up calls first, then at least 20 timed ones, each waited for with `jax.block_until_ready`; the
summary is the median with its quartiles, since the distribution of times has one long tail.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

WARM_UPS = 3
REPETITIONS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds that one call took, over its repetitions.

    Attributes:
        median: the 50th percentile.
        low: the 25th percentile.
        high: the 75th percentile.
        p95: the 95th percentile.
        repetitions: how many calls were timed.
    """

    median: float
    low: float
    high: float
    p95: float
    repetitions: int


def time_calls(
    call: Callable[[], Any],
    *,
    warm_ups: int = WARM_UPS,
    repetitions: int = REPETITIONS,
    seconds: float = 0.0,
) -> Timing:
    """Time `call`, one call at a time.

    Args:
        call: does the work and returns its arrays, which are waited for.
        warm_ups: calls before the first timed one; compilation belongs there or, better, earlier.
        repetitions: timed calls at the least.
        seconds: goes on until this much time is measured, if that takes more repetitions.

    Raises:
        ValueError: if `repetitions` is less than 1.
    """
    if repetitions < 1:
        raise ValueError(f"repetitions must be at least 1, got {repetitions}")
    for _ in range(warm_ups):
        jax.block_until_ready(call())
    times: list[float] = []
    while len(times) < repetitions or sum(times) < seconds:
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    low, median, high, p95 = map(float, np.percentile(times, (25, 50, 75, 95)))
    return Timing(median=median, low=low, high=high, p95=p95, repetitions=len(times))
