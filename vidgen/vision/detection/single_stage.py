"""A single-stage detector without anchors: every cell says what is there and where it ends.

A cell predicts logits of the classes, the distances (left as (top, left, bottom, right)) from its
middle to the sides of the box, in strides, and how well that box fits. Its score is the geometric
mean of class and fit.

References:
    Tian et al., "FCOS: fully convolutional one-stage object detection" (2019), sections 3.1 and
    3.2; (2020), for centre sampling, and for the fit as the overlap that the box has, in place of
    its centre-ness ("IoU-branch", also Redmon & Farhadi, "YOLO9000" (2017), section 2).
    Rezatofighi et al., "Generalized intersection over union" (2019): the loss of boxes.
    Lin et al., "Focal loss for dense object detection" (2017): the loss of classes, and the first
    bias of the logits.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.vision.detection.assignment import by_centre
from vidgen.vision.detection.backbone import STRIDE, Backbone, centres
from vidgen.vision.detection.boxes import generalised_overlap, overlap, within
from vidgen.vision.detection.losses import binary, focal, mean_where
from vidgen.vision.detection.masks import MaskHead, mask_loss
from vidgen.vision.detection.objects import Detections, Objects
from vidgen.vision.detection.suppression import nms

_FIRST_PROBABILITY = 0.01
_CANDIDATES = 32
_LONGEST = 6.0
"""Of the logarithm of a distance in strides: no exponential overflows."""

OVERLAP = 0.6
"""Above which the worse of two detections of a class is dropped."""


class SingleStage(nnx.Module):
    """Frames into detections, at once.

    Args:
        shape: [H W C] of the frames.
        classes: K that there are.
        width: D of its maps, a multiple of 4.
        most: detections a frame.
        rngs: source of the initial weights.
    """

    def __init__(
        self, shape: tuple[int, ...], classes: int, width: int, most: int, *, rngs: nnx.Rngs
    ) -> None:
        self.shape, self.most = tuple(shape), most
        self.backbone = Backbone(shape[2], width, rngs=rngs)
        self.what = nn.Conv(width, width, (3, 3), rngs=rngs)
        self.where = nn.Conv(width, width, (3, 3), rngs=rngs)
        self.class_head = nn.Conv(width, classes, (1, 1), rngs=rngs)
        self.box_head = nn.Conv(width, 5, (1, 1), rngs=rngs)
        self.mask = MaskHead(shape[2], width, width // 2, rngs=rngs)

    def loss(self, frames: Float[Array, "B H W C"], known: Objects) -> dict[str, Float[Array, ""]]:
        """Terms of the loss, whose sum is learned from. Pixels in [-1, 1]."""
        maps, logits, boxes, fit = self._predict(frames)
        points = centres(*self.shape[:2]).reshape(-1, 2)

        def wanted(boxes: Float[Array, "O 4"], there: Array) -> Array:
            return by_centre(points, boxes, there, stride=STRIDE)

        owner = jax.vmap(wanted)(known.boxes, known.there)
        answers, row = owner >= 0, jnp.maximum(owner, 0)
        target = jnp.take_along_axis(known.boxes, row[..., None], axis=1)
        label = jnp.take_along_axis(known.classes, row, axis=1)
        one_hot = jax.nn.one_hot(label, logits.shape[-1]) * answers[..., None]
        count = jnp.maximum(jnp.sum(answers), 1)
        # A cell without an object is compared with the box that it predicts itself: no NaN.
        target = jnp.where(answers[..., None], target, jax.lax.stop_gradient(boxes))
        fits = jax.lax.stop_gradient(overlap(boxes, target))
        seen = self.mask(frames, maps, known.boxes)
        return {
            "class": jnp.sum(focal(logits, one_hot)) / count,
            "box": mean_where(1.0 - generalised_overlap(boxes, target), answers),
            "fit": mean_where(binary(fit, fits), answers),
            "mask": mask_loss(seen, known.boxes, known.masks, known.there),
        }

    def detect(self, frames: Float[Array, "B H W C"]) -> Detections:
        """What is seen, pixels in [-1, 1]."""
        maps, logits, boxes, fit = self._predict(frames)
        score = jnp.sqrt(jax.nn.sigmoid(logits) * jax.nn.sigmoid(fit)[..., None])
        boxes = within(boxes, *self.shape[:2])

        def choose(
            boxes: Float[Array, "N 4"], score: Float[Array, "N K"]
        ) -> tuple[Array, Array, Array]:
            flat = score.reshape(-1)
            best, place = jax.lax.top_k(flat, min(_CANDIDATES, flat.size))
            row, label = place // score.shape[1], place % score.shape[1]
            most = min(self.most, best.size)
            kept, filled = nms(boxes[row], best, label, threshold=OVERLAP, most=most)
            return boxes[row[kept]], jnp.where(filled, best[kept], 0.0), label[kept]

        chosen, scores, labels = jax.vmap(choose)(boxes, score)
        masks = jax.nn.sigmoid(self.mask(frames, maps, chosen))
        return Detections(boxes=chosen, scores=scores, classes=labels, masks=masks)

    def _predict(
        self, frames: Float[Array, "B H W C"]
    ) -> tuple[
        Float[Array, "B h w D"],
        Float[Array, "B N K"],
        Float[Array, "B N 4"],
        Float[Array, "B N"],
    ]:
        """Maps; and of every cell the logits of classes, the box, and the logit of its fit."""
        maps = self.backbone(frames)
        B = len(maps)
        logits = self.class_head(jax.nn.relu(self.what(maps))).reshape(B, -1, self._classes)
        logits = logits - math.log(1 / _FIRST_PROBABILITY - 1)
        told = self.box_head(jax.nn.relu(self.where(maps))).reshape(B, -1, 5)
        reach = jnp.exp(jnp.minimum(told[..., :4], _LONGEST)) * STRIDE
        points = centres(*self.shape[:2]).reshape(1, -1, 2)
        boxes = jnp.concatenate([points - reach[..., :2], points + reach[..., 2:]], axis=-1)
        return maps, logits, boxes, told[..., 4]

    @property
    def _classes(self) -> int:
        return self.class_head.kernel.shape[-1]
