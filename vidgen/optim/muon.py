"""Muon: momentum whose matrices are made nearly orthogonal before they become a step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration, chosen by Jordan et al. for its slope at zero."""

_ITERATIONS = 5


def scale_by_muon(momentum: float) -> optax.GradientTransformation:
    """Nesterov momentum, orthogonalised, scaled to the root mean square of an Adam update.

    Every leaf is taken as a matrix whose columns are its last axis: a convolution's taps and inputs
    together are the rows.

    References: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024);
    scale of the update, about 0.2 whatever the shape, so that one learning rate serves all layers
    and Adam's as well: Liu et al., "Muon is scalable for LLM training" (2025), equation 4.

    Args:
        momentum: its decay.
    """
    return optax.chain(optax.trace(momentum, nesterov=True), optax.stateless(_directions))


def orthogonalise(x: Float[Array, "m n"]) -> Float[Array, "m n"]:
    """Singular values pushed towards 1, roughly into [0.7, 1.2], by Newton-Schulz iterations.

    X <- (a + b XX' + c (XX')^2) X, five times. All factors are polynomials of the first XX', so
    the iteration runs on that small symmetric matrix and touches X only at its beginning and end:
    the same result, for less work the longer X is for its width.

    References: Jordan et al. (2024); Higham, "Functions of matrices" (2008), chapter 8.
    """
    if x.shape[0] > x.shape[1]:
        return orthogonalise(x.T).T
    a, b, c = _COEFFICIENTS
    x = x / (jnp.linalg.norm(x) + 1e-8)
    gram, factor = x @ x.T, jnp.eye(x.shape[0], dtype=x.dtype)
    for _ in range(_ITERATIONS):
        step = b * gram + c * (gram @ gram)
        step = step.at[jnp.diag_indices(x.shape[0])].add(a)
        factor = step @ factor
        gram = step @ gram @ step
    return factor @ x


def _directions(updates: Any, params: Any = None) -> Any:
    def direction(update: Array) -> Array:
        flat = orthogonalise(update.reshape(-1, update.shape[-1]))
        rms = jnp.sqrt(jnp.mean(jnp.square(flat)) + 1e-12)
        return (flat * (0.2 / rms)).reshape(update.shape)

    return jax.tree.map(direction, updates)
