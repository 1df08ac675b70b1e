"""benchmarks/devices.py on one phase of a real family, in a process with four fake devices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"

SCRIPT = """
import itertools, json, sys
sys.path.insert(0, sys.argv[1])
import devices
devices.fake_devices(4)
import jax
jax.config.update("jax_disable_most_optimizations", True)
ways = [devices.Placement.of(1), devices.Placement.of(4, "full")]
rows = devices.compare("diffusion", ways, devices.Settings(), set())
_, row = itertools.islice(rows, 2)
print(json.dumps([row.phase, row.loss, row.gradient, row.state]))
"""


@pytest.mark.slow
def test_motion_compensation_learns_the_same_on_four_devices_in_float64():
    """What else it says takes minutes, and is the benchmark's to say."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(FOLDER)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    phase, loss, gradient, state = json.loads(done.stdout.splitlines()[-1])
    assert phase == "motion"
    assert loss < 1e-12
    assert gradient < 1e-12
    assert state < 0.5  # a tiny network is mostly small arrays, which stay whole
