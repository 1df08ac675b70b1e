"""Clips broken on purpose: what an oracle must not let pass.

Each kind takes real clips and does one thing wrong that a generator might. The score that an
oracle gives them, which should be near 0, is its own error and is published beside its verdicts.
"""

from __future__ import annotations

import numpy as np

from vidgen.evaluation.clipset import ClipSet

_FAINT = 0.3


def broken(real: ClipSet, *, seed: int) -> dict[str, ClipSet]:
    """Every kind of broken clip, as if each were a generator's answers to the same prompts.

    From the middle of the clip on, where nothing else is said:

    - ``vanishes``: the object is gone.
    - ``second-object``: another clip's object stands in the far corner.
    - ``swapped``: the object turns into one of another identity, on the same path.
    - ``freezes``: the object stands still.
    - ``mirrored``: all along, the object moves the opposite way: its path is point-mirrored, its
      handwriting is not. (Played backwards, a clip with a bounce may be right again.)
    - ``faint``: all along, at three tenths of the contrast.

    Args:
        real: real clips with their truth, of one object each, and of at least two identities.
        seed: of the choice of the other clips.

    Raises:
        ValueError: if the clips have no truth, not one object each, or all the same identity.
    """
    if real.truth is None or real.truth.boxes.shape[2] != 1:
        raise ValueError("only clips whose truth is one object each can be broken on purpose")
    identities = [words[0] for words in real.truth.identity]
    if len(set(identities)) < 2:
        raise ValueError("clips of one identity cannot be broken by swapping it")
    rng = np.random.default_rng([seed, 2])
    frames = real.video.shape[1]
    middle = frames // 2
    boxes = np.rint(real.truth.boxes[:, :, 0]).astype(np.int64)
    kinds = ("vanishes", "second-object", "swapped", "freezes", "mirrored", "faint")
    made = {kind: real.video.copy() for kind in kinds}
    made["vanishes"][:, middle:] = 0
    made["freezes"][:, middle:] = real.video[:, middle - 1 : middle]
    made["faint"] = np.rint(real.video * _FAINT).astype(np.uint8)
    made["mirrored"][:] = 0
    for clip, video in enumerate(real.video):
        others = [i for i, name in enumerate(identities) if name != identities[clip]]
        other = int(rng.choice(others))
        stranger = _cut(real.video[other, 0], boxes[other, 0])
        for frame in range(frames):
            box = boxes[clip, frame]
            centre = (box[:2] + box[2:]) / 2
            opposite = np.array(video.shape[1:3]) - centre
            _paste(made["mirrored"][clip, frame], _cut(video[frame], box), opposite)
            if frame >= middle:
                canvas = np.array(video.shape[1:3])
                corner = np.where(centre < canvas / 2, canvas, 0)
                _paste(made["second-object"][clip, frame], stranger, corner)
                made["swapped"][clip, frame] = 0
                _paste(made["swapped"][clip, frame], stranger, centre)
    return {kind: real.replace(video=video) for kind, video in made.items()}


def _cut(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    top, left, bottom, right = box
    return frame[top:bottom, left:right]


def _paste(frame: np.ndarray, thing: np.ndarray, centre: np.ndarray) -> None:
    """Lay a thing over a frame in place, as near to a centre as the canvas allows."""
    side = np.array(thing.shape[:2])
    place = np.rint(np.asarray(centre) - side / 2).astype(np.int64)
    top, left = np.clip(place, 0, np.array(frame.shape[:2]) - side)
    window = frame[top : top + side[0], left : left + side[1]]
    np.maximum(window, thing, out=window)
