"""Adversarial losses of both players, of whatever they play about."""

from __future__ import annotations

from typing import Literal, get_args

import jax
from jaxtyping import Array, Float

LossKind = Literal["relativistic", "non-saturating", "hinge", "wgan-gp"]

LOSSES: tuple[LossKind, ...] = get_args(LossKind)
"""Every kind of loss, the default first."""


def discriminator_loss(
    kind: LossKind, real: Float[Array, "*B"], fake: Float[Array, "*B"]
) -> Float[Array, "*B"]:
    """What the discriminator minimises, a pair at a time.

    With r and f the logits of a real and a generated clip under one condition::

        relativistic     softplus(f - r)
        non-saturating   softplus(-r) + softplus(f)
        hinge            max(0, 1 - r) + max(0, 1 + f)
        wgan-gp          f - r

    References: Jolicoeur-Martineau, "The relativistic discriminator" (2019), and Huang et al.,
    "The GAN is dead; long live the GAN!" (2024); Goodfellow et al. (2014); Lim & Ye, "Geometric
    GAN" (2017); Gulrajani et al., "Improved training of Wasserstein GANs" (2017).
    """
    match kind:
        case "relativistic":
            return jax.nn.softplus(fake - real)
        case "non-saturating":
            return jax.nn.softplus(-real) + jax.nn.softplus(fake)
        case "hinge":
            return jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)
        case "wgan-gp":
            return fake - real


def generator_loss(
    kind: LossKind, real: Float[Array, "*B"], fake: Float[Array, "*B"]
) -> Float[Array, "*B"]:
    """What the generator minimises, a pair at a time.

    ::

        relativistic     softplus(r - f)
        non-saturating   softplus(-f)
        hinge            -f
        wgan-gp          -f

    Only the relativistic loss reads the real logits.
    """
    match kind:
        case "relativistic":
            return jax.nn.softplus(real - fake)
        case "non-saturating":
            return jax.nn.softplus(-fake)
        case "hinge" | "wgan-gp":
            return -fake
