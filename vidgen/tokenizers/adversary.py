"""The discriminator of a tokenizer's clips: what it sees, what it learns and what it asks for."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen.nn import Conv, Network, Weights, discriminator_loss, generator_loss, patchify
from vidgen.tokenizers.config import AdversarialLoss
from vidgen.types import Metrics, Video

_HALVED = (2, 2, 2)
_MOST = 1e4
_DELTA = 1e-6
"""What bounds the adaptive weight in the reference."""


class PatchDiscriminator(nnx.Module):
    """Convolutions over time and space that say of each patch of a clip how real it is.

    Height and width are halved twice and time once, by matrix products over what is merged; a
    logit sees 16 pixels along height and width, and 8 frames.

    Args:
        config: width.
        channels: C of a pixel.
        rngs: source of the initial weights.

    References: Isola et al., "Image-to-image translation with conditional adversarial networks"
    (2017), section 3.2.2, over three axes.
    """

    def __init__(self, config: AdversarialLoss, channels: int, *, rngs: nnx.Rngs) -> None:
        width = config.width
        self.stem = nnx.Linear(4 * channels, width, rngs=rngs)
        self.fine = Conv(width, width, (3, 3, 3), rngs=rngs)
        self.merge = nnx.Linear(8 * width, 2 * width, rngs=rngs)
        self.coarse = Conv(2 * width, 2 * width, (3, 3, 3), rngs=rngs)
        self.head = nnx.Linear(2 * width, 1, rngs=rngs)

    def __call__(self, video: Video) -> Float[Array, "B t h w"]:
        """A logit for each patch; above 0 it is taken for real."""
        x = jax.nn.leaky_relu(self.stem(patchify(video, (1, 2, 2))), 0.2)
        x = jax.nn.leaky_relu(self.fine(x), 0.2)
        x = jax.nn.leaky_relu(self.merge(patchify(x, _HALVED)), 0.2)
        x = jax.nn.leaky_relu(self.coarse(x), 0.2)
        return self.head(x)[..., 0]


class Adversary:
    """The discriminator's half of a tokenizer's step.

    Args:
        config: loss, weight and start.
        channels: C of a pixel.
    """

    def __init__(self, config: AdversarialLoss, channels: int) -> None:
        self.config = config
        self.network = Network(lambda rngs: PatchDiscriminator(config, channels, rngs=rngs))

    def begun(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """1 once both players have begun, else 0."""
        return (progress >= self.config.start).astype(jnp.float32)

    def fooled(self, weights: Weights, rebuilt: Video) -> tuple[Float[Array, ""], Video]:
        """The tokenizer's loss by the discriminator, and its gradient in the rebuilt pixels."""

        def loss(rebuilt: Video) -> Float[Array, ""]:
            logits = self.network.bind(weights)(rebuilt)
            # Neither of the kinds reads the real logits.
            return generator_loss(self.config.kind, logits, logits).mean()

        return jax.value_and_grad(loss)(rebuilt)

    def weight(
        self, errors: Float[Array, "..."], fooling: Float[Array, "..."], progress: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The weight of the tokenizer's loss by the discriminator.

        ``weight * |errors| / (|fooling| + 1e-6)``, at most `weight` times 10,000, so that the last
        layer hears of both in a fixed proportion; `weight` alone if it is not adaptive; 0 before
        the start.

        Args:
            errors: gradient of the errors of pixels and LPIPS in the last layer's weights.
            fooling: that of the loss by the discriminator.
            progress: share of the budget that is spent.

        References: Esser et al. (2021), equation 7.
        """
        scale = jnp.ones(())
        if self.config.adaptive:
            ratio = jnp.linalg.norm(errors.ravel()) / (jnp.linalg.norm(fooling.ravel()) + _DELTA)
            scale = jnp.minimum(ratio, _MOST)
        return self.begun(progress) * self.config.weight * scale

    def learn(
        self,
        weights: Weights,
        opt_state: Any,
        real: Video,
        rebuilt: Video,
        progress: Float[Array, ""],
    ) -> tuple[Weights, Any, Metrics]:
        """A step of the discriminator, at fixed clips; before the start it stays as it is.

        Metrics: ``discriminator_loss``; ``discriminator_accuracy``, the share of patches on whose
        right side of 0 their logit lies; and the optimiser's, with the same prefix.
        """

        def loss(weights: Weights) -> tuple[Float[Array, ""], Float[Array, ""]]:
            logits = self.network.bind(weights)(jnp.concatenate([real, rebuilt]))
            true, false = jnp.split(logits, 2)
            right = jnp.concatenate([true > 0.0, false < 0.0]).mean()
            return discriminator_loss(self.config.kind, true, false).mean(), right

        (value, right), grads = jax.value_and_grad(loss, has_aux=True)(weights)
        begun = self.begun(progress)
        moved, state, report = self.config.optimizer.update(grads, opt_state, weights, progress)
        # The moments too begin with the game.
        weights, opt_state = jax.tree.map(
            lambda new, old: jnp.where(begun > 0.0, new, old), (moved, state), (weights, opt_state)
        )
        return (
            weights,
            opt_state,
            {
                "discriminator_loss": value,
                "discriminator_accuracy": right,
                **{f"discriminator_{name}": number for name, number in report.items()},
            },
        )
