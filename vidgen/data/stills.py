"""Folders of frames, one picture file each, and single pictures read without trust."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from vidgen.data.errors import CorruptFileError
from vidgen.data.recording import MOST_PIXELS, Facts, Shot
from vidgen.data.storage import Files

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "PPM", "ICO", "TGA")
_FORMATS += ("JPEG2000",)
"""Of pictures that are opened. Pillow knows others, some of which start programs."""


class FrameFolder:
    """A recording that is a folder of pictures, in the order of the numbers in their names.

    Args:
        files: where it lies.
        name: of the folder there.
        frames: names of its pictures, in any order.
        rate: frames a second.
    """

    def __init__(self, files: Files, name: str, frames: Sequence[str], rate: float) -> None:
        self.name, self._files, self._rate = name, files, rate
        self._frames = sorted(frames, key=_natural)

    def facts(self) -> Facts:
        """Length and size, from the number of files and the first of them.

        Raises:
            CorruptFileError: if the first frame is damaged.
        """
        width, height = self._image(self._frames[0]).size
        count = len(self._frames)
        return Facts(frames=count, seconds=count / self._rate, height=height, width=width)

    def examine(self) -> Facts:
        """Its facts and digest, after every frame was decoded.

        Raises:
            CorruptFileError: if a frame is damaged, or they differ in size.
        """
        sizes = {self._image(name).size for name in self._frames}
        if len(sizes) > 1:
            raise CorruptFileError(f"{self.name} has frames of different sizes: {sorted(sizes)}")
        digest = hashlib.sha256()
        for name in self._frames:
            with self._files.open(name) as file:
                digest.update(hashlib.file_digest(cast("Any", file), "sha256").digest())
        return dataclasses.replace(self.facts(), digest=digest.digest())

    def shots(self, times: Float[np.ndarray, "T"]) -> Sequence[Shot]:
        """What is shown at each of these moments, in seconds since the first frame.

        Raises:
            CorruptFileError: if a frame is damaged.
        """
        wanted = np.floor(times * self._rate + 1e-6).astype(int).clip(0, len(self._frames) - 1)
        shots = {row: Shot(self._image(self._frames[row])) for row in set(wanted.tolist())}
        return [shots[row] for row in wanted.tolist()]

    def _image(self, name: str) -> Any:
        with self._files.open(name) as file:
            return picture(file, name)


def picture(file: Any, name: str) -> Any:
    """A picture as a `PIL.Image.Image`, upright.

    Args:
        file: opened for reading bytes, or the bytes.
        name: for the message.

    Raises:
        CorruptFileError: if it is empty, truncated, no picture, or of too many pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    file = io.BytesIO(file) if isinstance(file, bytes) else file
    if not file.read(1):
        raise CorruptFileError(f"{name} is empty")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            # Pillow warns of a decompression bomb where it should refuse.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=_formats()) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise CorruptFileError(
                        f"{name} is {image.width}x{image.height}; at most {MOST_PIXELS:,} pixels "
                        f"are read"
                    )
                image.load()
                return ImageOps.exif_transpose(image)
    except CorruptFileError:
        raise
    except UnidentifiedImageError as error:
        raise CorruptFileError(f"{name} is no picture that can be read") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise CorruptFileError(f"{name} is too large: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        raise CorruptFileError(f"{name} is damaged: {error}") from error


@functools.cache
def _formats() -> list[str]:
    """Those of `_FORMATS` that this Pillow was built with."""
    from PIL import Image

    Image.init()
    return [kind for kind in _FORMATS if kind in Image.OPEN]


def _natural(name: str) -> list[tuple[int, str]]:
    """A key under which frame 10 comes after frame 9."""
    parts = re.findall(r"\d+|\D+", PurePosixPath(name).name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
