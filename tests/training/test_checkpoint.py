"""Checkpoints: whole, verified, or not used at all."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from vidgen.training import CheckpointError, checkpoint
from vidgen.training.checkpoint import Checkpoints, Record, load_export
from vidgen.training.step import abstract


@pytest.fixture
def notices():
    return []


@pytest.fixture
def opened(tmp_path, notices):
    """Opens the folder's checkpoints anew; all are closed at the end."""
    folders = []

    def open_():
        if folders:
            folders[-1].close()
        folders.append(Checkpoints(tmp_path / "only", keep=2, say=notices.append))
        return folders[-1]

    yield open_
    folders[-1].close()


def _state(step):
    return {"w": jnp.full((300, 3), float(step)), "count": jnp.int32(step), "none": {}}


def _save(checkpoints, *steps, export=True):
    iterator = toy.data(4, seed=0)
    for step in steps:
        next(iterator)
        checkpoints.save(
            Record(
                phase="only",
                step=step,
                complete=step == 3,
                metrics_bytes=10 * step,
                fingerprint={"seed": 0},
                cost={"steps": step},
            ),
            state=_state(step),
            export={"w": jnp.full((2,), 0.5 + step)} if export else {},
            data=iterator,
        )
    checkpoints.wait()
    return iterator


def _file(tmp_path, step, part):
    """The largest file of a part: the one with the arrays in it."""
    files = (tmp_path / "only" / str(step) / part).rglob("*")
    return max((file for file in files if file.is_file()), key=lambda file: file.stat().st_size)


def test_what_is_saved_comes_back_with_the_iterator_and_two_stay(opened, tmp_path):
    checkpoints = opened()
    assert checkpoints.newest is None
    left = _save(checkpoints, 1, 2, 3)
    checkpoints = opened()
    assert sorted(p.name for p in (tmp_path / "only").iterdir()) == ["2", "3"]
    assert checkpoints.newest.step == 3
    assert checkpoints.newest.metrics_bytes == 30
    iterator = toy.data(4, seed=0)
    state = checkpoints.load(3, iterator, state=abstract(_state(0)))["state"]
    assert jax.tree.structure(state) == jax.tree.structure(_state(3))
    jax.tree.map(np.testing.assert_array_equal, state, _state(3))
    np.testing.assert_array_equal(next(iterator).video, next(left).video)
    export = load_export(tmp_path / "only", abstract({"w": jnp.zeros((2,))}))
    np.testing.assert_array_equal(export["w"], [3.5, 3.5])


def test_a_flipped_byte_is_found_and_the_previous_checkpoint_used(opened, tmp_path, notices):
    _save(opened(), 1, 2)
    file = _file(tmp_path, 2, "state")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    checkpoints = opened()
    assert checkpoints.newest.step == 1
    assert f"{file} differs from its checksum" in notices[0]
    assert "Going back to the checkpoint at step 1" in notices[0]
    assert (tmp_path / "only" / "2.damaged").exists()
    _save(checkpoints, 2)
    assert opened().newest.step == 2


@pytest.mark.parametrize("fault", ["truncated", "missing", "manifest"])
def test_where_none_is_whole_the_error_names_the_file(opened, tmp_path, fault):
    _save(opened(), 1)
    file = _file(tmp_path, 1, "export")
    if fault == "manifest":
        file = tmp_path / "only" / "1" / "manifest.json"
    if fault == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:10])
    words = {"truncated": "differs", "missing": "is missing", "manifest": "is damaged"}
    with pytest.raises(CheckpointError, match=f"no checkpoint in .* {file} {words[fault]}"):
        Checkpoints(tmp_path / "only", keep=2, say=print)
    with pytest.raises(CheckpointError, match=str(file)):
        load_export(tmp_path / "only", {})


def test_the_debris_of_a_killed_save_is_removed(opened, tmp_path, notices):
    _save(opened(), 1, 2)
    (tmp_path / "only" / "2" / "manifest.json").unlink()
    (tmp_path / "only" / "3.orbax-checkpoint-tmp").mkdir()
    checkpoints = opened()
    assert checkpoints.newest.step == 1
    assert "cut off" in notices[0]
    # orbax removes its own debris in a thread, for which the next save waits.
    _save(checkpoints, 2)
    assert sorted(p.name for p in (tmp_path / "only").iterdir()) == ["1", "2"]


def test_a_commit_that_fails_is_raised_and_never_listed(opened, tmp_path, monkeypatch):
    checkpoints = opened()
    _save(checkpoints, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "publish", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*before it are intact"):
        _save(checkpoints, 2)
    monkeypatch.undo()
    assert opened().newest.step == 1


def test_a_failure_in_the_background_is_seen_without_waiting(opened, monkeypatch):
    checkpoints = opened()
    iterator = toy.data(4, seed=0)
    monkeypatch.setattr(checkpoint, "_sha256", lambda _: 1 / 0)
    record = Record(phase="only", step=1, complete=False, metrics_bytes=0, fingerprint={}, cost={})
    checkpoints.save(record, state=_state(1), export={}, data=iterator)
    assert checkpoints._pending.exception() is not None
    with pytest.raises(CheckpointError, match="division"):
        checkpoints.check()
    checkpoints.check()  # told once


def test_a_checkpoint_of_another_model_is_refused(opened):
    checkpoints = opened()
    _save(checkpoints, 1)
    wide = abstract({**_state(1), "w": jnp.zeros((200, 3))})
    with pytest.raises(CheckpointError, match=r"w is float32\[300, 3\] there, float32\[200, 3\]"):
        checkpoints.load(1, state=wide)
    with pytest.raises(CheckpointError, match=r"other is absent there, .*; w is float32.* absent"):
        checkpoints.load(1, export=abstract({"other": jnp.zeros((2,))}))


def test_the_reason_beneath_orbax_s_error_is_shown(opened, monkeypatch):
    from orbax.checkpoint import v1 as ocp

    def fail(*_):
        try:
            raise OSError("chunk 7 is truncated")
        except OSError as error:
            raise ValueError("incompatible handler") from error

    checkpoints = opened()
    _save(checkpoints, 1)
    monkeypatch.setattr(ocp, "load_checkpointables", fail)
    with pytest.raises(CheckpointError, match="cannot be loaded: chunk 7 is truncated"):
        checkpoints.load(1, state=abstract(_state(1)))


def test_an_empty_export_is_no_trouble(opened, tmp_path):
    _save(opened(), 3, export=False)
    assert load_export(tmp_path / "only", {}) == {}


def test_only_a_finished_phase_is_given_out(opened, tmp_path):
    with pytest.raises(CheckpointError, match="holds no finished phase"):
        load_export(tmp_path / "only", {})
    _save(opened(), 1)
    with pytest.raises(CheckpointError, match="holds no finished phase"):
        load_export(tmp_path / "only", {})


def test_one_checkpoint_is_too_few(tmp_path):
    with pytest.raises(ValueError, match="keep at least 2"):
        Checkpoints(tmp_path, keep=1, say=print)
