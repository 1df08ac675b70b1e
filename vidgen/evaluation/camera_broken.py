"""Clips of a moving camera broken on purpose, and what the oracle says of them.

Each kind takes real clips and does one thing wrong that a generator might. The share of them that
the oracle lets pass, which should be 0, is its own error and is published beside its verdicts.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from vidgen.data.camera_motion import HOLD
from vidgen.evaluation.camera_oracle import camera_success
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.reordering import disorder, others
from vidgen.types import Score

_BLUR = 1.5
"""Standard deviation, pixels."""


def camera_broken(real: ClipSet, *, seed: int) -> dict[str, ClipSet]:
    """Every kind of broken clip, as if each were a generator's answers to the same prompts.

    - ``still``: the first frame throughout.
    - ``freezes``: the camera stops in the middle.
    - ``reversed``: played backwards.
    - ``shuffled-frames``: the first frame, then the others in disorder.
    - ``shuffled-captions``: the clip of another prompt, of another script.
    - ``twice-as-fast``: every second frame, and the last one held.
    - ``other-scene``: from the middle on, another photograph on the same path.
    - ``blurred``: every frame after the first out of focus.

    Args:
        real: real clips with their truth, none of which holds still, since played backwards,
            frozen or shuffled such a clip is right.
        seed: of the choice of other clips and orders.

    Raises:
        ValueError: if a clip holds still, or if there is no other script or photograph to take.
    """
    if real.truth is None or any(HOLD in motion for motion in real.truth.motion):
        raise ValueError("only clips with their truth whose camera moves can be broken on purpose")
    rng = np.random.default_rng([seed, 3])
    video, frames = real.video, real.video.shape[1]
    middle = frames // 2
    made = {"still": np.repeat(video[:, :1], frames, axis=1)}
    made["freezes"] = video.copy()
    made["freezes"][:, middle:] = video[:, middle - 1 : middle]
    made["reversed"] = video[:, ::-1].copy()
    made["shuffled-frames"] = np.stack(
        [clip[np.concatenate([[0], 1 + disorder(frames - 1, rng)])] for clip in video]
    )
    motions = [" ".join(motion) for motion in real.truth.motion]
    scenes = [" ".join(identity) for identity in real.truth.identity]
    made["shuffled-captions"] = video[others(motions, rng, "script")]
    made["twice-as-fast"] = video[:, np.minimum(2 * np.arange(frames), frames - 1)]
    made["other-scene"] = video.copy()
    made["other-scene"][:, middle:] = video[others(scenes, rng, "photograph"), middle:]
    blurred = ndimage.gaussian_filter(video[:, 1:].astype(np.float32), (0, 0, _BLUR, _BLUR, 0))
    made["blurred"] = np.concatenate([video[:, :1], np.rint(blurred).astype(np.uint8)], axis=1)
    return {kind: real.replace(video=clips) for kind, clips in made.items()}


def camera_own_error(real: ClipSet, *, seed: int = 0) -> dict[str, Score]:
    """What `camera_success` gives to real clips, and to clips broken on purpose.

    Args:
        real: real clips with their truth; of those that hold still, only the real ones count.
        seed: of the breaking.

    Returns:
        Scores by kind: ``"real"``, which should be near 1, and each of `camera_broken`, near 0.
    """
    return {"real": camera_success(real, real)} | {
        kind: camera_success(clips, moving)
        for kind, (clips, moving) in camera_broken_moving(real, seed=seed).items()
    }


def camera_broken_moving(real: ClipSet, *, seed: int) -> dict[str, tuple[ClipSet, ClipSet]]:
    """`camera_broken` of those clips whose camera moves, and these as the prompts, by kind."""
    assert real.truth is not None
    moving = real[np.array([HOLD not in motion for motion in real.truth.motion])]
    return {kind: (clips, moving) for kind, clips in camera_broken(moving, seed=seed).items()}
