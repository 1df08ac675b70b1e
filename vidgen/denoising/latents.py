"""The latent space of a tokenizer, as a place for denoisers to walk in.

Between two stages, and in all that they are told, clips stay pixels: an opening is decoded before
motion compensation carries it on, and what it makes of it is encoded to be shown. So a frame that
is given reaches the denoiser of clips whole, through the encoder, and nothing that a stage draws
needs to be understood by anyone but its decoder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from vidgen.denoising.config import DenoisingConfig
from vidgen.tokenizers import LatentTokenizerPhase
from vidgen.types import Condition, Params, Task, Video

Config = TypeVar("Config", bound=DenoisingConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentTask(Task):
    """A task as a denoiser of latents sees it: steps on their time axis for frames, their rows and
    columns for pixels, and their features, as many as there are, for colours.
    """

    def __post_init__(self) -> None:
        """A task of pixels was checked; here any number of channels is right."""


class Latents:
    """A tokenizer's standardised latents in place of pixels.

    Args:
        phase: that trains the tokenizer.

    Attributes:
        phase: the same.

    References: Rombach et al., "High-resolution image synthesis with latent diffusion models"
    (2022); of clips: Blattmann et al., "Align your latents" (2023).
    """

    def __init__(self, phase: LatentTokenizerPhase) -> None:
        self.phase, self._tokenizer = phase, phase.tokenizer

    def task(self, task: Task) -> LatentTask:
        """A task in latents; its context is what a context in pixels decides."""
        _, rows, columns = self._tokenizer.grid
        shapes = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
        return LatentTask(
            **shapes
            | {
                "frames": self._tokenizer.covering(task.frames),
                "height": rows,
                "width": columns,
                "channels": self.phase.config.features,
                "context_frames": self._tokenizer.known(task.context_frames),
            }
        )

    def config(self, config: Config) -> Config:
        """A config whose patches, stated in frames and pixels, are of as many latents: rounded down
        to whole ones, and one at least.
        """
        frames, *sides = self.phase.config.code_patch
        side = max(sides)
        merge = config.merge
        return dataclasses.replace(
            config,
            patch=max(config.patch // side, 1),
            merge=(merge[0] and max(merge[0] // frames, 1), *merge[1:]),
            unet=dataclasses.replace(config.unet, patch=max(config.unet.patch // side, 1)),
            dit=dataclasses.replace(
                config.dit,
                patch=max(config.dit.patch // side, 1),
                temporal_patch=max(config.dit.temporal_patch // frames, 1),
            ),
        )

    def held(self, frames: int) -> int:
        """How many first frames the latents hold that it takes to hold so many."""
        return self._tokenizer.frames(self._tokenizer.covering(frames))

    def steps(self, frames: int) -> Int[np.ndarray, "T"]:
        """Which step on the latents' time axis holds each of a clip's first frames."""
        return self._tokenizer.steps(frames)

    def encode(self, params: Mapping[str, Params], video: Video) -> Float[Array, "B t h w D"]:
        """Of clips, or of their first frames.

        Args:
            params: what each phase exported, by its name.
            video: pixels.
        """
        return self._tokenizer.encode(params[self.phase.name], video)

    def decode(self, params: Mapping[str, Params], latents: Float[Array, "B t h w D"]) -> Video:
        """The inverse of `encode`, as far as there is one; in [-1, 1]."""
        return self._tokenizer.decode(params[self.phase.name], latents)

    def reconstruct(
        self, params: Mapping[str, Params], video: Video, condition: Condition
    ) -> Video:
        """Through the tokenizer and back: the ceiling of whatever walks in its latents."""
        del condition
        return self.decode(params, self.encode(params, video))

    def decided(self, condition: Condition, latents: Float[Array, "B t h w D"]) -> Condition:
        """The condition whose context is what its own, all of it there, decides of latents.

        Args:
            condition: in pixels.
            latents: of clips that begin with its context.
        """
        known = latents[:, : self._tokenizer.known(condition.context.shape[1])]
        mask = jnp.ones(known.shape[:2], bool)
        return dataclasses.replace(self.told(condition), context=known, context_mask=mask)

    def told(self, condition: Condition) -> Condition:
        """The condition with its layout by steps on the latents' time axis.

        Args:
            condition: in pixels.
        """
        layout = condition.layout and condition.layout.steps(self.phase.config.code_patch[0])
        return dataclasses.replace(condition, layout=layout)

    def given(self, params: Mapping[str, Params], condition: Condition) -> Condition:
        """As `decided`, of clips of which nothing but the context is there."""
        if condition.context.shape[1]:
            return self.decided(condition, self.encode(params, condition.context))
        _, rows, columns = self._tokenizer.grid
        shape = (condition.batch_size, 0, rows, columns, self.phase.config.features)
        return self.decided(condition, jnp.zeros(shape))
