"""What the C library does with freed memory."""

from __future__ import annotations

import ctypes
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vidgen.allocator import keep_freed_memory, release_freed_memory

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


_IN_THREADS = """
import ctypes, resource, sys, threading
from vidgen.allocator import keep_freed_memory
if sys.argv[1] == "keeping" and not keep_freed_memory():
    print("nan"); raise SystemExit
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def buffers():
    for size in [2**27] * 4:
        buffer = libc.malloc(size); libc.memset(buffer, 1, size); libc.free(buffer)
threads = [threading.Thread(target=buffers) for _ in range(4)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for thread in threads:
    thread.start(); thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_what_one_thread_frees_serves_all_of_them():
    faults = {}
    for how in ("plain", "keeping"):
        command = [sys.executable, "-c", _IN_THREADS, how]
        faults[how] = float(subprocess.run(command, capture_output=True, check=True).stdout)
    if np.isnan(faults["keeping"]):
        pytest.skip("not glibc")
    assert faults["keeping"] < 2 * 2**27 / resource.getpagesize()
    assert faults["plain"] > 5 * faults["keeping"]
