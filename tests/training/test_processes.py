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
from in_processes import CLIPS

from vidgen.training import Cost, FingerprintError, Interrupted, read_metrics, restore, train


def _together(doing, folder, count):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    script = Path(toy.__file__).with_name("in_processes.py")
    plain = str(int(jax.config.values["jax_disable_most_optimizations"]))
    started = [
        subprocess.Popen(
            [sys.executable, str(script), doing, str(folder), address, str(count), str(index)],
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
    rows = [row for row in read_metrics(folder) if "loss" in row]
    losses = {(row["phase"], row["step"], row["split"]): row["loss"] for row in rows}
    assert len(losses) == len(rows)  # the first process alone writes them
    return losses


@pytest.mark.fault(8)
@pytest.mark.slow
def test_one_process_then_four_that_are_killed_then_two_that_sample(tmp_path, undisturbed):
    """All on one run: the clips, and but for rounding the losses, of one that nothing disturbed."""
    begun = toy.setting(folder=tmp_path, data=toy.trip(4, signal.SIGTERM))
    with pytest.raises(Interrupted, match="step 4"):
        train(toy.Toy(), **begun)
    for code, out, errors in _together("struck", tmp_path, 4):
        assert code == -signal.SIGKILL, errors
        assert "in phase 'first', step 7" in out  # both, though one alone had the signal
    with pytest.raises(FingerprintError, match=r'machine\.processes: "4" then, "1" now'):
        train(toy.Toy(), **toy.setting(folder=tmp_path))
    # Each of them wrote its part of the arrays.
    written = {file.parent.name for file in tmp_path.glob("checkpoints/second/*/**/manifest.ocdbt")}
    assert written >= {f"ocdbt.process_{index}" for index in range(4)}, written
    for code, _, errors in _together("sampled", tmp_path, 2):
        assert code == 0, errors
    one, several = _losses(undisturbed[0]), _losses(tmp_path)
    assert several.keys() == one.keys()
    assert len(one) == 28
    # Of float32 sums whose parts are added in another order.
    np.testing.assert_allclose(list(several.values()), list(one.values()), rtol=2e-6, atol=0)
    first, second = Cost.read(tmp_path).phases.values()
    assert [first.devices[0][:1], first.devices[1][:1]] == ["1", "4"]
    assert second.resumed == 1
    clips = np.concatenate([np.load(tmp_path / f"clips-{index}.npy") for index in range(2)])
    keys = jax.random.split(jax.random.key(5), CLIPS)
    sample = jax.jit(toy.Toy().sample)
    # Those of one process, from the same weights and from those that it trained itself.
    one, other = restore(tmp_path, toy.Toy()), undisturbed[1].params
    np.testing.assert_allclose(clips, sample(one, None, keys), atol=1e-6)
    np.testing.assert_allclose(clips, sample(other, None, keys), atol=1e-4)


@pytest.mark.fault(20)
@pytest.mark.slow
@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_two_processes_work_on_a_bucket_in_one_folder(bucket, tmp_path, undisturbed, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for code, out, errors in _together("struck", bucket, 2):
        assert code == -signal.SIGKILL, errors
        assert "in phase 'first', step 3" in out
    settings = toy.setting(folder=bucket)
    accepting = dataclasses.replace(settings["config"], accept_changes=True)
    train(toy.Toy(), **{**settings, "config": accepting})
    one, several = _losses(undisturbed[0]), _losses(bucket)
    assert several.keys() == one.keys()
    np.testing.assert_allclose(list(several.values()), list(one.values()), rtol=2e-6, atol=0)
    assert Cost.read(bucket).phases["second"].resumed == 1
    files = {name.rpartition("/")[2] for name in bucket.below()}
    assert {"metrics.jsonl", "cost.json", "manifest.json"} <= files


@pytest.mark.fault(11)
@pytest.mark.slow
@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_all_processes_learn_of_an_upload_that_failed_in_one(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    said = []
    for code, out, errors in _together("unpublished", bucket, 2):
        assert code == 0, errors
        said.append(out)
    assert "the line is dead" in said[0]
    assert "another process has said why" in said[1]


@pytest.mark.slow
@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_processes_that_see_no_folder_together_are_refused(bucket, tmp_path):
    for code, _, errors in _together("apart", bucket, 2):
        assert code == 1
        assert "set TMPDIR to one that is" in errors
    assert not bucket.below()
