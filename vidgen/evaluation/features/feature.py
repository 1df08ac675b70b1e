"""What a feature network is to the metrics that use it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8


class UnsuitableClipsError(ValueError):
    """These clips cannot honestly be given to this network; the message says which may be."""


def not_computed(reason: Exception | str) -> str:
    """A reason as the note of a score that has no value, which begins as all such notes do."""
    words = str(reason)
    return words if words.startswith("not computed") else f"not computed: {words}"


def check_pictures(network: str, video: UInt8[np.ndarray, "N T H W C"]) -> None:
    """Refuses what is no picture, grey or in colour.

    Args:
        network: its name in the message.
        video: the clips.

    Raises:
        UnsuitableClipsError: for channels other than 1 or 3, or sides of no pixels.
    """
    height, width, channels = video.shape[2:]
    if channels not in (1, 3):
        raise UnsuitableClipsError(f"{network} needs 1 or 3 channels, and these have {channels}")
    if min(height, width) < 1:
        raise UnsuitableClipsError(f"frames of {height}x{width} pixels show nothing")


def check_length(network: str, video: UInt8[np.ndarray, "N T H W C"], frames: int) -> None:
    """Refuses clips of another length than a network was trained on.

    Raises:
        UnsuitableClipsError: naming both.
    """
    if video.shape[1] != frames:
        raise UnsuitableClipsError(
            f"{network} needs clips of {frames} frames, and these have {video.shape[1]}"
        )


@runtime_checkable
class FeatureNetwork(Protocol):
    """A frozen network that turns each clip into a vector.

    What a clip is turned into depends on that clip alone: not on the batch size, on the order of
    the clips or on the number of devices.

    Attributes:
        name: what it is and what it holds, with the first hexadecimal digits of a hash of its
            weights, e.g. ``"i3d-kinetics400-1a2b3c4d"``: results under two names never mix.
        width: D, features of a clip.
    """

    name: str
    width: int

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N D"]:
        """The features of N clips, float32.

        Raises:
            UnsuitableClipsError: if it cannot judge clips of this length, size or number of
                channels.
        """
        ...
