"""Candidates: exports of the last phase before its end, the same whatever strikes the run."""

from __future__ import annotations

import shutil
import signal

import jax
import numpy as np
import pytest
import toy

from vidgen.training import (
    CheckpointError,
    FingerprintError,
    Interrupted,
    TrainingConfig,
    candidates_of,
    checkpoints_of,
    restore,
    train,
)
from vidgen.training.candidates import reached, shares

KEEPING = TrainingConfig(
    log_every=1,
    validate_every=0.5,
    checkpoint_every=0.5,
    keep_best=1,
    keep_every=0.5,
    tensorboard=False,
)


def setting(**changes):
    return toy.setting(config=KEEPING, **changes)


def test_shares_are_even_over_the_second_half_and_the_end_is_the_last_one():
    assert shares(1) == ()
    np.testing.assert_allclose(shares(5), [0.6, 0.7, 0.8, 0.9])
    with pytest.raises(ValueError, match="at least 1"):
        shares(0)
    taken = [step for step in range(1, 11) if reached((step - 1) / 10, step / 10, shares(5))]
    assert taken == [6, 7, 8, 9]
    assert not reached(0.5, 1.0, shares(5))  # the end is kept as it is


@pytest.mark.slow
def test_a_struck_run_keeps_the_candidates_of_an_undisturbed_one_and_no_others(
    tmp_path, undisturbed
):
    whole, struck = tmp_path / "whole", tmp_path / "struck"
    reference = train(toy.Toy(), **setting(folder=whole, candidates=3))
    assert candidates_of(whole) == [8, 10]  # of the second phase's 12 steps
    assert candidates_of(undisturbed[0]) == []
    # Keeping them changes nothing of what is learned.
    jax.tree.map(np.testing.assert_array_equal, reference.params, undisturbed[1].params)
    for phase in ("first", "second"):
        disturbed = setting(folder=struck, data=toy.trip(9, signal.SIGTERM), candidates=3)
        with pytest.raises(Interrupted):
            train(toy.Toy(), **disturbed)
        # The last is there because a signal came, and not to stay.
        assert list(checkpoints_of(struck)[phase]) == [6, 9]
    assert candidates_of(struck) == [8]
    # As if a later candidate had been kept by a process that was killed before its checkpoint.
    shutil.copytree(struck / "candidates" / "8", struck / "candidates" / "11")
    with pytest.raises(FingerprintError, match="candidates"):
        train(toy.Toy(), **setting(folder=struck, candidates=2))
    damaged = tmp_path / "damaged"
    shutil.copytree(struck, damaged)
    array = max((damaged / "candidates/8").rglob("*"), key=lambda f: f.is_file() * f.stat().st_size)
    array.write_bytes(bytes(array.stat().st_size))
    with pytest.raises(CheckpointError, match="candidates/8"):
        train(toy.Toy(), **setting(folder=damaged, candidates=3))
    train(toy.Toy(), **setting(folder=struck, candidates=3))
    kept = checkpoints_of(struck)
    assert kept == checkpoints_of(whole)
    assert {phase: list(steps) for phase, steps in kept.items()} == {
        "first": [6, 12],
        "second": [6, 12],
    }
    assert kept["second"][6] > kept["second"][12] > 0
    middle = restore(struck, toy.Toy(), step=6)["second"]["w"]
    assert (middle != restore(struck, toy.Toy())["second"]["w"]).any()
    assert candidates_of(struck) == [8, 10]
    for step in (8, 10):
        one, other = (restore(run, toy.Toy(), step=step) for run in (whole, struck))
        jax.tree.map(np.testing.assert_array_equal, one, other)
        assert (one["second"]["w"] != reference.params["second"]["w"]).any()
        jax.tree.map(np.testing.assert_array_equal, one["first"], reference.params["first"])
