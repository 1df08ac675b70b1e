"""How clips change in time: flicker, how much they move, and what motion does not explain.

A frozen clip flickers least of all, so that flicker says nothing without the dynamic degree beside
it; real clips give the value of each that is right.

References:
    Huang et al., "VBench" (2024): temporal flickering, and dynamic degree by the fastest 5%.
    Lai et al., "Learning blind video temporal consistency" (2018), equation 6: warp error.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from vidgen.evaluation.optical_flow import frame_pairs

_FASTEST = 0.05
"""Share of the pixels whose speed is taken for the clip's: most of a scene may be background."""


def flicker(video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N T_1"]:
    """Mean absolute difference of each frame from the next, in grey levels (0 to 255).

    Returns:
        float64 [N T-1].

    Raises:
        ValueError: for clips of one frame.
    """
    _changes(video)
    found = np.empty((len(video), video.shape[1] - 1))
    for clip, row in zip(video, found, strict=True):
        row[:] = np.abs(np.diff(clip.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Motion:
    """What the optical flow of N clips shows.

    Attributes:
        degree: float64 [N T-1], mean speed of the fastest 5% of the pixels, pixels a frame.
        warp_error: float64 [N T-1], mean absolute difference, in grey levels, of each frame from
            the next one brought back along the flow, over the pixels that both show; NaN where
            they share none.
    """

    degree: Float[np.ndarray, "N T_1"]
    warp_error: Float[np.ndarray, "N T_1"]


def motion(video: UInt8[np.ndarray, "N T H W C"]) -> Motion:
    """Measure the flow of clips.

    Raises:
        ValueError: for clips of one frame, or frames with a side below 8 pixels.
        ImportError: naming what to install, if OpenCV is not.
    """
    _changes(video)
    shape = (len(video), video.shape[1] - 1)
    degree, error = np.empty(shape), np.full(shape, np.nan)
    fastest = max(1, round(_FASTEST * video.shape[2] * video.shape[3]))
    for n, clip in enumerate(video):
        for t, pair in enumerate(frame_pairs(clip)):
            speed = np.partition(pair.speed.ravel(), -fastest)[-fastest:]
            degree[n, t] = speed.mean()
            if pair.visible.any():
                error[n, t] = pair.error[pair.visible].mean()
    return Motion(degree=degree, warp_error=error)


def _changes(video: np.ndarray) -> None:
    if video.shape[1] < 2:
        raise ValueError("change in time needs clips of at least two frames, got one")
