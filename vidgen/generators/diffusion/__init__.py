"""Diffusion over pixels: flow matching by default, discrete Gaussian diffusion as an option."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax
from jaxtyping import Array, Float

from vidgen.contract import Card, Key, Phase
from vidgen.denoising import Cascade, Denoiser, DenoisingPhase, convert, opened, unopened, wide
from vidgen.generators.diffusion.config import DiffusionConfig, DiffusionSampler, process_of
from vidgen.generators.diffusion.sampling import draw
from vidgen.generators.diffusion.solvers import Velocity
from vidgen.registry import register
from vidgen.types import Condition, Params, Task, Video

__all__ = ["Diffusion", "DiffusionConfig", "DiffusionSampler"]


@register("diffusion", DiffusionConfig)
class Diffusion:
    """Denoisers with space-time attention, trained by flow matching or Gaussian diffusion.

    A clip is drawn in two stages, see `vidgen.denoising.Cascade`.
    """

    card: ClassVar[Card] = Card(
        name="diffusion",
        family="diffusion",
        summary="Flow matching, first of a picture, then of the clip that it begins; a U over "
        "patches, convolutions that mix frames around space-time attention, or a 3-D U-Net, or a "
        "transformer.",
        paper="Lipman et al., Flow matching for generative modeling (2023); Ho et al., Video "
        "diffusion models (2022); Girdhar et al., Emu Video (2023)",
        matches_reference="no: the objective and the samplers are the papers'; the denoiser is our "
        "own and small, unless a U-Net or a DiT is asked for; it is shown the first frames moved "
        "by a learned flow",
    )

    def __init__(self, config: DiffusionConfig, task: Task) -> None:
        self._config = config
        self._process = process_of(config, task)
        self._begin = process_of(
            dataclasses.replace(config, time_mean=config.opening_time_mean), task
        )
        self._cascade = Cascade(config, task)
        self._opening = self._cascade.opening.network()
        self._network = self._cascade.clips.network()

    def phases(self) -> Sequence[Phase]:
        """Motion compensation, the denoiser of openings, and that of clips."""
        cascade = self._cascade
        opening = DenoisingPhase(cascade.opening, self._opening, self._begin)
        clips = DenoisingPhase(cascade.clips, self._network, self._process)
        return [cascade.motion, opening, clips]

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: DiffusionSampler | None = None,
    ) -> Video:
        """See `vidgen.contract.Generator.sample`; `sampler` is a `DiffusionSampler`."""
        sampler = sampler or DiffusionSampler()
        opening, clips, compensate = (
            self._cascade.opening,
            self._cascade.clips,
            self._cascade.motion,
        )
        begun = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
        beginner = self._opening.bind(params[opening.name])
        drawn = draw(
            lambda condition: self._velocity(beginner, condition, None),
            self._process,
            opening.task.video_shape,
            unopened(condition),
            begun,
            dataclasses.replace(
                sampler,
                guidance=sampler.opening_guidance,
                guidance_low=sampler.opening_guidance_low,
                guidance_high=sampler.opening_guidance_high,
            ),
        )
        condition = opened(condition, drawn)
        denoiser = self._network.bind(params[clips.name])
        motion = compensate.network.bind(params[compensate.name])

        def told(condition: Condition) -> Velocity:
            return self._velocity(denoiser, condition, motion(condition.context, condition))

        return draw(told, self._process, clips.task.video_shape, condition, keys, sampler)

    def _velocity(self, denoiser: Denoiser, condition: Condition, moved: Video | None) -> Velocity:
        def velocity(x: Video, t: Float[Array, "B"]) -> Video:
            predicted = denoiser(x, t, condition, moved)
            given = self._config.prediction
            return convert(self._process, x, predicted, wide(t), given=given, wanted="velocity")

        return velocity
