"""Gradients of every phase of every family, as benchmarks/devices.py holds them against each other.

In a process with four fake devices. In float64, in which what means the same differs by rounding
alone, far below what it is held to: by about 1e-6 where `jax.nn.dot_product_attention` takes its
softmax, in float32 whatever it is given, and else by less than 1e-13.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from vidgen import registry
from vidgen.training import flops
from vidgen.training.memory import peak_bytes

FOLDER = Path(__file__).parents[2] / "benchmarks"

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import devices
devices.fake_devices(4)
import jax
from vidgen import registry
from vidgen.training.placement import Placement
jax.config.update("jax_disable_most_optimizations", True)
ways = [devices.Way(Placement.of(2)), devices.Way(Placement.of(4, "full"), parts=True)]
settings = devices.Settings(steps=1, plain=True, precisions=(64,))
seen = set()
for name in registry.names():
    for row in devices.compare(name, ways, settings, seen):
        on = len(row.way.place.devices)
        print(json.dumps([name, row.phase, on, row.loss, row.gradient, row.state]))
"""


@pytest.mark.slow
def test_gradients_are_the_same_on_several_devices_and_in_parts():
    """On two, and on four whose state is sharded and whose batches are taken in two parts. Phases
    that several families share are compared once.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(FOLDER)], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    compared = {(name, phase) for name, phase, *_ in rows}
    assert {name for name, _ in compared} >= {"gan", "autoregressive", "masked", "diffusion"}
    assert len(rows) == 2 * len(compared)
    apart = [row for row in rows if not (row[3] < 1e-5 and row[4] < 1e-5)]
    assert not apart
    # A tiny network is mostly small arrays, which stay whole.
    assert all((state < 0.8) == (on == 4) for _, _, on, _, _, state in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names())
def test_every_phase_can_hold_less(load_benchmark, name):
    """Where both options are set, steps hold less, and compute some of it again. Traced only."""
    devices = load_benchmark("devices")
    entry, settings = registry.entry(name), devices.Settings(batch_size=32, plain=True)
    whole = devices.adapted(entry.config.tiny(), settings)
    both = [entry.build(devices.TASK, way).phases() for way in (whole, devices.in_parts(whole))]
    earlier = {}
    for phases in zip(*both, strict=True):
        state = jax.eval_shape(phases[0].init, jax.random.key(0), earlier)
        batch = devices.batch(32, 0).to_batch()
        arguments = (state, batch, jax.random.key(1), jnp.float32(0.5))
        steps = [jax.jit(phase.step) for phase in phases]  # whose trace is kept
        held = [peak_bytes(step, *arguments) for step in steps]
        counts = [flops.count(step, *arguments).recomputed for step in steps]
        assert held[1] < held[0], phases[0].name
        assert counts[0] == 0 < counts[1], phases[0].name
        earlier[phases[0].name] = jax.eval_shape(phases[0].export, state)
