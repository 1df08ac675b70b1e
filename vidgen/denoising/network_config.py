"""What the denoisers' networks are made of, each with settings of its own."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from vidgen.space import Width, Widths

NetworkKind = Literal["hybrid", "unet", "dit"]

LevelAttention = Literal["none", "time", "space", "factorised", "full"]
"""What a cell of a level looks at; see `nn.SpaceTimeAttention`."""

AXES = {"none": 0, "time": 1, "space": 2, "factorised": 2, "full": 3}
"""On how many axes a head tells positions, which takes it two features each."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """A 3-D U-Net; see `UNet`. What the settings ask for together is checked when it is built.

    Attributes:
        patch: side of the square patches that become the finest level's cells.
        width: features of a cell of the finest level.
        multipliers: of the width, one a level, the finest first; each level has half the rows and
            columns of the one before.
        blocks: residual blocks of a level on the way in, and again on the way out.
        attention: of the blocks of each level, one a level; where there is any, they attend to the
            words as well.
        heads: attention heads.

    Raises:
        ValueError: if a size is below 1, or there is no level.
    """

    patch: int = 2
    width: int = 24
    multipliers: tuple[int, ...] = (1, 2, 4)
    blocks: int = 1
    attention: tuple[LevelAttention, ...] = ("time", "factorised", "factorised")
    heads: int = 4

    def __post_init__(self) -> None:
        if not self.multipliers:
            raise ValueError("a U-Net needs a multiplier for each of its levels, got none")
        if min(self.patch, self.width, self.blocks, self.heads, *self.multipliers) < 1:
            raise ValueError(f"sizes of a U-Net must be at least 1: {self}")

    def widths(self) -> Widths:
        """Of the finest level; the others are multiples of it."""
        levels = zip(self.multipliers, self.attention, strict=True)
        a_head = max(math.ceil(2 * AXES[kind] / multiplier) for multiplier, kind in levels)
        return {"width": Width(2 * self.heads, least=a_head * self.heads)}

    @classmethod
    def tiny(cls) -> UNetConfig:
        """The same code in milliseconds."""
        return cls(patch=4, width=8, multipliers=(1, 2), attention=("none", "factorised"), heads=2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiTConfig:
    """A transformer over patches; see `DiT`.

    Attributes:
        patch: side of the square patches that become tokens.
        temporal_patch: frames of a token.
        width: features of a token.
        depth: transformer blocks.
        heads: attention heads.
        expansion: width of the feed-forward networks over `width`.
        attention: ``full`` space-time attention, or ``factorised``: over space, then over time.

    Raises:
        ValueError: if a size is below 1.
    """

    patch: int = 4
    temporal_patch: int = 2
    width: int = 128
    depth: int = 3
    heads: int = 4
    expansion: float = 4.0
    attention: Literal["full", "factorised"] = "full"

    def __post_init__(self) -> None:
        if min(self.patch, self.temporal_patch, self.width, self.depth, self.heads) < 1:
            raise ValueError(f"sizes of a DiT must be at least 1: {self}")

    def widths(self) -> Widths:
        """Of a token, which is told its place by sinusoids of rows and columns, in pairs too."""
        least = 2 * AXES[self.attention] * self.heads
        return {"width": Width(math.lcm(4, 2 * self.heads), least=least)}

    @classmethod
    def tiny(cls) -> DiTConfig:
        """The same code in milliseconds."""
        return cls(width=16, depth=1, heads=2, expansion=2.0)
