"""What a single frame looks like by itself: how bright it is, and how sharp.

Neither asks what the frame should show, so that both mean the same however long a clip goes on.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8


def brightness(video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N T"]:
    """Mean grey level of each frame, 0 to 255: over black, how much ink there is."""
    return video.mean(axis=(2, 3, 4))


def sharpness(video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N T"]:
    """Mean absolute difference of each pixel from the next to the right and below, in grey levels.

    The total variation of a frame, a pixel. Blur and fading lower it, and noise raises it.

    Returns:
        float64 [N T].

    Raises:
        ValueError: for frames with a side of one pixel, which have no neighbours.

    References: Rudin, Osher & Fatemi, "Nonlinear total variation based noise removal algorithms"
        (1992).
    """
    if min(video.shape[2:4]) < 2:
        raise ValueError(
            f"sharpness needs frames of at least 2x2 pixels, got {video.shape[2]}x{video.shape[3]}"
        )
    found = np.empty(video.shape[:2])
    for clip, row in zip(video.astype(np.int16), found, strict=True):
        beside, below = (np.abs(np.diff(clip, axis=axis)).mean(axis=(1, 2, 3)) for axis in (2, 1))
        row[:] = (beside + below) / 2
    return found
