"""What tests of generators share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="session")
def random_weights():
    """Draws weights of every phase of a generator, by its name, of the shapes that it exports.

    Random everywhere: what starts at zero would hide what it does.
    """

    def drawn(generator):
        params, lots = {}, np.random.default_rng(7)
        for phase in generator.phases():
            shapes = jax.eval_shape(
                lambda key, phase=phase: phase.export(phase.init(key, params)), jax.random.key(0)
            )
            params[phase.name] = {
                name: jnp.asarray(lots.normal(scale=0.3, size=leaf.shape), jnp.float32)
                for name, leaf in sorted(shapes.items())
            }
        return params

    return drawn
