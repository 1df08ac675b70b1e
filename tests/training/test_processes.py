"""Several processes that train one run: what they leave, and who goes on with it."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import toy

from vidgen.training import Cost, FingerprintError, Interrupted, read_metrics, train


def _together(folder, count):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    script = Path(toy.__file__).with_name("in_processes.py")
    plain = str(int(jax.config.values["jax_disable_most_optimizations"]))
    started = [
        subprocess.Popen(
            [sys.executable, str(script), str(folder), address, str(count), str(index)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": plain},
        )
        for index in range(count)
    ]
    try:
        ends = [process.communicate(timeout=300) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, *end) for process, end in zip(started, ends, strict=True)]


def _losses(folder):
    rows = read_metrics(folder)
    return {(row["phase"], row["step"], row["split"]): row["loss"] for row in rows if "loss" in row}


@pytest.mark.fault(8)
@pytest.mark.slow
def test_one_process_then_two_that_are_killed_then_one(tmp_path, undisturbed):
    """All on one run: the clips, and but for rounding the losses, of one that nothing disturbed."""
    begun = toy.setting(folder=tmp_path, data=toy.trip(4, signal.SIGTERM))
    with pytest.raises(Interrupted, match="step 4"):
        train(toy.Toy(), **begun)
    for code, out, errors in _together(tmp_path, 2):
        assert code == -signal.SIGKILL, errors
        assert "in phase 'first', step 7" in out  # both, though one alone had the signal
    with pytest.raises(FingerprintError, match=r'machine\.processes: "2" then, "1" now'):
        train(toy.Toy(), **toy.setting(folder=tmp_path))
    config = dataclasses.replace(begun["config"], accept_changes=True)
    train(toy.Toy(), **toy.setting(folder=tmp_path, config=config))
    one, several = _losses(undisturbed[0]), _losses(tmp_path)
    assert several.keys() == one.keys()
    assert len(one) == 28
    # Of float32 sums whose parts are added in another order.
    np.testing.assert_allclose(list(several.values()), list(one.values()), rtol=2e-6, atol=0)
    first, second = Cost.read(tmp_path).phases.values()
    assert [first.devices[0][:1], first.devices[1][:1]] == ["1", "2"]
    assert second.resumed == 1
