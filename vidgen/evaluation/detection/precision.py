"""Average precision as COCO defines it, by pycocotools.

Of each class, precision against recall as the score falls, interpolated at 101 recalls and
averaged; then the mean over classes. AP50 counts a detection as right that overlaps the object by
half, AP is the mean over ten thresholds from 0.50 to 0.95.

References: Lin et al., "Microsoft COCO: common objects in context" (2014); the evaluation server's
definitions, which the package is the code of.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from vidgen.evaluation.detection.network import Seen, in_frame
from vidgen.vision.detection import overlap

if TYPE_CHECKING:
    from vidgen.evaluation.detection.training import KnownFrames

PRECISIONS = ("box AP50", "box AP", "mask AP50", "mask AP")

_DETECTIONS = 100
_RIGHT = 0.5
_LEAST_SCORE = 1e-3
"""Below, a detection is left out: it changes precision at no recall that is reached."""


def average_precision(seen: Seen, known: KnownFrames) -> dict[str, float]:
    """AP50 and AP (0.50 to 0.95) of boxes and of masks, by the names of `PRECISIONS`.

    Args:
        seen: what a detector saw.
        known: what there is in the same frames.

    Raises:
        ImportError: without pycocotools.
    """
    return {name: value for kind in _kinds(seen, known) for name, value in kind.found().items()}


def average_precision_intervals(
    seen: Seen, known: KnownFrames, *, resamples: int = 100, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95% percentile intervals of `average_precision` by a bootstrap over whole clips."""
    rng = np.random.default_rng([seed, 6])
    clips, frames = seen.scores.shape[:2]
    draws = [rng.integers(clips, size=clips) for _ in range(resamples)]
    found: dict[str, tuple[float, float]] = {}
    for kind in _kinds(seen, known):
        values = [
            kind.found((draw[:, None] * frames + np.arange(frames)[None]).ravel()) for draw in draws
        ]
        for name in values[0]:
            low, high = np.nanpercentile([value[name] for value in values], [2.5, 97.5])
            found[name] = float(low), float(high)
    return found


def best_level(
    seen: Seen,
    boxes: Float[np.ndarray, "N O 4"],
    classes: Int[np.ndarray, "N O"],
    there: Bool[np.ndarray, "N O"],
) -> float:
    """The score from which detections are best taken for objects: the middle of the levels, in
    hundredths, whose F1 is within a thousandth of the highest.

    Args:
        seen: of N single frames, T being 1.
        boxes: of the objects.
        classes: of the objects.
        there: which are no padding.
    """
    alike = np.asarray(overlap(jnp.asarray(seen.boxes[:, 0, :, None]), jnp.asarray(boxes[:, None])))
    right = (alike >= _RIGHT) & (seen.classes[:, 0, :, None] == classes[:, None]) & there[:, None]
    # An object is found once: by the best of the detections that are right of it.
    first = right & (np.cumsum(right, axis=1) == 1)
    hits = first.any(axis=2)
    scores, objects = seen.scores[:, 0], max(int(there.sum()), 1)
    levels = np.arange(0.05, 0.96, 0.01)
    found = []
    for level in levels:
        chosen = scores >= level
        found.append(2 * (hits & chosen).sum() / max(int(chosen.sum()) + objects, 1))
    good = levels[np.asarray(found) >= max(found) - 1e-3]
    return float(np.median(good))


class _Evaluation:
    """COCO's matching of one kind, done once; its accumulation, as often as asked for."""

    def __init__(self, kind: Literal["box", "mask"], truth: Any, results: list[dict]) -> None:
        from pycocotools.cocoeval import COCOeval

        self._kind, self._empty = kind, not results
        with contextlib.redirect_stdout(io.StringIO()):
            found = truth.loadRes(results) if results else None
            self._coco = COCOeval(truth, found, "bbox" if kind == "box" else "segm")
            self._coco.params.areaRng = self._coco.params.areaRng[:1]
            self._coco.params.areaRngLbl = ["all"]
            self._coco.params.maxDets = [_DETECTIONS]
            if results:
                self._coco.evaluate()
        self._matches = None if self._empty else list(self._coco.evalImgs)

    def found(self, frames: Int[np.ndarray, "F"] | None = None) -> dict[str, float]:
        """AP50 and AP, over these frames if told, of which one may come several times."""
        names = f"{self._kind} AP50", f"{self._kind} AP"
        if self._matches is None:
            return dict.fromkeys(names, 0.0)
        if frames is not None:
            size = len(self._coco.params.imgIds)
            starts = range(0, len(self._matches), size)
            self._coco.evalImgs = [self._matches[s + f] for s in starts for f in frames]
        with contextlib.redirect_stdout(io.StringIO()):
            self._coco.accumulate()
        precision = self._coco.eval["precision"][..., 0, 0]  # [thresholds recalls classes]
        # -1 stands for a class without objects.
        values = [np.where(part > -1, part, np.nan) for part in (precision[:1], precision)]
        return {
            name: float(np.nanmean(value)) if np.isfinite(value).any() else 0.0
            for name, value in zip(names, values, strict=True)
        }


def _kinds(seen: Seen, known: KnownFrames) -> list[_Evaluation]:
    """Boxes and masks."""
    try:
        from pycocotools import mask as rle
        from pycocotools.coco import COCO
    except ImportError as error:
        raise ImportError(
            "average precision is measured by pycocotools: pip install 'vidgen[detection]'"
        ) from error
    height, width = known.video.shape[2:4]
    flat = known.there.reshape(-1, known.there.shape[-1])
    frame, number = np.nonzero(flat)
    boxes = known.boxes.reshape(*flat.shape, 4)[frame, number]
    masks = known.masks.reshape(*flat.shape, height, width)[frame, number]
    classes = known.classes.reshape(flat.shape)[frame, number]
    objects = [
        {
            "id": place + 1,
            "image_id": int(frame[place]),
            "category_id": int(classes[place]),
            "bbox": _corner_and_sides(boxes[place]),
            "area": float(masks[place].sum()),
            "segmentation": code,
            "iscrowd": 0,
        }
        for place, code in enumerate(_encoded(rle, masks))
    ]
    truth: Any = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": f, "height": height, "width": width} for f in range(len(flat))],
        "categories": [{"id": k, "name": name} for k, name in enumerate(known.names)],
        "annotations": objects,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    scores = seen.scores.reshape(len(flat), -1)
    frame, place = np.nonzero(scores > _LEAST_SCORE)
    boxes = seen.boxes.reshape(*scores.shape, 4)[frame, place]
    squares = seen.masks.reshape(*scores.shape, *seen.masks.shape[-2:])[frame, place]
    labels = seen.classes.reshape(scores.shape)[frame, place]
    common = [
        {"image_id": int(f), "category_id": int(label), "score": float(score)}
        for f, label, score in zip(frame, labels, scores[frame, place], strict=True)
    ]
    codes = _encoded(rle, in_frame(squares, boxes, height, width))
    as_boxes = [{**c, "bbox": _corner_and_sides(b)} for c, b in zip(common, boxes, strict=True)]
    as_masks = [{**c, "segmentation": code} for c, code in zip(common, codes, strict=True)]
    return [_Evaluation("box", truth, as_boxes), _Evaluation("mask", truth, as_masks)]


def _encoded(rle: Any, masks: np.ndarray) -> list[dict]:
    """Masks bool [M H W] as COCO's run lengths."""
    return rle.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))


def _corner_and_sides(box: np.ndarray) -> list[float]:
    """COCO's (left, top, width, height)."""
    top, left, bottom, right = box.tolist()
    return [left, top, right - left, bottom - top]
