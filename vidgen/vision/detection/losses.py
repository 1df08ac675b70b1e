"""Losses of detectors, element by element; who counts is for the detector to say."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def binary(logits: Float[Array, "*n"], wanted: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Cross-entropy of a share in [0, 1]."""
    return jax.nn.softplus(logits) - wanted * logits


def focal(
    logits: Float[Array, "*n"],
    wanted: Float[Array, "*n"],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> Float[Array, "*n"]:
    """FL = -a_t (1 - p_t)^gamma log p_t, with p_t the probability of what is wanted, 0 or 1.

    References: Lin et al., "Focal loss for dense object detection" (2017), equation 5.
    """
    p = jax.nn.sigmoid(logits)
    wrong = p + wanted - 2.0 * p * wanted
    weight = alpha * wanted + (1.0 - alpha) * (1.0 - wanted)
    return weight * wrong**gamma * binary(logits, wanted)


def smooth_l1(error: Float[Array, "*n"], *, beta: float = 1.0) -> Float[Array, "*n"]:
    """A parabola up to `beta`, then a line.

    References: Girshick, "Fast R-CNN" (2015), equation 3.
    """
    size = jnp.abs(error)
    return jnp.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)


def mean_where(values: Float[Array, "*n"], where: Bool[Array, "*n"]) -> Float[Array, ""]:
    """The mean of those that count; 0 where none does."""
    return jnp.sum(jnp.where(where, values, 0.0)) / jnp.maximum(jnp.sum(where), 1)
