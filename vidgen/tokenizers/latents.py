"""Video to continuous latents and back, and the phase that learns it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import optim
from vidgen.contract import Key, TrainState
from vidgen.nn.network import Weights
from vidgen.tokenizers.autoencoder import Autoencoder
from vidgen.tokenizers.config import LatentTokenizerConfig
from vidgen.tokenizers.phase import AutoencoderPhase
from vidgen.types import Metrics, Params, Task, Video

_LOG_VARIANCES = (-30.0, 20.0)
_ACTIVE = 0.01
"""Bounds on the logarithm of a latent's variance, as in the reference."""


class LatentTokenizer(Autoencoder):
    """A causal video tokenizer whose cells are standardised latents, for one task.

    The encoder gives each feature of a latent a mean and a variance. In training the decoder takes
    draws from these normal distributions, afterwards the means, less their mean over training clips
    and divided by their deviation, feature by feature: what a diffusion model adds unit noise to
    should have unit variance, which a light divergence does not see to. Both are averages over the
    last hundred steps or so. After 500 on `quick`'s data (seed 0) features had deviations of 0.6 to
    2.2; standardised, 0.96 to 1.00 over 128 training clips, and means within 0.01 of 0.

    References: Rombach et al., "High-resolution image synthesis with latent diffusion models"
    (2022), appendix G for the scale of latents, there one deviation for all features and from the
    first batch.
    """

    _prefix = "moments."

    def encode(self, params: Weights, video: Video) -> Float[Array, "B t h w D"]:
        """The standardised latents of clips, or of their first frames.

        Causal: no latent sees a frame after its own patch.
        """
        weights, moments = self.unpack(params)
        mean, _ = normal(self.network.bind(weights).encode(video))
        return (mean - _row(moments["mean"])) / _row(moments["deviation"])

    def decode(self, params: Weights, latents: Float[Array, "B t h w D"]) -> Video:
        """The clips, or their first frames, that standardised latents stand for, in [-1, 1].

        Causal: no frame sees a latent of a later patch.
        """
        weights, moments = self.unpack(params)
        values = latents * _row(moments["deviation"]) + _row(moments["mean"])
        return jnp.clip(self.network.bind(weights).decode(values), -1.0, 1.0)


class LatentTokenizerPhase(AutoencoderPhase):
    """Trains a tokenizer of latents; exports what `LatentTokenizer.encode` and `decode` take.

    Metrics: those of any; ``divergence``, of latents from the standard normal distribution, in nats
    a pixel; and ``active``, the share of features whose means vary by more than 0.01, as those that
    the divergence has switched off do not (Burda et al., "Importance weighted autoencoders",
    2016).

    Args:
        config: sizes and losses.
        task: shape of the clips.
        name: of the phase.
        share: fraction of the generator's budget.

    Raises:
        ValueError: for frames too small for the network of the perceptual loss.
    """

    collapse: ClassVar[Mapping[str, float]] = {"active": 0.2}
    """Fewer than a fifth of the features say anything."""

    def __init__(
        self, config: LatentTokenizerConfig, task: Task, name: str = "tokenizer", *, share: float
    ) -> None:
        self.config, self.tokenizer = config, LatentTokenizer(config, task)
        self._pixels = math.prod(task.video_shape)
        super().__init__(config, self.tokenizer, task, name, share)

    def export(self, state: TrainState) -> Params:
        """Averaged weights, and mean and deviation of the latents' features."""
        mean = state.rest["moments"]["mean"]
        deviation = jnp.sqrt(jnp.maximum(_variance(state.rest["moments"]), 1e-12))
        return self.tokenizer.pack(state.ema, {"mean": mean, "deviation": deviation})

    def _memory(self, key: Key) -> dict[str, Any]:
        """First and second moment of each feature, as latents are said to have them."""
        del key
        features = self.config.features
        return {"moments": {"mean": jnp.zeros(features), "square": jnp.ones(features)}}

    def _between(
        self, memory: Mapping[str, Any], z: Float[Array, "B t h w E"], key: Key
    ) -> tuple[Float[Array, "B t h w D"], Array, Array]:
        del memory
        mean, log_variance = normal(z)
        noise = jax.random.normal(jax.random.fold_in(key, 3), mean.shape)
        nats = 0.5 * (jnp.square(mean) + jnp.exp(log_variance) - 1.0 - log_variance)
        divergence = nats.sum() / (len(z) * self._pixels)
        drawn = mean + jnp.exp(0.5 * log_variance) * noise
        return drawn, self.config.divergence * divergence, divergence

    def _remembered(
        self, state: TrainState, z: Float[Array, "B t h w E"], seen: Array, key: Key
    ) -> tuple[dict[str, Any], Metrics]:
        del key
        mean, _ = normal(z)
        axes = tuple(range(mean.ndim - 1))
        now = {"mean": mean.mean(axes), "square": jnp.square(mean).mean(axes)}
        # Over as many steps as the weights that are exported.
        moments = optim.ema(state.rest["moments"], now, state.step, self.config.ema)
        active = jnp.mean(_variance(moments) > _ACTIVE)
        return {"moments": moments}, {"divergence": seen, "active": active}


def _variance(moments: Mapping[str, Float[Array, "D"]]) -> Float[Array, "D"]:
    return moments["square"] - jnp.square(moments["mean"])


def normal(
    z: Float[Array, "B t h w E"],
) -> tuple[Float[Array, "B t h w D"], Float[Array, "B t h w D"]]:
    """Means and logarithms of variances, from what the encoder gives."""
    mean, log_variance = jnp.split(z.astype(jnp.float32), 2, axis=-1)
    return mean, jnp.clip(log_variance, *_LOG_VARIANCES)


def _row(features: Float[Array, "D"]) -> Float[Array, "1 1 1 1 D"]:
    return features[None, None, None, None]
