"""What two or more published transformers have in common, as their weights want it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vidgen.pretrained.weights import WrongWeightsError

Activation = Callable[[Array], Array]

_ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "gelu": functools.partial(jax.nn.gelu, approximate=False),
        "gelu_new": functools.partial(jax.nn.gelu, approximate=True),
        "gelu_pytorch_tanh": functools.partial(jax.nn.gelu, approximate=True),
        "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
        "relu": jax.nn.relu,
        "silu": jax.nn.silu,
        "swish": jax.nn.silu,
    }
)


def activation(name: str) -> Activation:
    """The nonlinearity that a configuration names.

    Raises:
        WrongWeightsError: for one that is not known.
    """
    if name not in _ACTIVATIONS:
        raise WrongWeightsError(
            f"the activation {name!r} is not known; known are {', '.join(sorted(_ACTIVATIONS))}"
        )
    return _ACTIVATIONS[name]


def require(config: Mapping[str, Any], **wanted: Any) -> None:
    """Refuse a configuration that asks for what is not ported.

    Args:
        config: of the file.
        **wanted: the only values that some keys may have, where they are there.

    Raises:
        WrongWeightsError: naming every other value.
    """
    wrong = [
        f"{key}={config[key]!r}, not {value!r}"
        for key, value in wanted.items()
        if config.get(key, value) != value
    ]
    if wrong:
        raise WrongWeightsError(f"config.json asks for what is not ported: {'; '.join(wrong)}")


@runtime_checkable
class BlockSizes(Protocol):
    """What a block is built from.

    Attributes:
        width: features of a token.
        heads: of the attention.
        hidden: width of the feed-forward network.
        act: nonlinearity.
        epsilon: of the normalisation.
    """

    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def act(self) -> str: ...
    @property
    def epsilon(self) -> float: ...


@runtime_checkable
class Sizes(BlockSizes, Protocol):
    """What a tower of blocks is built from.

    Attributes:
        depth: blocks.
        vocabulary: tokens.
        places: tokens of the longest text.
    """

    @property
    def depth(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...
    @property
    def places(self) -> int: ...


class Attention(nnx.Module):
    """Self attention with dense layers for queries, keys, values and the result.

    Unlike `vidgen.nn.Attention`, which generators learn with, it has biases, no normalisation of
    queries and keys, and scales as it is told: it is what published weights are of.

    Args:
        width: features of a token.
        heads: attention heads.
        inner: features of all heads; the width where None.
        bias: whether the layers have biases.
        scale: of the products of queries and keys; one over the root of a head's features where
            None.
        rngs: source of weights, which a port replaces.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        inner: int | None = None,
        bias: bool = True,
        scale: float | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        inner = inner or width
        self.heads, self.scale = heads, scale
        self.query = nnx.Linear(width, inner, use_bias=bias, rngs=rngs)
        self.key = nnx.Linear(width, inner, use_bias=bias, rngs=rngs)
        self.value = nnx.Linear(width, inner, use_bias=bias, rngs=rngs)
        self.out = nnx.Linear(inner, width, use_bias=bias, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "B L D"],
        seen: Bool[Array, "B L L"],
        *,
        bias: Float[Array, "1 G L L"] | None = None,
    ) -> Float[Array, "B L D"]:
        """Attend.

        Args:
            x: the tokens.
            seen: True where a query may see a key.
            bias: added to the scaled products.
        """
        query, key, value = (
            layer(x).reshape(*x.shape[:2], self.heads, -1)
            for layer in (self.query, self.key, self.value)
        )
        y = jax.nn.dot_product_attention(
            query, key, value, bias=bias, mask=seen[:, None], scale=self.scale
        )
        return self.out(y.reshape(*x.shape[:2], -1))


def attention_targets(block: str) -> Mapping[str, str]:
    """The names of `Attention`'s four layers in a block, by what they are."""
    return {part: f"{block}.attention.{part}" for part in ("query", "key", "value", "out")}


