"""Diffusion over pixels: flow matching by default, discrete Gaussian diffusion as an option."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.contract import Card, Key, Phase
from vidgen.generators.diffusion.config import DiffusionConfig, DiffusionSampler
from vidgen.generators.diffusion.denoiser import Denoiser
from vidgen.generators.diffusion.phase import DenoisingPhase
from vidgen.generators.diffusion.process import process_of
from vidgen.generators.diffusion.sampling import Velocity, draw
from vidgen.motion import MotionPhase
from vidgen.registry import register
from vidgen.types import Batch, Condition, Params, Task, Video

__all__ = ["Diffusion", "DiffusionConfig", "DiffusionSampler"]


@register("diffusion", DiffusionConfig)
class Diffusion:
    """Denoisers with space-time attention, trained by flow matching or Gaussian diffusion.

    A clip is drawn in two steps: its opening (the first frames, as many as a condition may give)
    from the sentence, unless it is given; then all of it from sentence and opening. Each step has a
    denoiser of its own. That of openings sees many scenes in the time of one clip; that of clips
    always has first frames, and is shown where motion compensation carries them.
    """

    card: ClassVar[Card] = Card(
        name="diffusion",
        family="diffusion",
        summary="Flow matching, first of a picture, then of the clip that it begins; a U over "
        "patches, convolutions that mix frames around space-time attention.",
        paper="Lipman et al., Flow matching for generative modeling (2023); Ho et al., Video "
        "diffusion models (2022); Girdhar et al., Emu Video (2023)",
        matches_reference="no: the objective and the samplers are the papers', the denoiser is our "
        "own and small, and is shown the first frames moved by a learned flow",
    )

    def __init__(self, config: DiffusionConfig, task: Task) -> None:
        self._config, self._process = config, process_of(config)
        # The task as the denoiser of clips sees it, which always has frames to begin with.
        self._task = task = dataclasses.replace(task, context_frames=task.opening_frames)
        first = dataclasses.replace(task, frames=task.context_frames, context_frames=0)
        # All frames of an opening become one in the middle of its U.
        begin = dataclasses.replace(
            config, merge=(0, *config.merge[1:]), time_mean=config.opening_time_mean
        )
        self._begin = process_of(begin)
        self._motion = MotionPhase(
            config.motion, task, share=config.motion_share, drop_text=config.drop_text
        )
        self._opening = nn.Network(lambda rngs: Denoiser(begin, first, rngs=rngs))
        self._network = nn.Network(lambda rngs: Denoiser(config, task, rngs=rngs))

    def phases(self) -> Sequence[Phase]:
        """Motion compensation, the denoiser of openings, and that of clips."""
        config = self._config
        opening = DenoisingPhase(
            "opening",
            self._opening,
            self._begin,
            config,
            view=self._first,
            share=config.opening_share,
            batch_size=config.opening_batch_size,
        )
        clips = DenoisingPhase(
            "denoiser",
            self._network,
            self._process,
            config,
            view=self._begun,
            share=1.0 - config.motion_share - config.opening_share,
            batch_size=config.batch_size,
            motion=self._motion,
        )
        return [self._motion, opening, clips]

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: DiffusionSampler | None = None,
    ) -> Video:
        """See `vidgen.contract.Generator.sample`; `sampler` is a `DiffusionSampler`."""
        sampler = sampler or DiffusionSampler()
        begun = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
        condition = self._with_opening(params["opening"], condition, begun, sampler)
        denoiser = self._network.bind(params["denoiser"])
        motion = self._motion.network.bind(params[self._motion.name])

        def told(condition: Condition) -> Velocity:
            return self._velocity(denoiser, condition, motion(condition.context, condition))

        return draw(told, self._process, self._task.video_shape, condition, keys, sampler)

    def _with_opening(
        self, params: Params, condition: Condition, keys: Key, sampler: DiffusionSampler
    ) -> Condition:
        """The condition with an opening drawn wherever none is given."""
        frames = self._task.context_frames
        denoiser = self._opening.bind(params)
        drawn = draw(
            lambda condition: self._velocity(denoiser, condition, None),
            self._process,
            (frames, *self._task.video_shape[1:]),
            _without_context(condition),
            keys,
            dataclasses.replace(sampler, guidance=sampler.opening_guidance),
        )
        K = condition.context_mask.shape[1]
        given = condition.context_mask[:, :, None, None, None]
        first = jnp.where(given, condition.context, drawn[:, :K])
        return dataclasses.replace(
            condition,
            context=jnp.concatenate([first, drawn[:, K:]], axis=1),
            context_mask=jnp.ones((condition.batch_size, frames), bool),
        )

    def _velocity(self, denoiser: Denoiser, condition: Condition, moved: Video | None) -> Velocity:
        def velocity(x: Video, t: Float[Array, "B"]) -> Video:
            predicted = denoiser(x, t, condition, moved)
            if self._config.prediction == "x":
                return self._process.velocity(x, predicted, t[:, None, None, None, None])
            return predicted

        return velocity

    def _first(self, batch: Batch) -> tuple[Video, Condition]:
        return batch.video[:, : self._task.context_frames], _without_context(batch.condition)

    def _begun(self, batch: Batch) -> tuple[Video, Condition]:
        frames = self._task.context_frames
        begun = dataclasses.replace(
            batch.condition,
            context=batch.video[:, :frames],
            context_mask=jnp.ones((len(batch.video), frames), bool),
        )
        return batch.video, begun


def _without_context(condition: Condition) -> Condition:
    return dataclasses.replace(
        condition,
        context=condition.context[:, :0],
        context_mask=condition.context_mask[:, :0],
    )
