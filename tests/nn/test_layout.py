"""Layouts as networks read them, against what a box covers when it is counted finely."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen.nn import LayoutMap, LayoutPool
from vidgen.nn.layout import cover
from vidgen.types import Layout

B, T, OBJECTS, D, FEATURES = 3, 2, 2, 5, 4


@pytest.fixture(scope="module")
def layout():
    """The second object of the first clip is not said, and nothing of the last clip."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(-0.1, 0.7, (B, T, OBJECTS, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + rng.uniform(0.1, 0.4, corner.shape)], axis=-1)
    mask = np.ones((B, T, OBJECTS), bool)
    mask[0, :, 1], mask[2] = False, False
    kind = rng.normal(size=(B, OBJECTS, D))
    return Layout.of(boxes.astype(np.float32), mask, kind.astype(np.float32))


def test_a_cell_is_covered_as_far_as_a_box_reaches_into_it():
    found = cover(jnp.array([0.125, 0.9, -1.0]), jnp.array([0.5, 1.5, 2.0]), 4)
    np.testing.assert_allclose(found, [[0.5, 1, 0, 0], [0, 0, 0, 0.4], [1, 1, 1, 1]], atol=1e-6)


def test_a_map_is_the_mean_of_a_fine_picture_of_the_boxes(layout):
    read = LayoutMap(D, FEATURES, rngs=nnx.Rngs(0))
    cells, fine = (3, 4), 200
    found = read(layout, *cells)
    kind = np.asarray(read.kind(layout.kind)) + np.asarray(read.presence_embed.get_value())
    y = (np.arange(cells[0] * fine) + 0.5) / (cells[0] * fine)
    x = (np.arange(cells[1] * fine) + 0.5) / (cells[1] * fine)
    expected = np.zeros((B, T, *cells, FEATURES))
    for b, t, o in np.ndindex(B, T, OBJECTS):
        if layout.mask[b, t, o]:
            top, left, bottom, right = np.asarray(layout.boxes[b, t, o])
            inside = ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None]
            share = inside.reshape(cells[0], fine, cells[1], fine).mean(axis=(1, 3))
            expected[b, t] += share[..., None] * kind[b, o]
    np.testing.assert_allclose(found, expected, atol=0.03)
    np.testing.assert_array_equal(found[2], 0)


@pytest.fixture(scope="module")
def pool():
    read = LayoutPool(T, D, FEATURES, rngs=nnx.Rngs(0))
    read.out.kernel = nnx.Param(jax.random.normal(jax.random.key(0), (FEATURES, FEATURES)))
    return read


def test_a_pooled_layout_begins_at_nothing(layout):
    np.testing.assert_array_equal(LayoutPool(T, D, FEATURES, rngs=nnx.Rngs(0))(layout), 0)


def test_a_layout_that_is_not_there_adds_nothing(layout, pool):
    found = np.asarray(pool(layout))
    np.testing.assert_array_equal(found[2], 0)
    assert (np.abs(found[:2]).max(axis=1) > 1e-3).all()


def test_the_order_of_objects_does_not_count(layout, pool):
    turned = Layout(
        boxes=layout.boxes[:, :, ::-1], mask=layout.mask[:, :, ::-1], kind=layout.kind[:, ::-1]
    )
    np.testing.assert_allclose(pool(turned), pool(layout), atol=1e-6)


def test_every_part_of_a_layout_is_read(layout, pool):
    slope = jax.grad(lambda boxes, kind: pool(Layout.of(boxes, layout.mask, kind)).sum(), (0, 1))
    boxes, kind = slope(layout.boxes, layout.kind)
    said = np.asarray(layout.mask)
    assert (np.abs(boxes)[said] > 0).all()
    assert (np.abs(boxes)[~said] == 0).all()
    assert (np.abs(kind).max(axis=-1) > 0).tolist() == said.any(axis=1).tolist()
