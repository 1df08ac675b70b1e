"""A picture from anywhere as the first frame of a clip; hostile files end in a clear error."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from vidgen.data import CorruptFileError
from vidgen.data.framing import fitted
from vidgen.data.stills import picture as read
from vidgen.types import Task

_HEIC = tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"))
"""How the files of some phones begin, after four bytes."""


class PictureError(ValueError):
    """A picture that cannot be used; the message says why."""


def first_frame(picture: Any, task: Task) -> np.ndarray:
    """A picture as a frame of a task: cropped to its aspect about the centre, resized, recoloured.

    Args:
        picture: a path, the bytes of a file, or an array [H W], [H W 1], [H W 3] of uint8 or of
            floats in [0, 1].
        task: the size and channels that are wanted.

    Returns:
        uint8 [H W C].

    Raises:
        PictureError: for a file that is empty, truncated, no picture or too large, and for an array
            of another shape, dtype or range.
    """
    if isinstance(picture, np.ndarray):
        array = _array(picture)
        if array.shape == (task.height, task.width, task.channels):
            return array
    return fitted(opened(picture), task.height, task.width, task.channels)


def opened(picture: Any) -> Any:
    """A picture as a `PIL.Image.Image`, upright; arguments and errors as of `first_frame`."""
    from PIL import Image

    if isinstance(picture, bytes):
        return _read(io.BytesIO(picture), "the picture")
    if isinstance(picture, str | Path):
        path = Path(picture)
        if not path.is_file():
            raise PictureError(f"no picture at {path}")
        with path.open("rb") as file:
            return _read(file, str(path))
    array = _array(picture)
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def _read(file: Any, name: str) -> Any:
    try:
        return read(file, name)
    except CorruptFileError as error:
        file.seek(0)
        if file.read(12)[4:] in _HEIC:
            raise PictureError(f"{name} is HEIC, which is not read: save it as JPEG") from error
        raise PictureError(str(error)) from error


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
