"""A two-stage detector: proposals first, then a second look at each of them.

References:
    Ren et al., "Faster R-CNN: towards real-time object detection with region proposal networks"
    (2015): anchors, proposals, and the losses of both stages (equations 1 and 2).
    He et al., "Mask R-CNN" (2017): RoIAlign, and the head of masks beside that of boxes.
    Dai et al., "R-FCN" (2016), section 3: one box for all classes.

Where the papers draw as many background samples as foreground ones, the two are weighed alike here,
which is the same in expectation and draws nothing.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.vision.detection.assignment import NOBODY, by_overlap
from vidgen.vision.detection.backbone import STRIDE, Backbone, centres
from vidgen.vision.detection.boxes import decode, encode, overlaps, within
from vidgen.vision.detection.losses import binary, mean_where, smooth_l1
from vidgen.vision.detection.masks import MaskHead, mask_loss
from vidgen.vision.detection.objects import Detections, Objects
from vidgen.vision.detection.sampling import roi_align
from vidgen.vision.detection.single_stage import OVERLAP
from vidgen.vision.detection.suppression import nms

_SIDES = (0.125, 0.25, 0.5)
"""Of the anchors, as shares of the frame's shorter side."""

_RATIOS = (0.5, 1.0, 2.0)
"""Height to width of the anchors, at equal area."""

_CANDIDATES, _PROPOSALS = 64, 12
"""Anchors that are looked at by suppression, and what it leaves."""

_PROPOSAL_OVERLAP = 0.7
_BINS = 7
_SCALES = 10.0, 5.0
"""On the offsets of centres and of sides, whose deviations become about 1 (the papers' code)."""

_BETA = 1.0 / 9
"""Of the smooth L1 of anchors' offsets, as in the papers' code."""


