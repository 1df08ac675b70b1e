"""FID: the Fréchet distance of single frames, by Inception-v3. It knows nothing of time.

References: Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
equilibrium" (2017); Chong & Forsyth, "Effectively unbiased FID and Inception score ..." (2020).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from vidgen.evaluation.features.brought import EXCUSES
from vidgen.evaluation.features.feature import not_computed
from vidgen.evaluation.features.inception import load_inception
from vidgen.evaluation.frechet import frechet_distance, frechet_estimate
from vidgen.types import Score

NAMES = ("fid", "fid_infinity")
"""The metrics: at a finite number of clips, and where the line against 1/N ends."""


def frechet_inception_distance(
    real: UInt8[np.ndarray, "N T H W C"],
    fake: UInt8[np.ndarray, "M S H W C"],
    *,
    weights: str | os.PathLike[str] | None = None,
) -> Score:
    """FID of all frames of two sets of clips, with its extrapolation and its floor in the note.

    Context frames that were given to a generator are part of its clips, and count.

    Args:
        real: real clips.
        fake: the clips that are judged.
        weights: a file of the network, see `features.inception.Inception`; by default the one that
            `features.BROUGHT` names.

    Returns:
        The distance with a jackknife interval over clips; without a value and with the reason where
        there are no weights, or others, or too few clips.
    """
    try:
        network = load_inception(None if weights is None else Path(weights))
        ours, theirs = of_frames(network, real), of_frames(network, fake)
    except EXCUSES as reason:
        return Score.missing(not_computed(reason), better="lower")
    return fid_scores(ours, theirs, network.name)["fid"]


def of_frames(
    features: Callable[[np.ndarray], np.ndarray], video: UInt8[np.ndarray, "N T H W C"]
) -> Float[np.ndarray, "N T D"]:
    """What a network of single frames, given as clips of one frame, makes of each frame."""
    clips, frames = video.shape[:2]
    return features(video.reshape(clips * frames, 1, *video.shape[2:])).reshape(clips, frames, -1)


def fid_scores(
    real: Float[np.ndarray, "N T D"], fake: Float[np.ndarray, "M S D"], network: str
) -> dict[str, Score]:
    """FID at this number of clips, and at infinitely many.

    Frames of one clip are no independent samples: what is left out for the interval, and drawn for
    the line against 1/N, are whole clips.

    Args:
        real: features of the frames of real clips.
        fake: of the clips that are judged.
        network: its name, for the notes.
    """
    width = real.shape[-1]

    def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
        return frechet_distance(ours.reshape(-1, width), theirs.reshape(-1, width))

    try:
        found = frechet_estimate(
            real.reshape(len(real), -1), fake.reshape(len(fake), -1), distance=apart
        )
    except ValueError as reason:
        return {name: Score.missing(str(reason), better="lower") for name in NAMES}
    return {
        name: dataclasses.replace(score, note=f"{network}, all frames; {score.note}")
        for name, score in zip(NAMES, (found.score, found.limit), strict=True)
    }
