"""The precision of products, as the compiler is told it: a CPU lacks the dot algorithm of bfloat16,
so that what it does is seen on an accelerator alone."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from vidgen.nn import VQ, convolve
from vidgen.training import at, check_device, computing
from vidgen.training.step import blueprint, guarded_step


def products(lowered):
    return re.findall(r"stablehlo\.dot_general.*", lowered.as_text())


def lowered_step(phase, precision):
    batch = next(toy.setting(folder=None)["data"](phase.batch_size, 0))
    with computing(precision):
        plan = blueprint(phase, batch, {})
        arguments = (plan.state, plan.batch, jax.random.key(0), np.int32(0), np.float32(0))
        return jax.jit(guarded_step(phase)).lower(*arguments)


def test_every_product_of_a_step_is_told_the_precision_its_gradients_too():
    phase = toy.Toy().phases()[0]
    rounded = products(lowered_step(phase, "bfloat16"))
    assert len(rounded) >= 2  # forward, and the gradient by the weights
    for line in rounded:
        assert "lhs_precision_type = bf16, rhs_precision_type = bf16" in line
        assert "accumulation_type = f32" in line
    exact = products(lowered_step(phase, "float32"))
    assert len(exact) == len(rounded)
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in exact)


def test_a_quantizer_finds_the_nearest_code_unrounded_at_any_precision():
    quantizer = VQ(size=8, width=4)
    codebook = jax.eval_shape(quantizer.init, jax.random.key(0))
    z = jax.ShapeDtypeStruct((2, 4), jnp.float32)
    lowered = jax.jit(at("bfloat16", quantizer.quantize)).lower(codebook, z)
    assert [("HIGHEST, HIGHEST" in line) for line in products(lowered)] == [True]


def test_on_a_cpu_float32_is_bit_for_bit_what_is_done_anyhow():
    draws = (jax.random.normal(jax.random.key(n), (48, 48)) for n in range(2))
    a, b = (np.asarray(draw) for draw in draws)

    def both(a, b):
        image, kernel = a.reshape(1, 16, 16, 9), b[:9].reshape(3, 3, 3, 16)
        return a @ b, convolve(image[..., :3], kernel)

    usual = jax.jit(both)(a, b)
    for precision in ("float32", "tensorfloat32"):
        named = jax.jit(at(precision, both))(a, b)
        for one, other in zip(usual, named, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="CPUs do not multiply bfloat16"):
        check_device("bfloat16")
