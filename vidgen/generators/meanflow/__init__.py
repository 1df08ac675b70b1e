"""Mean flow over pixels: average velocities, with which a clip is drawn in a step or a few."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax
from jaxtyping import Array, Float

from vidgen.contract import Card, Key, Phase
from vidgen.denoising import Cascade, DenoisingPhase, Flow, Stage, opened, unopened
from vidgen.generators.meanflow.config import MeanFlowConfig, MeanFlowSampler
from vidgen.generators.meanflow.phase import MeanFlowPhase
from vidgen.generators.meanflow.velocity import AverageVelocity, average_velocity, draw
from vidgen.registry import register
from vidgen.types import Condition, Params, Task, Video

__all__ = ["MeanFlow", "MeanFlowConfig", "MeanFlowSampler"]


@register("meanflow", MeanFlowConfig)
class MeanFlow:
    """The denoisers of `diffusion`, that learn the average velocity over any interval of times.

    A clip is drawn in two stages, see `vidgen.denoising.Cascade`, each in as many network passes as
    the sampler has steps. With `MeanFlowConfig.pretraining`, mean flow goes on from denoisers that
    have learned flow matching in the phases that `diffusion` has, and learns their flow.
    """

    card: ClassVar[Card] = Card(
        name="meanflow",
        family="diffusion",
        summary="Average velocities in place of instantaneous ones, with guidance learned: a "
        "picture, then the clip that it begins, in a network pass or two each.",
        paper="Geng et al., Mean flows for one-step generative modeling (2025)",
        matches_reference="no: identity, weights and guidance are the paper's, but times lie "
        "nearer to the clip; average velocities are those of a predicted clip, as in pixel "
        "MeanFlow; after flow matching the velocity is a frozen denoiser's; the network is our own "
        "and small, and is shown the first frames moved by a learned flow",
        layout=True,
        few_step=True,
    )

    def __init__(self, config: MeanFlowConfig, task: Task) -> None:
        self._config, self._cascade = config, Cascade(config, task)
        self._guidance = {
            self._cascade.opening.name: config.opening_guidance,
            self._cascade.clips.name: config.guidance,
        }
        self._networks = {
            stage.name: stage.network(interval=True) for stage in self._cascade.stages
        }
        flow_matching, before, after = config.pretraining, [], []
        for stage in self._cascade.stages:
            if flow_matching:
                before.append(
                    DenoisingPhase(
                        dataclasses.replace(stage, share=flow_matching * stage.share),
                        stage.network(),
                        Flow(stage.config.time_mean, stage.config.time_std),
                    )
                )
            after.append(
                MeanFlowPhase(
                    dataclasses.replace(
                        stage, name=_trained_by(stage), share=(1.0 - flow_matching) * stage.share
                    ),
                    self._networks[stage.name],
                    config,
                    guidance=self._guidance[stage.name],
                    start=stage.name if flow_matching else None,
                )
            )
        self._phases = (self._cascade.motion, *before, *after)

    def phases(self) -> Sequence[Phase]:
        """Motion compensation, then flow matching, if any, and mean flow of both stages."""
        return self._phases

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: MeanFlowSampler | None = None,
    ) -> Video:
        """See `vidgen.contract.Generator.sample`; `sampler` is a `MeanFlowSampler`."""
        sampler = sampler or MeanFlowSampler()
        opening, clips = self._cascade.stages
        told = unopened(condition)
        drawn = draw(
            self._average(opening, params, told, None),
            opening.task.video_shape,
            told,
            jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys),
            steps=sampler.opening_steps or sampler.steps,
            curve=sampler.curve,
        )
        told = opened(condition, drawn)
        return draw(
            self._average(clips, params, told, clips.moved(params, told)),
            clips.task.video_shape,
            told,
            keys,
            steps=sampler.steps,
            curve=sampler.curve,
        )

    def attention(
        self, params: Mapping[str, Params], video: Video, condition: Condition, keys: Key
    ) -> Float[Array, "B L t h w"]:
        """See `vidgen.contract.Attends.attention`: of the network of clips, at no interval."""
        clips = self._cascade.clips
        denoiser = self._networks[clips.name].bind(params[_trained_by(clips)])
        return clips.attention(params, denoiser, video, condition, keys)

    def _average(
        self,
        stage: Stage,
        params: Mapping[str, Params],
        condition: Condition,
        moved: Video | None,
    ) -> AverageVelocity:
        return average_velocity(
            self._networks[stage.name].bind(params[_trained_by(stage)]),
            self._config.prediction,
            Flow(stage.config.time_mean, stage.config.time_std),
            condition,
            moved,
        )


def _trained_by(stage: Stage) -> str:
    """The phase that trains a stage's average velocity."""
    return f"meanflow-{stage.name}"
