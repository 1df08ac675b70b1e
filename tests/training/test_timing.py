"""Timings: how many calls, what is summarised, and the measured speeds of the machine."""

import time
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.training import flops, peak, timing


def test_counts_warm_ups_and_repetitions():
    calls = []
    result = timing.time_calls(lambda: calls.append(1), warm_ups=2, repetitions=5)
    assert len(calls) == 2 + 5
    assert result.repetitions == 5


def test_goes_on_until_the_seconds_are_measured():
    result = timing.time_calls(lambda: time.sleep(0.002), repetitions=1, seconds=0.02)
    assert 2 <= result.repetitions <= 10
    assert 0.002 <= result.low <= result.median <= result.high <= result.p95


def test_warm_ups_are_not_timed():
    pauses = iter([0.05, 0.0, 0.0, 0.0])
    result = timing.time_calls(lambda: time.sleep(next(pauses)), warm_ups=1, repetitions=3)
    assert result.p95 < 0.05


def test_waits_for_the_arrays():
    big = jnp.ones((600, 600))

    def call():
        x = big
        for _ in range(8):
            x = x @ big * 1e-3
        return x

    start = time.perf_counter()
    result = timing.time_calls(call, warm_ups=1, repetitions=5)
    assert 5 * result.low <= time.perf_counter() - start
    assert flops.count(call).model / result.median < 1e15  # dispatch alone would look faster


def test_no_repetitions_is_an_error():
    with pytest.raises(ValueError, match="at least 1"):
        timing.time_calls(lambda: None, repetitions=0)


def test_matmul_peak_is_a_rate_and_the_best_of_its_sizes(monkeypatch):
    assert 1e7 < peak.matmul_peak(sizes=(64,), seconds=0.0) < 1e16
    monkeypatch.setattr(peak, "_rate", lambda n, dtype, seconds: {8: 1.0, 16: 3.0, 32: 2.0}[n])
    assert peak.matmul_peak(sizes=(8, 16, 32)) == 3.0


def test_copies_are_made_in_memory_that_is_there_and_count_twice(monkeypatch):
    compiled = peak._copy.lower(np.ones(8, np.float32), np.ones(8, np.float32)).compile()
    memory = compiled.memory_analysis()
    assert memory.alias_size_in_bytes == memory.output_size_in_bytes == 32
    monkeypatch.setattr(
        peak, "time_calls", lambda call, seconds: (call(), call(), SimpleNamespace(median=0.5))[-1]
    )
    assert peak.copy_bandwidth(size=64) == 2 * 64 / 0.5


def test_the_chain_does_the_products_that_it_is_credited_with():
    n = 16
    x = np.ones((n, n), np.float32)
    assert flops.count(peak._chain, x, x).model == peak._CHAIN * 2 * n**3


@pytest.mark.parametrize("sizes", [(), (0,), (64, -1)])
def test_sizes_must_be_positive(sizes):
    with pytest.raises(ValueError, match="sizes"):
        peak.matmul_peak(sizes=sizes)
