"""Gradients in parts: of a loss that is a mean over rows, those of the whole batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.optim import check_microbatches, in_parts, value_and_grad
from vidgen.training.memory import peak_bytes

ROWS = 12


def _loss(params, rows):
    (x, y), beside, nothing = rows
    assert nothing is None
    error = jnp.tanh(x @ params["w"]) @ params["v"] - y
    first = jnp.square(error).mean()
    return first + jnp.abs(beside @ params["w"]).mean(), {"first": first}


@pytest.fixture(scope="module")
def setting():
    draw = np.random.default_rng(0).standard_normal
    params = {"w": draw((5, 64)), "v": draw((64, 3))}
    # The second as single frames stand beside clips: twice as many rows.
    rows = ((draw((ROWS, 5)), draw((ROWS, 3))), draw((2 * ROWS, 5)), None)
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (params, rows))


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_parts_give_the_gradient_of_the_whole(setting, parts):
    whole = jax.value_and_grad(_loss, has_aux=True)(*setting)
    split = jax.jit(lambda *args: value_and_grad(_loss, *args, microbatches=parts, has_aux=True))(
        *setting
    )
    assert jax.tree.structure(split) == jax.tree.structure(whole)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), split, whole)


def test_what_each_row_has_of_its_own_stays_in_its_place():
    rows = {"one": jnp.arange(12.0), "two": jnp.arange(24.0)[:, None]}
    mean, each = in_parts(lambda x: (x["one"].mean(), jax.tree.map(jnp.square, x)), rows, 3)
    assert mean == 5.5
    for name, of_each in each.items():
        np.testing.assert_array_equal(of_each, rows[name] ** 2)


def test_parts_are_held_one_after_another(setting):
    needed = [
        peak_bytes(
            lambda *args, parts=parts: value_and_grad(
                _loss, *args, microbatches=parts, has_aux=True
            ),
            *setting,
        )
        for parts in (1, 12)
    ]
    assert needed[1] < 0.6 * needed[0]


def test_a_batch_that_does_not_divide_is_refused():
    check_microbatches(4, 8, 64)
    for parts, sizes in ((3, (8,)), (4, (8, 10)), (0, (8,))):
        with pytest.raises(ValueError, match="do not divide a batch of"):
            check_microbatches(parts, *sizes)
