"""The contrastive loss, and the gradient penalties."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def contrastive_loss(
    fits: Float[Array, "B N"], own: Int[Array, "B"], rival: Bool[Array, "B N"]
) -> Float[Array, "B"]:
    """Cross-entropy of each picture's own caption among its rivals, in nats.

    Matching-aware pairs, a real picture under a wrong caption as one more negative, compare it with
    one caption a step; this compares it with all of a batch. With a single rival it is the
    relativistic loss of such a pair::

        softplus(logit(x, wrong) - logit(x, own))

    since what says whether x is real at all is the same in both logits (`Projection`).

    Args:
        fits: how well each picture fits each caption.
        own: index of each picture's caption.
        rival: which captions it is told from; its own is always among them.

    References: Zhang et al., "Cross-modal contrastive learning for text-to-image generation"
    (2021), equation 3; matching-aware pairs: Reed et al., "Generative adversarial text to image
    synthesis" (2016).
    """
    rival = rival | (jnp.arange(fits.shape[1])[None] == own[:, None])
    chances = jax.nn.log_softmax(jnp.where(rival, fits, -jnp.inf), axis=-1)
    return -jnp.take_along_axis(chances, own[:, None], axis=-1)[:, 0]


def gradient_penalty(
    logits: Callable[[Float[Array, "B *axes"]], Float[Array, "B"]], x: Float[Array, "B *axes"]
) -> Float[Array, "B"]:
    """Squared norm of each logit's gradient with respect to its own input.

    On real clips this is R1, on generated ones R2. Each logit may depend on its own row alone.

    References: Mescheder et al., "Which training methods for GANs do actually converge?" (2018).
    """
    slope = jax.grad(lambda x: logits(x).sum())(x)
    return jnp.sum(jnp.square(slope), axis=tuple(range(1, x.ndim)))


def slope_penalty(
    logits: Callable[[Float[Array, "B *axes"]], Float[Array, "B"]],
    real: Float[Array, "B *axes"],
    fake: Float[Array, "B *axes"],
    mix: Float[Array, "B"],
) -> Float[Array, "B"]:
    """How far the norm of each logit's gradient is from 1, squared, between a real and a fake.

    With x a point on the line between the two and D a logit::

        (|grad D(x)| - 1)^2,   x = mix real + (1 - mix) fake

    Args:
        logits: each may depend on its own row alone.
        real: one end of each line.
        fake: the other.
        mix: where on the line, in [0, 1].

    References: Gulrajani et al., "Improved training of Wasserstein GANs" (2017), algorithm 1.
    """
    share = jnp.expand_dims(mix, tuple(range(1, real.ndim)))
    # A norm has no derivative at 0.
    norm = jnp.sqrt(gradient_penalty(logits, share * real + (1.0 - share) * fake) + 1e-12)
    return jnp.square(norm - 1.0)
