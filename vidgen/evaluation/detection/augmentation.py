"""What real frames are made of before a detector learns from them: clips of generators are blurred,
noisy and faded, and have objects too many and too few.

References: Ghiasi et al., "Simple copy-paste is a strong data augmentation method for instance
segmentation" (2021).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.contract import Key
from vidgen.vision.detection import Objects, overlap

_STRETCHED, _PASTED, _FAINT, _FADED, _BLURRED, _NOISY = 0.4, 0.5, 0.15, 0.4, 0.3, 0.3
"""Shares of frames."""

_EMPTY = 0.08
"""Share of frames that are of one colour."""

_SMALLEST, _LARGEST = 0.85, 1.15
"""Of the scales of either axis, each drawn by itself."""

_CROWDED = 0.25
"""Overlap with another object, from which none is pasted: nobody could say what is below."""

_FAINTEST_SEEN, _BRIGHTEST_UNSEEN = 0.6, 0.36
"""Contrast, of 1, from which an object is one, and up to which it is none: at 0.36 nothing of it is
ink to the oracle (`components.INK_LEVEL`). What lies between is not taught."""

_MOST_NOISE = 0.16
"""Standard deviation, 20 of 255 grey levels where pixels lie in [-1, 1]."""


def augmented(
    frames: Float[Array, "B H W C"], known: Objects, key: Key
) -> tuple[Float[Array, "B H W C"], Objects]:
    """Frames in [-1, 1] as a generator might have drawn them, and what is in them then.

    The last place of `known` must be padding: an object of the frame before goes there.
    """
    for_scale, for_paste, for_fade, for_blur, for_noise = jax.random.split(key, 5)
    frames, known = _stretched(frames, known, for_scale)
    frames, known = _pasted(frames, known, for_paste)
    frames, known = _faded(frames, known, for_fade)
    frames, known = _emptied(frames, known, jax.random.fold_in(key, 5))
    return _noisy(_blurred(frames, for_blur), for_noise), known


def _stretched(
    frames: Float[Array, "B H W C"], known: Objects, key: Key
) -> tuple[Float[Array, "B H W C"], Objects]:
    """A window a little larger or smaller than the frame, black around it; the frame itself where
    that would cut an object.
    """
    B, H, W, _ = frames.shape
    for_lot, for_scale, for_place = jax.random.split(key, 3)
    sides = jnp.array([[H, W]], frames.dtype)
    scale = jax.random.uniform(for_scale, (B, 2), minval=_SMALLEST, maxval=_LARGEST)
    low = (sides - sides / scale) * jax.random.uniform(for_place, (B, 2))
    window = jnp.concatenate([low, low + sides / scale], axis=1)
    boxes = (known.boxes - jnp.tile(low, 2)[:, None]) * jnp.tile(scale, 2)[:, None]
    inside = ((boxes >= 0) & (boxes <= jnp.tile(sides, 2)[:, None])).all(axis=-1)
    chosen = jax.random.bernoulli(for_lot, _STRETCHED, (B,))
    chosen &= (inside | ~known.there).all(axis=1)
    whole = jnp.concatenate([jnp.zeros_like(sides), sides], axis=1)
    window = jnp.where(chosen[:, None], window, whole)
    masks = jnp.moveaxis(known.masks, 1, -1).astype(frames.dtype)
    # Outside the frame is 0, and black is -1.
    layers = jnp.concatenate([frames + 1.0, masks], axis=-1)
    seen = jax.vmap(_window)(layers, window)
    boxes = jnp.where(chosen[:, None, None], boxes, known.boxes)
    return seen[..., : frames.shape[-1]] - 1.0, dataclasses.replace(
        known,
        boxes=jnp.where(known.there[..., None], boxes, 0.0),
        masks=jnp.moveaxis(seen[..., frames.shape[-1] :] >= 0.5, -1, 1),
    )


def _window(layers: Float[Array, "H W D"], box: Float[Array, "4"]) -> Float[Array, "H W D"]:
    """What a window shows, in as many pixels as before, by bilinear interpolation."""
    H, W, _ = layers.shape
    rows, columns = (
        _reads(low, high, size) for low, high, size in ((box[0], box[2], H), (box[1], box[3], W))
    )
    return jnp.einsum("yh,xw,hwd->yxd", rows, columns, layers)


def _reads(low: Float[Array, ""], high: Float[Array, ""], size: int) -> Float[Array, "p s"]:
    """Of each pixel in what each pixel of the window shows, along one axis."""
    points = low + (jnp.arange(size) + 0.5) * (high - low) / size - 0.5
    return jnp.maximum(1.0 - jnp.abs(points[:, None] - jnp.arange(size)[None]), 0.0)


def _pasted(
    frames: Float[Array, "B H W C"], known: Objects, key: Key
) -> tuple[Float[Array, "B H W C"], Objects]:
    """The first object of the frame before, laid over: digits shine through, shapes hide."""
    other = jax.tree.map(lambda x: jnp.roll(x, 1, axis=0), known)
    crowded = overlap(other.boxes[:, :1], known.boxes).max(axis=1) > _CROWDED
    lot = jax.random.bernoulli(key, _PASTED, (len(frames),))
    pasted = lot & other.there[:, 0] & ~crowded
    mask = other.masks[:, 0] & pasted[:, None, None]
    light = jnp.roll(frames, 1, axis=0)
    if frames.shape[-1] == 1:
        # The soft edge of a stroke is no ink, and comes with it.
        wide = jax.lax.reduce_window(
            mask.astype(frames.dtype), 0.0, jax.lax.max, (1, 3, 3), (1, 1, 1), "SAME"
        )
        frames = jnp.maximum(frames, jnp.where(wide[..., None] > 0, light, -1.0))
    else:
        frames = jnp.where(mask[..., None], light, frames)
    return frames, Objects(
        boxes=known.boxes.at[:, -1].set(jnp.where(pasted[:, None], other.boxes[:, 0], 0.0)),
        classes=known.classes.at[:, -1].set(other.classes[:, 0]),
        masks=known.masks.at[:, -1].set(mask),
        there=known.there.at[:, -1].set(pasted),
    )


def _faded(
    frames: Float[Array, "B H W C"], known: Objects, key: Key
) -> tuple[Float[Array, "B H W C"], Objects]:
    """Towards the colour of the ground; what is too faint to be ink is not there."""
    for_lot, for_contrast = jax.random.split(key)
    lot = jax.random.uniform(for_lot, (len(frames),))
    share = jax.random.uniform(for_contrast, (len(frames),))
    faint, faded = lot < _FAINT, lot < _FAINT + _FADED
    weak = _FAINTEST_SEEN + (1.0 - _FAINTEST_SEEN) * share
    contrast = jnp.where(faint, _BRIGHTEST_UNSEEN * share, jnp.where(faded, weak, 1.0))
    ground = jnp.median(frames, axis=(1, 2), keepdims=True)
    frames = ground + contrast[:, None, None, None] * (frames - ground)
    return frames, dataclasses.replace(known, there=known.there & ~faint[:, None])


def _emptied(
    frames: Float[Array, "B H W C"], known: Objects, key: Key
) -> tuple[Float[Array, "B H W C"], Objects]:
    """Some frames of one colour, in which there is nothing: as what is not drawn becomes."""
    for_lot, for_colour = jax.random.split(key)
    empty = jax.random.bernoulli(for_lot, _EMPTY, (len(frames),))
    shape = (len(frames), 1, 1, frames.shape[-1])
    colour = jax.random.uniform(for_colour, shape, minval=-1.0, maxval=1.0)
    frames = jnp.where(empty[:, None, None, None], colour, frames)
    return frames, dataclasses.replace(known, there=known.there & ~empty[:, None])


def _blurred(frames: Float[Array, "B H W C"], key: Key) -> Float[Array, "B H W C"]:
    """Up to a binomial of three pixels."""
    for_lot, for_share = jax.random.split(key)
    lot = jax.random.bernoulli(for_lot, _BLURRED, (len(frames),))
    share = jnp.where(lot, jax.random.uniform(for_share, (len(frames),)), 0.0)
    soft = frames
    for axis in (1, 2):
        pad = [(0, 0)] * 4
        pad[axis] = (1, 1)
        wide = jnp.pad(soft, pad, mode="edge")
        size = soft.shape[axis]
        low, middle, high = (jax.lax.slice_in_dim(wide, d, d + size, axis=axis) for d in range(3))
        soft = (low + 2.0 * middle + high) / 4
    return frames + share[:, None, None, None] * (soft - frames)


def _noisy(frames: Float[Array, "B H W C"], key: Key) -> Float[Array, "B H W C"]:
    for_lot, for_size, for_noise = jax.random.split(key, 3)
    lot = jax.random.bernoulli(for_lot, _NOISY, (len(frames),))
    size = jnp.where(lot, _MOST_NOISE * jax.random.uniform(for_size, (len(frames),)), 0.0)
    noise = jax.random.normal(for_noise, frames.shape)
    return jnp.clip(frames + size[:, None, None, None] * noise, -1.0, 1.0)
