"""Alarms follow from the rows of a log alone, and are raised for what they name alone."""

from __future__ import annotations

import numpy as np
import pytest

from vidgen.training.alarms import COLLAPSE_ROWS, LEAST, Alarm, Watch, logged

FLOORS = {"diversity": 0.1, "usage": 0.02}


def _rows(n=200, *, seed=0, **metrics):
    """A loss that falls, with noise, and whatever else; a row every ten steps."""
    noise = np.random.default_rng(seed).normal(1, 0.1, n)
    losses = (0.5 + 2 * np.exp(-np.arange(n) / 40)) * noise
    rows = [{"loss": float(loss), "skipped": 0} for loss in losses]
    for name, values in metrics.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return rows


def _alarms(rows, watch=None, *, first=0):
    watch = watch or Watch(FLOORS)
    found = [watch.see(10 * (first + i), "train", row) for i, row in enumerate(rows)]
    return [alarm for alarms in found for alarm in alarms]


def _times(alarms):
    return [(a.what, a.metric, a.step // 10) for a in alarms]


@pytest.mark.parametrize("scale", [1e-6, 1.0, -1.0, 1e6])
def test_a_loss_that_stays_high_is_a_spike_once_and_again_after_it_came_back(scale):
    rows = _rows()
    assert _alarms(rows) == []
    for place in (60, 61, 62, 63, 64, 120, 121, 122, 123):
        rows[place]["loss"] *= 10
    # A loss that is negative spikes upwards too.
    shift = 100.0 if scale < 0 else 0.0
    rows = [row | {"loss": abs(scale) * (row["loss"] - shift)} for row in rows]
    first, second = _alarms(rows)
    assert _times([first, second]) == [("spike", "loss", 63), ("spike", "loss", 123)]
    assert first.value == rows[63]["loss"]
    median = np.median([row["loss"] for row in rows[13:63]])
    assert median < first.limit < first.value


def test_few_high_rows_and_a_fall_are_no_spikes():
    rows = _rows()
    for place in (60, 61, 62, 64, 120):
        rows[place]["loss"] *= 100
    for row in rows[150:]:
        row["loss"] *= 0.01
    assert _alarms(rows) == []


def test_a_spread_that_is_not_known_yet_raises_nothing():
    rows = _rows()
    for row in rows[LEAST - 4 : LEAST]:
        row["loss"] *= 100
    assert _alarms(rows) == []


def test_losses_that_are_mostly_the_same_have_no_spread_to_judge_by():
    rows = [{"loss": 0.0} for _ in range(100)]  # of a hinge
    for place in range(60, 65):
        rows[place]["loss"] = 1e-3
    assert _alarms(rows) == []


def test_noise_with_a_heavy_tail_is_no_alarm():
    # Log-normal noise of the spread of a denoiser's loss at its random noise levels.
    for seed in range(5):
        noise = np.exp(np.random.default_rng(seed).normal(0, 0.4, 500))
        assert _alarms([{"loss": float(x)} for x in noise]) == []


def test_a_metric_below_its_floor_is_a_collapse_after_so_many_rows():
    diversity = np.full(200, 0.8)
    diversity[50 : 50 + COLLAPSE_ROWS - 1] = 0.01  # comes back in time
    diversity[100:130] = 0.02
    usage = np.full(200, 0.5)
    usage[120:] = 0.01
    rows = _rows(diversity=diversity.tolist(), usage=usage.tolist())
    found = _alarms(rows)
    assert _times(found) == [("collapse", "diversity", 109), ("collapse", "usage", 129)]
    assert (found[0].value, found[0].limit) == (0.02, 0.1)
    assert _alarms(rows, Watch({})) == []


def test_steps_that_were_skipped_are_one_alarm_until_none_is():
    rows = _rows()
    for place, row in enumerate(rows):
        row["skipped"] = sum(place >= bad for bad in (40, 41, 90))
        if place in (40, 41):
            row["loss"] = None
    found = _alarms(rows)
    assert _times(found) == [("skipped", "skipped", 40), ("skipped", "skipped", 90)]
    assert [(a.limit, a.value) for a in found] == [(0, 1), (2, 3)]


def test_wherever_a_log_is_cut_the_rest_raises_the_same():
    diversity = np.full(200, 0.8)
    diversity[70:] = 0.0
    rows = _rows(diversity=diversity.tolist())
    for place in range(60, 66):
        rows[place]["loss"] *= 10
    rows[64]["skipped"] = 1
    whole = _alarms(rows)
    assert {alarm.what for alarm in whole} == {"spike", "collapse", "skipped"}
    for cut in range(55, 85, 3):
        watch = Watch(FLOORS)
        before = _alarms(rows[:cut], watch)
        assert before + _alarms(rows[cut:], watch, first=cut) == whole


def test_other_rows_say_nothing():
    watch = Watch(FLOORS)
    assert not any(watch.see(i, "validation", {"diversity": 0.0}) for i in range(99))


def test_a_log_tells_its_alarms_by_phase_and_which_phases_nobody_watched():
    alarm = Alarm(what="collapse", metric="usage", step=30, value=0.0, limit=0.02)
    rows = [
        {"phase": "old", "step": 10, "split": "train", "loss": 1.0},
        {"phase": "tokenizer", "step": 0, "split": "watch", "usage": 0.02},
        {"phase": "tokenizer", "step": 30, "split": "alarm"} | alarm.row(),
        {"phase": "prior", "step": 0, "split": "watch"},
    ]
    assert logged(rows) == {"tokenizer": [alarm], "prior": []}
