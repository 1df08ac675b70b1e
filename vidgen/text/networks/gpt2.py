"""GPT-2: a transformer that reads from left to right.

References: Radford et al., "Language models are unsupervised multitask learners" (2019).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vidgen.pretrained import Entry
from vidgen.pretrained.layers import (
    CausalTower,
    require,
    unit_length,
)
from vidgen.pretrained.torch_layers import embedding, norm
from vidgen.text.networks.port import Placed, States


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gpt2(Placed):
    """Sizes of a GPT-2."""

    kind: ClassVar[str] = "gpt2"
    prefixes: ClassVar[tuple[str, ...]] = ("transformer.",)
    ignored: ClassVar[tuple[str, ...]] = (
        r"lm_head\.",
        r"score\.",
        r"h\.\d+\.attn\.(bias|masked_bias)$",
    )

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Gpt2:
        """From a file's configuration; see `Port.of`."""
        require(
            config,
            scale_attn_weights=True,
            scale_attn_by_inverse_layer_idx=False,
            add_cross_attention=False,
        )
        width = config["n_embd"]
        return cls(
            width=width,
            depth=config["n_layer"],
            heads=config["n_head"],
            hidden=config["n_inner"] or 4 * width,
            vocabulary=config["vocab_size"],
            places=config["n_positions"],
            act=config["activation_function"],
            epsilon=config["layer_norm_epsilon"],
        )

    def build(self, rngs: nnx.Rngs) -> Gpt2Decoder:
        """The network."""
        return Gpt2Decoder(self, rngs=rngs)

    def table(self) -> list[Entry]:
        """How its arrays come from those of a file, whose dense layers are as Flax has them."""
        D = self.width
        entries = [
            *embedding("words", "wte", self.vocabulary, D),
            *embedding("positions", "wpe", self.places, D),
            *norm("norm", "ln_f", D),
        ]
        for number in range(self.depth):
            block, source = f"blocks.{number}", f"h.{number}"
            entries += [
                *norm(f"{block}.attention_norm", f"{source}.ln_1", D),
                *_convolution(f"{block}.attention.out", f"{source}.attn.c_proj", D, D),
                *norm(f"{block}.forward_norm", f"{source}.ln_2", D),
                *_convolution(f"{block}.forward.widen", f"{source}.mlp.c_fc", D, self.hidden),
                *_convolution(f"{block}.forward.narrow", f"{source}.mlp.c_proj", self.hidden, D),
            ]
            for place, part in enumerate(("query", "key", "value")):
                entries += _third(f"{block}.attention.{part}", f"{source}.attn.c_attn", D, place)
        return entries


def _convolution(target: str, source: str, inputs: int, outputs: int) -> list[Entry]:
    """Of the dense layer that GPT-2 calls a convolution, [inputs outputs]."""
    return [
        Entry(target=f"{target}.kernel", sources={f"{source}.weight": (inputs, outputs)}),
        Entry(target=f"{target}.bias", sources={f"{source}.bias": (outputs,)}),
    ]


def _third(target: str, source: str, width: int, place: int) -> list[Entry]:
    """Of one of the three layers that lie side by side in one."""

    def cut(array: np.ndarray) -> np.ndarray:
        return np.split(array, 3, axis=-1)[place]

    return [
        Entry(
            target=f"{target}.kernel", sources={f"{source}.weight": (width, 3 * width)}, make=cut
        ),
        Entry(target=f"{target}.bias", sources={f"{source}.bias": (3 * width,)}, make=cut),
    ]


class Gpt2Decoder(CausalTower):
    """The network without its head."""

    def sentence(
        self, states: States, tokens: Int[Array, "B L"], mask: Bool[Array, "B L"]
    ) -> Float[Array, "B E"]:
        """The last token's state, of length 1: the one token that has seen all others."""
        last = jnp.maximum(jnp.sum(mask, axis=1) - 1, 0)
        return unit_length(jnp.take_along_axis(states[-1], last[:, None, None], axis=1)[:, 0])
