"""What is in frames: as it is known, and as it is detected. Every shape is static."""

from __future__ import annotations

import dataclasses

import jax
from jaxtyping import Array, Bool, Float, Int


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Objects:
    """What there is in B frames: at most O objects each, the rest padding.

    Attributes:
        boxes: [B O 4] (top, left, bottom, right) in pixels; zeros where there is none.
        classes: [B O].
        masks: [B O H W], where each object is.
        there: [B O], False for padding, which no loss sees.
    """

    boxes: Float[Array, "B O 4"]
    classes: Int[Array, "B O"]
    masks: Bool[Array, "B O H W"]
    there: Bool[Array, "B O"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Detections:
    """What is seen in B frames: K detections each, the best first.

    Attributes:
        boxes: [B K 4], as `Objects.boxes`.
        scores: [B K], in [0, 1]; 0 for a place that is not filled.
        classes: [B K].
        masks: [B K S S], share of each bin of the box that is the object's, see `sampling.paste`.
    """

    boxes: Float[Array, "B K 4"]
    scores: Float[Array, "B K"]
    classes: Int[Array, "B K"]
    masks: Float[Array, "B K S S"]
