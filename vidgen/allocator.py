"""Memory of the host: what a program frees is kept for its next step.

XLA frees a step's temporary buffers when the step ends. The C library hands large ones back to the
kernel, which then clears every page of them anew for the next step; what that takes of one is said
by `benchmarks/optimisations.py --only memory`, and by `benchmarks/throughput.py --no-keep-freed` of
any experiment's. It does so of its own accord where a thread has an arena for itself, whose parts
it gives back as soon as one is empty, so that all threads share one arena.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""Parameters of mallopt, from malloc.h."""

_SETTINGS = {
    _MMAP_THRESHOLD: 2**30,
    _TRIM_THRESHOLD: 2**31 - 1,
    _TOP_PAD: 2**26,
    _ARENA_MAX: 1,
}


def keep_freed_memory() -> bool:
    """Keep what is freed, in this process and from now on; returns whether the C library does.

    The earlier the better: a thread that has an arena keeps it, and so do all that come after one
    was made. The command line does so before anything is computed.

    Reference: mallopt(3). Only glibc knows it: elsewhere nothing changes.
    """
    mallopt = _function("mallopt")
    return mallopt is not None and all(mallopt(*setting) for setting in _SETTINGS.items())


def release_freed_memory() -> None:
    """Give what is freed back to the system once: the next program's buffers have other sizes."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None)
