"""Convolution: the classical paddings by their numbers, and the CPU form against the plain one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen import nn
from vidgen.nn.convolution import _in_reach, _shifted, pads

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


def both_forms(x, kernel, padding, strides):
    """The CPU form and the plain one."""
    padded = pads(padding, kernel.shape[:3])
    plain = jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=strides,
        padding=padded,
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
    )
    return _shifted(x, kernel, padded, strides), plain


@pytest.mark.parametrize("padding", ["full", "same", "valid", "causal"])
@pytest.mark.parametrize(
    ("taps", "strides"),
    [
        ((3, 3, 2), (2, 1, 2)),
        # A matrix product, where one tap over height and width is all there is; not when strided.
        ((3, 1, 1), (2, 1, 1)),
        ((1, 1, 1), (1, 2, 1)),
    ],
)
def test_shifted_form_is_the_3d_convolution(padding, taps, strides):
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 7, 3))
    kernel = jax.random.normal(jax.random.key(1), (*taps, 3, 4))
    shifted, plain = both_forms(x, kernel, padding, strides)
    np.testing.assert_allclose(shifted, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", ["full", "same", "causal"])
@pytest.mark.parametrize(
    ("taps", "size"), [((2, 3, 3), (1, 1)), ((1, 5, 4), (2, 1)), ((2, 3, 5), (1, 6))]
)
def test_taps_beyond_a_small_picture_are_not_missed(padding, taps, size):
    x = jax.random.normal(jax.random.key(0), (2, 3, *size, 3))
    kernel = jax.random.normal(jax.random.key(1), (*taps, 3, 4))
    shifted, plain = both_forms(x, kernel, padding, (1, 1, 1))
    np.testing.assert_allclose(shifted, plain, rtol=1e-4, atol=1e-4)


def test_taps_that_see_only_padding_are_left_out_and_get_no_gradient():
    kernel = jax.random.normal(jax.random.key(1), (2, 3, 5, 3, 4))
    padded = pads("causal", (2, 3, 5))
    cut, left = _in_reach((3, 1, 2), kernel, padded, (1, 1, 1))
    np.testing.assert_array_equal(cut, kernel[:, 1:2, 1:4])
    assert left == [(1, 0), (0, 0), (1, 1)]
    # Of a single frame the past is padding alone.
    cut, left = _in_reach((1, 3, 2), kernel, padded, (1, 1, 1))
    np.testing.assert_array_equal(cut, kernel[1:, :, 1:4])
    assert left == [(0, 0), (1, 1), (1, 1)]
    # Strided, the first output need not be over the first value.
    whole, left = _in_reach((1, 1, 2), kernel, padded, (2, 2, 2))
    assert (whole.shape, left) == (kernel.shape, padded)

    x = jax.random.normal(jax.random.key(0), (2, 3, 1, 2, 3))
    ours, plain = (
        jax.grad(lambda k, form=form: jnp.sum(jnp.sin(both_forms(x, k, "causal", (1, 1, 1))[form])))
        for form in (0, 1)
    )
    np.testing.assert_allclose(ours(kernel), plain(kernel), rtol=1e-4, atol=1e-4)


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
