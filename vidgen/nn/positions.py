"""Where a token stands: rotary angles over several axes, sinusoids, and coordinate grids."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def grid(*lengths: int) -> np.ndarray:
    """Coordinates of every cell in row-major order: float32 [prod(lengths), len(lengths)]."""
    axes = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in lengths), indexing="ij")
    return np.stack([a.ravel() for a in axes], axis=-1)


def sinusoids(
    x: Float[Array, "..."], width: int, *, longest: float = 10_000.0
) -> Float[Array, "... {width}"]:
    """Sine and cosine features of scalars, half of the width each.

    References: Vaswani et al., "Attention is all you need" (2017), section 3.5.

    Raises:
        ValueError: if the width is odd.
    """
    if width % 2:
        raise ValueError(f"sinusoids need an even width, got {width}")
    rates = longest ** (-jnp.arange(width // 2) / (width // 2))
    angles = x[..., None] * jnp.expand_dims(rates, tuple(range(x.ndim)))
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def rotary_angles(
    positions: Float[Array, "N A"], head_width: int, *, base: float = 100.0
) -> Float[Array, "N half"]:
    """Angles by which each pair of features turns: the pairs are shared out among the A axes.

    Args:
        positions: coordinates of N tokens on A axes, in tokens.
        head_width: features of a head.
        base: ratio of the slowest to the fastest rate. Small, because grids here are short.

    Returns:
        float [N, head_width // 2]. Pairs that do not divide evenly go to the first axes.

    References: Su et al., "RoFormer" (2021); axial form as in Wang et al., "Qwen2-VL" (2024).

    Raises:
        ValueError: if the head is odd or too narrow for the axes.
    """
    pairs, axes = head_width // 2, positions.shape[1]
    if head_width % 2 or pairs < axes:
        raise ValueError(f"a head of {head_width} features cannot carry {axes} rotary axes")
    shares = [pairs // axes + (i < pairs % axes) for i in range(axes)]
    angles: Sequence[Array] = [
        positions[:, i : i + 1] * (base ** (-jnp.arange(n) / n))[None, :]
        for i, n in enumerate(shares)
    ]
    return jnp.concatenate(angles, axis=-1)


def rotate(x: Float[Array, "B N G F"], angles: Float[Array, "N half"]) -> Float[Array, "B N G F"]:
    """Turn each pair (first half, second half) of every head's features by its angle."""
    sin, cos = jnp.sin(angles)[None, :, None, :], jnp.cos(angles)[None, :, None, :]
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1).astype(x.dtype)
