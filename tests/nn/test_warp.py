"""Backward warping: what is fetched from where, and with which gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.nn import refine_flow, warp


def test_warp_fetches_from_where_the_flow_points():
    image = jax.random.normal(jax.random.key(0), (1, 5, 6, 2))
    flow = jnp.broadcast_to(jnp.array([1.0, -2.0]), (1, 5, 6, 2))
    out = warp(image, flow)
    np.testing.assert_array_equal(out[:, :4, 2:], image[:, 1:, :4])
    # Beyond the border its pixels go on.
    np.testing.assert_array_equal(out[:, 4, 2:], image[:, 4, :4])
    np.testing.assert_array_equal(out[:, :4, :2], jnp.repeat(image[:, 1:, :1], 2, axis=2))


def test_warp_interpolates_between_pixels():
    image = jnp.array([[0.0, 1.0], [2.0, 4.0]])[None, :, :, None]
    flow = jnp.zeros((1, 2, 2, 2)).at[0, 0, 0].set(jnp.array([0.25, 0.5]))
    expected = 0.75 * (0.0 + 1.0) / 2 + 0.25 * (2.0 + 4.0) / 2
    np.testing.assert_allclose(warp(image, flow)[0, 0, 0, 0], expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_warp_gradients_are_those_of_finite_differences(channels):
    keys = jax.random.split(jax.random.key(0), 4)
    image, weight = (jax.random.normal(key, (1, 4, 4, channels)) for key in keys[:2])
    # Between pixels, where bilinear interpolation has a derivative.
    flow = jax.random.uniform(keys[2], (1, 4, 4, 2), minval=0.2, maxval=0.8) - 1.0

    def total(image, flow):
        return jnp.sum(weight * warp(image, flow))

    step = 1e-2
    for place, x in enumerate((image, flow)):
        direction = jax.random.normal(keys[3], x.shape)
        up, down = ([image, flow] for _ in range(2))
        up[place], down[place] = x + step * direction, x - step * direction
        numeric = (total(*up) - total(*down)) / (2 * step)
        analytic = jnp.sum(jax.grad(total, place)(image, flow) * direction)
        np.testing.assert_allclose(analytic, numeric, atol=2e-3)
        tangents = [jnp.zeros_like(image), jnp.zeros_like(flow)]
        tangents[place] = direction
        forward = jax.jvp(total, (image, flow), tuple(tangents))[1]
        np.testing.assert_allclose(forward, analytic, rtol=1e-5)


def test_beyond_the_border_a_flow_changes_nothing():
    image = jax.random.normal(jax.random.key(0), (1, 4, 4, 2))
    flow = jnp.broadcast_to(jnp.array([0.3, -9.0]), (1, 4, 4, 2))
    grad = jax.grad(lambda flow: jnp.sum(warp(image, flow)))(flow)
    assert not grad[..., 1].any()
    assert grad[:, :3, :, 0].all()
    assert not grad[:, 3, :, 0].any()  # 0.3 pixels below the last row


def test_a_flow_that_is_no_number_gives_none():
    flow = jnp.zeros((1, 3, 3, 2)).at[0, 1, 1, 0].set(jnp.nan)
    out = warp(jnp.ones((1, 3, 3, 1)), flow)
    assert np.isnan(out[0, 1, 1, 0])
    assert np.isfinite(out).sum() == 8


def test_a_finer_flow_keeps_its_vectors():
    coarse = jnp.broadcast_to(jnp.array([3.0, -1.0]), (1, 2, 2, 2))
    expected = np.broadcast_to([3.0, -1.0], (1, 8, 4, 2))
    np.testing.assert_allclose(refine_flow(coarse, 8, 4), expected, rtol=1e-6)
