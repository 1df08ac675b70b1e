"""The encoder of T5: a transformer that knows how far tokens are apart, and not where they are.

References: Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text
transformer" (JMLR 2020); its later form with gates, Shazeer, "GLU variants improve transformer"
(2020).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vidgen.pretrained import Entry, Weights
from vidgen.pretrained.layers import (
    Attention,
    activation,
    attention_targets,
    bidirectional,
    mean_of,
    table_of,
)
from vidgen.pretrained.torch_layers import embedding, linear, norm
from vidgen.text.networks.port import Port, States

_LAYERS = {"query": "q", "key": "k", "value": "v", "out": "o"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5(Port):
    """Sizes of a T5.

    Attributes:
        width: features of a token.
        depth: blocks.
        heads: of the attention.
        hidden: width of the feed-forward networks.
        vocabulary: tokens.
        act: nonlinearity.
        epsilon: of the normalisation.
        head: features of a head, whatever the width.
        gated: whether the feed-forward networks multiply by a second layer.
        buckets: distances that are told apart, in both directions.
        farthest: tokens; all beyond are one distance.
    """

    kind: ClassVar[str] = "t5"
    prefixes: ClassVar[tuple[str, ...]] = ("encoder.",)
    ignored: ClassVar[tuple[str, ...]] = (r"decoder\.", r"lm_head\.")

    width: int
    depth: int
    heads: int
    head: int
    hidden: int
    vocabulary: int
    act: str
    gated: bool
    epsilon: float
    buckets: int
    farthest: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> T5:
        """From a file's configuration; see `Port.of`."""
        return cls(
            width=config["d_model"],
            depth=config["num_layers"],
            heads=config["num_heads"],
            head=config["d_kv"],
            hidden=config["d_ff"],
            vocabulary=config["vocab_size"],
            act=config["dense_act_fn"],
            gated=config["is_gated_act"],
            epsilon=config["layer_norm_epsilon"],
            buckets=config["relative_attention_num_buckets"],
            farthest=config["relative_attention_max_distance"],
        )

    def build(self, rngs: nnx.Rngs) -> T5Encoder:
        """The network."""
        return T5Encoder(self, rngs=rngs)

    def needed(self, weights: Mapping[str, np.ndarray]) -> Weights:
        """As in `Port`; the table of words is one, under the name of whoever shares it."""
        kept = super().needed(weights)
        if "shared.weight" in kept:
            kept.pop("embed_tokens.weight", None)
        elif "embed_tokens.weight" in kept:
            kept["shared.weight"] = kept.pop("embed_tokens.weight")
        return kept

    def table(self) -> list[Entry]:
        """How its arrays come from those of a file."""
        D, inner = self.width, self.heads * self.head
        entries = [
            *embedding("words", "shared", self.vocabulary, D),
            *embedding(
                "distances",
                "block.0.layer.0.SelfAttention.relative_attention_bias",
                self.buckets,
                self.heads,
            ),
            *norm("norm", "final_layer_norm", D, bias=False),
        ]
        for number in range(self.depth):
            block, source = f"blocks.{number}", f"block.{number}.layer"
            for part, target in attention_targets(block).items():
                sizes = (inner, D) if part == "out" else (D, inner)
                layer = f"{source}.0.SelfAttention.{_LAYERS[part]}"
                entries += linear(target, layer, *sizes, bias=False)
            entries += [
                *norm(f"{block}.attention_norm", f"{source}.0.layer_norm", D, bias=False),
                *norm(f"{block}.forward_norm", f"{source}.1.layer_norm", D, bias=False),
            ]
            forward = {"widen": "wi_0", "gate": "wi_1"} if self.gated else {"widen": "wi"}
            for part, layer in forward.items():
                name = f"{source}.1.DenseReluDense.{layer}"
                entries += linear(f"{block}.{part}", name, D, self.hidden, bias=False)
            name = f"{source}.1.DenseReluDense.wo"
            entries += linear(f"{block}.narrow", name, self.hidden, D, bias=False)
        return entries


class T5Encoder(nnx.Module):
    """The encoder. What the first block learned of distances serves all."""

    def __init__(self, sizes: T5, *, rngs: nnx.Rngs) -> None:
        self.buckets, self.farthest = sizes.buckets, sizes.farthest
        self.words = table_of(sizes.vocabulary, sizes.width, rngs)
        self.distances = table_of(sizes.buckets, sizes.heads, rngs)
        self.blocks = nnx.List([_Block(sizes, rngs=rngs) for _ in range(sizes.depth)])
        self.norm = nnx.RMSNorm(sizes.width, epsilon=sizes.epsilon, rngs=rngs)

    def __call__(self, tokens: Int[Array, "B L"], mask: Bool[Array, "B L"]) -> States:
        """What the tokens are after the embedding and after each block, the last normalised."""
        buckets = distance_buckets(tokens.shape[1], self.buckets, self.farthest)
        bias = self.distances.get_value()[buckets].transpose(2, 0, 1)[None]
        seen, states = bidirectional(mask), [self.words.get_value()[tokens]]
        for block in self.blocks:
            states.append(block(states[-1], seen, bias))
        return [*states[:-1], self.norm(states[-1])]

    def sentence(
        self, states: States, tokens: Int[Array, "B L"], mask: Bool[Array, "B L"]
    ) -> Float[Array, "B E"]:
        """The mean of the last states, of length 1 (Ni et al., "Sentence-T5", 2022)."""
        return mean_of(states[-1], mask)


class _Block(nnx.Module):
    """Attention, whose products are not scaled, and a feed-forward network."""

    def __init__(self, sizes: T5, *, rngs: nnx.Rngs) -> None:
        D, epsilon = sizes.width, sizes.epsilon
        self.attention_norm = nnx.RMSNorm(D, epsilon=epsilon, rngs=rngs)
        inner = sizes.heads * sizes.head
        self.attention = Attention(D, sizes.heads, inner=inner, bias=False, scale=1.0, rngs=rngs)
        self.forward_norm = nnx.RMSNorm(D, epsilon=epsilon, rngs=rngs)
        self.act, self.gated = activation(sizes.act), sizes.gated
        self.widen = nnx.Linear(D, sizes.hidden, use_bias=False, rngs=rngs)
        if sizes.gated:
            self.gate = nnx.Linear(D, sizes.hidden, use_bias=False, rngs=rngs)
        self.narrow = nnx.Linear(sizes.hidden, D, use_bias=False, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "B L D"],
        seen: Bool[Array, "B L L"],
        bias: Float[Array, "1 G L L"],
    ) -> Float[Array, "B L D"]:
        x = x + self.attention(self.attention_norm(x), seen, bias=bias)
        y = self.forward_norm(x)
        hidden = self.act(self.widen(y))
        return x + self.narrow(hidden * self.gate(y) if self.gated else hidden)


def distance_buckets(length: int, buckets: int, farthest: int) -> Int[np.ndarray, "L L"]:
    """The bucket of each query's (row) distance to each key.

    Half of the buckets is for keys that come later; of each half, half is for single distances and
    the rest grows with their logarithm up to the farthest.
    """
    distance = np.arange(length)[None, :] - np.arange(length)[:, None]
    half = buckets // 2
    single = half // 2
    away = np.abs(distance)
    # In float32, as where the weights were trained: at the borders the last digit decides.
    grown = np.log(np.maximum(away, 1).astype(np.float32) / single)
    grown = grown / np.float32(math.log(farthest / single)) * (half - single)
    far = np.minimum(single + grown.astype(np.int64), half - 1)
    return np.where(distance > 0, half, 0) + np.where(away < single, away, far)
