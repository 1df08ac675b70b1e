"""What this machine reaches: its rate of matrix products, what FLOP utilisation is a fraction of,
and its rate of copying memory.

Data sheets promise rates that no program reaches, and say nothing about a shared machine; so the
peak is measured, on the same device and in the same run as what is compared with it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vidgen.training.timing import time_calls

_SIZES = {"cpu": (512, 768, 1024)}
_ACCELERATOR_SIZES = (2048, 4096, 8192)
_CHAIN = 4  # products a call, so that an accelerator's launch latency does not count as work


def matmul_peak(
    *, sizes: Sequence[int] | None = None, dtype: Any = None, seconds: float = 0.3
) -> float:
    """The best measured rate of a square matrix product on the default device, in FLOP/s.

    For each size n a jitted chain of four [n n] products is warmed up three times and timed at
    least 20 times; its rate is ``4 * 2 n^3`` over the median time, and the peak is the highest
    rate over the sizes. Takes one to four seconds on two cores.

    Args:
        sizes: n to try; by default 512 to 1024 on CPU and 2048 to 8192 on accelerators.
        dtype: of operands and result; by default float32 on CPU and bfloat16 on accelerators, the
            dtypes that generators compute in there. The default matmul precision applies.
        seconds: least time to measure at each size.

    Raises:
        ValueError: if `sizes` is empty or holds a size less than 1.
    """
    platform = jax.default_backend()
    sizes = _SIZES.get(platform, _ACCELERATOR_SIZES) if sizes is None else sizes
    if not sizes or min(sizes) < 1:
        raise ValueError(f"sizes must be positive and at least one, got {sizes!r}")
    dtype = peak_dtype() if dtype is None else jnp.dtype(dtype)
    return max(_rate(n, dtype, seconds) for n in sizes)


def copy_bandwidth(*, size: int | None = None, seconds: float = 0.3) -> float:
    """The measured rate at which the default device copies an array, in bytes/s.

    What is read and what is written both count, as in STREAM's copy. Between two arrays that stay
    where they are: one made anew would be timed with the system's handing out of its pages.

    Args:
        size: bytes of the array, a multiple of 4; by default 256 MiB on CPU and 1 GiB on
            accelerators, beyond what caches hold.
        seconds: least time to measure.

    References: McCalpin, "Memory bandwidth and machine balance in current high performance
    computers" (1995).
    """
    if size is None:
        size = 2**28 if jax.default_backend() == "cpu" else 2**30
    here = jnp.zeros(size // 4, jnp.float32)
    there = jnp.copy(here)

    def call() -> jax.Array:
        nonlocal here, there
        here, there = _copy(here, there), here
        return here

    return 2 * size / time_calls(call, seconds=seconds).median


def peak_dtype() -> jnp.dtype:
    """The dtype in which `matmul_peak` measures by default on this machine."""
    return jnp.dtype(jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16)


def _rate(n: int, dtype: jnp.dtype, seconds: float) -> float:
    left, right = jax.random.split(jax.random.key(0))
    x = jax.random.normal(left, (n, n), dtype)
    # Scaled to keep the chain's values near 1: hardware may be slower, or faster, on extremes.
    w = jax.random.normal(right, (n, n), dtype) * jnp.asarray(n**-0.5, dtype)
    timing = time_calls(functools.partial(_chain, x, w), seconds=seconds)
    return _CHAIN * 2 * n**3 / timing.median


@jax.jit
def _chain(x: jax.Array, w: jax.Array) -> jax.Array:
    for _ in range(_CHAIN):
        x = x @ w
    return x


@functools.partial(jax.jit, donate_argnums=1, keep_unused=True)
def _copy(here: jax.Array, there: jax.Array) -> jax.Array:
    return jnp.copy(here)  # into the memory of `there`, which is given away for it
