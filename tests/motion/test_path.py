"""What carries the state of a motion over time looks back at all that was, and never ahead."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.motion.path import TemporalConvolution, TemporalTransformer
from vidgen.nn import Network

WIDTH = 8


@pytest.mark.parametrize(
    ("build", "moves"),
    [
        # The most moves that three blocks reach over.
        (lambda rngs: TemporalConvolution(WIDTH, 8, rngs=rngs), 8),
        (lambda rngs: TemporalTransformer(WIDTH, rngs=rngs), 5),
    ],
    ids=["convolution", "transformer"],
)
def test_every_state_sees_all_that_was_and_nothing_that_will_be(build, moves):
    network = Network(build)

    @jax.jit
    def reach(key):
        weights = network.init(key)
        # Fresh blocks add nothing.
        weights = {
            name: value + 0.3 * jax.random.normal(jax.random.fold_in(key, n), value.shape)
            for n, (name, value) in enumerate(sorted(weights.items()))
        }
        x = jax.random.normal(jax.random.fold_in(key, 99), (1, moves, WIDTH))
        slopes = jax.jacobian(lambda x: network.bind(weights)(x).mean(axis=(0, 2)))(x)
        return jnp.abs(slopes).max(axis=(1, 3))

    seen = np.asarray(reach(jax.random.key(0))) > 0
    np.testing.assert_array_equal(seen, np.tri(moves, dtype=bool))
