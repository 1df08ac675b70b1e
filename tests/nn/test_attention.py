"""Attention: masks, null tokens, caches and rotary positions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen import nn

WIDTH, HEADS = 16, 2


def normal(seed: int, *shape: int):
    return jax.random.normal(jax.random.key(seed), shape)


def stirred(module: nnx.Module, seed: int = 5):
    """Weights that start at zero would hide what is tested."""
    graphdef, state = nnx.split(module)
    leaves, treedef = jax.tree.flatten(state)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    drawn = [
        leaf + 0.3 * jax.random.normal(k, leaf.shape) for leaf, k in zip(leaves, keys, strict=True)
    ]
    return nnx.merge(graphdef, jax.tree.unflatten(treedef, drawn))


@pytest.fixture(scope="module")
def attention():
    return stirred(nn.Attention(WIDTH, HEADS, rngs=nnx.Rngs(0)))


@pytest.fixture(scope="module")
def decoder():
    return stirred(nn.Decoder(WIDTH, HEADS, 2, source_width=8, rngs=nnx.Rngs(0)))


def test_attention_is_the_formula(attention):
    x = normal(0, 1, 5, WIDTH)
    q = attention.query_norm(attention.query(x).reshape(1, 5, HEADS, -1))
    memory = attention.project(x)
    logits = jnp.einsum("bngf,bmgf->bgnm", q, memory.keys) / np.sqrt(WIDTH / HEADS)
    y = jnp.einsum("bgnm,bmgf->bngf", jax.nn.softmax(logits), memory.values)
    np.testing.assert_allclose(attention(x), attention.out(y.reshape(1, 5, WIDTH)), atol=1e-5)


def test_a_mask_of_keys_is_each_rows_own_where_there_are_as_many_queries(attention):
    x = normal(0, 4, 4, WIDTH)
    mask = (
        jnp.arange(4)[None] <= jnp.arange(4)[:, None]
    )  # of the first row one key, of the last all
    alone = [attention(x[i : i + 1], mask=mask[i : i + 1]) for i in range(4)]
    np.testing.assert_allclose(attention(x, mask=mask), jnp.concatenate(alone), atol=1e-6)


def test_masks_of_both_shapes_agree(attention):
    x, seen = normal(0, 2, 4, WIDTH), jnp.array([True, True, False, True])
    by_key = attention(x, mask=jnp.broadcast_to(seen[None], (2, 4)))
    square = attention(x, mask=jnp.broadcast_to(seen[None, None], (2, 4, 4)))
    np.testing.assert_allclose(by_key, square, atol=1e-6)
    np.testing.assert_allclose(
        by_key, attention(x, mask=jnp.broadcast_to(seen, (1, 4, 4))), atol=1e-6
    )
    moved = attention(x.at[:, 2].add(3.0), mask=jnp.broadcast_to(seen[None], (2, 4)))
    np.testing.assert_allclose(by_key[:, [0, 1, 3]], moved[:, [0, 1, 3]], atol=1e-6)
    with pytest.raises(ValueError, match="fits neither"):
        attention(x, mask=jnp.ones((3, 3), bool))


def test_null_token_keeps_a_masked_source_out():
    cross = stirred(nn.Attention(WIDTH, HEADS, source_width=8, null=True, rngs=nnx.Rngs(0)))
    x, nobody = normal(0, 2, 3, WIDTH), jnp.zeros((2, 4), bool)
    one, other = (cross(x, normal(s, 2, 4, 8), mask=nobody) for s in (1, 2))
    np.testing.assert_array_equal(one, other)


def test_causal_mask_by_perturbation(decoder):
    x, source = normal(0, 1, 6, WIDTH), normal(1, 1, 3, 8)
    y, moved = decoder(x, source), decoder(x.at[:, 4].add(1.0), source)
    np.testing.assert_allclose(y[:, :4], moved[:, :4], atol=1e-5)
    assert not np.allclose(y[:, 4:], moved[:, 4:], atol=1e-3)


def test_cached_steps_equal_teacher_forcing(decoder):
    x, source = normal(0, 2, 6, WIDTH), normal(1, 2, 3, 8)
    told = jnp.array([[True, True, False], [True, False, False]])
    angles = nn.rotary_angles(jnp.asarray(nn.grid(6)), WIDTH // HEADS)
    whole = decoder(x, source, source_mask=told, angles=angles)
    caches, memory, steps = decoder.empty_caches(2, 6), decoder.memory(source), []
    for i in range(6):
        y, caches = decoder.step(
            x[:, i : i + 1],
            caches,
            jnp.int32(i),
            memory,
            source_mask=told,
            angles=angles[i : i + 1],
        )
        steps.append(y)
    np.testing.assert_allclose(jnp.concatenate(steps, axis=1), whole, atol=1e-4)


def test_rotary_attention_sees_distances_only(attention):
    x = normal(0, 1, 4, WIDTH)
    here, there = (
        nn.rotary_angles(jnp.asarray(nn.grid(4)) + shift, WIDTH // HEADS) for shift in (0.0, 9.0)
    )
    np.testing.assert_allclose(attention(x, angles=here), attention(x, angles=there), atol=1e-4)
    assert not np.allclose(attention(x, angles=here), attention(x), atol=1e-3)


def test_rotary_angles_share_pairs_among_axes():
    angles = nn.rotary_angles(jnp.asarray(nn.grid(2, 3)), 10)
    assert angles.shape == (6, 5)
    np.testing.assert_allclose(angles[0], 0.0)
    assert (angles[1, :3] == 0).all()  # one step along the second axis turns the last two pairs
    assert (angles[1, 3:] > 0).all()
    with pytest.raises(ValueError, match="cannot carry"):
        nn.rotary_angles(jnp.zeros((1, 3)), 4)


@pytest.mark.parametrize("kind", ["full", "factorised", "space", "time"])
def test_space_time_attention_reaches_what_it_says(kind):
    module = stirred(nn.SpaceTimeAttention(WIDTH, HEADS, kind=kind, rngs=nnx.Rngs(0)))
    x = normal(0, 1, 3, 2, 2, WIDTH)
    moved = module(x.at[0, 2, 1, 1].add(2.0)) - module(x)
    reached = np.abs(moved).max(axis=-1)[0] > 1e-5
    expected = np.zeros((3, 2, 2), bool)
    match kind:
        case "space":
            expected[2] = True
        case "time":
            expected[:, 1, 1] = True
        case _:
            expected[:] = True
    np.testing.assert_array_equal(reached, expected)


@pytest.mark.parametrize("kind", ["full", "factorised", "time"])
def test_causal_space_time_attention_sees_no_later_frame(kind):
    module = stirred(nn.SpaceTimeAttention(WIDTH, HEADS, kind=kind, causal=True, rngs=nnx.Rngs(0)))
    x = normal(0, 1, 3, 2, 2, WIDTH)
    y, moved = module(x), module(x.at[:, 2].add(2.0))
    np.testing.assert_allclose(y[:, :2], moved[:, :2], atol=1e-5)


def test_sinusoids_and_refusals():
    features = nn.sinusoids(jnp.array([0.0, 1.0]), 4)
    np.testing.assert_allclose(features[0], [0, 0, 1, 1])
    np.testing.assert_allclose(features[1, 0], np.sin(1.0), rtol=1e-5)
    for broken in (
        lambda: nn.sinusoids(jnp.zeros(1), 3),
        lambda: nn.Attention(10, 3, rngs=nnx.Rngs(0)),
        lambda: nn.SpaceTimeAttention(4, 2, kind="sideways", rngs=nnx.Rngs(0)),  # type: ignore[arg-type]
    ):
        with pytest.raises(Exception, match=r"even width|do not divide|factorised"):
            broken()


def test_what_attention_is_observed_to_look_at_is_what_it_gives(decoder):
    x, source = normal(0, 2, 3, WIDTH), normal(1, 2, 4, 8)
    mask = jnp.array([[True, True, False, True], [False] * 4])
    found = nn.observe(decoder, "cross", lambda: decoder(x, source, source_mask=mask))
    assert [weights.shape for weights in found] == [(2, HEADS, 3, 5)] * 2  # a null key first
    for weights in found:
        np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
        np.testing.assert_array_equal(weights[0, ..., 3], 0)
        np.testing.assert_allclose(weights[1, ..., 0], 1.0, atol=1e-6)
    # Of a layer alone, the values under these weights are its output.
    cross = decoder.blocks[0].cross
    (weights,) = nn.observe(nnx.Dict(cross=cross), "cross", lambda: cross(x, source, mask=mask))
    values = cross.project(source).values
    null = jnp.broadcast_to(cross.null_value.get_value()[None, None], (2, 1, HEADS, WIDTH // HEADS))
    y = jnp.einsum("bgnm,bmgf->bngf", weights, jnp.concatenate([null, values], axis=1))
    np.testing.assert_allclose(
        cross(x, source, mask=mask), cross.out(y.reshape(2, 3, WIDTH)), atol=1e-5
    )


def test_recomputed_layers_are_observed_too():
    decoder = nn.Decoder(WIDTH, HEADS, 1, source_width=8, remat=True, rngs=nnx.Rngs(0))
    x, source = normal(0, 2, 3, WIDTH), normal(1, 2, 4, 8)
    (weights,) = nn.observe(decoder, "cross", lambda: decoder(x, source))
    assert weights.shape == (2, HEADS, 3, 5)
