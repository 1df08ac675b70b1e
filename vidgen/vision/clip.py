"""CLIP's image tower: a vision transformer that ends in the space of its captions.

References: Radford et al., "Learning transferable visual models from natural language supervision"
(ICML 2021).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.pretrained import Entry, Weights, WrongWeightsError, port
from vidgen.pretrained.layers import PreNormBlock, layer_norm, table_of, unit_length
from vidgen.pretrained.torch_layers import clip_blocks, embedding, linear, norm

_IGNORED = re.compile(
    r"text_model\.|text_projection\.|logit_scale$|(vision_model\.)?embeddings\.position_ids$"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipVision:
    """Sizes of an image tower.

    Attributes:
        width: features of a patch.
        depth: blocks.
        heads: of the attention.
        hidden: width of the feed-forward networks.
        act: nonlinearity.
        epsilon: of the normalisation.
        side: of a picture, pixels.
        patch: side of a patch, pixels.
        projected: features of a picture.
    """

    width: int
    depth: int
    heads: int
    hidden: int
    act: str
    epsilon: float
    side: int
    patch: int
    projected: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ClipVision:
        """From the ``config.json`` of a whole CLIP, defaults filled in.

        Raises:
            WrongWeightsError: if it is none.
        """
        vision = config.get("vision_config")
        if config.get("model_type") != "clip" or vision is None:
            raise WrongWeightsError(
                f"the folder of a whole CLIP is wanted, not of {config.get('model_type')!r}"
            )
        return cls(
            width=vision["hidden_size"],
            depth=vision["num_hidden_layers"],
            heads=vision["num_attention_heads"],
            hidden=vision["intermediate_size"],
            act=vision["hidden_act"],
            epsilon=vision["layer_norm_eps"],
            side=vision["image_size"],
            patch=vision["patch_size"],
            projected=config["projection_dim"],
        )

    @property
    def cells(self) -> int:
        """Patches a side."""
        return self.side // self.patch

    def read(self, weights: Mapping[str, np.ndarray]) -> Weights:
        """The tower's arrays out of a file's.

        Raises:
            WrongWeightsError: naming every key that is missing, unexpected or of a wrong shape.
        """
        kept = {
            key.removeprefix("vision_model."): array
            for key, array in weights.items()
            if not _IGNORED.match(key)
        }
        return port(kept, self.table())

    def table(self) -> list[Entry]:
        """How its arrays come from those of a file."""
        D, patch = self.width, self.patch
        return [
            Entry(target="first", sources={"embeddings.class_embedding": (D,)}),
            Entry(
                target="embed.kernel",
                sources={"embeddings.patch_embedding.weight": (D, 3, patch, patch)},
                make=lambda kernel: kernel.transpose(2, 3, 1, 0).reshape(-1, D),
            ),
            *embedding("positions", "embeddings.position_embedding", self.cells**2 + 1, D),
            *norm("before", "pre_layrnorm", D),  # as the file spells it
            *norm("after", "post_layernorm", D),
            *linear("projection", "visual_projection", D, self.projected, bias=False),
            *clip_blocks(self.depth, D, self.hidden),
        ]


class ClipImage(nnx.Module):
    """Pictures into vectors of length 1, beside those of captions."""

    def __init__(self, sizes: ClipVision, *, rngs: nnx.Rngs) -> None:
        D = sizes.width
        self.patch = (1, sizes.patch, sizes.patch)
        self.first = nnx.Param(jnp.zeros(D))
        self.embed = nnx.Linear(3 * sizes.patch**2, D, use_bias=False, rngs=rngs)
        self.positions = table_of(sizes.cells**2 + 1, D, rngs)
        self.before = layer_norm(D, sizes.epsilon, rngs)
        self.blocks = nnx.List([PreNormBlock(sizes, rngs=rngs) for _ in range(sizes.depth)])
        self.after = layer_norm(D, sizes.epsilon, rngs)
        self.projection = nnx.Linear(D, sizes.projected, use_bias=False, rngs=rngs)

    def __call__(self, pictures: Float[Array, "B H W 3"]) -> Float[Array, "B E"]:
        """Vectors of normalised pictures, see `vidgen.evaluation.features.clip`."""
        patches = self.embed(nn.patchify(pictures[:, None], self.patch))
        x = patches.reshape(len(pictures), -1, patches.shape[-1])
        first = jnp.broadcast_to(self.first.get_value(), (len(x), 1, x.shape[-1]))
        x = jnp.concatenate([first, x], axis=1) + self.positions.get_value()[None]
        x, seen = self.before(x), jnp.ones((1, x.shape[1], x.shape[1]), bool)
        for block in self.blocks:
            x = block(x, jnp.broadcast_to(seen, (len(x), *seen.shape[1:])))
        return unit_length(self.projection(self.after(x[:, 0])))
