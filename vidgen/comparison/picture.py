"""A picture from anywhere as the first frame of a clip; hostile files end in a clear error."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from vidgen.types import Task

LARGEST_SIDE = 16_384
"""Pixels along a side beyond which a picture is refused before it is decoded."""

MOST_PIXELS = 64_000_000


class PictureError(ValueError):
    """A picture that cannot be used; the message says why."""


def first_frame(picture: Any, task: Task) -> np.ndarray:
    """A picture as a frame of a task: cropped to its aspect about the centre, resized, recoloured.

    Args:
        picture: a path, or an array [H W], [H W 1], [H W 3] of uint8 or of floats in [0, 1].
        task: the size and channels that are wanted.

    Returns:
        uint8 [H W C].

    Raises:
        PictureError: for a file that is empty, truncated, no picture or too large, and for an array
            of another shape, dtype or range.
    """
    from PIL import Image, ImageOps

    mode = "L" if task.channels == 1 else "RGB"
    if isinstance(picture, str | Path):
        image = _open(Path(picture))
    else:
        array = _array(picture)
        if array.shape == (task.height, task.width, task.channels):
            return array
        image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    # Transparency means black here, as it does behind every object of the sources.
    if image.mode in ("RGBA", "LA", "P", "PA"):
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer)
    size = (task.width, task.height)
    fitted = ImageOps.fit(image.convert(mode), size, method=Image.Resampling.BICUBIC)
    return np.asarray(fitted, np.uint8).reshape(task.height, task.width, task.channels)


def _open(path: Path) -> Any:
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():
        raise PictureError(f"no picture at {path}")
    if path.stat().st_size == 0:
        raise PictureError(f"{path} is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns of a decompression bomb where it should refuse.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                if max(width, height) > LARGEST_SIDE or width * height > MOST_PIXELS:
                    raise PictureError(
                        f"{path} is {width}x{height}; at most {LARGEST_SIDE} pixels a side and "
                        f"{MOST_PIXELS:,} in all are read"
                    )
                image.load()
                return ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise PictureError(f"{path} is no picture that can be read") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise PictureError(f"{path} is too large: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{path} is damaged: {error}") from error


def _array(picture: Any) -> np.ndarray:
    array = np.asarray(picture)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise PictureError(f"a picture is [H W], [H W 1] or [H W 3], got {np.shape(picture)}")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise PictureError(f"a picture is uint8 or float in [0, 1], got {array.dtype}")
    if not (np.isfinite(array).all() and array.min() >= 0.0 and array.max() <= 1.0):
        raise PictureError("a picture of floats must lie in [0, 1]")
    return np.rint(array * 255.0).astype(np.uint8)
