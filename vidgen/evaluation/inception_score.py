"""The Inception score of clips: how surely a classifier names each, and how evenly over all.

exp(E KL(p(y|x) || p(y))), with C3D on UCF-101 as the classifier. It knows nothing of the real
clips, and means little on clips that show no human action; it grows with the number of clips, and
another number of splits gives another value, so that both are always printed.

References: Salimans et al., "Improved techniques for training GANs" (2016); Saito et al., "Temporal
generative adversarial nets with singular value clipping" (2017), whose protocol is one split.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from scipy import special

from vidgen.evaluation.features.brought import EXCUSES
from vidgen.evaluation.features.c3d import load_c3d
from vidgen.evaluation.features.feature import not_computed
from vidgen.evaluation.jackknife import interval, leave_groups_out, shuffled
from vidgen.types import Score

_LEAST = 8
"""Clips of a split below which nothing is said of how even they are."""


def inception_score(
    video: UInt8[np.ndarray, "N T H W C"],
    *,
    splits: int = 1,
    weights: str | os.PathLike[str] | None = None,
    mean: str | os.PathLike[str] | None = None,
) -> Score:
    """The Inception score of a set of clips of 16 frames, by C3D on UCF-101.

    Context frames that were given to a generator are part of its clips, and count.

    Args:
        video: the clips that are judged.
        splits: parts that are scored apart, and averaged over.
        weights: a file of the network, see `features.c3d.C3D`; by default the one that
            `features.BROUGHT` names.
        mean: a file of its mean clip, likewise.

    Returns:
        The score, from 1 to 101, with a jackknife interval over clips, and with the number of
        splits in its note; without a value and with the reason where there are no weights, or
        others, or where there are too few clips or clips of another length.

    Raises:
        ValueError: for fewer splits than one.
    """
    try:
        network = load_c3d(*(None if file is None else Path(file) for file in (weights, mean)))
        probabilities = network(video)
    except EXCUSES as reason:
        return Score.missing(not_computed(reason), better="higher")
    return score_of(probabilities, network.name, splits=splits)


def score_of(
    probabilities: Float[np.ndarray, "N classes"], network: str, *, splits: int = 1
) -> Score:
    """The Inception score of what a classifier says of N clips.

    Args:
        probabilities: of each class, which add up to 1.
        network: the classifier's name, for the note.
        splits: parts that are scored apart, and averaged over; which clips share one depends on
            what is said of them and not on their order.

    Raises:
        ValueError: for fewer splits than one.
    """
    if splits < 1:
        raise ValueError(f"clips are scored in one split or more, not in {splits}")
    n = len(probabilities)
    if n < splits * _LEAST:
        return Score.missing(
            f"an Inception score needs at least {_LEAST} clips a split, got {n} in {splits}",
            better="higher",
        )
    said = probabilities[shuffled(probabilities)].astype(np.float64)

    def score(rows: np.ndarray) -> float:
        return float(np.mean([_of_one(part) for part in np.array_split(said[rows], splits)]))

    value = score(np.arange(n))
    low, high = interval(value, leave_groups_out(score, n))
    parts = f"{splits} split" + ("s" if splits > 1 else "")
    return Score(
        value=value,
        low=max(low, 1.0),
        high=high,
        n=n,
        better="higher",
        note=f"{network}; {parts}, N={n}; jackknife over groups of clips, of the value at this N",
    )


def _of_one(said: Float[np.ndarray, "N classes"]) -> float:
    """Of one split. 0 log 0 is 0, and no small number is added to any probability."""
    apart = special.rel_entr(said, said.mean(0, keepdims=True)).sum(1)
    return float(np.exp(apart.mean()))
