"""The prior: a transformer that reads the condition and what is known, and fills in the rest."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float

from vidgen.generators.masked.config import MaskedPriorConfig
from vidgen.nn import Block, Conv, recomputed
from vidgen.priors import DigitHead, Prior, Prompt
from vidgen.tokenizers import Tokenizer
from vidgen.types import Task


class MaskedPrior(Prior):
    """Encoder over text and context, bidirectional blocks over codes.

    Each place holds what its code stands for, or a mask; and, where there is one, the code that
    motion compensation suggests, whether or not the place's own is known: a suggestion is weighed
    by how well it does where it can be checked. A convolution tells each place those around it
    outright, so that these correspondences need not be discovered.

    Args:
        config: sizes.
        task: shape of the clips and captions.
        tokenizer: over whose codes, N a clip, each of G digits.
        rngs: source of the initial weights.

    References: Chang et al., "MaskGIT" (2022); suggestions in the place of masks: Yu et al.,
    "MAGVIT" (2023), section 3.2 (COMMIT).
    """

    def __init__(
        self, config: MaskedPriorConfig, task: Task, tokenizer: Tokenizer, *, rngs: nnx.Rngs
    ) -> None:
        super().__init__(config, task, tokenizer, rngs=rngs)
        self.remat = config.remat
        width, heads, told_width = config.width, config.heads, tokenizer.told_width
        draw = initializers.normal(0.02)
        self.code_stem = nnx.Linear(told_width, config.code_width, rngs=rngs)
        self.mask_embed = nnx.Param(draw(rngs.params(), (1, config.code_width)))
        self.suggested_stem = nnx.Linear(told_width, config.code_width, rngs=rngs)
        self.join = Conv(2 * config.code_width, width, (3, 3, 3), rngs=rngs)
        self.place_embed = nnx.Param(draw(rngs.params(), (self.length, width)))
        self.blocks = nnx.List(
            [
                Block(width, heads, source_width=width, expansion=config.expansion, rngs=rngs)
                for _ in range(config.depth)
            ]
        )
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.head = DigitHead(
            width, config.digit_width, tokenizer.config.quantizer.levels, rngs=rngs
        )

    def __call__(
        self,
        told: Float[Array, "B M F"],
        hidden: Bool[Array, "B M"],
        prompt: Prompt,
        suggested: Float[Array, "B M F"] | None = None,
    ) -> Float[Array, "B M D"]:
        """The feature of each code, from which `head` predicts it.

        Args:
            told: what the first M codes stand for, `Tokenizer.stands_for`, in raster order over
                (t, h, w); whole steps on the time axis.
            hidden: which of them the prior must not see.
            prompt: the condition.
            suggested: what the codes that motion compensation expects stand for, if it does.
        """
        B, M, _ = told.shape
        mask = self.mask_embed.get_value()[None]
        codes = jnp.where(hidden[..., None], mask, jax.nn.gelu(self.code_stem(told)))
        hints = jnp.zeros_like(codes)
        if suggested is not None:
            hints = jax.nn.gelu(self.suggested_stem(suggested))
        cells = jnp.concatenate([codes, hints], axis=-1).reshape(B, -1, *self.cells, 2 * mask.size)
        x = self.join(cells).reshape(B, M, -1)
        x = x + prompt.local[:, :M] + self.place_embed[None, :M]
        for block in self.blocks:
            x = recomputed(block.__call__, self.remat)(
                x, prompt.source, source_mask=prompt.mask, angles=self.angles[:M]
            )
        return self.norm(x)
