"""Optical flow between neighbouring frames, by OpenCV.

End-point errors of both methods against what the sources know are printed by
``python benchmarks/flow.py``; the table stands there.

References: Kroeger et al., "Fast optical flow using dense inverse search" (2016), and Farnebäck,
"Two-frame motion estimation based on polynomial expansion" (2003), as OpenCV implements them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8

Method = Literal["dis", "farneback"]

_FINEST_SCALE, _PATCH, _STRIDE, _REFINEMENTS = 0, 4, 2, 2
"""Of the search: at full resolution and in small patches, since small clips are made of
small things. OpenCV's own presets halve the resolution and see no edge where one thing hides
another."""

LEAST_SIDE = 8
"""Pixels a side below which the patches of the search have no room."""

_PYRAMID, _LEVELS, _WINDOW, _PASSES, _NEIGHBOURS, _SPREAD = 0.5, 3, 9, 5, 5, 1.1
"""Of Farnebäck's method: each level half as large, in windows that fit a small thing; five
neighbours and 1.1 are its author's pair."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FramePair:
    """The flow from one frame to the next, and how the next one looks from the first.

    Attributes:
        speed: float32 [H W], length of the flow in pixels a frame.
        error: float32 [H W], mean absolute difference over the channels, in grey levels, of the
            first frame from the next one brought back along the flow.
        visible: bool [H W], pixels of the first frame that the next one shows, by the flow there
            and back.
    """

    speed: Float[np.ndarray, "H W"]
    error: Float[np.ndarray, "H W"]
    visible: Bool[np.ndarray, "H W"]


def frame_pairs(clip: UInt8[np.ndarray, "T H W C"]) -> list[FramePair]:
    """The T - 1 neighbouring pairs of one clip.

    A pixel counts as visible where the flow there and back ends near where it began,
    |f + b|² <= 0.01 (|f|² + |b|²) + 0.5, and does not leave the frame.

    References: Sundaram, Brox & Keutzer, "Dense point trajectories by GPU-accelerated large
        displacement optical flow" (2010), equation 3, for the check.

    Raises:
        ValueError: for frames with a side below 8 pixels.
        ImportError: naming what to install, if OpenCV is not.
    """
    search = _searcher(clip, "dis")
    grey = _grey(clip)
    cv2 = opencv("optical flow is measured", "metrics")
    height, width = grey.shape[1:]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return [
        _pair(cv2, search, clip[t], clip[t + 1], grey[t], grey[t + 1], rows, columns)
        for t in range(len(clip) - 1)
    ]


def optical_flow(
    clip: UInt8[np.ndarray, "T H W C"], *, method: Method = "dis"
) -> Float[np.ndarray, "T_1 H W 2"]:
    """Where each pixel of a frame lies in the next one.

    Args:
        clip: T frames; colours are averaged to grey.
        method: "dis", dense inverse search, or "farneback", polynomial expansion.

    Returns:
        float32 [T-1 H W 2], pixels to the right and down.

    Raises:
        ValueError: for frames with a side below 8 pixels.
        ImportError: naming what to install, if OpenCV is not.
        KeyError: for another method.
    """
    search, grey = _searcher(clip, method), _grey(clip)
    found = np.zeros((max(len(clip) - 1, 0), *grey.shape[1:], 2), np.float32)
    for t in range(len(found)):
        found[t] = search(grey[t], grey[t + 1])
    return found


_Search = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Flow [H W 2] from the first to the second of two uint8 frames [H W]."""


def _dis(cv2: Any) -> _Search:
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(_FINEST_SCALE)
    search.setPatchSize(_PATCH)
    search.setPatchStride(_STRIDE)
    search.setVariationalRefinementIterations(_REFINEMENTS)
    return lambda first, second: search.calc(first, second, None)


def _farneback(cv2: Any) -> _Search:
    settings = (_PYRAMID, _LEVELS, _WINDOW, _PASSES, _NEIGHBOURS, _SPREAD, 0)
    return lambda first, second: cv2.calcOpticalFlowFarneback(first, second, None, *settings)


METHODS: Mapping[Method, Callable[[Any], _Search]] = MappingProxyType(
    {"dis": _dis, "farneback": _farneback}
)


def _searcher(clip: np.ndarray, method: Method) -> _Search:
    cv2 = opencv("optical flow is measured", "metrics")
    height, width = clip.shape[1:3]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"optical flow needs frames of at least {LEAST_SIDE}x{LEAST_SIDE} pixels, got "
            f"{height}x{width}"
        )
    return METHODS[method](cv2)


def _grey(clip: np.ndarray) -> np.ndarray:
    return np.rint(clip.mean(axis=-1)).astype(np.uint8)


def _pair(
    cv2: Any,
    search: _Search,
    first: np.ndarray,
    second: np.ndarray,
    grey: np.ndarray,
    grey_after: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
) -> FramePair:
    there, back = search(grey, grey_after), search(grey_after, grey)
    x, y = columns + there[..., 0], rows + there[..., 1]

    def seen(picture: np.ndarray) -> np.ndarray:
        return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    returned = seen(back)
    gap = ((there + returned) ** 2).sum(-1)
    length = (there**2).sum(-1)
    inside = (x >= 0) & (x <= rows.shape[1] - 1) & (y >= 0) & (y <= rows.shape[0] - 1)
    brought = seen(second.astype(np.float32)).reshape(first.shape)
    return FramePair(
        speed=np.sqrt(length),
        error=np.abs(brought - first.astype(np.float32)).mean(-1),
        visible=inside & (gap <= 0.01 * (length + (returned**2).sum(-1)) + 0.5),
    )


def opencv(what: str, extra: str) -> Any:
    """The package cv2.

    Args:
        what: is done with it.
        extra: of vidgen, that brings it.

    Raises:
        ImportError: with what to install.
    """
    try:
        import cv2  # A third of a second, which only those who measure motion should pay.
    except ImportError as error:
        raise ImportError(
            f"{what} with OpenCV, which is not installed: pip install 'vidgen[{extra}]'"
        ) from error
    return cv2
