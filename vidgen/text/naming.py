"""Plans as networks are told them: boxes in shares of the frame, and names as features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from vidgen.types import Captions, Layout, Plan, Task

Encode = Callable[[Captions], tuple[Float[np.ndarray, "N L D"], Bool[np.ndarray, "N L"]]]
"""A `TextEncoder`, or one that remembers."""


def layout_of(plans: Sequence[Plan | None], encode: Encode, task: Task) -> Layout:
    """What is told of B clips, with numpy leaves.

    An object's kind is the mean of the features of its name's words, by the encoder that reads the
    captions.

    Args:
        plans: of each clip; None for one of which nothing is said.
        encode: names to features.
        task: with T frames, and room for O objects.

    Raises:
        ValueError: for a plan of another number of frames, or of more objects than the task's; or
            for a name that the encoder cannot take.
    """
    shape = (len(plans), task.frames, task.objects)
    boxes = np.zeros((*shape, 4), np.float32)
    mask = np.zeros(shape, bool)
    kind = np.zeros((len(plans), task.objects, task.text_width), np.float32)
    known = _kinds([name for plan in plans if plan is not None for name in plan.identity], encode)
    sides = np.array([task.height, task.width] * 2, np.float32)
    for row, plan in enumerate(plans):
        if plan is None:
            continue
        frames, count = plan.boxes.shape[:2]
        if frames != task.frames:
            raise ValueError(f"a plan has {frames} frames, the task {task.frames}")
        if count > task.objects:
            raise ValueError(
                f"a plan places {count} objects ({', '.join(plan.identity)}), the task has room "
                f"for {task.objects}: set task.objects={count}"
            )
        said = np.asarray(np.isfinite(plan.boxes).all(axis=-1))
        mask[row, :, :count] = said
        boxes[row, :, :count] = np.where(said[..., None], plan.boxes, 0.0) / sides
        for place, name in enumerate(plan.identity):
            if said[:, place].any():
                kind[row, place] = known[name]
    return Layout(boxes=boxes, mask=mask, kind=kind)


def _kinds(names: Sequence[str], encode: Encode) -> dict[str, Float[np.ndarray, "D"]]:
    distinct = list(dict.fromkeys(names))
    if not distinct:
        return {}
    features, masks = encode(distinct)
    total = np.where(masks[..., None], features, 0.0).sum(axis=1)
    mean = total / np.maximum(masks.sum(axis=1), 1)[:, None]
    return dict(zip(distinct, mean.astype(np.float32), strict=True))
