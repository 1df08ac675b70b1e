"""Minimal filtering: the sums of the direct form, from fewer products."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen import nn
from vidgen.nn import winograd


@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
@pytest.mark.parametrize("taps", [1, 2, 3, 4])
def test_transforms_filter(outputs, taps):
    A, G, B = winograd.transforms(outputs, taps)
    n = outputs + taps - 1
    assert (A.shape, G.shape, B.shape) == ((outputs, n), (n, taps), (n, n))
    rng = np.random.default_rng(0)
    d, g = rng.normal(size=n), rng.normal(size=taps)
    np.testing.assert_allclose(A @ ((G @ g) * (B @ d)), np.correlate(d, g, "valid"), rtol=1e-9)


def test_transforms_of_two_outputs_and_three_taps_are_those_of_the_paper():
    # Lavin & Gray, equation 7, whose order of points and signs of rows differ from ours.
    A, G, B = winograd.transforms(2, 3)
    paper = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
    up_to_sign = {tuple(np.abs(row)): None for row in np.array(paper, float)}
    assert {tuple(np.abs(row)) for row in B} == set(up_to_sign)
    assert sorted(np.abs(G).sum(1)) == [1, 1, 1.5, 1.5]
    assert A.shape == (2, 4)


def test_too_many_points_are_refused():
    with pytest.raises(ValueError, match="9 points"):
        winograd.transforms(6, 5)


@pytest.mark.parametrize(
    ("outputs", "taps", "expected"),
    [(8, 3, 4), (5, 3, 2), (4, 3, 4), (3, 3, 4), (2, 3, 2), (8, 4, 4), (1, 3, None), (8, 1, None)],
)
def test_tile_is_what_needs_the_fewest_products(outputs, taps, expected):
    assert winograd.tile(outputs, taps) == expected
    if expected is not None:
        products = -(-outputs // expected) * (expected + taps - 1)
        assert products < outputs * taps


def spy_on_products(monkeypatch):
    """Frames that go through a 2-D convolution, in all."""
    seen = []
    direct = jax.lax.conv_general_dilated

    def counting(x, *args, **kwargs):
        seen.append(x.shape[0])
        return direct(x, *args, **kwargs)

    monkeypatch.setattr(jax.lax, "conv_general_dilated", counting)
    return seen


@pytest.mark.parametrize(
    ("frames", "taps", "strides", "padding", "channels"),
    [
        (8, (3, 3, 3), (1, 1, 1), "same", 3),
        (5, (3, 3, 3), (1, 1, 1), [(1, 1), (1, 1), (1, 1)], 3),
        (16, (7, 5, 5), (2, 2, 2), [(2, 3), (1, 2), (1, 2)], 2),
        (9, (7, 5, 5), (2, 2, 2), [(3, 3), (2, 2), (2, 2)], 2),
        (7, (3, 1, 1), (1, 1, 1), "causal", 3),
        (9, (4, 2, 3), (3, 1, 2), "valid", 2),
    ],
)
def test_fewer_products_give_the_same_convolution(
    monkeypatch, frames, taps, strides, padding, channels
):
    x = jax.random.normal(jax.random.key(0), (2, frames, 9, 8, channels))
    kernel = jax.random.normal(jax.random.key(1), (*taps, channels, 4))
    padded = nn.pads(padding, taps) if isinstance(padding, str) else padding
    plain = jax.lax.conv_general_dilated(
        x, kernel, strides, padded, dimension_numbers=("NDHWC", "DHWIO", "NDHWC")
    )
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    ours = nn.convolve(x, kernel, padding=padding, strides=strides, fewer_products=True)
    np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=2e-4)


def test_products_are_fewer_and_only_where_they_may_be(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    seen = spy_on_products(monkeypatch)
    x, kernel = jnp.ones((1, 8, 4, 4, 2)), jnp.ones((3, 3, 3, 2, 2))
    nn.convolve(x, kernel, fewer_products=True)
    # Two tiles of four frames, six products each; one tap in time of all it would be 24.
    assert seen == [2] * 6
    seen.clear()
    nn.convolve(x, kernel)
    assert seen == [8]  # eight frames, with three times the channels
    seen.clear()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    nn.convolve(x, kernel, fewer_products=True)
    assert seen == [1]  # the plain form, one clip
