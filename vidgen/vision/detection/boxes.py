"""Boxes: (top, left, bottom, right) in pixels, half open, as everywhere in this house.

A box without area overlaps nothing, so that a padded target, four zeros, needs no case of its own.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

_LARGEST_SCALE = math.log(1000.0 / 16)
"""Of a decoded side against that of its anchor, as in the reference implementation."""

_LEAST = 1e-6


def area(boxes: Float[Array, "*n 4"]) -> Float[Array, "*n"]:
    """Pixels of each box; 0 where it is turned inside out."""
    sides = jnp.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return sides[..., 0] * sides[..., 1]


def overlap(a: Float[Array, "*#n 4"], b: Float[Array, "*#n 4"]) -> Float[Array, "*m"]:
    """Intersection over union of boxes, one with one. Shapes broadcast as numpy's do."""
    common, union = _common(a, b)
    return common / jnp.maximum(union, _LEAST)


def overlaps(a: Float[Array, "N 4"], b: Float[Array, "M 4"]) -> Float[Array, "N M"]:
    """Intersection over union of every box of one list with every one of another."""
    return overlap(a[:, None, :], b[None, :, :])


def generalised_overlap(a: Float[Array, "*#n 4"], b: Float[Array, "*#n 4"]) -> Float[Array, "*m"]:
    """GIoU = IoU - (hull - union) / hull, in (-1, 1], which falls as boxes part.

    References: Rezatofighi et al., "Generalized intersection over union" (2019), algorithm 1.
    """
    common, union = _common(a, b)
    corners = jnp.minimum(a[..., :2], b[..., :2]), jnp.maximum(a[..., 2:], b[..., 2:])
    hull = area(jnp.concatenate(corners, axis=-1))
    # The hull of two points has no area, and a quotient of zeros no gradient.
    return common / jnp.maximum(union, _LEAST) - (hull - union) / jnp.maximum(hull, _LEAST)


def encode(boxes: Float[Array, "*#n 4"], anchors: Float[Array, "*#n 4"]) -> Float[Array, "*m 4"]:
    """Boxes as offsets from anchors: (ty, tx, th, tw), with y and x of the centres

        ty = (y - y_a) / h_a,   th = log(h / h_a),   and the same of x and w.

    References: Ren et al., "Faster R-CNN" (2015), equation 2.
    """
    centre, sides = _centred(boxes)
    centre_a, sides_a = _centred(anchors)
    moved = (centre - centre_a) / jnp.maximum(sides_a, _LEAST)
    scaled = jnp.log(jnp.maximum(sides, _LEAST) / jnp.maximum(sides_a, _LEAST))
    return jnp.concatenate([moved, scaled], axis=-1)


def decode(offsets: Float[Array, "*#n 4"], anchors: Float[Array, "*#n 4"]) -> Float[Array, "*m 4"]:
    """The inverse of `encode`; no side becomes more than 62.5 times that of its anchor."""
    centre_a, sides_a = _centred(anchors)
    centre = centre_a + offsets[..., :2] * sides_a
    half = jnp.exp(jnp.minimum(offsets[..., 2:], _LARGEST_SCALE)) * sides_a / 2
    return jnp.concatenate([centre - half, centre + half], axis=-1)


def within(boxes: Float[Array, "*n 4"], height: int, width: int) -> Float[Array, "*n 4"]:
    """The boxes cut to a frame."""
    most = jnp.array([height, width, height, width], boxes.dtype)
    return jnp.minimum(jnp.maximum(boxes, 0.0), jnp.broadcast_to(most, boxes.shape))


def _common(
    a: Float[Array, "*#n 4"], b: Float[Array, "*#n 4"]
) -> tuple[Float[Array, "*m"], Float[Array, "*m"]]:
    """Pixels of the intersection and of the union."""
    corners = jnp.maximum(a[..., :2], b[..., :2]), jnp.minimum(a[..., 2:], b[..., 2:])
    common = area(jnp.concatenate(corners, axis=-1))
    return common, area(a) + area(b) - common


def _centred(boxes: Float[Array, "*n 4"]) -> tuple[Float[Array, "*n 2"], Float[Array, "*n 2"]]:
    """Centres (y, x) and sides (height, width)."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
