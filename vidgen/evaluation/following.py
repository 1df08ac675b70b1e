"""How well clips follow a layout: the boxes that are seen, laid over those that were asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from vidgen.evaluation.components import INK_LEVEL
from vidgen.types import Plan


def overlap(
    a: Float[np.ndarray, "*axes 4"], b: Float[np.ndarray, "*axes 4"]
) -> Float[np.ndarray, "*axes"]:
    """Intersection over union of boxes (top, left, bottom, right); NaN where one of them is."""
    inside = np.minimum(a, b)[..., 2:] - np.maximum(a, b)[..., :2]
    common = np.clip(inside, 0.0, None).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (a, b)]
    return common / (areas[0] + areas[1] - common)


def ink_boxes(video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N T 4"]:
    """The tight box of all ink of each frame on a black ground, in closed form; NaN where there is
    none. Ink is a pixel with a channel of `INK_LEVEL`, which blurs and noise hardly reach.
    """
    ink = video.max(axis=-1) >= INK_LEVEL
    rows, columns = ink.any(axis=3), ink.any(axis=2)
    top, left = rows.argmax(-1), columns.argmax(-1)
    bottom = rows.shape[-1] - rows[..., ::-1].argmax(-1)
    right = columns.shape[-1] - columns[..., ::-1].argmax(-1)
    boxes = np.stack([top, left, bottom, right], axis=-1).astype(np.float64)
    return np.where(rows.any(-1)[..., None], boxes, np.nan)


def following(seen: Float[np.ndarray, "N T 4"], plans: Sequence[Plan]) -> Float[np.ndarray, "N"]:
    """Mean overlap over frames of one object's box with the one that was asked for; a frame in
    which nothing is seen counts 0, one of which nothing was asked not at all.

    Raises:
        ValueError: for a plan of several objects.
    """
    if any(len(plan.identity) != 1 for plan in plans):
        raise ValueError("boxes of ink cannot tell several objects apart")
    asked = np.stack([plan.boxes[:, 0] for plan in plans])
    each = np.nan_to_num(overlap(seen, asked))
    return np.nanmean(np.where(np.isfinite(asked).all(-1), each, np.nan), axis=1)
