"""The half of a prior that reads the condition."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float

from vidgen.nn import Conv, Encoder, LayoutMap, LayoutPool, grid, rotary_angles
from vidgen.nn.patches import patchify
from vidgen.priors.config import PriorConfig
from vidgen.tokenizers import Tokenizer
from vidgen.types import Condition, Layout, Task

_LAYOUT_FEATURES = 16
"""Of a code's cell in one frame."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt:
    """A condition as the layers over codes read it.

    Attributes:
        source: float [B M D], the encoder's tokens.
        mask: bool [B M], which of them are there.
        local: float [B N D], what each code is told of the condition.
    """

    source: Float[Array, "B M D"]
    mask: Bool[Array, "B M"]
    local: Float[Array, "B N D"]


class Places(nnx.Module):
    """What codes are told of a layout; all 0 at first.

    Args:
        task: shape of the clips and captions.
        grid: (t, h, w) of the codes.
        frames: that a code stands for.
        width: features of what is told.
        rngs: source of the initial weights.
    """

    def __init__(
        self, task: Task, grid: tuple[int, int, int], frames: int, width: int, *, rngs: nnx.Rngs
    ) -> None:
        self.grid, self.patch = grid, (frames, 1, 1)
        self.pool = LayoutPool(task.frames, task.text_width, width, rngs=rngs)
        self.map = LayoutMap(task.text_width, _LAYOUT_FEATURES, rngs=rngs)
        self.out = nnx.Linear(
            frames * _LAYOUT_FEATURES,
            width,
            use_bias=False,
            kernel_init=initializers.zeros,
            rngs=rngs,
        )

    def __call__(self, layout: Layout) -> Float[Array, "B N D"]:
        """What each code is told of its cell, in all frames that it stands for."""
        places = self.map(layout, *self.grid[1:])
        # The first code on the time axis stands for the first frame alone.
        before = self.patch[0] - 1
        after = self.grid[0] * self.patch[0] - places.shape[1] - before
        places = jnp.pad(places, [(0, 0), (before, after), (0, 0), (0, 0), (0, 0)])
        told = self.out(patchify(places, self.patch))
        return told.reshape(len(told), -1, told.shape[-1])


class Prior(nnx.Module):
    """A prior over codes, as far as it reads the condition; who inherits adds layers over codes.

    The encoder's tokens are a summary, the words, and for each column of the code grid one token
    that holds the context's pixels there. Besides, each code is told outright the summary and its
    own column's token, so that this correspondence need not be discovered. A layout is told as a
    whole by the summary, and to each code as far as boxes reach into its cell.

    Args:
        config: sizes.
        task: shape of the clips and captions.
        tokenizer: over whose codes, N a clip.
        rngs: source of the initial weights.
    """

    def __init__(
        self, config: PriorConfig, task: Task, tokenizer: Tokenizer, *, rngs: nnx.Rngs
    ) -> None:
        width, code_grid, code_patch = config.width, tokenizer.grid, tokenizer.config.code_patch
        self.code_grid, self.heads = code_grid, config.heads
        self.length, self.cells = code_grid[0] * code_grid[1] * code_grid[2], code_grid[1:]
        columns = code_grid[1] * code_grid[2]
        draw = initializers.normal(0.02)

        self.summary_embed = nnx.Param(draw(rngs.params(), (1, width)))
        self.text_stem = nnx.Linear(task.text_width, width, rngs=rngs)
        self.text_embed = nnx.Param(draw(rngs.params(), (task.text_length, width)))
        self.context_patch = (task.context_frames, *code_patch[1:])
        if task.context_frames:
            pixels = code_patch[1] * code_patch[2] * task.channels + 1
            # What moves into a column comes from the columns around it.
            self.context_stem = Conv(task.context_frames * pixels, width, (3, 3), rngs=rngs)
            self.context_embed = nnx.Param(draw(rngs.params(), (columns, width)))
        self.encoder = Encoder(
            width,
            config.heads,
            config.encoder_depth,
            expansion=config.expansion,
            remat=config.remat,
            rngs=rngs,
        )
        self.summary_out = nnx.Linear(width, width, rngs=rngs)
        self.context_out = nnx.Linear(width, width, rngs=rngs) if task.context_frames else None
        # The last to draw, so that the others draw the same with them and without.
        self.places = (
            Places(task, code_grid, code_patch[0], width, rngs=rngs) if task.objects else None
        )

    def encode(self, condition: Condition) -> Prompt:
        """Read the condition, once a clip."""
        B = condition.batch_size
        summary = jnp.broadcast_to(self.summary_embed[None], (B, *self.summary_embed.shape))
        layout = None if self.places is None else condition.layout
        if self.places is not None and layout is not None:
            summary = summary + self.places.pool(layout)[:, None]
        text = self.text_stem(condition.text) + self.text_embed[None]
        parts, masks = [summary, text], [jnp.ones((B, 1), bool), condition.text_mask]
        if self.context_out is not None:
            parts.append(self._columns(condition))
            # An absent context is told by its features, so that columns always carry positions.
            masks.append(jnp.ones(parts[-1].shape[:2], bool))
        mask = jnp.concatenate(masks, axis=1)
        source = self.encoder(
            jnp.concatenate(parts, axis=1),
            mask=jnp.broadcast_to(mask[:, None], (B, mask.shape[1], mask.shape[1])),
        )
        local = self.summary_out(source[:, :1])
        columns = self.cells[0] * self.cells[1]
        if self.context_out is not None:
            local = local + self.context_out(source[:, -columns:])
        local = jnp.broadcast_to(local, (B, columns, local.shape[-1]))
        local = jnp.tile(local, (1, self.code_grid[0], 1))
        if self.places is not None and layout is not None:
            local = local + self.places(layout)
        return Prompt(source=source, mask=mask, local=local)

    @property
    def angles(self) -> Float[Array, "N half"]:
        """Rotary angles of the codes, in raster order over (t, h, w)."""
        width = self.summary_embed.shape[-1]
        return rotary_angles(jnp.asarray(grid(*self.code_grid)), width // self.heads)

    def _columns(self, condition: Condition) -> Float[Array, "B S D"]:
        cut = patchify(condition.context, self.context_patch)[:, 0]
        given = condition.context_mask.astype(cut.dtype)[:, None, None]
        given = jnp.broadcast_to(given, (*cut.shape[:3], given.shape[-1]))
        x = self.context_stem(jnp.concatenate([cut, given], axis=-1))
        return x.reshape(len(x), -1, x.shape[-1]) + self.context_embed[None]
