"""Which prediction answers for which object."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vidgen.vision.detection.boxes import area, overlaps

CENTRE_RADIUS = 1.5
"""Strides around the middle of an object, within which cells answer for it."""

NOBODY, IGNORED = -1, -2


def by_centre(
    points: Float[Array, "N 2"],
    boxes: Float[Array, "O 4"],
    there: Bool[Array, "O"],
    *,
    stride: float | int,
) -> Int[Array, "N"]:
    """The object that each cell answers for: one in whose box its middle lies, within 1.5 strides
    of the middle of that box, and the smallest of several; -1 for none. An object so small that no
    cell is such gets the cell that is nearest to its middle.

    References: Tian et al., "FCOS" (2019), section 3.1 (the smallest); (2020), section 3.2 (centre
    sampling).
    """
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    gap = points[:, None, :] - middle[None, :, :]
    inside = (points[:, None, :] > boxes[None, :, :2]) & (points[:, None, :] < boxes[None, :, 2:])
    near = (jnp.abs(gap) < CENTRE_RADIUS * stride).all(axis=-1) & inside.all(axis=-1)
    nearest = jnp.arange(len(points))[:, None] == jnp.argmin((gap**2).sum(-1), axis=0)[None, :]
    answers = (near | (nearest & ~near.any(axis=0)[None, :])) & there[None, :]
    size = jnp.where(answers, area(boxes)[None, :], jnp.inf)
    return jnp.where(answers.any(axis=1), jnp.argmin(size, axis=1), NOBODY)


def by_overlap(
    candidates: Float[Array, "N 4"],
    boxes: Float[Array, "O 4"],
    there: Bool[Array, "O"],
    *,
    low: float,
    high: float,
    best_too: bool = False,
) -> Int[Array, "N"]:
    """The object that each candidate answers for: the one that it overlaps the most, if by at
    least `high`; -1 below `low`, and -2 between the two, which counts for nothing.

    Args:
        candidates: anchors or proposals.
        boxes: of objects.
        there: which are no padding.
        low: of intersection over union.
        high: of intersection over union.
        best_too: whether an object's best candidates answer for it, however little they overlap.

    References: Ren et al., "Faster R-CNN" (2015), section 3.1.2, "Loss function": (i) and (ii).
    """
    found = jnp.where(there[None, :], overlaps(candidates, boxes), 0.0)
    owner, share = jnp.argmax(found, axis=1), jnp.max(found, axis=1)
    answer = jnp.where(share >= high, owner, jnp.where(share < low, NOBODY, IGNORED))
    if best_too:
        best = (found == jnp.max(found, axis=0)[None, :]) & (found > 0)
        answer = jnp.where(best.any(axis=1), jnp.argmax(jnp.where(best, found, -1.0), 1), answer)
    return answer
