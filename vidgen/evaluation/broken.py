"""Clips broken on purpose: what an oracle must not let pass.

Each kind takes real clips and does one thing wrong that a generator might. The score that an
oracle gives them, which should be near 0, is its own error and is published beside its verdicts.
"""

from __future__ import annotations

import numpy as np

from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.reordering import disorder
from vidgen.evaluation.scene import Scene, paste

_FAINT = 0.3

_KINDS = (
    "vanishes",
    "second-object",
    "swapped",
    "freezes",
    "mirrored",
    "reversed",
    "shuffled-frames",
    "wrong-caption",
    "faint",
)


def broken(real: ClipSet, *, seed: int) -> dict[str, ClipSet]:
    """Every kind of broken clip, as if each were a generator's answers to the same prompts.

    From the middle of the clip on, where nothing else is said, and of several objects to the last
    one alone, which nothing hides:

    - ``vanishes``: the object is gone.
    - ``second-object``: another clip's object stands in the far corner, one object too many.
    - ``swapped``: the object turns into one of another identity, on the same path.
    - ``freezes``: everything stands still.
    - ``mirrored``: all along, the object moves the opposite way: its path is point-mirrored, its
      looks are not.
    - ``reversed``: played backwards. Where that sets out as the true clip does, which a bounce
      can bring about, the clip may be right again; it is mirrored instead.
    - ``shuffled-frames``: the first frame, then the others in disorder.
    - ``wrong-caption``: the clip of another prompt, of another identity or motion.
    - ``faint``: all along, at three tenths of the contrast.

    Args:
        real: real clips with their truth, of equally many objects each, and of at least two
            identities.
        seed: of the choice of the other clips.

    Raises:
        ValueError: if the clips have no truth, not equally many objects, or all the same identity.
    """
    if real.truth is None or not np.isfinite(real.truth.boxes).all():
        raise ValueError(
            "only clips whose truth is one object each, or two each, can be broken on purpose"
        )
    identities = real.truth.identity
    if len(set(identities)) < 2:
        raise ValueError("clips of one identity cannot be broken by swapping it")
    rng, order = np.random.default_rng([seed, 2]), np.random.default_rng([seed, 4])
    frames = real.video.shape[1]
    late = np.arange(frames) >= frames // 2
    asked = list(zip(identities, real.truth.motion, strict=True))
    canvas = np.array(real.video.shape[2:4])
    made = {kind: real.video.copy() for kind in _KINDS}
    made["freezes"][:, late] = real.video[:, frames // 2 - 1][:, None]
    scenes = [Scene.of(real, clip) for clip in range(len(real))]
    for clip, (scene, video) in enumerate(zip(scenes, real.video, strict=True)):
        others = [i for i, names in enumerate(identities) if names[-1] not in identities[clip]]
        stranger = scenes[int(rng.choice(others))].things[-1]
        gone, mirrored = scene.centres.copy(), scene.centres.copy()
        gone[late, -1] = np.nan
        mirrored[:, -1] = canvas - mirrored[:, -1]
        made["vanishes"][clip, late] = scene.draw(gone)[late]
        made["mirrored"][clip] = scene.draw(mirrored)
        swapped = scene.draw(scene.centres, scene.replace(-1, stranger, late))
        made["swapped"][clip, late] = swapped[late]
        for frame in np.flatnonzero(late):
            corner = np.where(scene.centres[frame, -1] < canvas / 2, canvas, 0)
            paste(made["second-object"][clip, frame], stranger, corner)
        legal = _sets_out_alike(scene.centres)
        made["reversed"][clip] = made["mirrored"][clip] if legal else video[::-1]
        made["shuffled-frames"][clip, 1:] = video[1 + disorder(frames - 1, order)]
        wrong = [i for i, words in enumerate(asked) if words != asked[clip]]
        made["wrong-caption"][clip] = real.video[int(order.choice(wrong))]
        light = scene.ground + _FAINT * (video.astype(np.float64) - scene.ground)
        made["faint"][clip] = np.rint(light).astype(np.uint8)
    return {kind: real.replace(video=video) for kind, video in made.items()}


def _sets_out_alike(centres: np.ndarray) -> bool:
    """Whether objects on paths [T O 2] set out in the same direction when played backwards."""
    forth, back = np.sign(np.diff(centres, axis=0)), np.sign(-np.diff(centres, axis=0)[::-1])
    first = [np.take_along_axis(s, (s != 0).argmax(0)[None], axis=0)[0] for s in (forth, back)]
    return bool((first[0] == first[1]).all())
