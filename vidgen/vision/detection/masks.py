"""The mask head of Mask R-CNN: which bins of a box are the object's.

It sees the maps, which know what the object is, and the box's own pixels, which know where it
ends. The masks are of no class: the box has one already.

References:
    He et al., "Mask R-CNN" (2017), figure 4 (right) and section 3; table 2b and section 4.2:
    class-agnostic masks are nearly as good.
    Kirillov et al., "PointRend" (2020), section 3.3: fine features beside coarse ones.
    Lee & Park, "CenterMask" (2020): the same head behind a single-stage detector.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vidgen import nn
from vidgen.vision.detection.backbone import STRIDE
from vidgen.vision.detection.losses import binary
from vidgen.vision.detection.sampling import roi_align

MASK_SIZE = 28
"""S, bins a side of a mask, as in the paper's figure 4."""

_HALF = MASK_SIZE // 2


class MaskHead(nnx.Module):
    """Boxes into logits of their bins.

    Args:
        channels: C of the frames.
        inputs: D of the maps.
        width: of its own layers.
        rngs: source of the initial weights.
    """

    def __init__(self, channels: int, inputs: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.embed = nn.Conv(inputs + 4 * channels, width, (3, 3), rngs=rngs)
        self.inner = nn.Conv(width, width, (3, 3), rngs=rngs)
        self.head = nn.Conv(width, 4, (3, 3), rngs=rngs)

    def __call__(
        self,
        frames: Float[Array, "B H W C"],
        maps: Float[Array, "B h w D"],
        boxes: Float[Array, "B R 4"],
    ) -> Float[Array, "B R S S"]:
        """Logits of the bins of R boxes a frame."""
        coarse = jax.vmap(lambda m, b: roi_align(m, b, size=_HALF, stride=STRIDE, samples=1))
        fine = jax.vmap(lambda m, b: roi_align(m, b, size=MASK_SIZE, samples=1))
        B, R = boxes.shape[:2]
        pixels = fine(frames, boxes).reshape(B * R, _HALF, 2, _HALF, 2, -1)
        pixels = pixels.transpose(0, 1, 3, 2, 4, 5).reshape(B * R, _HALF, _HALF, -1)
        known = coarse(maps, boxes).reshape(B * R, _HALF, _HALF, -1)
        x = jax.nn.relu(self.embed(jnp.concatenate([known, pixels], axis=-1)))
        x = jax.nn.relu(self.inner(x))
        # Four channels of a bin are the four bins of half its side (Mask R-CNN deconvolves).
        quarters = self.head(x).reshape(B, R, _HALF, _HALF, 2, 2)
        return quarters.transpose(0, 1, 2, 4, 3, 5).reshape(B, R, MASK_SIZE, MASK_SIZE)


def mask_loss(
    logits: Float[Array, "B R S S"],
    boxes: Float[Array, "B R 4"],
    masks: Bool[Array, "B R H W"],
    there: Bool[Array, "B R"],
) -> Float[Array, ""]:
    """Mean cross-entropy of the bins of those boxes that have an object, whose mask is read in the
    same bins; 0 where none has (Mask R-CNN, section 3: L_mask).
    """
    read = jax.vmap(jax.vmap(lambda mask, box: roi_align(mask, box[None], size=MASK_SIZE)[0]))
    wanted = read(masks[..., None].astype(logits.dtype), boxes)[..., 0] >= 0.5
    each = binary(logits, wanted.astype(logits.dtype)).mean(axis=(2, 3))
    return jnp.sum(jnp.where(there, each, 0.0)) / jnp.maximum(jnp.sum(there), 1)