class TwoStage(nnx.Module):
    """Frames into proposals, and proposals into detections.

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
        anchors = len(_SIDES) * len(_RATIOS)
        self.backbone = Backbone(shape[2], width, rngs=rngs)
        self.propose = nn.Conv(width, width, (3, 3), rngs=rngs)
        self.proposal_head = nn.Conv(width, 5 * anchors, (1, 1), rngs=rngs)
        self.gather = nnx.Linear(_BINS * _BINS * width, 2 * width, rngs=rngs)
        self.inner = nnx.Linear(2 * width, 2 * width, rngs=rngs)
        self.class_head = nnx.Linear(2 * width, classes + 1, rngs=rngs)
        self.box_head = nnx.Linear(2 * width, 4, rngs=rngs)
        self.mask = MaskHead(shape[2], width, width // 2, rngs=rngs)

    def loss(self, frames: Float[Array, "B H W C"], known: Objects) -> dict[str, Float[Array, ""]]:
        """Terms of the loss, whose sum is learned from. Pixels in [-1, 1]."""
        maps = self.backbone(frames)
        objectness, offsets = self._anchors_say(maps)
        proposals = jax.lax.stop_gradient(self._proposals(objectness, offsets))
        # The objects are proposals too, or there is nothing to learn from before there are good
        # ones; padding among them is a box without area, which overlaps nothing.
        whole = jnp.where(known.there[..., None], known.boxes, 0.0)
        looked_at = jnp.concatenate([proposals, whole], axis=1)
        logits, moved = self._look(maps, looked_at)
        masked = self._best_proposals(proposals, known)
        seen = self.mask(frames, maps, masked)
        return {
            **self._proposal_losses(objectness, offsets, known),
            **_head_losses(looked_at, logits, moved, known),
            "mask": mask_loss(seen, masked, known.masks, known.there),
        }

    def detect(self, frames: Float[Array, "B H W C"]) -> Detections:
        """What is seen, pixels in [-1, 1]."""
        maps = self.backbone(frames)
        proposals = self._proposals(*self._anchors_say(maps))
        logits, moved = self._look(maps, proposals)
        boxes = within(decode(moved / _scales(), proposals), *self.shape[:2])
        score = jax.nn.softmax(logits)[..., :-1]

        def choose(
            boxes: Float[Array, "N 4"], score: Float[Array, "N K"]
        ) -> tuple[Array, Array, Array]:
            flat = score.reshape(-1)
            best, place = jax.lax.top_k(flat, min(4 * self.most, flat.size))
            row, label = place // score.shape[1], place % score.shape[1]
            most = min(self.most, best.size)
            kept, filled = nms(boxes[row], best, label, threshold=OVERLAP, most=most)
            return boxes[row[kept]], jnp.where(filled, best[kept], 0.0), label[kept]

        chosen, scores, labels = jax.vmap(choose)(boxes, score)
        masks = jax.nn.sigmoid(self.mask(frames, maps, chosen))
        return Detections(boxes=chosen, scores=scores, classes=labels, masks=masks)

    def _anchors_say(
        self, maps: Float[Array, "B h w D"]
    ) -> tuple[Float[Array, "B N"], Float[Array, "B N 4"]]:
        """Logits of there being an object, and offsets of its box, of every anchor."""
        told = self.proposal_head(jax.nn.relu(self.propose(maps))).reshape(len(maps), -1, 5)
        return told[..., 0], told[..., 1:]

    def _proposals(
        self, objectness: Float[Array, "B N"], offsets: Float[Array, "B N 4"]
    ) -> Float[Array, "B P 4"]:
        """The best boxes of anchors that do not hide each other; the frame itself where there are
        fewer.
        """
        height, width = self.shape[:2]
        boxes = within(decode(offsets, anchors(height, width)[None]), height, width)
        whole = jnp.array([0.0, 0.0, height, width])

        def choose(boxes: Float[Array, "N 4"], score: Float[Array, "N"]) -> Float[Array, "P 4"]:
            best, row = jax.lax.top_k(score, min(_CANDIDATES, len(score)))
            most = min(_PROPOSALS, len(row))
            kept, filled = nms(
                boxes[row],
                jax.nn.sigmoid(best),
                jnp.zeros(len(row), jnp.int32),
                threshold=_PROPOSAL_OVERLAP,
                most=most,
            )
            return jnp.where(filled[:, None], boxes[row[kept]], whole[None])

        return jax.vmap(choose)(boxes, objectness)

    def _look(
        self, maps: Float[Array, "B h w D"], boxes: Float[Array, "B R 4"]
    ) -> tuple[Float[Array, "B R L"], Float[Array, "B R 4"]]:
        """Logits of the classes and of none of them, and scaled offsets, of R boxes a frame."""
        align = jax.vmap(lambda m, b: roi_align(m, b, size=_BINS, stride=STRIDE, samples=1))
        x = align(maps, boxes).reshape(*boxes.shape[:2], -1)
        x = jax.nn.relu(self.inner(jax.nn.relu(self.gather(x))))
        return self.class_head(x), self.box_head(x)

    def _proposal_losses(
        self,
        objectness: Float[Array, "B N"],
        offsets: Float[Array, "B N 4"],
        known: Objects,
    ) -> dict[str, Float[Array, ""]]:
        """Of the first stage (Faster R-CNN, equation 1)."""
        made = anchors(*self.shape[:2])
        owner = jax.vmap(
            lambda boxes, there: by_overlap(made, boxes, there, low=0.3, high=0.7, best_too=True)
        )(known.boxes, known.there)
        answers = owner >= 0
        target = jnp.take_along_axis(known.boxes, jnp.maximum(owner, 0)[..., None], axis=1)
        off = smooth_l1(offsets - encode(target, made[None]), beta=_BETA).sum(axis=-1)
        return {
            "objectness": _balanced(
                binary(objectness, answers.astype(objectness.dtype)), answers, owner == NOBODY
            ),
            "proposal": mean_where(off, answers),
        }

    def _best_proposals(
        self, proposals: Float[Array, "B P 4"], known: Objects
    ) -> Float[Array, "B O 4"]:
        """Of each object the proposal that overlaps it the most, or its own box where none does by
        half: masks are learned in boxes such as will be met.
        """

        def choose(proposals: Float[Array, "P 4"], boxes: Float[Array, "O 4"]) -> Array:
            found = overlaps(boxes, proposals)
            best = proposals[jnp.argmax(found, axis=1)]
            return jnp.where((jnp.max(found, axis=1) >= 0.5)[:, None], best, boxes)

        return jax.vmap(choose)(proposals, known.boxes)


def anchors(height: int, width: int) -> Float[Array, "N 4"]:
    """Boxes of every size and shape around the middle of every cell, those of a cell together."""
    sides = [
        (share * min(height, width) * ratio**0.5, share * min(height, width) / ratio**0.5)
        for share in _SIDES
        for ratio in _RATIOS
    ]
    half = jnp.array(sides) / 2
    middle = centres(height, width).reshape(-1, 1, 2)
    return jnp.concatenate([middle - half[None], middle + half[None]], axis=-1).reshape(-1, 4)


def _head_losses(
    looked_at: Float[Array, "B R 4"],
    logits: Float[Array, "B R L"],
    moved: Float[Array, "B R 4"],
    known: Objects,
) -> dict[str, Float[Array, ""]]:
    """Of the second stage (Faster R-CNN, section 3.1.2, after Fast R-CNN, equations 1 to 3)."""
    owner = jax.vmap(lambda boxes, of, there: by_overlap(boxes, of, there, low=0.5, high=0.5))(
        looked_at, known.boxes, known.there
    )
    answers, row = owner >= 0, jnp.maximum(owner, 0)
    nothing = logits.shape[-1] - 1
    label = jnp.where(answers, jnp.take_along_axis(known.classes, row, axis=1), nothing)
    each = -jnp.take_along_axis(jax.nn.log_softmax(logits), label[..., None], axis=-1)[..., 0]
    target = jnp.take_along_axis(known.boxes, row[..., None], axis=1)
    off = smooth_l1(moved - encode(target, looked_at) * _scales()).sum(axis=-1)
    # A padded object is no background either: there is nothing to look at.
    wide = (looked_at[..., 2:] > looked_at[..., :2]).all(axis=-1)
    return {
        "class": _balanced(each, answers, (owner == NOBODY) & wide),
        "box": mean_where(off, answers),
    }


def _balanced(values: Array, foreground: Array, background: Array) -> Float[Array, ""]:
    """Half the mean over the foreground, half that over the background."""
    return (mean_where(values, foreground) + mean_where(values, background)) / 2


def _scales() -> Float[Array, "1 1 4"]:
    centre, side = _SCALES
    return jnp.array([centre, centre, side, side]).reshape(1, 1, 4)
