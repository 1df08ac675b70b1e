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


def test_digits_are_drawn_by_the_logits_of_those_before_them(head):
    """Of two copies of each row, which are told the same digits."""
    x, seen = jax.random.normal(jax.random.key(1), (2, 3, 6)), []

    def choose(place, logits):
        seen.append(logits)
        return jnp.argmax(logits[:1] - logits[1:], axis=-1)

    digits = head.draw(x, choose)
    assert digits.shape == (1, 3, 3)
    # Not the same for all, or a digit that is not told would do.
    assert len(np.unique(np.asarray(digits).reshape(3, 3), axis=0)) > 1
    expected = head(x, jnp.tile(digits, (2, 1, 1)))
    for place, logits in enumerate(seen):
        assert logits.shape[-1] == head.levels[place]
        np.testing.assert_allclose(
            logits, expected[:, :, place, : head.levels[place]], rtol=1e-4, atol=1e-5
        )


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
