"""Anybody's photograph as the first frame of a clip, and the clip back in the photograph's form."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vidgen.comparison.picture import opened
from vidgen.data.framing import fitted
from vidgen.registry import suggest
from vidgen.types import Task

FITS: dict[str, str] = {
    "crop": "the middle of the photograph",
    "letterbox": "the whole photograph, what is beside it mirrored and cut off again",
}
"""How a photograph comes into a frame of another shape."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Photo:
    """A photograph that a model can begin with.

    Attributes:
        frame: uint8 [H W C], of the model's size and colours.
        size: (height, width) of the photograph, upright, in pixels.
        box: (top, left, bottom, right) of the frame that shows the photograph.
        fit: a name in `FITS`.
    """

    frame: UInt8[np.ndarray, "H W C"]
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    fit: str

    def __str__(self) -> str:
        (height, width), (tall, wide) = self.size, self.frame.shape[:2]
        return f"{FITS[self.fit]}, {width}x{height} pixels brought to {wide}x{tall}"

    def restored(self, clip: UInt8[np.ndarray, "*N H W C"]) -> UInt8[np.ndarray, "*N h w C"]:
        """Of a clip that began with the frame, what shows the photograph."""
        top, left, bottom, right = self.box
        return clip[..., top:bottom, left:right, :]


def photo(picture: Any, task: Task, fit: str = "crop") -> Photo:
    """A photograph, ready for a model.

    Turned upright as its EXIF data says, laid on black where it is transparent, sixteen bits
    reduced to eight, of an animation the first picture.

    Args:
        picture: a path, the bytes of a file, or an array as `picture.first_frame` takes it.
        task: of the model.
        fit: a name in `FITS`.

    Raises:
        vidgen.comparison.picture.PictureError: for a file that is absent, empty, truncated, no
            picture or too large, and for an array of another shape, dtype or range.
        vidgen.registry.UnknownNameError: for another fit.
    """
    if fit not in FITS:
        raise suggest(fit, FITS, "fit")
    image = opened(picture)
    height, width = task.height, task.width
    size = (image.height, image.width)
    if fit == "crop":
        frame = fitted(image, height, width, task.channels)
        return Photo(frame=frame, size=size, box=(0, 0, height, width), fit=fit)
    scale = min(height / image.height, width / image.width)
    tall = min(max(round(image.height * scale), 1), height)
    wide = min(max(round(image.width * scale), 1), width)
    inner = fitted(image, tall, wide, task.channels, fit="squash")
    top, left = (height - tall) // 2, (width - wide) // 2
    beside = ((top, height - tall - top), (left, width - wide - left), (0, 0))
    return Photo(
        frame=np.pad(inner, beside, mode="symmetric"),
        size=size,
        box=(top, left, top + tall, left + wide),
        fit=fit,
    )
