"""A conditional video GAN with separate content and motion paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax.numpy as jnp

from vidgen.contract import Card, Key
from vidgen.generators.gan.config import GanConfig, GanSampler
from vidgen.generators.gan.phase import AdversarialPhase
from vidgen.registry import register
from vidgen.types import Condition, Params, Task, Video

__all__ = ["Gan", "GanConfig", "GanSampler"]


@register("gan", GanConfig)
class Gan:
    """Paints a canvas from the sentence, or takes the first frame, and moves it by a flow.

    Args:
        config: see `GanConfig`.
        task: what is asked for; height and width must be multiples of 8, frames at least 2.

    Raises:
        ValueError: for another task.
    """

    card: ClassVar[Card] = Card(
        name="gan",
        family="gan",
        summary=(
            "One pass: a content path paints a canvas and puts it in its place, a motion path, "
            "recurrent unless told otherwise, warps it into every frame; a clip and a frame "
            "discriminator judge."
        ),
        paper=(
            "Huang et al., 'The GAN is dead; long live the GAN! A modern GAN baseline' (2024), for "
            "the loss; Tulyakov et al., 'MoCoGAN' (2018), for separate content and motion"
        ),
        matches_reference=(
            "No: the relativistic pairing loss with R1 and R2 is R3GAN's and is tested against "
            "values by hand, but both players move at once, networks are this suite's own, a "
            "clip's caption must be told from the batch's others, and the flow also pays a "
            "photometric error on real first frames. The other losses and DiffAugment are kept for "
            "comparison and likewise tested by hand. No published figure was reproduced."
        ),
        layout=True,
        few_step=True,
    )

    def __init__(self, config: GanConfig, task: Task) -> None:
        self._phase = AdversarialPhase(config, task)

    def phases(self) -> Sequence[AdversarialPhase]:
        """One phase with two players."""
        return [self._phase]

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: GanSampler | None = None,
    ) -> Video:
        """One clip for each prompt, in a single pass of the generator.

        Args:
            params: the export of the phase ``adversarial``.
            condition: B prompts.
            keys: [B] keys, one a clip.
            sampler: see `GanSampler`.
        """
        sampler = sampler or GanSampler()
        content, motion = self._phase.latents(keys)
        generator = self._phase.generator.bind(params[self._phase.name])
        video = generator(
            condition,
            content * sampler.content_truncation,
            motion * sampler.motion_truncation,
        )
        return jnp.clip(video, -1.0, 1.0)
