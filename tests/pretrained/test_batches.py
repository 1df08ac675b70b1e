"""Rows through a network: the same on one device and on two, in any order, in any number."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

PROGRAM = """
import sys
import jax, jax.numpy as jnp, numpy as np
from vidgen.pretrained.batches import Batched

assert jax.local_device_count() == int(sys.argv[1])
widths = []

def product(weights, x):
    widths.append(x.shape[0])  # what one device sees, at tracing
    return jnp.tanh(x @ weights)

run = Batched(product, lambda weights, x: x.sum(-1), rows=3)
rng = np.random.default_rng(0)
weights = run.place(rng.normal(size=(50, 40)).astype(np.float32))
rows = rng.normal(size=(11, 50)).astype(np.float32)
found = run(weights, rows)
assert found.shape == (11,) and set(widths) == {3}
assert (run(weights, rows[::-1])[::-1] == found).all()
assert (run(weights, rows[4:5]) == found[4:5]).all()
traced = len(widths)
jax.clear_caches()
assert (run(weights, rows) == found).all() and len(widths) == traced
np.save(sys.argv[2], found)
"""


def test_one_device_and_two_agree_to_the_last_bit(tmp_path):
    found = []
    for devices in (1, 2):
        out = tmp_path / f"{devices}.npy"
        flags = f"--xla_force_host_platform_device_count={devices}"
        environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(devices), str(out)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(np.load(out))
    np.testing.assert_array_equal(*found)
