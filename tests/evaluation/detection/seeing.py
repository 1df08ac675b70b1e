"""What a detector might have seen, made by hand."""

import numpy as np

from vidgen.evaluation.clipset import ClipSet, TruthSet
from vidgen.evaluation.detection import DetectorNetwork, Seen

SIDE = 16
CLASSES = ("a", "b", "c")


def seen(frames, *, level=0.5, most=3):
    """Of clips, lists of frames, which are lists of (box, score, class); masks fill their boxes."""
    shape = (len(frames), len(frames[0]), most)
    boxes, scores = np.zeros((*shape, 4), np.float32), np.zeros(shape, np.float32)
    classes, masks = np.zeros(shape, np.int64), np.ones((*shape, 28, 28), np.float32)
    for n, clip in enumerate(frames):
        for t, found in enumerate(clip):
            for k, (box, score, label) in enumerate(sorted(found, key=lambda one: -one[1])):
                boxes[n, t, k], scores[n, t, k] = box, score
                classes[n, t, k] = CLASSES.index(label)
    return Seen(boxes=boxes, scores=scores, classes=classes, masks=masks, level=level)


def prompts(boxes, identity, motion, *, given=True):
    """Prompts whose truth is boxes [N T O 4], filled."""
    boxes = np.asarray(boxes, np.float32)
    n, frames, objects = boxes.shape[:3]
    y, x = np.ogrid[:SIDE, :SIDE]
    top, left, bottom, right = np.moveaxis(boxes, -1, 0)[..., None, None]
    masks = (y >= top) & (y < bottom) & (x >= left) & (x < right)
    return ClipSet(
        video=np.zeros((n, frames, SIDE, SIDE, 1), np.uint8),
        captions=("",) * n,
        context_frames=1,
        context_mask=np.full(n, given),
        keys=np.arange(n, dtype=np.uint32),
        truth=TruthSet(
            identity=identity,
            motion=motion,
            boxes=boxes,
            masks=masks.any(2),
            object_masks=masks if objects > 1 else None,
        ),
    )


class Told(DetectorNetwork):
    """A detector that sees what it is told."""

    def __init__(self, found):
        self._found = found
        self.name = "told"

    def __call__(self, video):
        return self._found

    def classes_of(self, identities):
        most = max(map(len, identities))
        rows = [[CLASSES.index(name) for name in names] for names in identities]
        return np.array([row + [-1] * (most - len(row)) for row in rows], np.int64)
