"""A run folder in a bucket: published save by save, whole or not at all, and taken up exactly."""

from __future__ import annotations

import json
import platform
import shutil
import signal
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
import toy
from fsspec.implementations.memory import MemoryFileSystem

from vidgen.bucket import BucketPath
from vidgen.training import (
    CheckpointError,
    Cost,
    LockError,
    candidates_of,
    checkpoints_of,
    lock,
    restore,
    train,
)
from vidgen.training.lock import held
from vidgen.training.mirror import Mirror, mirrored


def _refusing(monkeypatch, part):
    """The store takes one file of a checkpoint, and no other."""
    taken, whole = [], MemoryFileSystem.put_file

    def put_file(self, here, there, **kwargs):
        if part in there:
            if taken:
                raise ConnectionError("the line is dead")
            taken.append(there)
        whole(self, here, there, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "put_file", put_file)


def _assert_same(bucket, trained, undisturbed):
    folder, reference = undisturbed
    jax.tree.map(np.testing.assert_array_equal, trained.params, reference.params)
    jax.tree.map(np.testing.assert_array_equal, restore(bucket, toy.Toy()), reference.params)
    assert (bucket / "metrics.jsonl").read_bytes() == (folder / "metrics.jsonl").read_bytes()
    assert checkpoints_of(bucket) == checkpoints_of(folder)
    assert Cost.read(bucket).steps == 24
    assert not (bucket / "lock").exists()


@pytest.mark.slow
@pytest.mark.fault(4)
@pytest.mark.fault(20)
def test_an_upload_that_fails_and_a_damaged_checkpoint_cost_steps_and_no_bits(
    bucket, undisturbed, monkeypatch, tmp_path
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    setting = toy.setting(folder=bucket, candidates=2)
    with monkeypatch.context() as patch:
        _refusing(patch, "checkpoints/second/9/")
        with pytest.raises(CheckpointError, match=f"{bucket}.* could not be saved .*line is dead"):
            train(toy.Toy(), **setting)
    # As a process leaves it that is killed in the middle of an upload.
    left = (bucket / "checkpoints" / "second").below()
    assert [name for name in left if name.startswith("9/")]
    assert [n for n in left if n.endswith("/manifest.json")] == [
        "3/manifest.json",
        "6/manifest.json",
    ]
    (kept,) = tmp_path.glob("vidgen-run-*")  # what the store did not take
    assert (kept / "checkpoints" / "second" / "9" / "manifest.json").exists()

    record = bucket / "checkpoints" / "second" / "6" / "record.json"
    record.write_text(record.read_text().replace('"step": 6', '"step": 5'))
    _assert_same(bucket, train(toy.Toy(), **setting), undisturbed)
    assert (record.parent.parent / "6.damaged" / "manifest.json").exists()
    assert list(tmp_path.glob("vidgen-run-*")) == [kept]
    assert candidates_of(bucket) == [9]
    candidate = restore(bucket, toy.Toy(), step=9)["second"]["w"]
    assert (candidate != undisturbed[1].params["second"]["w"]).any()


@pytest.mark.slow
@pytest.mark.fault(20)
@pytest.mark.parametrize("bucket", ["s3", "gs"], indirect=True)
def test_who_is_killed_goes_on_from_what_the_store_has(bucket, undisturbed):
    assert toy.struck(bucket, "second", 7, signal.SIGKILL) == -signal.SIGKILL
    assert (bucket / "lock").exists()
    assert (bucket / "checkpoints" / "first" / "12" / "manifest.json").exists()
    _assert_same(bucket, train(toy.Toy(), **toy.setting(folder=bucket)), undisturbed)


def test_who_has_lost_the_lock_leaves_the_bucket_to_whoever_has_it(bucket, tmp_path, monkeypatch):
    """Whatever it saved afterwards: the other one's checkpoints stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def publish(mirror, step):
        folder = mirror.local / "checkpoints" / "first" / str(step)
        folder.mkdir(parents=True)
        for name in ("record.json", "manifest.json"):
            (folder / name).write_text("{}")
        mirror.publish(folder)

    def steps():
        return [path.name for path in (bucket / "checkpoints" / "first").iterdir()]

    with held(bucket / "lock", advice="wait", say=print) as late:
        first = Mirror(bucket, tmp_path / "first", print, late)
        publish(first, 3)
        (bucket / "lock").unlink()
        with (
            held(bucket / "lock", advice="wait", say=print) as still,
            mirrored(bucket, print, still) as other,
        ):
            publish(other, 6)
            with pytest.raises(LockError, match="held no more"):
                publish(first, 4)
            assert steps() == ["3", "6"]
            shutil.rmtree(other.local / "checkpoints" / "first" / "3")
            publish(other, 9)  # what it fetched itself, it may remove
            assert steps() == ["6", "9"]


@pytest.mark.fault(14)
def test_a_lock_in_a_bucket_is_held_by_one_and_taken_over_from_the_silent(bucket, monkeypatch):
    notices, path = [], bucket / "lock"

    def take():
        return held(path, advice="wait", say=notices.append)

    with take(), pytest.raises(LockError, match=r"held by process .*; wait"), take():
        pass
    assert not bucket.exists()
    path.write_text(json.dumps({"pid": 1, "started": "x", "host": "elsewhere", "beats": True}))
    with pytest.raises(LockError, match="on elsewhere"), take():
        pass
    # Another machine, or container, of the same name.
    twin = {"pid": 1, "started": "x", "host": platform.node(), "boot": "other", "beats": True}
    path.write_text(json.dumps(twin))
    with pytest.raises(LockError, match="held by process 1"), take():
        pass
    monkeypatch.setattr(lock, "_SILENCE", -1.0)
    with take():
        assert json.loads(path.read_text())["host"] == platform.node()
    assert "took over memory://" in notices[0]
    assert not bucket.exists()


def test_a_holder_that_comes_back_while_its_lock_is_claimed_keeps_it(bucket, monkeypatch):
    path, silences = bucket / "lock", iter([1e9])
    path.write_text(json.dumps({"pid": 1, "started": "x", "host": "elsewhere", "beats": True}))
    monkeypatch.setattr(lock, "_silent", lambda path: next(silences, 0.0))
    with (
        pytest.raises(LockError, match="on elsewhere"),
        held(path, advice="wait", say=print),
    ):
        pass
    assert bucket.below().keys() == {"lock"}


def test_a_lock_that_was_made_and_answered_no_is_held(bucket, monkeypatch):
    """As where the answer to a request is lost, and the request is repeated."""
    create = BucketPath.create

    def repeated(self, data):
        create(self, data)
        return create(self, data)

    monkeypatch.setattr(BucketPath, "create", repeated)
    with held(bucket / "lock", advice="wait", say=print) as still:
        still()
    assert not bucket.exists()


def test_the_holder_gives_signs_of_life_by_the_clock_of_the_store(bucket, monkeypatch):
    monkeypatch.setattr(lock, "_BEAT", 0.01)
    path = bucket / "lock"
    with held(path, advice="wait", say=print):
        before = path.modified()
        for _ in range(500):
            if path.modified() > before:
                break
            Path(tempfile.mkdtemp())
        assert path.modified() > before
