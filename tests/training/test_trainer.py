"""`train` and `restore` as others call them: budgets, clocks, guards and refusals."""

from __future__ import annotations

import io
import json
import os
import platform
import signal
import tempfile
import time

import jax
import numpy as np
import pytest
import toy
from rich.console import Console

from vidgen.training import (
    Budget,
    CheckpointError,
    Cost,
    DivergedError,
    FingerprintError,
    Interrupted,
    LockError,
    TrainingConfig,
    estimate,
    read_metrics,
    restore,
    train,
)
from vidgen.training.alarms import Alarm, logged
from vidgen.training.lock import _start_time

ONE = toy.Toy(toy.Linear(name="only", share=1.0))


@pytest.fixture(autouse=True)
def own_machine_lock(tmp_path, monkeypatch):
    """A machine of this test's own, so that tests that run side by side do not meet."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def test_the_rows_of_a_run(undisturbed):
    folder, trained = undisturbed
    rows = read_metrics(folder)
    for phase in ("first", "second"):
        mine = [row for row in rows if row["phase"] == phase]
        assert [r["step"] for r in mine if r["split"] == "train"] == list(range(1, 13))
        assert [r["step"] for r in mine if r["split"] == "validation"] == [6, 12]
        floors, alarm = mine[0], mine[-2]  # before the validation of the last step
        assert floors == {"phase": phase, "step": 0, "split": "watch", "left": 0.9}
        found = Alarm(what="collapse", metric="left", step=12, value=alarm["value"], limit=0.9)
        assert logged(mine) == {phase: [found]}
        assert found.value == pytest.approx(1 / 12)
    losses = [r["loss"] for r in rows if r["split"] == "validation"]
    assert losses[1] < losses[0]
    assert trained.cost.clips == 24 * 4
    assert trained.cost.model_flops == 24 * 2 * (2 * 4 * 32 * 32)
    assert trained.cost.optimizer_flops == 0
    assert Cost.read(folder) == trained.cost


def test_restore_gives_the_exports_and_verifies_them(undisturbed, tmp_path):
    folder, trained = undisturbed
    params = restore(str(folder), toy.Toy())
    jax.tree.map(np.testing.assert_array_equal, params, trained.params)
    with pytest.raises(CheckpointError, match="holds no finished phase"):
        restore(tmp_path, toy.Toy())


def test_seconds_go_on_from_what_was_used_and_all_clocks_sum_to_the_wall(tmp_path):
    setting = toy.setting(folder=tmp_path, budget=Budget(2.0, "seconds"))
    slow = lambda size, seed: toy.Tripwire(  # noqa: E731
        toy.data(size, seed), 3, lambda: (time.sleep(0.5), os.kill(os.getpid(), signal.SIGTERM))
    )
    with pytest.raises(Interrupted):
        train(ONE, **setting | {"data": slow})
    used = Cost.read(tmp_path).phases["only"]
    assert used.seconds["train"] > 0.5
    start = time.perf_counter()
    cost = train(ONE, **setting).cost
    wall = time.perf_counter() - start
    phase = cost.phases["only"]
    assert phase.steps > used.steps == 3
    assert 2.0 <= phase.seconds["train"] < 2.0 + used.seconds["train"]
    new = cost.seconds() - sum(used.seconds.values())
    assert wall * 0.9 < new < wall + 0.5  # the first process's last save was not yet on its record
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.fault(14)
def test_seconds_do_not_share_the_machine_and_steps_do(tmp_path):
    parent = {"pid": os.getppid(), "started": _start_time(os.getppid()), "host": platform.node()}
    (tmp_path / "tmp" / "vidgen-training.lock").write_text(json.dumps(parent))
    setting = toy.setting(folder=tmp_path / "run", budget=Budget(60, "seconds"))
    with pytest.raises(LockError, match="give the budget in steps"):
        train(ONE, **setting)
    assert train(toy.Baseline(), **setting).params == {}


@pytest.mark.fault(12)
def test_a_run_that_diverges_stops_with_the_last_good_state(tmp_path):
    bad = toy.Toy(toy.Linear(name="only", share=1.0, poison=(0.25, 2.0)))
    config = TrainingConfig(log_every=1, tensorboard=False, max_skipped=4, validate_every=1.0)
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(DivergedError, match="phase 'only': 4 steps in a row"):
        train(bad, **toy.setting(folder=tmp_path, config=config, console=console))
    log = read_metrics(tmp_path)
    rows = [row for row in log if row["split"] == "train"]
    assert [row["skipped"] for row in rows[:10]] == [0] * 6 + [1, 2, 3, 4]
    # One alarm for all that were skipped in a row, right after the row of the first.
    alarm = Alarm(what="skipped", metric="skipped", step=7, value=1.0, limit=0.0)
    assert logged(log) == {"only": [alarm]}
    assert log.index(rows[6]) + 1 == log.index(
        {"phase": "only", "step": 7, "split": "alarm"} | alarm.row()
    )
    assert console.file.getvalue().count(f"alarm in phase 'only' at step 7: {alarm}") == 1
    cost = Cost.read(tmp_path).phases["only"]
    assert cost.skipped == cost.steps - 6
    assert (tmp_path / "checkpoints" / "only" / str(cost.steps) / "manifest.json").exists()


@pytest.mark.fault(8)
@pytest.mark.fault(9)
def test_another_machine_or_other_clips_are_refused_with_the_difference(undisturbed, monkeypatch):
    setting = toy.setting(folder=undisturbed[0])
    other = {"configuration": {"width": 32}, "source": "other clips"}
    with pytest.raises(FingerprintError, match='source: absent then, "other clips" now'):
        train(toy.Toy(), **setting | {"fingerprint": other})
    with monkeypatch.context() as patch:
        flag = "--xla_force_host_platform_device_count=2"  # by which a host has two devices
        patch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} {flag}")
        with pytest.raises(FingerprintError, match=r"machine\.XLA_FLAGS: .*device_count=2"):
            train(toy.Toy(), **setting)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    if len(cores) > 1:
        os.sched_setaffinity(0, {min(cores)})
        try:
            with pytest.raises(FingerprintError, match=r'machine\.threads: "\d+" then, "1" now'):
                train(toy.Toy(), **setting)
        finally:
            os.sched_setaffinity(0, cores)


@pytest.mark.fault(9)
def test_a_changed_configuration_is_refused_or_recorded(tmp_path):
    struck = toy.setting(folder=tmp_path, data=toy.trip(4, signal.SIGTERM))
    with pytest.raises(Interrupted):
        train(ONE, **struck)
    changed = toy.setting(folder=tmp_path, fingerprint={"configuration": {"width": 64}})
    with pytest.raises(FingerprintError, match=r"configuration\.width: 32 then, 64 now"):
        train(ONE, **changed)
    console = Console(file=io.StringIO(), width=200)
    accepting = TrainingConfig(log_every=1, validate_every=0.5, accept_changes=True)
    cost = train(ONE, **changed | {"config": accepting, "console": console}).cost
    assert cost.phases["only"].accepted == [
        "phase 'only', step 4: configuration.width: 32 then, 64 now"
    ]
    assert "accepted at phase 'only', step 4" in console.file.getvalue()
    assert "toy seed 0 only  step 24" in console.file.getvalue()
    assert (tmp_path / "tensorboard" / "only").exists()
    assert Cost.read(tmp_path) == cost


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ((toy.Linear(name="a", share=0.5), toy.Linear(name="a", share=0.5)), "bear one name"),
        ((toy.Linear(name="a", share=0.5), toy.Linear(name="b", share=0.4)), "sum to 1"),
        ((toy.Linear(name="../a", share=1.0),), "becomes a folder"),
        ((toy.Linear(name="a", share=0.99), toy.Linear(name="b", share=0.01)), "not pay for one"),
    ],
)
def test_phases_that_do_not_fit_are_refused_before_anything_is_written(phases, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(toy.Toy(*phases), **toy.setting(folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong", [{"log_every": 0}, {"max_skipped": 0}, {"validate_every": 0.0}, {"keep": 1}]
)
def test_a_configuration_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingConfig(**wrong)


def test_the_estimate_says_what_the_run_then_costs(undisturbed):
    estimates = estimate(toy.Toy(), toy.TASK, Budget.parse("24steps"))
    for mine, phase in zip(estimates, undisturbed[1].cost.phases.values(), strict=True):
        assert (mine.steps, mine.parameters) == (phase.steps, phase.parameters)
        assert (mine.model_flops, mine.optimizer_flops) == (phase.model_flops, 0)
    (first, _) = estimate(toy.Toy(), toy.TASK, Budget.parse("32768flops"))
    assert (first.steps, str(first)) == (
        1,
        "first: 0.00M parameters, 1.64e-05 GFLOP a step of 4 clips, 1.64e+04 FLOP in all, 1 steps",
    )
    assert "0.5 s of training" in str(estimate(toy.Toy(), toy.TASK, Budget.parse("1s"))[0])


def test_an_estimate_that_counts_nothing_traces_no_step(undisturbed):
    class Untraced(toy.Linear):
        def step(self, state, batch, key, progress):
            raise AssertionError("traced")

    generator = toy.Toy(Untraced(name="first", share=0.5), Untraced(name="second", share=0.5))
    estimates = estimate(generator, toy.TASK, Budget.parse("1s"), count=False)
    for mine, phase in zip(estimates, undisturbed[1].cost.phases.values(), strict=True):
        assert (mine.parameters, mine.seconds, mine.model_flops) == (phase.parameters, 0.5, None)
