"""The last given frame, held: the strongest baseline of pixel metrics, and still no motion."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax.numpy as jnp

from vidgen.contract import Card, Key, Phase
from vidgen.registry import register
from vidgen.types import Condition, Params, Task, Video


@dataclasses.dataclass(frozen=True, kw_only=True)
class CopyFirstFrameConfig:
    """Nothing to set."""

    @classmethod
    def tiny(cls) -> CopyFirstFrameConfig:
        """The same."""
        return cls()


@register("copy-first-frame", CopyFirstFrameConfig)
class CopyFirstFrame:
    """Holds the last given frame to the end; black where none is given."""

    card: ClassVar[Card] = Card(
        name="copy-first-frame",
        family="baseline",
        summary="Holds the last given frame to the end; black where none is given.",
        paper="the usual reference of video prediction, e.g. Mathieu et al. (2016)",
        matches_reference="yes, by construction",
        text=False,
        rollout=True,
        few_step=True,
    )

    def __init__(self, config: CopyFirstFrameConfig, task: Task) -> None:
        self._task = task

    def phases(self) -> Sequence[Phase]:
        """None."""
        return []

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: None = None,
    ) -> Video:
        """See `vidgen.contract.Generator.sample`."""
        return self.rollout(params, condition, keys, self._task.frames)

    def rollout(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        frames: int,
        sampler: None = None,
    ) -> Video:
        """See `vidgen.contract.RollsOut.rollout`."""
        B, K, H, W, C = condition.context.shape
        black = jnp.full((B, 1, H, W, C), -1.0)
        if K == 0:
            return jnp.broadcast_to(black, (B, frames, H, W, C))
        given = condition.context_mask[:, :, None, None, None]
        context = jnp.where(given, condition.context, -1.0)
        later = jnp.broadcast_to(context[:, -1:], (B, frames - K, H, W, C))
        return jnp.concatenate([context, later], axis=1)
