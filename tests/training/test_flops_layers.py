"""FLOPs of layers and small networks against counts done by hand. Traces only."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from vidgen.training.flops import Flops, count


def abstract(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


SQUARE = abstract(4, 4)
PRODUCT = 2 * 4 * 4 * 4  # FLOPs of one product of two SQUAREs


def total(fn):
    """The scalar whose gradient has no FLOPs of its own."""
    return lambda *args: fn(*args).sum()


def gradient(fn, *argnums):
    """Gradients without the forward pass, unless they need it: a sum of a linear map does not."""
    return jax.grad(total(fn), argnums)


class TestDense:
    def test_forward(self):
        assert count(jnp.matmul, abstract(8, 32), abstract(32, 4)) == Flops(model=2 * 8 * 32 * 4)

    def test_batched(self):
        flops = count(
            lambda a, b: jnp.einsum("bhqd,bhkd->bhqk", a, b),
            abstract(2, 3, 5, 7),
            abstract(2, 3, 11, 7),
        )
        assert flops.model == 2 * (2 * 3) * 5 * 11 * 7

    def test_gradients_cost_one_forward_each(self):
        forward = 2 * 8 * 32 * 4
        args = (abstract(8, 32), abstract(32, 4))
        assert count(gradient(jnp.matmul, 0), *args).model == forward
        assert count(gradient(jnp.matmul, 1), *args).model == forward
        assert count(gradient(jnp.matmul, 0, 1), *args).model == 2 * forward

    def test_value_and_gradients_cost_three_forwards(self):
        step = jax.value_and_grad(lambda x, w: jnp.sin(x @ w).sum(), (0, 1))
        assert count(step, abstract(8, 32), abstract(32, 4)).model == 3 * 2 * 8 * 32 * 4

    def test_complex_products_cost_four_real_ones(self):
        x = abstract(4, 4, dtype=jnp.complex64)
        assert count(jnp.matmul, x, x).model == 4 * PRODUCT

    def test_bias_and_activation_are_free(self):
        flops = count(
            lambda x, w, b: jax.nn.gelu(x @ w + b[None]),
            abstract(8, 32),
            abstract(32, 4),
            abstract(4),
        )
        assert flops.model == 2 * 8 * 32 * 4


def convolve(x, w, *, padding, strides=None, rhs_dilation=None, **options):
    """A convolution [B *space C], [*kernel C D] in one to three dimensions."""
    space = "HWT"[: x.ndim - 2]
    return lax.conv_general_dilated(
        x,
        w,
        strides or (1,) * len(space),
        padding,
        rhs_dilation=rhs_dilation,
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
        **options,
    )


def taps_by_hand(size, kernel, stride, dilation, low, high):
    """Taps on real input along one axis, straight from the definition of a convolution."""
    padded = [False] * low + [True] * size + [False] * high
    extent = (kernel - 1) * dilation + 1
    starts = range(0, len(padded) - extent + 1, stride)
    return sum(padded[start + tap * dilation] for start in starts for tap in range(kernel))


class TestConvolution:
    def test_the_padding_of_a_small_signal(self):
        # Five values and a kernel of three: full 7 outputs, same 5, valid 3. Every value meets
        # every tap once under full; same loses one at each end; valid has none on padding.
        x, w = abstract(1, 5, 1), abstract(3, 1, 1)
        for padding, taps in (([(2, 2)], 15), ("SAME", 13), ("VALID", 9)):
            assert count(functools.partial(convolve, padding=padding), x, w).model == 2 * taps

    def test_video_by_hand(self):
        # 3x3x3 SAME over 4x6x6: 4*3-2 taps along time, 6*3-2 along each side.
        flops = count(
            functools.partial(convolve, padding="SAME"),
            abstract(2, 4, 6, 6, 5),
            abstract(3, 3, 3, 5, 7),
        )
        assert flops.model == 2 * 2 * 5 * 7 * 10 * 16 * 16

    @pytest.mark.parametrize("dimensions", [1, 2, 3])
    @pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)])
    @pytest.mark.parametrize("padding", ["same", "valid", "full", "causal"])
    def test_forward_and_both_gradients(self, dimensions, stride, dilation, padding):
        size, kernel = 9, 4
        reach = (kernel - 1) * dilation
        low, high = {
            "same": (reach // 2, reach - reach // 2),
            "valid": (0, 0),
            "full": (reach, reach),
            "causal": (reach, 0),
        }[padding]
        conv = functools.partial(
            convolve,
            padding=[(low, high)] * dimensions,
            strides=(stride,) * dimensions,
            rhs_dilation=(dilation,) * dimensions,
        )
        x = abstract(2, *(size,) * dimensions, 3)
        w = abstract(*(kernel,) * dimensions, 3, 5)
        by_hand = taps_by_hand(size, kernel, stride, dilation, low, high)
        forward = 2 * 2 * 3 * 5 * by_hand**dimensions
        assert count(conv, x, w).model == forward
        assert count(gradient(conv, 0), x, w).model == forward
        assert count(gradient(conv, 1), x, w).model == forward

    def test_groups(self):
        conv = functools.partial(convolve, padding="VALID", feature_group_count=4)
        x, w = abstract(2, 6, 6, 8), abstract(3, 3, 2, 12)  # 8 channels in 4 groups of 2
        forward = 2 * 2 * 12 * 2 * (4 * 3) ** 2
        assert count(conv, x, w).model == forward
        # The kernel's gradient is the convolution with groups of the batch.
        assert count(gradient(conv, 0), x, w).model == forward
        assert count(gradient(conv, 1), x, w).model == forward

    def test_depthwise(self):
        conv = functools.partial(convolve, padding="VALID", feature_group_count=8)
        x, w = abstract(2, 6, 6, 8), abstract(3, 3, 1, 8)
        for fn in (conv, gradient(conv, 0), gradient(conv, 1)):
            assert count(fn, x, w).model == 2 * 2 * 8 * (4 * 3) ** 2

    def test_transposed_convolution_skips_the_zeros_between_values(self):
        up = functools.partial(
            lax.conv_transpose,
            strides=(2, 2),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        # Ten outputs along a side; the even ones meet two taps of a kernel of four, so do the
        # odd ones, and the two at the ends lose one tap to padding.
        flops = count(up, abstract(1, 5, 5, 3), abstract(4, 4, 3, 2))
        assert flops.model == 2 * 3 * 2 * (10 * 2 - 2) ** 2

    def test_cropping_by_negative_padding(self):
        conv = functools.partial(convolve, padding=[(-2, -1)])
        assert count(conv, abstract(1, 9, 1), abstract(3, 1, 1)).model == 2 * (6 - 2) * 3

    def test_counts_agree_with_the_values_that_ones_give(self):
        # A convolution of ones by ones sums to its number of real taps.
        for stride, lhs, rhs, pad in itertools.product((1, 2), (1, 3), (1, 2), ((0, 0), (3, 1))):
            conv = functools.partial(
                lax.conv_general_dilated,
                window_strides=(stride,),
                padding=[pad],
                lhs_dilation=(lhs,),
                rhs_dilation=(rhs,),
                dimension_numbers=("NHC", "HIO", "NHC"),
            )
            ones = np.ones((1, 7, 1), np.float32), np.ones((3, 1, 1), np.float32)
            flops = count(conv, *ones).model
            spread = np.zeros((7 - 1) * lhs + 1)
            spread[::lhs] = 1
            spread = np.pad(spread, pad)
            starts = range(0, len(spread) - 2 * rhs, stride)
            assert flops == 2 * sum(spread[s + k * rhs] for s in starts for k in range(3))


def attention(x, qkv, out, *, heads):
    """Multi-head self-attention on [B L D] by einsum."""
    B, L, D = x.shape
    q, k, v = jnp.moveaxis((x @ qkv).reshape(B, L, 3, heads, D // heads), 2, 0)
    weights = jax.nn.softmax(jnp.einsum("blhd,bmhd->bhlm", q, k))
    return jnp.einsum("bhlm,bmhd->blhd", weights, v).reshape(B, L, D) @ out


class TestNetworks:
    B, L, D, HEADS, LAYERS, V = 2, 6, 8, 2, 3, 11

    @property
    def attention_flops(self):
        # Four projections of D by D for each position, and two products of L by L by D.
        return self.B * (8 * self.L * self.D**2 + 4 * self.L**2 * self.D)

    def test_attention(self):
        flops = count(
            functools.partial(attention, heads=self.HEADS),
            abstract(self.B, self.L, self.D),
            abstract(self.D, 3 * self.D),
            abstract(self.D, self.D),
        )
        assert flops.model == self.attention_flops

    def test_library_attention(self):
        q = abstract(self.B, self.L, self.HEADS, self.D)
        flops = count(jax.nn.dot_product_attention, q, q, q)
        assert flops.model == 4 * self.B * self.L**2 * self.HEADS * self.D

    def test_transformer_training_step(self):
        B, L, D, V = self.B, self.L, self.D, self.V
        params = {
            "embed": abstract(V, D),
            "layers": {
                "qkv": abstract(self.LAYERS, D, 3 * D),
                "out": abstract(self.LAYERS, D, D),
                "up": abstract(self.LAYERS, D, 4 * D),
                "down": abstract(self.LAYERS, 4 * D, D),
            },
        }

        def loss(params, tokens):
            def layer(x, w):
                x = x + attention(x, w["qkv"], w["out"], heads=self.HEADS)
                return x + jax.nn.gelu(x @ w["up"]) @ w["down"], None

            x, _ = lax.scan(layer, params["embed"][tokens], params["layers"])
            logits = x @ params["embed"].T
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[..., None], -1).mean()

        layer = self.attention_flops + B * 16 * L * D**2
        forward = self.LAYERS * layer + 2 * B * L * D * V
        tokens = abstract(B, L, dtype=jnp.int32)
        assert count(loss, params, tokens).model == forward
        assert count(jax.value_and_grad(loss), params, tokens).model == 3 * forward

    def test_keyword_arguments_and_keys(self):
        key = jax.eval_shape(jax.random.key, 0)
        flops = count(
            lambda key, *, x: jax.random.normal(key, (4, 4)) @ jax.random.permutation(key, x),
            key,
            x=SQUARE,
        )
        assert flops.model == PRODUCT
