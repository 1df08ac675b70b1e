"""How well clips follow boxes that were asked for."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8

from vidgen.evaluation.detection.network import DetectorNetwork
from vidgen.evaluation.detection.verdicts import box_overlaps


def follow_boxes(
    network: DetectorNetwork,
    video: UInt8[np.ndarray, "N T H W C"],
    boxes: Float[np.ndarray, "N T O 4"],
    identities: tuple[tuple[str, ...], ...],
    failed: Bool[np.ndarray, "N"] | None = None,
) -> Float[np.ndarray, "N"]:
    """Of each clip the intersection over union of the detected box of the asked class with the
    asked box, mean over frames and objects; 0 where nothing of the class is detected.

    Of several detections of a class the best counts. Where a clip asks for a class twice, each of
    its boxes takes the detection of that class that fits it best.

    Args:
        network: the detector.
        video: the clips.
        boxes: asked of each object, (top, left, bottom, right) in pixels; NaN where none is asked.
        identities: N tuples of at most O names, what each object should be.
        failed: which clips were not finite, see `ClipSet`; nothing is detected in them.

    Returns:
        In [0, 1]; NaN for a clip of which no box is asked.

    Raises:
        UnsuitableClipsError: for frames of another size, or identities that it has not learned.
        ValueError: if the arrays do not belong together.
    """
    if not len(video) == len(boxes) == len(identities) or video.shape[1] != boxes.shape[1]:
        raise ValueError(
            f"clips {video.shape[:2]}, boxes {boxes.shape[:2]} and {len(identities)} identities do "
            "not belong together"
        )
    known = network.classes_of(identities)
    if known.shape[1] > boxes.shape[2]:
        raise ValueError(f"{known.shape[1]} identities a clip, but {boxes.shape[2]} boxes")
    wanted = np.pad(known, ((0, 0), (0, boxes.shape[2] - known.shape[1])), constant_values=-1)
    seen = network(video)
    found = box_overlaps(seen.boxes_at(seen.first_of(wanted)), boxes)
    twice = (wanted[:, :, None] == wanted[:, None]).sum(-1) > 1
    if (twice & (wanted >= 0)).any():
        K = seen.scores.shape[-1]
        each = np.stack(
            [
                box_overlaps(np.repeat(seen.boxes[:, :, k, None], boxes.shape[2], 2), boxes)
                for k in range(K)
            ],
            axis=-1,
        )
        right = (seen.classes[:, :, None] == wanted[:, None, :, None]) & seen.counted[:, :, None]
        found = np.where(twice[:, None], np.where(right, each, 0.0).max(-1), found)
    if failed is not None:
        found = np.where(failed[:, None, None], 0.0, found)
    asked = np.isfinite(boxes).all(-1) & (wanted >= 0)[:, None]
    total = np.where(asked, found, 0.0).sum((1, 2))
    count = asked.sum((1, 2))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
