"""Quantizers against hand computations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.nn import FSQ, LFQ, VQ, codes_of, digits_of, histogram, perplexity, usage

KEY = jax.random.key(0)


@pytest.mark.parametrize("levels", [(3,), (3, 4), (8, 5, 3)])
def test_fsq_codes_and_values_are_a_bijection(levels):
    fsq = FSQ(levels=levels)
    codes = jnp.arange(fsq.size)
    values = fsq.values({}, codes)
    assert values.shape == (fsq.size, fsq.width)
    assert len({tuple(v) for v in np.asarray(values).tolist()}) == fsq.size
    assert float(jnp.abs(values).max()) <= 1.0
    for feature, count in enumerate(levels):
        assert len(np.unique(np.asarray(values[:, feature]))) == count


@pytest.mark.parametrize("levels", [(7,), (3, 4), (2, 8, 5)])
def test_digits_number_every_code_once(levels):
    codes = jnp.arange(np.prod(levels)).reshape(levels[0], -1)
    digits = digits_of(codes, levels)
    assert digits.shape == (*codes.shape, len(levels))
    np.testing.assert_array_equal(codes_of(digits, levels), codes)
    # Counted up with the first digit fastest, as in the definition.
    counted = np.stack(np.unravel_index(np.arange(codes.size), levels, order="F"), axis=-1)
    np.testing.assert_array_equal(digits.reshape(-1, len(levels)), counted)


def test_digits_of_a_code_are_its_features_and_a_vector_has_one():
    fsq = FSQ(levels=(3, 4))
    # Code 5 is 2 + 3 * 1: the topmost of three levels and, of four, the one below the middle.
    assert digits_of(jnp.array([5]), fsq.levels).tolist() == [[2, 1]]
    digits, values = digits_of(jnp.arange(12), fsq.levels), fsq.values({}, jnp.arange(12))
    np.testing.assert_allclose(values, (digits - jnp.array([[1, 2]])) / jnp.array([[1, 2]]))
    vq = VQ(size=6, width=2)
    assert vq.levels == (6,)
    np.testing.assert_array_equal(digits_of(jnp.arange(6), vq.levels)[:, 0], jnp.arange(6))


def test_fsq_quantizes_to_the_values_of_its_codes_and_reaches_all_of_them():
    fsq = FSQ(levels=(5, 4, 3))
    z = 2.0 * jax.random.normal(KEY, (4, 1000, 3))
    quantized = fsq.quantize({}, z)
    np.testing.assert_allclose(quantized.values, fsq.values({}, quantized.codes), atol=1e-6)
    assert len(np.unique(np.asarray(quantized.codes))) == fsq.size
    assert quantized.codes.dtype == jnp.int32


def test_fsq_by_hand():
    # Five levels: tanh(0.6) * 2 = 1.07 rounds to 1, a half of the range and digit 3.
    quantized = FSQ(levels=(5,)).quantize({}, jnp.array([[0.6], [0.0], [-9.0]]))
    np.testing.assert_allclose(quantized.values, [[0.5], [0.0], [-1.0]])
    assert quantized.codes.tolist() == [3, 2, 0]
    # Mixed radix, first feature fastest: digits (2, 1) of (3, 4) levels are 2 + 3 * 1.
    np.testing.assert_allclose(
        FSQ(levels=(3, 4)).values({}, jnp.array([5])), [[1.0, -0.5]], atol=1e-6
    )


def test_fsq_charges_for_leaving_the_middle_of_its_range():
    z = jnp.array([[3.0, -1.0], [3.0, 1.0]])
    # Means 3 and 0, deviations 0 and 1.
    charge = FSQ(levels=(5, 5), spread=0.1).quantize({}, z).loss
    np.testing.assert_allclose(charge, 0.1 * (9.0 + 0.0 + 1.0 + 0.0) / 2, rtol=2e-3)
    assert float(FSQ(levels=(5, 5), spread=0.0).quantize({}, z).loss) == 0.0


def test_fsq_gradient_passes_the_rounding():
    z = jnp.array([[0.3, -0.2]])
    gradient = jax.grad(lambda z: FSQ(levels=(5, 5)).quantize({}, z).values.sum())(z)
    np.testing.assert_allclose(gradient, 1.001 * (1.0 - jnp.tanh(z) ** 2), rtol=1e-5)


def test_fsq_has_use_for_every_level_of_features_as_they_are_charged_to_be():
    z = jax.random.normal(KEY, (4000, 3))
    digits = digits_of(FSQ(levels=(3, 4, 8)).quantize({}, z).codes, (3, 4, 8))
    for feature, count in enumerate((3, 4, 8)):
        shares = np.bincount(digits[:, feature], minlength=count) / len(digits)
        assert shares.min() > 0.2 / count


@pytest.mark.parametrize("levels", [(), (5, 1), (5, 2)])
def test_fsq_refuses_levels_that_carry_nothing(levels):
    with pytest.raises(ValueError, match="at least 3"):
        FSQ(levels=levels)


def test_lfq_takes_signs_as_bits_and_back():
    lfq = LFQ(bits=3)
    z = jnp.array([[0.2, -3.0, 0.7], [-0.1, -0.1, 0.0]])
    quantized = lfq.quantize({}, z)
    np.testing.assert_allclose(quantized.values, [[1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]])
    # The first bit counts 1, the third 4.
    assert quantized.codes.tolist() == [5, 0]
    np.testing.assert_array_equal(lfq.values({}, quantized.codes), quantized.values)
    every = lfq.values({}, jnp.arange(lfq.size))
    assert len({tuple(v) for v in np.asarray(every).tolist()}) == 8
    np.testing.assert_array_equal(digits_of(jnp.arange(8), lfq.levels), (every + 1) / 2)
    gradient = jax.grad(lambda z: lfq.quantize({}, z).values.sum())(z)
    np.testing.assert_allclose(gradient, jnp.ones((2, 3)))


def test_lfq_charges_by_hand_and_least_where_vectors_are_sure_and_differ():
    z = jnp.array([[0.5], [-0.25]])
    p = 1 / (1 + np.exp(-4 * np.array([0.5, -0.25]) / 2))
    entropy = lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p)  # noqa: E731
    hand = 0.3 * (0.5**2 + 0.75**2) / 2 + 0.2 * (entropy(p).mean() - entropy(p.mean()))
    lfq = LFQ(bits=1, commitment=0.3, entropy=0.2, temperature=2.0)
    np.testing.assert_allclose(lfq.quantize({}, z).loss, hand, rtol=1e-5)

    def charge(*values):
        return float(LFQ(bits=1, commitment=0.0).quantize({}, jnp.array(values)[:, None]).loss)

    assert charge(1.0, -1.0) < charge(0.1, -0.1) < charge(0.0, 0.0) + 1e-6
    assert charge(1.0, -1.0) < charge(1.0, 1.0)
    assert np.isfinite(charge(500.0, -500.0))
    slope = jax.grad(lambda z: LFQ(bits=1).quantize({}, z).loss)(jnp.array([[90.0], [-90.0]]))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("change", [{"bits": 0}, {"bits": 31}, {"temperature": 0.0}])
def test_lfq_refuses_what_cannot_be(change):
    with pytest.raises(ValueError, match="LFQ"):
        LFQ(**change)


def test_vq_takes_the_nearest_code_and_passes_the_gradient_straight():
    vq = VQ(size=3, width=2, commitment=0.5)
    codebook = vq.init(KEY) | {"vectors": jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])}
    z = jnp.array([[0.9, 0.2], [0.1, 1.5]])
    quantized = vq.quantize(codebook, z)
    assert quantized.codes.tolist() == [1, 2]
    np.testing.assert_allclose(quantized.values, [[1.0, 0.0], [0.0, 2.0]], atol=1e-6)
    np.testing.assert_allclose(quantized.loss, 0.5 * (0.01 + 0.04 + 0.01 + 0.25) / 4, rtol=1e-5)
    gradient = jax.grad(lambda z: vq.quantize(codebook, z).values.sum())(z)
    np.testing.assert_allclose(gradient, jnp.ones((2, 2)))
    np.testing.assert_allclose(vq.values(codebook, quantized.codes), quantized.values, atol=1e-6)


def test_vq_goes_from_codes_to_vectors_and_back():
    vq = VQ(size=32, width=5)
    codebook = vq.init(KEY)
    codes = jnp.arange(vq.size)
    # Vectors that are nudged by less than half of what parts any two belong to the same codes.
    vectors = np.asarray(vq.values(codebook, codes))
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1) + np.diag(np.full(32, np.inf))
    nudge = jax.random.normal(jax.random.key(1), vectors.shape)
    nudge *= 0.45 * apart.min() / jnp.linalg.norm(nudge, axis=-1, keepdims=True)
    assert vq.quantize(codebook, vectors + nudge).codes.tolist() == codes.tolist()


def test_vq_codebook_follows_its_vectors_as_computed_by_hand():
    vq = VQ(size=2, width=1, decay=0.5, revive_below=1e-6)
    codebook = {
        "vectors": jnp.array([[1.0], [4.0]]),
        "counts": jnp.array([2.0, 1.0]),
        "sums": jnp.array([[2.0], [4.0]]),
    }
    new = vq.update(codebook, jnp.array([[3.0], [1.0]]), jnp.array([0, 0]), KEY)
    np.testing.assert_allclose(new["counts"], [0.5 * 2 + 0.5 * 2, 0.5 * 1])
    np.testing.assert_allclose(new["sums"], [[0.5 * 2 + 0.5 * 4], [0.5 * 4]])
    np.testing.assert_allclose(new["vectors"], [[1.5], [4.0]])


def test_vq_revives_only_dead_codes_with_vectors_of_the_batch():
    vq = VQ(size=3, width=2, decay=0.9, revive_below=0.1)
    codebook = vq.init(KEY) | {"counts": jnp.array([1.0, 0.05, 0.05])}
    dead = vq.init(KEY)["vectors"][2].tolist()
    z = jnp.array([[5.0, 5.0], [7.0, 7.0]])
    new = vq.update(codebook, z, jnp.array([0, 1]), KEY)
    # Code 1 was chosen once: 0.9 * 0.05 + 0.1 = 0.145 keeps it alive.
    np.testing.assert_allclose(new["counts"], [1.0, 0.145, 0.4], rtol=1e-6)
    assert new["vectors"][2].tolist() in z.tolist()
    assert new["vectors"][2].tolist() != dead
    np.testing.assert_allclose(new["sums"][2], 0.4 * new["vectors"][2])
    # Two that are dead at once do not become the same.
    new = vq.update(codebook | {"counts": jnp.array([1.0, 0.0, 0.0])}, z, jnp.array([0, 0]), KEY)
    assert sorted(new["vectors"][1:].tolist()) == z.tolist()


@pytest.mark.parametrize(
    "change", [{"size": 0}, {"width": 0}, {"decay": 1.0}, {"revive_below": 0.0}]
)
def test_vq_refuses_what_cannot_be(change):
    with pytest.raises(ValueError, match="VQ"):
        VQ(**change)


def test_perplexity_and_usage_by_hand():
    shares = histogram(jnp.array([[0, 0], [1, 1]]), 4)
    np.testing.assert_allclose(shares, [0.5, 0.5, 0.0, 0.0])
    np.testing.assert_allclose(perplexity(shares), 2.0, rtol=1e-6)
    np.testing.assert_allclose(usage(shares), 0.5)
