"""What the C library does with freed memory."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path

import pytest

from vidgen.training import keep_freed_memory, release_freed_memory

SIZE = 2**25
PAGES = SIZE // resource.getpagesize()


def faults_of_a_buffer(libc) -> int:
    """Pages that the kernel had to provide while a buffer was taken, filled and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    buffer = libc.malloc(SIZE)
    libc.memset(buffer, 1, SIZE)
    libc.free(buffer)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes of this process that are in memory; faults do not tell, of a huge page there is one."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_freed_buffer_is_kept_for_the_next_one_until_it_is_released():
    if not keep_freed_memory():
        pytest.skip("not glibc")
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    faults_of_a_buffer(libc)
    assert faults_of_a_buffer(libc) < PAGES // 16
    kept = resident()
    release_freed_memory()
    assert resident() < kept - SIZE // 2
