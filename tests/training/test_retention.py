"""Which checkpoints stay: by rule alone, whatever strikes a run on the way."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np
import pytest

from vidgen.training import TrainingConfig
from vidgen.training.retention import Retention, Standing


@dataclasses.dataclass
class Saved:
    """A checkpoint as orbax shows it to a policy."""

    step: int
    time: datetime.datetime = datetime.datetime.min
    metrics: None = None


def left(standings, *, newest, best):
    """The steps that are there after each save."""
    known, there, history = {}, [], []
    policy = Retention(newest=newest, best=best, standings=known)
    for step, standing in standings:
        known[step] = standing
        there.append(step)
        stays = policy.should_preserve([Saved(step=s) for s in there], context=None)
        there = [s for s, stay in zip(there, stays, strict=True) if stay]
        history.append(tuple(there))
    return history


def regular(losses, lasting=()):
    return [
        (10 * i, Standing(validation_loss=loss, lasting=10 * i in lasting))
        for i, loss in enumerate(losses, 1)
    ]


def test_the_newest_the_best_and_the_lasting_ones_stay():
    saved = regular([3.0, 1.0, None, 2.0, float("nan"), 1.0, 5.0, 6.0], lasting=(30,))
    assert left(saved, newest=2, best=0)[-1] == (30, 70, 80)
    # Of equals the later one, and none without a finite loss.
    assert left(saved, newest=2, best=1)[-1] == (30, 60, 70, 80)
    assert left(saved, newest=2, best=3)[-1] == (20, 30, 40, 60, 70, 80)
    assert left(saved, newest=2, best=1)[3] == (20, 30, 40)


@pytest.mark.parametrize("seed", range(5))
def test_what_a_signal_had_saved_changes_nothing_of_what_stays(seed):
    rng = np.random.default_rng(seed)
    saved = dict(regular(rng.permutation(12).astype(float).tolist(), lasting=(40, 80)))
    strikes = dict.fromkeys(rng.choice(range(1, 120), 8, False).tolist(), Standing(regular=False))
    struck = sorted((strikes | saved).items(), key=lambda item: item[0])
    quiet = left(saved.items(), newest=2, best=2)
    loud = left(struck, newest=2, best=2)
    # It is there until the next one is.
    assert all(there[-1] == step for (step, _), there in zip(struck, loud, strict=True))
    assert [there for (step, _), there in zip(struck, loud, strict=True) if step in saved] == quiet


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_best": -1}, "keep_best must be at least 0"),
        ({"keep_best": 1}, "checkpoint_every 0.25 is no multiple of validate_every 0.1"),
        ({"keep_every": 0.3}, "keep_every must be 0 or a multiple of checkpoint_every 0.25"),
        ({"keep_every": 1.25}, "up to 1"),
        ({"keep_every": -0.25}, "up to 1"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**options)


def test_rules_that_can_be_kept_are_taken():
    assert TrainingConfig(keep_best=2, checkpoint_every=0.3, validate_every=0.1).keep_best == 2
    assert TrainingConfig(keep_every=0.75).keep_every == 0.75
