"""How the camera moved between the frames of a clip, measured in the pixels.

Every frame is aligned with the one before it by the enhanced correlation coefficient under an
affine map, which is then read as a pan, a tilt, a zoom and a roll. What such a map cannot explain
(another scene, a picture without texture, a shear) has no motion: NaN, never 0.

References: Evangelidis & Psarakis, "Parametric image alignment using enhanced correlation
coefficient maximization", TPAMI 30 (2008), and Kuglin & Hines, "The phase correlation image
alignment method" (1975), as OpenCV implements them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from vidgen.data.camera_motion import AXES, RATES
from vidgen.evaluation.optical_flow import opencv

_SIDE = 64
"""Pixels of the shorter side at which clips are measured; larger ones are reduced."""

_ITERATIONS, _PRECISION, _BLUR = 50, 1e-4, 3

_LEAST_CORRELATION = 0.7
"""Of a frame with the one before it, once aligned; below it nothing is said to have moved."""

_LEAST_TEXTURE = 2.0
"""Squared grey levels a square pixel as measured, the smaller eigenvalue of the structure tensor of
a frame; the source's own clips have five times as much at the least."""

_MOST_DEFORMATION = 0.5
"""Of shear and stretch, in multiples of the medium zoom's rate."""

_LEAST_OVERLAP = 1 / 8
"""Share of a frame that must show what the first one shows for the two to be compared."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flow:
    """What N clips show of their camera.

    Attributes:
        rates: float64 [N T-1 4], the motion between two frames along `AXES`, in multiples of the
            medium rates; NaN where the frames show no motion of a camera.
        likeness: float64 [N T], correlation over pixels and channels of each frame with the first
            one, seen from where the camera has moved to; NaN where it shows nothing of it.
        sharpness: float64 [N T], root mean square slope of each frame against that of the first
            one, seen from there, over what both show; NaN likewise.
    """

    rates: np.ndarray
    likeness: np.ndarray
    sharpness: np.ndarray


def flow(video: np.ndarray, *, fps: int) -> Flow:
    """Measure clips.

    Args:
        video: uint8 [N T H W C].
        fps: frames a second.

    Raises:
        ImportError: if OpenCV is not installed.
    """
    n, frames = video.shape[:2]
    rates = np.full((n, frames - 1, len(AXES)), np.nan)
    likeness, sharpness = np.full((n, frames), np.nan), np.full((n, frames), np.nan)
    for clip in range(n):
        rates[clip], likeness[clip], sharpness[clip] = _measure(video[clip], fps)
    return Flow(rates=rates, likeness=likeness, sharpness=sharpness)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two pictures [H W C] over pixels and channels; 0 where one is blank."""
    a, b = (np.asarray(x, np.float64) - np.mean(x) for x in (a, b))
    size = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / size) if size > 0 else 0.0


