"""Diffusion over pixels: flow matching by default, discrete Gaussian diffusion as an option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from jaxtyping import Array, Float

from vidgen import nn
from vidgen.contract import Card, Key, Phase
from vidgen.generators.diffusion.config import DiffusionConfig, DiffusionSampler
from vidgen.generators.diffusion.denoiser import Denoiser
from vidgen.generators.diffusion.phase import DenoisingPhase
from vidgen.generators.diffusion.process import process_of
from vidgen.generators.diffusion.sampling import draw
from vidgen.registry import register
from vidgen.types import Condition, Params, Task, Video

__all__ = ["Diffusion", "DiffusionConfig", "DiffusionSampler"]


@register("diffusion", DiffusionConfig)
class Diffusion:
    """A denoiser with space-time attention, trained by flow matching or Gaussian diffusion."""

    card: ClassVar[Card] = Card(
        name="diffusion",
        family="diffusion",
        summary="A U over patches, convolutions that mix frames around space-time attention; flow "
        "matching.",
        paper="Lipman et al., Flow matching for generative modeling (2023); Ho et al., Video "
        "diffusion models (2022)",
        matches_reference="no: the objective and the samplers are the papers', the denoiser is our "
        "own and small",
    )

    def __init__(self, config: DiffusionConfig, task: Task) -> None:
        self._config, self._task = config, task
        self._process = process_of(config)
        self._network = nn.Network(lambda rngs: Denoiser(config, task, rngs=rngs))

    def phases(self) -> Sequence[Phase]:
        """One phase, the denoiser's."""
        return [DenoisingPhase(self._network, self._process, self._config)]

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: DiffusionSampler | None = None,
    ) -> Video:
        """See `vidgen.contract.Generator.sample`; `sampler` is a `DiffusionSampler`."""
        denoiser = self._network.bind(params["denoiser"])

        def velocity(x: Video, t: Float[Array, "B"], condition: Condition) -> Video:
            predicted = denoiser(x, t, condition)
            if self._config.prediction == "x":
                return self._process.velocity(x, predicted, t[:, None, None, None, None])
            return predicted

        return draw(
            velocity, self._process, self._task, condition, keys, sampler or DiffusionSampler()
        )
