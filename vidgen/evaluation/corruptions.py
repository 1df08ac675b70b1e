"""Clips made worse by degrees: what a metric must see before its word counts.

Every strength spoils the same places of the same clips a little more, so that a metric that does
not fall with it is at fault, and not the draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

STRENGTHS = 5

_BLUR_STEP = 0.35
_NOISE_STEP = 10.0
_JITTER_STEP = 0.2


def blurred(video: UInt8[np.ndarray, "N T H W C"], strength: int) -> np.ndarray:
    """Every frame under a Gaussian of 0.35 pixels a step of strength (0 changes nothing)."""
    sigma = _BLUR_STEP * strength
    frames = [
        ndimage.gaussian_filter(clip.astype(np.float32), (0, sigma, sigma, 0)) for clip in video
    ]
    return np.rint(np.stack(frames)).astype(np.uint8)


def noisy(video: UInt8[np.ndarray, "N T H W C"], strength: int) -> np.ndarray:
    """Independent Gaussian noise of 10 grey levels a step of strength on every pixel."""
    noise = np.random.default_rng(0).standard_normal(video.shape, np.float32)
    return np.rint(np.clip(video + _NOISE_STEP * strength * noise, 0, 255)).astype(np.uint8)


def jittery(video: UInt8[np.ndarray, "N T H W C"], strength: int) -> np.ndarray:
    """A fifth of the frames a step of strength shows another moment of the clip."""
    n, frames = video.shape[:2]
    rng = np.random.default_rng(0)
    lot = _ranks(rng.random((n, frames)))
    other = (np.arange(frames)[None, :] + rng.integers(1, max(frames, 2), (n, frames))) % frames
    moved = lot < np.rint(_JITTER_STEP * strength * frames)
    moment = np.where(moved, other, np.arange(frames)[None, :])
    return video[np.arange(n)[:, None], moment]


CORRUPTIONS: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = MappingProxyType(
    {"blur": blurred, "noise": noisy, "jitter": jittery}
)
"""Each takes clips and a strength from 0 to `STRENGTHS`."""


def _ranks(lots: Float[np.ndarray, "N T"]) -> np.ndarray:
    return lots.argsort(axis=1).argsort(axis=1)
