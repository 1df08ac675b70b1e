"""The lifetimes of arrays: by hand, and beside what XLA reports of a step."""

import jax
import jax.numpy as jnp

from vidgen.training.memory import peak_bytes, size_of

KIB = jax.ShapeDtypeStruct((256,), jnp.float32)


def test_an_array_is_held_until_it_was_read_for_the_last_time():
    def chain(x):
        return jnp.sin(jnp.sin(jnp.sin(x)))  # two at once at most, and the last is the result

    assert peak_bytes(chain, KIB) == 2 * 1024

    def fork(x):
        y = jnp.sin(x)
        return jnp.cos(jnp.cos(jnp.cos(y))) * y

    assert peak_bytes(fork, KIB) == 3 * 1024


def test_a_view_keeps_what_it_looks_at_and_needs_nothing_itself():
    def seen(x):
        y = jnp.sin(x)
        wide = jnp.broadcast_to(y[None], (1000, 256))
        return wide.sum(axis=0)

    assert peak_bytes(seen, KIB) == 1024


def test_what_a_loop_needs_inside_counts_once():
    def loop(x):
        return jax.lax.scan(lambda c, _: (jnp.sin(jnp.cos(jnp.sin(c))), None), x, length=50)[0]

    assert 1024 <= peak_bytes(loop, KIB) <= 3 * 1024


def test_it_comes_near_what_xla_reports_of_a_gradient():
    def loss(weights, x):
        for w in weights:
            x = x + jax.nn.gelu(x @ w)
        return jnp.mean(x**2)

    weights = [jax.ShapeDtypeStruct((64, 64), jnp.float32)] * 4
    x = jax.ShapeDtypeStruct((2048, 64), jnp.float32)
    assert size_of(weights) == 4 * 64 * 64 * 4
    compiled = jax.jit(jax.grad(loss)).lower(weights, x).compile()
    reported = compiled.memory_analysis().temp_size_in_bytes
    assert 0.8 * reported <= peak_bytes(jax.grad(loss), weights, x) <= 4.0 * reported