def _measure(video: np.ndarray, fps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cv2 = opencv("the oracle of the source 'camera' measures motion", "camera")
    colour = [_prepared(cv2, frame) for frame in video]
    grey = [frame.mean(axis=-1) for frame in colour]
    height, width = grey[0].shape
    rates = np.full((len(video) - 1, len(AXES)), np.nan)
    alike, sharp = np.full(len(video), np.nan), np.full(len(video), np.nan)
    alike[0] = sharp[0] = 1.0
    textured = [_texture(frame) >= _LEAST_TEXTURE for frame in grey]
    path, step = np.eye(3), np.eye(3)
    for frame in range(1, len(video)):
        found = None
        if textured[frame - 1] and textured[frame]:
            found = _aligned(cv2, grey[frame - 1], grey[frame])
        if found is not None:
            rates[frame - 1] = _rates(found, height, width) * fps
        # Over a step that could not be measured the camera is taken to go on as before, so that
        # whatever follows a cut is still held against the first frame.
        step = step if found is None else found
        path = path @ step
        alike[frame], sharp[frame] = _against(cv2, colour[0], colour[frame], path)
    return rates, alike, sharp


def _aligned(cv2: Any, before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """float64 [3 3] from pixels of a frame to those of the one before, or None.

    The alignment climbs to the nearest summit, which fine or periodic texture puts close to the
    start: where it does not arrive from no motion at all, it begins again from the peak of the
    phase correlation.
    """
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _ITERATIONS, _PRECISION)
    for start in (lambda: np.eye(2, 3, dtype=np.float32), lambda: _shifted(cv2, before, after)):
        try:
            correlation, found = cv2.findTransformECC(
                after, before, start(), cv2.MOTION_AFFINE, criteria, None, _BLUR
            )
        except cv2.error:  # does not converge
            continue
        if correlation >= _LEAST_CORRELATION and np.isfinite(found).all():
            return np.vstack([found, [0.0, 0.0, 1.0]]).astype(np.float64)
    return None


def _shifted(cv2: Any, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """float32 [2 3], the pan that the phase correlation of two frames shows."""
    window = cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F)
    # Of copies: OpenCV multiplies the window into its arguments where they need no padding.
    shift, _ = cv2.phaseCorrelate(before.copy(), after.copy(), window)
    pan = np.eye(2, 3, dtype=np.float32)
    pan[:2, 2] = np.negative(shift)
    return pan


def _rates(step: np.ndarray, height: int, width: int) -> np.ndarray:
    """float64 [4] along `AXES` a frame, in multiples of the medium rates a second."""
    linear = step[:2, :2]
    # OpenCV counts from the centre of the first pixel.
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    x, y = (linear @ middle + step[:2, 2] - middle) / [width, height]
    turn, stretch = linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]
    scale = np.hypot(turn, stretch) / 2
    shear = np.hypot(linear[0, 0] - linear[1, 1], linear[1, 0] + linear[0, 1]) / 2
    if not scale > 0:
        return np.full(len(AXES), np.nan)
    move = {"x": x, "y": y, "zoom": -np.log(scale), "roll": np.arctan2(turn, stretch)}
    move_rates = np.array([move[axis] / RATES[axis] for axis in AXES])
    return np.where(shear / scale / RATES["zoom"] <= _MOST_DEFORMATION, move_rates, np.nan)


def _against(
    cv2: Any, first: np.ndarray, frame: np.ndarray, path: np.ndarray
) -> tuple[float, float]:
    """Likeness and sharpness of a frame against the first one, seen from where the frame is."""
    height, width = frame.shape[:2]
    how = {"flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, "dsize": (width, height)}
    seen = cv2.warpAffine(first, path[:2], **how).reshape(frame.shape)
    inside = cv2.warpAffine(np.ones((height, width), np.float32), path[:2], **how) > 0.999
    # A slope reaches one pixel further, where the warped picture would end in black.
    inside[[0, -1]] = inside[:, [0, -1]] = False
    inside = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if inside.mean() < _LEAST_OVERLAP:
        return float("nan"), float("nan")
    slopes = [_slopes(picture.mean(axis=-1))[:, inside] for picture in (frame, seen)]
    had = float((slopes[1] ** 2).mean())
    sharp = float(np.sqrt((slopes[0] ** 2).mean() / had)) if had > 0 else float("nan")
    return likeness(frame[inside], seen[inside]), sharp


def _slopes(grey: np.ndarray) -> np.ndarray:
    down, right = np.gradient(grey)
    return np.stack([down, right])


def _texture(grey: np.ndarray) -> float:
    """The smaller eigenvalue of the structure tensor."""
    down, right = _slopes(grey)
    xx, xy, yy = (right * right).mean(), (right * down).mean(), (down * down).mean()
    return float((xx + yy) / 2 - np.hypot((xx - yy) / 2, xy))


def _prepared(cv2: Any, frame: np.ndarray) -> np.ndarray:
    """float32 [h w C], reduced to what is measured and enlarged twofold.

    Without the enlargement, the bilinear interpolation of the alignment blurs fine texture so much
    that a frame correlates with itself, half a pixel on, by 0.8 or less, and one alignment of ten
    at 32 pixels fails.
    """
    excess = min(frame.shape[:2]) / _SIDE
    if excess > 1.0:
        size = (round(frame.shape[1] / excess), round(frame.shape[0] / excess))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    size = (2 * frame.shape[1], 2 * frame.shape[0])
    large = cv2.resize(frame.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    return large.reshape(*size[::-1], -1)
