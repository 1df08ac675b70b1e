"""Diffusion over pixels or latents: flow matching, or discrete Gaussian diffusion as an option."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import jax
from jaxtyping import Array, Float

from vidgen.contract import Card, Key, Phase
from vidgen.denoising import (
    Cascade,
    Denoiser,
    DenoisingPhase,
    Latents,
    Stage,
    begun,
    convert,
    opened,
    unopened,
    wide,
)
from vidgen.generators.diffusion.config import (
    DiffusionConfig,
    DiffusionSampler,
    forcing_of,
    process_of,
)
from vidgen.generators.diffusion.sampling import draw
from vidgen.generators.diffusion.solvers import Velocity
from vidgen.generators.diffusion.window import Known
from vidgen.nn import slide
from vidgen.registry import register
from vidgen.tokenizers import LatentTokenizerPhase
from vidgen.types import Condition, Params, Task, Video

__all__ = ["Diffusion", "DiffusionConfig", "DiffusionSampler"]


@register("diffusion", DiffusionConfig)
class Diffusion:
    """Denoisers with space-time attention, trained by flow matching or Gaussian diffusion.

    A clip is drawn in two stages, see `vidgen.denoising.Cascade`; in pixels, or in the latents of a
    tokenizer, see `vidgen.denoising.Latents`, which is then a ceiling that `reconstruct` tells.
    With a level of noise for each frame (`DiffusionConfig.frame_levels`) it also has a rollout of
    its own, to clips of any length.
    """

    card: ClassVar[Card] = Card(
        name="diffusion",
        family="diffusion",
        summary="Flow matching, first of a picture, then of the clip that it begins; a U over "
        "patches, convolutions that mix frames around space-time attention, or a 3-D U-Net, or a "
        "transformer; in pixels, or in a tokenizer's latents.",
        paper="Lipman et al., Flow matching for generative modeling (2023); Ho et al., Video "
        "diffusion models (2022); Girdhar et al., Emu Video (2023); Rombach et al., "
        "High-resolution image synthesis with latent diffusion models (2022)",
        matches_reference="no: the objective and the samplers are the papers'; the denoiser is our "
        "own and small, unless a U-Net or a DiT is asked for; it is shown the first frames moved "
        "by a learned flow",
        layout=True,
    )

    def __init__(self, config: DiffusionConfig, task: Task) -> None:
        self._config, self._forcing, self._latents = config, forcing_of(config), None
        if self._forcing is not None:
            # Having the method says that it can (`vidgen.contract.RollsOut`).
            self.rollout = self._rollout
        if config.space == "latents":
            phase = LatentTokenizerPhase(config.tokenizer, task, share=config.tokenizer_share)
            self._latents = Latents(phase)
            self.reconstruct = self._latents.reconstruct  # pixels have no ceiling
        self._cascade = Cascade(config, task, self._latents)
        drawn = self._cascade.clips.drawn
        self._process = process_of(config, drawn)
        self._begin = process_of(
            dataclasses.replace(config, time_mean=config.opening_time_mean), drawn
        )
        self._opening = self._cascade.opening.network()
        self._network = self._cascade.clips.network()
        self._phases = (
            *(() if self._latents is None else (self._latents.phase,)),
            self._cascade.motion,
            DenoisingPhase(self._cascade.opening, self._opening, self._begin),
            DenoisingPhase(self._cascade.clips, self._network, self._process, self._forcing),
        )

    def phases(self) -> Sequence[Phase]:
        """The tokenizer of latents, motion compensation, the denoisers of openings and of clips."""
        return self._phases

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: DiffusionSampler | None = None,
    ) -> Video:
        """See `vidgen.contract.Generator.sample`; `sampler` is a `DiffusionSampler`.

        Raises:
            ValueError: if the sampler asks for what needs levels of frames, and they are shared.
        """
        sampler = sampler or DiffusionSampler()
        opening, clips = self._cascade.stages
        asked = sampler.history is not None, sampler.history_noise is not None, sampler.lag > 0
        if self._forcing is None and (any(asked) or not sampler.rollout_text):
            raise ValueError(
                "history, history_noise, rollout_text and lag need frame_levels=independent"
            )
        for_opening = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
        beginner = self._opening.bind(params[opening.name])
        drawn = self._drawn(
            opening,
            params,
            lambda condition: self._velocity(beginner, condition, None),
            unopened(condition),
            for_opening,
            dataclasses.replace(
                sampler,
                guidance=sampler.opening_guidance,
                guidance_low=sampler.opening_guidance_low,
                guidance_high=sampler.opening_guidance_high,
            ),
        )
        condition = opened(condition, drawn[:, : clips.task.context_frames])
        known = None if self._forcing is None else Known(condition.context)
        return self._clip(params, condition, keys, sampler, known)

    def attention(
        self, params: Mapping[str, Params], video: Video, condition: Condition, keys: Key
    ) -> Float[Array, "B L t h w"]:
        """See `vidgen.contract.Attends.attention`: of the denoiser of clips."""
        clips = self._cascade.clips
        denoiser = self._network.bind(params[clips.name])
        return clips.attention(params, denoiser, video, condition, keys)

    def _rollout(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        frames: int,
        sampler: DiffusionSampler | None = None,
    ) -> Video:
        """See `vidgen.contract.RollsOut.rollout`; the first T frames are what `sample` draws.

        Raises:
            ValueError: if the history is shorter than what begins a clip, or leaves no frame; if
                it is to have more noise than training showed.
        """
        sampler, task = sampler or DiffusionSampler(), self._cascade.clips.task
        T, K = task.frames, task.context_frames
        history = max(T // 2, K) if sampler.history is None else sampler.history
        if not K <= history < T:
            raise ValueError(f"a window of {T} frames knows {K} to {T - 1} of them, got {history}")
        noise = sampler.history_noise
        if isinstance(noise, int | float) and noise > self._config.history_noise:
            raise ValueError(
                f"training showed histories with noise up to {self._config.history_noise}, got "
                f"{noise}: train with a higher DiffusionConfig.history_noise"
            )
        clip, later = self.sample(params, condition, keys, sampler), sampler
        condition = condition.keep(layout=False)  # it speaks of the first window's frames alone
        if not sampler.rollout_text:
            condition, later = condition.keep(text=False), dataclasses.replace(later, guidance=None)

        def go_on(last: Float[Array, "B M H W C"], keys: Key) -> Video:
            known = Known(last, sampler.history_noise)
            return self._clip(params, begun(condition, last[:, :K]), keys, later, known)

        return slide(clip, keys, frames, history, go_on)

    def _clip(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: DiffusionSampler,
        known: Known | None,
    ) -> Video:
        """Clips that go on from their opening, or from all that is known of them."""
        clips = self._cascade.clips
        denoiser = self._network.bind(params[clips.name])

        def told(condition: Condition) -> Velocity:
            return self._velocity(denoiser, condition, clips.moved(params, condition))

        return self._drawn(clips, params, told, condition, keys, sampler, known)

    def _drawn(
        self,
        stage: Stage,
        params: Mapping[str, Params],
        told: Callable[[Condition], Velocity],
        condition: Condition,
        keys: Key,
        sampler: DiffusionSampler,
        known: Known | None = None,
    ) -> Video:
        """What a stage draws, in pixels."""
        shape, latents = stage.drawn.video_shape, self._latents
        if latents is None:
            return draw(told, self._process, shape, condition, keys, sampler, known)
        given = latents.given(params, condition)
        drawn = draw(
            told, self._process, shape, condition, keys, sampler, given=given, bound=math.inf
        )
        return opened(condition, latents.decode(params, drawn)).context

    def _velocity(self, denoiser: Denoiser, condition: Condition, moved: Video | None) -> Velocity:
        if self._latents is not None:
            condition = self._latents.told(condition)

        def velocity(x: Video, t: Float[Array, "B *each"]) -> Video:
            predicted = denoiser(x, t, condition, moved)
            given = self._config.prediction
            return convert(self._process, x, predicted, wide(t), given=given, wanted="velocity")

        return velocity
