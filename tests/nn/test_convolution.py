"""Convolution: the classical paddings by their numbers, and the CPU form against the plain one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen import nn
from vidgen.nn.convolution import _shifted, pads

SIGNAL = jnp.array([1.0, 2.0, 3.0, 4.0, 5.0])
TAPS = jnp.array([1.0, 10.0, 100.0])


@pytest.mark.parametrize(
    ("padding", "values"),
    [
        ("full", [100, 210, 321, 432, 543, 54, 5]),
        ("same", [210, 321, 432, 543, 54]),
        ("valid", [321, 432, 543]),
        ("causal", [100, 210, 321, 432, 543]),
    ],
)
def test_five_values_and_three_taps(padding, values):
    y = nn.convolve(SIGNAL[None, :, None], TAPS[:, None, None], padding=padding)
    np.testing.assert_allclose(y[0, :, 0], values)


def test_padding_agrees_with_numpy():
    rng = np.random.default_rng(0)
    x, k = rng.normal(size=9).astype(np.float32), rng.normal(size=4).astype(np.float32)
    for padding in ("full", "valid"):
        ours = nn.convolve(
            jnp.array(x)[None, :, None], jnp.array(k)[:, None, None], padding=padding
        )
        np.testing.assert_allclose(ours[0, :, 0], np.correlate(x, k, padding), rtol=1e-5)


@pytest.mark.parametrize("padding", ["full", "same", "valid", "causal"])
def test_shifted_form_is_the_3d_convolution(padding):
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 7, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 2, 3, 4))
    plain = jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(2, 1, 2),
        padding=pads(padding, (3, 3, 2)),
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
    )
    shifted = _shifted(x, kernel, pads(padding, (3, 3, 2)), (2, 1, 2))
    np.testing.assert_allclose(shifted, plain, rtol=1e-4, atol=1e-4)


def test_causal_in_time_sees_no_later_frame():
    conv = nn.Conv(2, 3, (3, 3, 3), padding="causal", rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (1, 6, 4, 4, 2))
    changed = x.at[:, 3:].add(1.0)
    np.testing.assert_array_equal(conv(x)[:, :3], conv(changed)[:, :3])
    assert not np.allclose(conv(x)[:, 3], conv(changed)[:, 3])


def test_groups_strides_and_bias():
    conv = nn.Conv(4, 6, (3, 3), strides=(2, 2), groups=2, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 4))
    y = conv(x)
    assert y.shape == (2, 4, 4, 6)
    # The second group of outputs reads the second group of inputs only.
    np.testing.assert_array_equal(y[..., 3:], conv(x.at[..., :2].set(0.0))[..., 3:])


def test_what_does_not_fit_is_refused():
    with pytest.raises(Exception, match=r"(?s)full.*same.*valid.*causal"):
        pads("reflect", (3,))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not fit"):
        nn.convolve(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 1, 1)))
