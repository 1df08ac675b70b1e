"""The head that makes a distribution over codes out of one over each digit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.nn import Network, digits_of
from vidgen.priors import DigitHead


@pytest.fixture(scope="module")
def head():
    """A head of three digits with random weights."""
    network = Network(lambda rngs: DigitHead(6, 5, (2, 4, 3), rngs=rngs))
    weights = network.init(jax.random.key(0))
    noise = {n: jax.random.normal(jax.random.key(w.size), w.shape) for n, w in weights.items()}
    return network.bind({name: weight + 0.2 * noise[name] for name, weight in weights.items()})


def test_a_digit_sees_those_before_it_alone(head):
    x, digits = jax.random.normal(jax.random.key(1), (7, 6)), jnp.ones((7, 3), jnp.int32)
    before = head(x, digits)
    for digit in range(3):
        after = head(x, digits.at[:, digit].set(0))
        changed = [bool((after[:, g] != before[:, g]).any()) for g in range(3)]
        assert changed == [g > digit for g in range(3)]


def test_digits_make_a_distribution_over_all_codes(head):
    levels = head.levels
    x = jax.random.normal(jax.random.key(1), (1, 6))
    digits = digits_of(jnp.arange(np.prod(levels)), levels)
    logits = head(jnp.broadcast_to(x, (len(digits), 6)), digits)
    # Values that a digit does not take have no share.
    possible = np.arange(4) < np.array(levels)[:, None]
    np.testing.assert_array_equal(
        np.isfinite(logits), np.broadcast_to(possible[None], logits.shape)
    )
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), digits[..., None], axis=-1)
    np.testing.assert_allclose(jnp.exp(chosen[..., 0].sum(axis=-1)).sum(), 1.0, rtol=1e-5)
