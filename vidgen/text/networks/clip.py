"""CLIP's text tower: a transformer that reads from left to right and ends in a projection.

References: Radford et al., "Learning transferable visual models from natural language supervision"
(ICML 2021).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vidgen.pretrained import Entry
from vidgen.pretrained.layers import (
    CausalTower,
    unit_length,
)
from vidgen.pretrained.torch_layers import clip_blocks, embedding, linear, norm
from vidgen.text.networks.port import Placed, States

_OLD_END = 2
"""What configurations of the first conversions call the end of a text, and is not: there it is the
token of the highest number, which is first found where it comes first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip(Placed):
    """Sizes of a text tower.

    Attributes:
        end: token that ends a text.
        projected: features of a text; None where the file has no projection.
    """

    kind: ClassVar[str] = "clip"
    prefixes: ClassVar[tuple[str, ...]] = ("text_model.",)
    ignored: ClassVar[tuple[str, ...]] = (
        r"vision_model\.",
        r"visual_projection\.",
        r"logit_scale$",
        r"embeddings\.position_ids$",
    )

    end: int
    projected: int | None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Clip:
        """From a file's configuration, of the tower or of the whole; see `Port.of`."""
        whole = config.get("text_config")
        text = config if whole is None else whole
        projects = whole is not None or "WithProjection" in str(config.get("architectures"))
        return cls(
            width=text["hidden_size"],
            depth=text["num_hidden_layers"],
            heads=text["num_attention_heads"],
            hidden=text["intermediate_size"],
            vocabulary=text["vocab_size"],
            places=text["max_position_embeddings"],
            act=text["hidden_act"],
            epsilon=text["layer_norm_eps"],
            end=text["eos_token_id"],
            projected=config["projection_dim"] if projects else None,
        )

    def build(self, rngs: nnx.Rngs) -> ClipText:
        """The network."""
        return ClipText(self, rngs=rngs)

    def table(self) -> list[Entry]:
        """How its arrays come from those of a file."""
        D = self.width
        entries = [
            *embedding("words", "embeddings.token_embedding", self.vocabulary, D),
            *embedding("positions", "embeddings.position_embedding", self.places, D),
            *norm("norm", "final_layer_norm", D),
        ]
        if self.projected is not None:
            entries += linear("projection", "text_projection", D, self.projected, bias=False)
        return [*entries, *clip_blocks(self.depth, D, self.hidden)]


class ClipText(CausalTower):
    """The tower, and its projection where there is one."""

    def __init__(self, sizes: Clip, *, rngs: nnx.Rngs) -> None:
        super().__init__(sizes, rngs=rngs)
        self.end, self.projects = sizes.end, sizes.projected is not None
        if sizes.projected is not None:
            self.projection = nnx.Linear(sizes.width, sizes.projected, use_bias=False, rngs=rngs)

    def sentence(
        self, states: States, tokens: Int[Array, "B L"], mask: Bool[Array, "B L"]
    ) -> Float[Array, "B E"]:
        """The projected state of the token that ends the text, of length 1."""
        found = tokens if self.end == _OLD_END else (tokens == self.end).astype(jnp.int32)
        end = jnp.argmax(jnp.where(mask, found, -1), axis=1)
        pooled = jnp.take_along_axis(states[-1], end[:, None, None], axis=1)[:, 0]
        return unit_length(self.projection(pooled) if self.projects else pooled)
