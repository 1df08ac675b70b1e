"""PSNR and SSIM between two clips, frame by frame.

Both compare an answer with *the* real clip, so they mean something only where the prompt fixes the
future; a prompt of text alone has many right answers and no PSNR.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

PSNR_CEILING = 10 * np.log10(255.0**2 * 12)
"""58.92 dB: the PSNR of two clips that differ by nothing but the rounding to uint8, whose error is
uniform over one level and has variance 1/12. Nothing scores above it, so that one frame without
error does not make a mean infinite."""

_SIGMA = 1.5
_WINDOW = 11
_K1, _K2 = 0.01, 0.03
_CLIPS_AT_ONCE = 64


def psnr(
    a: UInt8[np.ndarray, "N T H W C"],
    b: UInt8[np.ndarray, "N T H W C"],
    *,
    data_range: float = 255.0,
) -> Float[np.ndarray, "N T"]:
    """Peak signal-to-noise ratio of each frame: 10 log10(data_range² / MSE), in dB.

    The mean squared error is over the frame's pixels and channels. Frames without error, and any
    above it, score `PSNR_CEILING` (for other data ranges, the same one twelfth of a level²).

    Args:
        a: uint8 [N T H W C].
        b: uint8 [N T H W C].
        data_range: the distance between the darkest and the brightest pixel there can be.

    Returns:
        float64 [N T].

    Raises:
        ValueError: if the shapes differ.
    """
    _same_shape(a, b)
    error = np.stack([_squared_error(x, y) for x, y in zip(a, b, strict=True)])
    return 10.0 * np.log10(data_range**2 / np.maximum(error, 1.0 / 12.0))


def ssim(
    a: UInt8[np.ndarray, "N T H W C"],
    b: UInt8[np.ndarray, "N T H W C"],
    *,
    data_range: float = 255.0,
) -> Float[np.ndarray, "N T"]:
    """Structural similarity of each frame, mean over windows and channels.

    An 11x11 Gaussian window of sigma 1.5, only where it lies within the frame ("valid"), k1 0.01,
    k2 0.03, population (not sample) covariances. Equals scikit-image's `structural_similarity`
    with ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False``.

    Args:
        a: uint8 [N T H W C].
        b: uint8 [N T H W C].
        data_range: the distance between the darkest and the brightest pixel there can be.

    Returns:
        float64 [N T], 1 for equal frames.

    Raises:
        ValueError: if the shapes differ, or a side of a frame is shorter than the window.

    References: Wang et al., "Image quality assessment: from error visibility to structural
        similarity", IEEE TIP 13(4), 2004.
    """
    _same_shape(a, b)
    if min(a.shape[2:4]) < _WINDOW:
        raise ValueError(
            f"SSIM needs frames of at least {_WINDOW}x{_WINDOW} pixels, got "
            f"{a.shape[2]}x{a.shape[3]}"
        )
    blocks = [slice(i, i + _CLIPS_AT_ONCE) for i in range(0, len(a), _CLIPS_AT_ONCE)]
    parts = [_ssim(a[block], b[block], data_range) for block in blocks]
    return np.concatenate(parts) if parts else np.zeros(a.shape[:2])


def _ssim(a: np.ndarray, b: np.ndarray, data_range: float) -> np.ndarray:
    # Channels beside frames, so that the window is one matrix product along each image axis.
    x = np.moveaxis(a, -1, 2).astype(np.float64)
    y = np.moveaxis(b, -1, 2).astype(np.float64)
    rows, columns = _window_matrix(x.shape[-2]), _window_matrix(x.shape[-1]).T

    def blur(image: np.ndarray) -> np.ndarray:
        return rows @ image @ columns

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return similarity.mean((2, 3, 4))


def _window_matrix(size: int) -> np.ndarray:
    """float64 [size - 10, size], each row the Gaussian window about one pixel."""
    offset = np.arange(_WINDOW) - _WINDOW // 2
    window = np.exp(-0.5 * (offset / _SIGMA) ** 2)
    window /= window.sum()
    matrix = np.zeros((size - _WINDOW + 1, size))
    for row in range(len(matrix)):
        matrix[row, row : row + _WINDOW] = window
    return matrix


def _squared_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.mean((a.astype(np.float64) - b) ** 2, axis=(1, 2, 3))


def _same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise ValueError(f"the clips must have one shape, got {a.shape} and {b.shape}")
