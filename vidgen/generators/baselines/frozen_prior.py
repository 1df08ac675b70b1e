"""A still picture from a prior that never saw data: the floor under every table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp

from vidgen.contract import Card, Key, Phase
from vidgen.registry import register
from vidgen.types import Condition, Params, Task, Video


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrozenPriorConfig:
    """The prior over pictures.

    Attributes:
        cells: side of the coarse grid whose Gaussian values are interpolated to a picture.
    """

    cells: int = 6

    @classmethod
    def tiny(cls) -> FrozenPriorConfig:
        """The same code on a coarser grid."""
        return cls(cells=3)


@register("frozen-prior", FrozenPriorConfig)
class FrozenPrior:
    """Draws a smooth Gaussian field and holds it; follows no sentence, keeps the given frames."""

    card: ClassVar[Card] = Card(
        name="frozen-prior",
        family="baseline",
        summary="A smooth random picture, held; it learns nothing and follows no sentence.",
        paper="none: a control",
        matches_reference="yes, by construction",
        text=False,
        context=False,
        few_step=True,
    )

    def __init__(self, config: FrozenPriorConfig, task: Task) -> None:
        self._config, self._task = config, task

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
        task, cells = self._task, self._config.cells
        coarse = jax.vmap(lambda key: jax.random.normal(key, (1, cells, cells, task.channels)))(
            keys
        )
        B, K = condition.context_mask.shape
        picture = jax.image.resize(coarse, (B, 1, task.height, task.width, task.channels), "cubic")
        video = jnp.broadcast_to(jnp.tanh(picture), (B, *task.video_shape))
        given = condition.context_mask[:, :, None, None, None]
        first = jnp.where(given, condition.context, video[:, :K])
        return jnp.concatenate([first, video[:, K:]], axis=1)
