"""Of detections that overlap, the best: non-maximum suppression of static shape."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vidgen.vision.detection.boxes import overlaps


def nms(
    boxes: Float[Array, "N 4"],
    scores: Float[Array, "N"],
    classes: Int[Array, "N"],
    *,
    threshold: float,
    most: int,
    least: float = 0.0,
) -> tuple[Int[Array, "K"], Bool[Array, "K"]]:
    """Greedy suppression, class by class: take the best, drop those of its class that overlap it by
    more than `threshold`, and so on.

    Args:
        boxes: candidates.
        scores: of each; of equal ones the first comes first.
        classes: of each; those of different classes never suppress each other.
        threshold: of intersection over union.
        most: K, at most N, how many are taken.
        least: scores that are no higher are no candidates.

    Returns:
        Rows of those taken, the best first, and which of the K places are filled; the row of an
        empty place means nothing.
    """
    rivals = (overlaps(boxes, boxes) > threshold) & (classes[:, None] == classes[None, :])

    def take(
        place: Int[Array, ""], state: tuple[Array, Array, Array]
    ) -> tuple[Array, Array, Array]:
        left, rows, filled = state
        best = jnp.argmax(left)
        there = left[best] > least
        gone = rivals[best] | (jnp.arange(len(left)) == best)
        return (
            jnp.where(gone & there, -jnp.inf, left),
            rows.at[place].set(best.astype(jnp.int32)),
            filled.at[place].set(there),
        )

    start = scores, jnp.zeros(most, jnp.int32), jnp.zeros(most, jnp.bool_)
    _, rows, filled = jax.lax.fori_loop(0, most, take, start)
    return rows, filled
