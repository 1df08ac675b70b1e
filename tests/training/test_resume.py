"""Exact resume: whatever strikes a run, it ends in the bits of the one that nothing disturbed."""

from __future__ import annotations

import json
import signal

import jax
import numpy as np
import pytest
import toy

from vidgen.training import Cost, Interrupted, train
from vidgen.training.checkpoint import Checkpoints
from vidgen.training.step import blueprint


def _final(folder, earlier):
    """The last checkpoint of the second phase: the state, and where the data stood."""
    checkpoints = Checkpoints(folder / "checkpoints" / "second", keep=2, say=pytest.fail)
    phase = toy.Toy().phases()[1]
    shapes = blueprint(phase, toy.validation(4)[0], earlier).state
    iterator = toy.data(4, seed=0)
    state = checkpoints.load(12, iterator, state=shapes)["state"]
    checkpoints.close()
    return state, iterator.get_state()


def _assert_same(folder, trained, undisturbed):
    reference_folder, reference = undisturbed
    jax.tree.map(np.testing.assert_array_equal, trained.params, reference.params)
    earlier = {"first": reference.params["first"]}
    state, position = _final(folder, earlier)
    reference_state, reference_position = _final(reference_folder, earlier)
    jax.tree.map(np.testing.assert_array_equal, state, reference_state)
    assert position == reference_position
    rows = (folder / "metrics.jsonl").read_bytes()
    assert rows == (reference_folder / "metrics.jsonl").read_bytes()


@pytest.mark.fault(5)
@pytest.mark.fault(6)
def test_ctrl_c_then_sigkill_then_the_same_bits(tmp_path, undisturbed):
    assert toy.struck(tmp_path, "first", 5, signal.SIGINT) == 130
    assert (tmp_path / "checkpoints" / "first" / "5" / "manifest.json").exists()
    # The seventh batch comes right after a checkpoint was started, and before its next one.
    assert toy.struck(tmp_path, "second", 7, signal.SIGKILL) == -signal.SIGKILL
    assert (tmp_path / "lock").exists()
    lines = (tmp_path / "metrics.jsonl").read_bytes().count(b"\n")
    assert lines > 1 + 12 + 2  # the killed process had begun to log the second phase
    _assert_same(tmp_path, train(toy.Toy(), **toy.setting(folder=tmp_path)), undisturbed)
    assert not (tmp_path / "lock").exists()


@pytest.mark.fault(5)
@pytest.mark.fault(6)
def test_sigterm_saves_and_leaves_with_its_code(tmp_path, undisturbed):
    for phase, batch in (("first", 8), ("second", 6)):
        # Resumed, the first phase has four batches left: too few to be struck again.
        with pytest.raises(Interrupted, match=f"in phase '{phase}', step {batch}") as left:
            train(toy.Toy(), **toy.setting(folder=tmp_path, data=toy.trip(batch, signal.SIGTERM)))
        assert left.value.code == left.value.exit_code == 143
    trained = train(toy.Toy(), **toy.setting(folder=tmp_path))
    _assert_same(tmp_path, trained, undisturbed)
    assert [phase.resumed for phase in Cost.read(tmp_path).phases.values()] == [1, 1]


@pytest.mark.fault(4)
def test_a_damaged_last_checkpoint_costs_steps_and_no_bits(tmp_path, undisturbed):
    with pytest.raises(Interrupted):
        train(toy.Toy(), **toy.setting(folder=tmp_path, data=toy.trip(8, signal.SIGTERM)))
    record = tmp_path / "checkpoints" / "first" / "8" / "record.json"
    record.write_text(record.read_text().replace('"step": 8', '"step": 9'))
    trained = train(toy.Toy(), **toy.setting(folder=tmp_path))
    assert (record.parent.parent / "8.damaged").exists()
    jax.tree.map(np.testing.assert_array_equal, trained.params, undisturbed[1].params)


def test_a_finished_run_is_only_loaded(undisturbed):
    folder, reference = undisturbed
    before = (folder / "metrics.jsonl").stat().st_mtime_ns
    again = train(toy.Toy(), **toy.setting(folder=folder, data=pytest.fail))
    jax.tree.map(np.testing.assert_array_equal, again.params, reference.params)
    assert again.cost.steps == reference.cost.steps == 24
    assert (folder / "metrics.jsonl").stat().st_mtime_ns == before
    assert json.loads((folder / "cost.json").read_text())["phases"]["second"]["steps"] == 12
