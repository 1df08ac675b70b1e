"""The FLOP counter on control flow, dead code, scopes and rematerialisation. Traces only."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec

from vidgen.training.flops import Flops, UncountedPrimitiveError, UnknownTripCountError, count


def abstract(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


SQUARE = abstract(4, 4)
PRODUCT = 2 * 4 * 4 * 4  # FLOPs of one product of two SQUAREs


class TestControlFlow:
    def test_scan_counts_its_length(self):
        fn = lambda x, w: lax.scan(lambda c, _: (c @ w, None), x, None, length=7)[0]  # noqa: E731
        assert count(fn, SQUARE, SQUARE).model == 7 * PRODUCT

    def test_gradient_through_a_scan(self):
        def fn(w, x):
            return lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, None, length=5)[0].sum()

        # Forward, and for each step one product for the carry and one for the weights.
        assert count(jax.grad(fn), SQUARE, SQUARE).model == 3 * 5 * PRODUCT

    def test_nested_scans_multiply(self):
        def inner(c, _):
            return lax.scan(lambda d, _: (d @ d, None), c, None, length=3)[0], None

        fn = lambda x: lax.scan(inner, x, None, length=4)[0]  # noqa: E731
        assert count(fn, SQUARE).model == 12 * PRODUCT

    @pytest.mark.parametrize(
        "bounds", [(0, 5), (2, 7), (0, jnp.int32(5)), (jnp.int32(-1), jnp.int32(4))]
    )
    def test_fori_loop_with_constant_bounds(self, bounds):
        assert count(lambda x: lax.fori_loop(*bounds, lambda _, c: c @ c, x), SQUARE).model == (
            5 * PRODUCT
        )

    def test_trip_counts_travel_into_jit(self):
        loop = jax.jit(lambda x, n: lax.fori_loop(0, n, lambda _, c: c @ c, x))
        assert count(lambda x: loop(x, 6), SQUARE).model == 6 * PRODUCT

    def test_while_with_a_visible_counter(self):
        def fn(x):
            return lax.while_loop(lambda s: s[0] < 7, lambda s: (s[0] + 2, s[1] @ s[1]), (0, x))[1]

        assert count(fn, SQUARE).model == 4 * PRODUCT  # 0, 2, 4, 6

    def test_a_bound_that_is_computed_raises(self):
        def fn(x):
            more = lambda s: s[0] < 3 + 0 * (s[1] @ s[1]).sum().astype(int)  # noqa: E731
            return lax.while_loop(more, lambda s: (s[0] + 1, s[1]), (0, x))

        with pytest.raises(UnknownTripCountError):
            count(fn, SQUARE)

    @pytest.mark.parametrize(
        "loop",
        [
            lambda x, n: lax.fori_loop(0, n, lambda _, c: c @ c, x),
            lambda x, n: lax.while_loop(lambda c: c.sum() < n, lambda c: c @ c, x),
            lambda x, n: lax.while_loop(  # the bound moves
                lambda s: s[0] < s[1], lambda s: (s[0] + 1, s[1] - n, s[2] @ s[2]), (0, 9, x)
            )[2],
        ],
    )
    def test_unknown_trip_count_raises(self, loop):
        with pytest.raises(UnknownTripCountError, match=r"scan"):
            count(loop, SQUARE, abstract(dtype=jnp.int32))

    def test_a_light_loop_of_unknown_length_is_free(self):
        flops = count(
            lambda x, n: lax.fori_loop(0, n, lambda _, c: c + 1, x @ x),
            SQUARE,
            abstract(dtype=jnp.int32),
        )
        assert flops.model == PRODUCT

    def test_cond_counts_its_dearest_branch(self):
        def fn(i, x):
            return lax.switch(i, [lambda x: x, lambda x: x @ x, lambda x: x @ x @ x], x)

        assert count(fn, abstract(dtype=jnp.int32), SQUARE).model == 2 * PRODUCT

    def test_custom_derivatives(self):
        @jax.custom_vjp
        def square(x):
            return x @ x

        square.defvjp(lambda x: (x @ x, x), lambda x, g: (g @ x.T + x.T @ g,))
        assert count(square, SQUARE).model == PRODUCT
        assert count(jax.grad(lambda x: jnp.sin(square(x)).sum()), SQUARE).model == 3 * PRODUCT

        @jax.custom_jvp
        def cube(x):
            return x @ x @ x

        cube.defjvp(lambda p, t: (cube(*p), t[0] @ p[0]))
        assert count(cube, SQUARE).model == 2 * PRODUCT

    def test_vmap_and_jit(self):
        fn = jax.jit(jax.vmap(jnp.matmul, in_axes=(0, None)))
        assert count(fn, abstract(3, 4, 4), SQUARE).model == 3 * PRODUCT

    def test_shard_map_counts_all_devices(self):
        devices = jax.devices()
        mesh = jax.make_mesh(
            (len(devices),), ("data",), axis_types=(jax.sharding.AxisType.Auto,), devices=devices
        )
        split, whole = PartitionSpec("data"), PartitionSpec()
        fn = jax.shard_map(jnp.matmul, mesh=mesh, in_specs=(split, whole), out_specs=split)
        flops = count(fn, abstract(4 * len(devices), 4), SQUARE)
        assert flops.model == len(devices) * PRODUCT


class TestDeadCode:
    def test_what_nobody_reads_is_free(self):
        def fn(x):
            _ = x @ x @ x
            return x @ x

        assert count(fn, SQUARE).model == PRODUCT

    def test_through_jit_remat_and_cond(self):
        both = lambda x: (x @ x, x @ x @ x)  # noqa: E731
        for wrap in (jax.jit, jax.checkpoint, lambda f: lambda x: lax.cond(True, f, f, x)):
            assert count(lambda x, w=wrap: w(both)(x)[0], SQUARE).model == PRODUCT

    def test_a_carry_that_only_feeds_itself(self):
        def body(carry, _):
            read, idle = carry
            return (read @ read, idle @ idle), idle @ idle

        fn = lambda x: lax.scan(body, (x, x), None, length=3)[0][0]  # noqa: E731
        assert count(fn, SQUARE).model == 3 * PRODUCT

    def test_a_carry_that_feeds_another_lives(self):
        def body(carry, _):
            _, feeder = carry
            return (feeder, feeder @ feeder), None

        fn = lambda x: lax.scan(body, (x, x), None, length=3)[0][0]  # noqa: E731
        assert count(fn, SQUARE).model == 3 * PRODUCT

    def test_what_an_effect_needs_lives(self):
        def fn(x):
            jax.debug.print("{}", (x @ x).sum())
            return x

        assert count(fn, SQUARE).model == PRODUCT
        assert count(jax.jit(lambda x: (fn(x), 1.0)[1]), SQUARE).model == PRODUCT


class TestScopes:
    def test_the_optimizer_stands_apart(self):
        def step(w, x):
            gradients = jax.grad(lambda w: jnp.sin(x @ w).sum())(w)
            with jax.named_scope("optimizer"):
                return w - gradients @ gradients.T @ gradients

        flops = count(step, SQUARE, SQUARE)
        assert flops == Flops(model=2 * PRODUCT, optimizer=2 * PRODUCT)
        assert flops.required == flops.executed == 4 * PRODUCT

    def test_the_scope_reaches_into_scan_jit_cond_and_vmap(self):
        def newton_schulz(g):
            g, _ = lax.scan(lambda c, _: (c @ c, None), g, None, length=5)
            g = jax.jit(lambda c: c @ c)(g)
            g = lax.cond(g.sum() > 0, lambda c: c @ c, lambda c: c, g)
            return jax.vmap(lambda c: c @ c)(g[None])[0]

        def step(x):
            x = jax.jit(lambda c: c @ c)(x)
            with jax.named_scope("optimizer"), jax.named_scope("muon"):
                return newton_schulz(x)

        assert count(step, SQUARE) == Flops(model=PRODUCT, optimizer=8 * PRODUCT)
        assert count(jax.jit(step), SQUARE) == Flops(model=PRODUCT, optimizer=8 * PRODUCT)

    def test_the_scope_survives_differentiation(self):
        def fn(w, x):
            with jax.named_scope("optimizer"):
                return jnp.sin(x @ w).sum()

        assert count(jax.grad(fn), SQUARE, SQUARE) == Flops(optimizer=2 * PRODUCT)

    def test_names_that_merely_contain_the_word(self):
        def fn(x):
            with jax.named_scope("optimizer_free"), jax.named_scope("no-optimizer"):
                return x @ x

        assert count(fn, SQUARE) == Flops(model=PRODUCT)


class TestRematerialisation:
    @staticmethod
    def loss(w, x, wrap=lambda f: f):
        hidden = wrap(lambda a: jnp.sin(jnp.sin(a @ w) @ w))(x)
        return (hidden @ w).sum()

    def test_recomputation_is_executed_but_not_required(self):
        plain = count(jax.grad(self.loss), SQUARE, SQUARE)
        remat = count(jax.grad(functools.partial(self.loss, wrap=jax.checkpoint)), SQUARE, SQUARE)
        assert plain.recomputed == 0
        assert remat.required == plain.required
        assert remat.recomputed == 2 * PRODUCT

    def test_a_policy_that_saves_products_recomputes_none(self):
        policy = jax.checkpoint_policies.dots_saveable
        wrap = functools.partial(jax.checkpoint, policy=policy)
        flops = count(jax.grad(functools.partial(self.loss, wrap=wrap)), SQUARE, SQUARE)
        assert flops == count(jax.grad(self.loss), SQUARE, SQUARE)

    def test_inside_a_scan(self):
        def loss(w, x, wrap):
            layer = wrap(lambda c, _: (jnp.sin(jnp.sin(c @ w) @ w), None))
            return lax.scan(layer, x, None, length=3)[0].sum()

        plain = count(jax.grad(lambda w, x: loss(w, x, lambda f: f)), SQUARE, SQUARE)
        remat = count(jax.grad(lambda w, x: loss(w, x, jax.checkpoint)), SQUARE, SQUARE)
        assert remat.required == plain.required
        assert remat.recomputed == 6 * PRODUCT

    def test_a_gradient_penalty_is_never_undercharged(self):
        def penalty(wrap):
            return lambda w, x: (jax.grad(self.loss, 1)(w, x, wrap) ** 2).sum()

        plain = count(jax.grad(penalty(lambda f: f)), SQUARE, SQUARE)
        remat = count(jax.grad(penalty(jax.checkpoint)), SQUARE, SQUARE)
        assert remat.required >= plain.required
        assert remat.recomputed == 0


class TestUnknownPrimitives:
    @pytest.mark.parametrize(
        ("fn", "name"),
        [
            (jnp.linalg.cholesky, "cholesky"),
            (jnp.fft.fft, "fft"),
            (jnp.linalg.svd, "svd"),
            (
                lambda x: jax.pure_callback(np.asarray, jax.ShapeDtypeStruct(x.shape, x.dtype), x),
                "pure_callback",
            ),
        ],
    )
    def test_weight_that_is_not_known_raises_by_name(self, fn, name):
        with pytest.raises(UncountedPrimitiveError, match=name):
            count(fn, SQUARE)

    def test_dead_unknowns_do_not_matter(self):
        assert count(lambda x: (jnp.linalg.cholesky(x), x @ x)[1], SQUARE).model == PRODUCT
