"""Attention over a video and to its sentence, steered by a condition."""

from __future__ import annotations

from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.denoising.network_config import AXES
from vidgen.types import Condition


class ConditionedAttention(nnx.Module):
    """A residual of space-time attention, then one of attention to the words.

    Args:
        width: features of a cell.
        heads: attention heads.
        condition_width: features of the condition.
        text_width: features of a word.
        kind: as in `nn.SpaceTimeAttention`.
        rngs: source of the initial weights.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        condition_width: int,
        text_width: int,
        kind: str,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.attention_norm = nn.AdaptiveNorm(width, condition_width, rngs=rngs)
        self.attention = nn.SpaceTimeAttention(width, heads, kind=kind, rngs=rngs)  # type: ignore[arg-type]
        self.words_norm = nnx.RMSNorm(width, rngs=rngs)
        self.words = nn.Attention(width, heads, source_width=text_width, null=True, rngs=rngs)

    def __call__(
        self, x: Float[Array, "B T H W D"], steer: Float[Array, "B T E"], condition: Condition
    ) -> Float[Array, "B T H W D"]:
        """The cells, with what they saw in each other and in the sentence."""
        y, gate = self.attention_norm(x, steer)
        x = x + (1.0 + gate) * self.attention(y)
        flat = x.reshape(x.shape[0], -1, x.shape[-1])
        told = self.words(self.words_norm(flat), condition.text, mask=condition.text_mask)
        return x + told.reshape(x.shape)


def kind_over(kind: str, frames: int) -> str:
    """A kind of attention as it is over so many frames: over one, there is no time to look along.

    Its queries and keys over time would learn nothing.
    """
    return {"time": "none", "factorised": "space"}.get(kind, kind) if frames == 1 else kind


def check_heads(settings: str, width: int, heads: int, kind: str) -> None:
    """Check that attention heads divide a width, and can carry the positions on its axes.

    Args:
        settings: of which network, for the message.
        width: features of a cell.
        heads: attention heads.
        kind: as in `LevelAttention`.

    Raises:
        ValueError: if not; it says what to set.
    """
    if kind == "none":
        return
    least = 2 * AXES[kind]
    if width % heads or width // heads % 2 or width // heads < least:
        raise ValueError(
            f"{heads} heads of {kind} attention need a width of {heads} times an even number from "
            f"{least} on, got {width}; choose other {settings}.heads or another {settings}.width"
        )
