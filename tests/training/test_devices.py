"""Training on several devices: the same clips, and but for rounding the same losses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import toy

from vidgen.training import Cost, TrainingConfig, read_metrics

pytestmark = pytest.mark.slow

_SLACK = {"rtol": 2e-6, "atol": 0}
"""Of float32 sums whose parts are added in another order."""


def fake(devices: int) -> dict[str, str]:
    """An environment whose CPU counts as so many devices, and which compiles as this one does."""
    flag = f"--xla_force_host_platform_device_count={devices}"
    plain = str(int(jax.config.values["jax_disable_most_optimizations"]))
    return {
        **os.environ,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip(),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": plain,
    }


@pytest.fixture(scope="module")
def on_devices(tmp_path_factory):
    """The folder that `on_devices.py` leaves, and what it told."""
    folder = tmp_path_factory.mktemp("devices")
    script = Path(toy.__file__).with_name("on_devices.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        env=fake(4),
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "told.json").read_text())


def _losses(folder):
    rows = read_metrics(folder)
    return [(row["phase"], row["step"], row["split"], row["loss"]) for row in rows if "loss" in row]


@pytest.mark.parametrize("run", ["four", "moved"])
def test_losses_are_those_of_one_device(on_devices, undisturbed, run):
    """Also where the first steps were taken on two devices, and the rest on four, fully sharded."""
    one, several = _losses(undisturbed[0]), _losses(on_devices[0] / run)
    assert len(one) == 28
    assert [row[:3] for row in several] == [row[:3] for row in one]
    np.testing.assert_allclose([r[3] for r in several], [r[3] for r in one], **_SLACK)


@pytest.mark.fault(8)
def test_another_number_of_devices_is_refused_by_name_or_recorded(on_devices):
    folder, told = on_devices
    assert "step 6" in told["struck"]
    assert 'machine.devices: "2" then, "4" now' in told["refused"]
    assert 'machine.sharding: "replicated" then, "full" now' in told["refused"]
    cost = Cost.read(folder / "moved").phases["first"]
    assert any("machine.devices" in line for line in cost.accepted)
    assert [line.split()[0] for line in cost.devices] == ["2", "4"]


def test_full_sharding_divides_the_state(on_devices):
    """All but biases and counters, which stay whole, whatever number of devices saved it."""
    one, two, four = on_devices[1]["bytes"]
    small = 2 * two - one
    assert 0 < small < 0.04 * one
    assert two - small == (one - small) / 2
    assert four - small == (one - small) / 4


def test_what_does_not_fit_is_refused_by_name(on_devices):
    told = on_devices[1]
    assert "devices=5" in told["few"]
    assert "phase 'only' has a batch_size of 6, which 4 devices do not divide" in told["odd"]
    assert "choose 4 or 8" in told["odd"]
    with pytest.raises(ValueError, match="devices must be at least 1"):
        TrainingConfig(devices=0)


def test_an_array_is_split_along_its_largest_axis_that_divides(on_devices):
    # No axis divides; too small; no axis divides; the largest, first, in the middle, or of two.
    whole, along = [], ["data"]
    assert on_devices[1]["split"] == [whole, whole, whole, along, [None, "data"], along]
