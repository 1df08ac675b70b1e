"""Attention over video features [B T H W D]: full, or factorised over space and time."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vidgen.nn.attention import Attention, causal_mask
from vidgen.nn.positions import grid, rotary_angles


class SpaceTimeAttention(nnx.Module):
    """Self attention over the cells of a video, with rotary positions on its axes.

    Args:
        width: features of a cell.
        heads: attention heads.
        kind: ``full`` lets every cell see every cell; ``space`` sees its own frame, ``time`` its
            own column; ``factorised`` is space, then time, with a residual between them.
        causal: no cell sees a later frame (``space`` is causal anyway).
        zero: as in `Attention`.
        rngs: source of the initial weights.

    References: Bertasius et al., "Is space-time attention all you need?" (2021); Ho et al.,
    "Video diffusion models" (2022), section 3.

    Raises:
        ValueError: for another kind.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kind: Literal["full", "factorised", "space", "time"] = "factorised",
        causal: bool = False,
        zero: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        if kind not in ("full", "factorised", "space", "time"):
            raise ValueError(f"kind must be full, factorised, space or time, got {kind!r}")
        self.kinds = ("space", "time") if kind == "factorised" else (kind,)
        self.causal = causal
        self.attentions = nnx.List(
            [Attention(width, heads, zero=zero, rngs=rngs) for _ in self.kinds]
        )
        self.norm = nnx.RMSNorm(width, rngs=rngs) if kind == "factorised" else None

    def __call__(self, x: Float[Array, "B T H W D"]) -> Float[Array, "B T H W D"]:
        """The attention's output, without the residual around it."""
        y = self._attend(0, x)
        if self.norm is None:
            return y
        return y + self._attend(1, self.norm(x + y))

    def _attend(self, which: int, x: Float[Array, "B T H W D"]) -> Float[Array, "B T H W D"]:
        B, T, H, W, D = x.shape
        attention, mask = self.attentions[which], None
        match self.kinds[which]:
            case "space":
                tokens, axes = x.reshape(B * T, H * W, D), (H, W)
            case "time":
                tokens, axes = x.transpose(0, 2, 3, 1, 4).reshape(B * H * W, T, D), (T,)
                mask = causal_mask(T) if self.causal else None
            case _:
                tokens, axes = x.reshape(B, T * H * W, D), (T, H, W)
                mask = _frame_mask(T, H * W) if self.causal else None
        angles = rotary_angles(jnp.asarray(grid(*axes)), D // attention.heads)
        y = attention(tokens, mask=mask, angles=angles)
        if self.kinds[which] == "time":
            return y.reshape(B, H, W, T, D).transpose(0, 3, 1, 2, 4)
        return y.reshape(x.shape)


def _frame_mask(frames: int, cells: int) -> Bool[Array, "1 N N"]:
    """Causal between frames, open within one."""
    frame = jnp.repeat(jnp.arange(frames), cells)
    return (frame[:, None] >= frame[None, :])[None]
