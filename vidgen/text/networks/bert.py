"""BERT: a transformer of tokens that all see one another.

References: Devlin et al., "BERT: pre-training of deep bidirectional transformers for language
understanding" (NAACL 2019); of MiniLM, the same network and smaller, Wang et al. (2020).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vidgen.pretrained import Entry
from vidgen.pretrained.layers import (
    Attention,
    FeedForward,
    attention_targets,
    bidirectional,
    layer_norm,
    mean_of,
    require,
    table_of,
)
from vidgen.pretrained.torch_layers import embedding, linear, norm
from vidgen.text.networks.port import Placed, States

_LAYERS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bert(Placed):
    """Sizes of a BERT.

    Attributes:
        kinds: of tokens, by the sentence that they belong to; all are of the first here.
    """

    kind: ClassVar[str] = "bert"
    prefixes: ClassVar[tuple[str, ...]] = ("bert.",)
    ignored: ClassVar[tuple[str, ...]] = (
        r"pooler\.",
        r"cls\.",
        r"classifier\.",
        r"embeddings\.position_ids",
    )

    kinds: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Bert:
        """From a file's configuration; see `Port.of`."""
        require(config, position_embedding_type="absolute", is_decoder=False)
        return cls(
            width=config["hidden_size"],
            depth=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            hidden=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            places=config["max_position_embeddings"],
            kinds=config["type_vocab_size"],
            act=config["hidden_act"],
            epsilon=config["layer_norm_eps"],
        )

    def build(self, rngs: nnx.Rngs) -> BertEncoder:
        """The network."""
        return BertEncoder(self, rngs=rngs)

    def table(self) -> list[Entry]:
        """How its arrays come from those of a file."""
        D = self.width
        entries = [
            *embedding("words", "embeddings.word_embeddings", self.vocabulary, D),
            *embedding("positions", "embeddings.position_embeddings", self.places, D),
            *embedding("kinds", "embeddings.token_type_embeddings", self.kinds, D),
            *norm("norm", "embeddings.LayerNorm", D),
        ]
        for number in range(self.depth):
            block, source = f"blocks.{number}", f"encoder.layer.{number}"
            for part, target in attention_targets(block).items():
                entries += linear(target, f"{source}.{_LAYERS[part]}", D, D)
            entries += [
                *norm(f"{block}.attention_norm", f"{source}.attention.output.LayerNorm", D),
                *linear(f"{block}.forward.widen", f"{source}.intermediate.dense", D, self.hidden),
                *linear(f"{block}.forward.narrow", f"{source}.output.dense", self.hidden, D),
                *norm(f"{block}.forward_norm", f"{source}.output.LayerNorm", D),
            ]
        return entries


class BertEncoder(nnx.Module):
    """The network without what it was trained with: no pooler and no head."""

    def __init__(self, sizes: Bert, *, rngs: nnx.Rngs) -> None:
        self.words = table_of(sizes.vocabulary, sizes.width, rngs)
        self.positions = table_of(sizes.places, sizes.width, rngs)
        self.kinds = table_of(sizes.kinds, sizes.width, rngs)
        self.norm = layer_norm(sizes.width, sizes.epsilon, rngs)
        self.blocks = nnx.List([_Block(sizes, rngs=rngs) for _ in range(sizes.depth)])

    def __call__(self, tokens: Int[Array, "B L"], mask: Bool[Array, "B L"]) -> States:
        """What the tokens are after the embedding and after each block."""
        x = self.words.get_value()[tokens] + self.kinds.get_value()[None, :1]
        x = self.norm(x + self.positions.get_value()[None, : tokens.shape[1]])
        seen, states = bidirectional(mask), [x]
        for block in self.blocks:
            states.append(block(states[-1], seen))
        return states

    def sentence(
        self, states: States, tokens: Int[Array, "B L"], mask: Bool[Array, "B L"]
    ) -> Float[Array, "B E"]:
        """The mean of the last states, of length 1, as sentence-transformers has it."""
        return mean_of(states[-1], mask)


class _Block(nnx.Module):
    """Attention and a feed-forward network, each normalised after it is added."""

    def __init__(self, sizes: Bert, *, rngs: nnx.Rngs) -> None:
        self.attention = Attention(sizes.width, sizes.heads, rngs=rngs)
        self.attention_norm = layer_norm(sizes.width, sizes.epsilon, rngs)
        self.forward = FeedForward(sizes.width, sizes.hidden, sizes.act, rngs=rngs)
        self.forward_norm = layer_norm(sizes.width, sizes.epsilon, rngs)

    def __call__(
        self, x: Float[Array, "B L D"], seen: Bool[Array, "B L L"]
    ) -> Float[Array, "B L D"]:
        x = self.attention_norm(x + self.attention(x, seen))
        return self.forward_norm(x + self.forward(x))
