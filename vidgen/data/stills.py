"""Folders of frames, one picture file each, and single pictures read without trust."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import re
import struct
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

MOST_SCANS = 100
"""Of a JPEG. A progressive one has about ten, and each of them, of a few bytes, has the whole
picture decoded once more.
"""

_SCAN, _END, _WITHOUT_LENGTH = 0xDA, 0xD9, range(0xD0, 0xD9)
"""Markers of a JPEG."""

_ORIENTATION = 0x0112
"""EXIF's number for which side of a picture was up."""


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
        CorruptFileError: if it is empty, truncated, no picture, of too many pixels or scans, or of
            pixels that are floating-point numbers.
    """
    from PIL import Image, UnidentifiedImageError

    file = io.BytesIO(file) if isinstance(file, bytes) else file
    begins = file.read(3)
    if not begins:
        raise CorruptFileError(f"{name} is empty")
    file.seek(0)
    if begins == b"\xff\xd8\xff":
        scans = _scans(file.read())
        file.seek(0)
        if scans > MOST_SCANS:
            raise CorruptFileError(
                f"{name} is a JPEG of over {MOST_SCANS} scans, each of which decodes all of it: "
                "save it as another one"
            )
    try:
        with warnings.catch_warnings():
            # Pillow warns of a decompression bomb where it should refuse, and of EXIF data that is
            # not what it says, which harms nobody.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=_formats()) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise CorruptFileError(
                        f"{name} is {image.width}x{image.height}; at most {MOST_PIXELS:,} pixels "
                        f"are read"
                    )
                image.load()
                if image.mode == "F":
                    raise CorruptFileError(
                        f"{name} has floating-point pixels, and does not say how bright 1 is: save "
                        f"it with 8 or 16 bits"
                    )
                return _upright(image)
    except CorruptFileError:
        raise
    except UnidentifiedImageError as error:
        raise CorruptFileError(f"{name} is no picture that can be read") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise CorruptFileError(f"{name} is too large: {error}") from error
    except _DAMAGED as error:
        raise CorruptFileError(f"{name} is damaged: {error}") from error


def _scans(content: bytes) -> int:
    """Scans of a JPEG, as far as one more than `MOST_SCANS`. What stands in its segments, such as a
    preview, or behind its end, such as the video of a phone, is not counted.
    """
    place, count = 2, 0
    while count <= MOST_SCANS:
        place = content.find(b"\xff", place)
        if place < 0 or place + 4 > len(content):
            break
        marker = content[place + 1]
        if marker == _END:
            break
        if marker == 0xFF:
            place += 1  # filling
        elif marker <= 0x01 or marker in _WITHOUT_LENGTH:
            place += 2
        else:
            count += marker == _SCAN
            place += 2 + max(int.from_bytes(content[place + 2 : place + 4]), 2)
    return count


_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, LookupError, TypeError)
_DAMAGED += (struct.error,)
"""What Pillow raises in the middle of a file that is not what it says."""


def _upright(image: Any) -> Any:
    """Turned as its EXIF data says, if that can be read: phones' is often odd, and the pixels are
    sound all the same. Pillow's own turning writes what it read back, and fails on more.
    """
    from PIL import Image

    turns = Image.Transpose
    by = (
        turns.FLIP_LEFT_RIGHT,
        turns.ROTATE_180,
        turns.FLIP_TOP_BOTTOM,
        turns.TRANSPOSE,
        turns.ROTATE_270,
        turns.TRANSVERSE,
        turns.ROTATE_90,
    )
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except _DAMAGED:
        return image.copy()
    is_turned = isinstance(orientation, int) and 2 <= orientation <= 8
    return image.transpose(by[orientation - 2]) if is_turned else image.copy()


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
