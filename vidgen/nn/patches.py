"""A video as a grid of patches, and back."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Sizes = tuple[int, int, int]


def patch_grid(shape: tuple[int, ...], patch: Sizes) -> Sizes:
    """(t, h, w) patches that cover a [T H W] video, the last ones padded."""
    t, h, w = (-(-n // p) for n, p in zip(shape[:3], patch, strict=True))
    return t, h, w


def patchify(video: Float[Array, "B T H W C"], patch: Sizes) -> Float[Array, "B t h w F"]:
    """Cut into patches of F = frames * height * width * C pixels each.

    An axis that the patch does not divide is padded at its end with its last value, which keeps
    time causal.
    """
    B, *axes, C = video.shape
    t, h, w = patch_grid(tuple(axes), patch)
    short = [n * p - axis for n, p, axis in zip((t, h, w), patch, axes, strict=True)]
    if any(short):
        video = jnp.pad(video, [(0, 0), *((0, s) for s in short), (0, 0)], mode="edge")
    cut = video.reshape(B, t, patch[0], h, patch[1], w, patch[2], C)
    return cut.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(B, t, h, w, -1)


def unpatchify(
    patches: Float[Array, "B t h w F"], patch: Sizes, shape: tuple[int, int, int, int]
) -> Float[Array, "B T H W C"]:
    """Put patches together into a video of `shape` [T H W C]; what was padded is cut off."""
    B, t, h, w, _ = patches.shape
    T, H, W, C = shape
    video = patches.reshape(B, t, h, w, *patch, C).transpose(0, 1, 4, 2, 5, 3, 6, 7)
    whole = video.reshape(B, t * patch[0], h * patch[1], w * patch[2], C)
    return whole[:, :T, :H, :W]