def bidirectional(mask: Bool[Array, "B L"]) -> Bool[Array, "B L L"]:
    """Every token sees all that are there."""
    return mask[:, None, :] & mask[:, :, None] | _itself(mask)


def causal(mask: Bool[Array, "B L"]) -> Bool[Array, "B L L"]:
    """Every token sees itself and those before it that are there."""
    length = mask.shape[1]
    earlier = jnp.tril(jnp.ones((length, length), bool))[None]
    return mask[:, None, :] & earlier | _itself(mask)


def _itself(mask: Bool[Array, "B L"]) -> Bool[Array, "1 L L"]:
    # Padding sees itself, since a softmax over nothing is no number.
    return jnp.eye(mask.shape[1], dtype=bool)[None]


def layer_norm(width: int, epsilon: float, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Layer normalisation with the variance by two passes, as the weights were trained with."""
    return nnx.LayerNorm(width, epsilon=epsilon, use_fast_variance=False, rngs=rngs)


class FeedForward(nnx.Module):
    """Two dense layers and a nonlinearity between them."""

    def __init__(self, width: int, hidden: int, act: str, *, rngs: nnx.Rngs) -> None:
        self.act = activation(act)
        self.widen = nnx.Linear(width, hidden, rngs=rngs)
        self.narrow = nnx.Linear(hidden, width, rngs=rngs)

    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        """Each token by itself."""
        return self.narrow(self.act(self.widen(x)))


class CausalTower(nnx.Module):
    """Tokens and their places through blocks that read from left to right, then a normalisation."""

    def __init__(self, sizes: Sizes, *, rngs: nnx.Rngs) -> None:
        self.words = table_of(sizes.vocabulary, sizes.width, rngs)
        self.positions = table_of(sizes.places, sizes.width, rngs)
        self.blocks = nnx.List([PreNormBlock(sizes, rngs=rngs) for _ in range(sizes.depth)])
        self.norm = layer_norm(sizes.width, sizes.epsilon, rngs)

    def __call__(
        self, tokens: Int[Array, "B L"], mask: Bool[Array, "B L"]
    ) -> list[Float[Array, "B L D"]]:
        """What the tokens are after the embedding and after each block, the last normalised."""
        x = self.words.get_value()[tokens]
        seen = causal(mask)
        states = [x + self.positions.get_value()[None, : tokens.shape[1]]]
        for block in self.blocks:
            states.append(block(states[-1], seen))
        return [*states[:-1], self.norm(states[-1])]


class PreNormBlock(nnx.Module):
    """Attention and a feed-forward network, each of what is normalised before."""

    def __init__(self, sizes: BlockSizes, *, rngs: nnx.Rngs) -> None:
        self.attention_norm = layer_norm(sizes.width, sizes.epsilon, rngs)
        self.attention = Attention(sizes.width, sizes.heads, rngs=rngs)
        self.forward_norm = layer_norm(sizes.width, sizes.epsilon, rngs)
        self.forward = FeedForward(sizes.width, sizes.hidden, sizes.act, rngs=rngs)

    def __call__(
        self, x: Float[Array, "B L D"], seen: Bool[Array, "B L L"]
    ) -> Float[Array, "B L D"]:
        x = x + self.attention(self.attention_norm(x), seen)
        return x + self.forward(self.forward_norm(x))


def table_of(count: int, width: int, rngs: nnx.Rngs) -> nnx.Param:
    """A vector each of so many things."""
    return nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (count, width)))


def mean_of(states: Float[Array, "B L D"], mask: Bool[Array, "B L"]) -> Float[Array, "B D"]:
    """The mean of the tokens that are there, of length 1."""
    there = mask[..., None]
    total = jnp.sum(jnp.where(there, states, 0.0), axis=1)
    mean = total / jnp.maximum(jnp.sum(there, axis=1), 1)
    return unit_length(mean)


def unit_length(x: Float[Array, "B D"]) -> Float[Array, "B D"]:
    """Over the length; what has none stays."""
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
