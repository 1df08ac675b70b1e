"""A sheet of clips: rows of frames under words, as one picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

_FRAMES = 8
"""Frames of a clip on a sheet."""

_MARGIN, _LINE, _GAP = 12, 20, 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One clip of a sheet.

    Attributes:
        title: above its frames.
        notes: lines below that, smaller.
        frames: uint8 [n h w 3], those that are shown, at their size on the sheet; None for a clip
            that is not there, as the notes say.
    """

    title: str
    notes: tuple[str, ...] = ()
    frames: UInt8[np.ndarray, "n h w 3"] | None


def chosen(frames: int) -> Int[np.ndarray, "n"]:
    """Which of a clip's frames a sheet shows, from the first to the last."""
    return np.linspace(0, frames - 1, min(_FRAMES, frames)).round().astype(np.int64)


def selection(frames: int) -> str:
    """What to say of those: uneven gaps must not be taken for uneven motion."""
    shown = chosen(frames).tolist()
    if len(shown) == frames:
        return ""
    return f"; frames {', '.join(map(str, shown))} are shown"


def sheet(headline: str, rows: Sequence[SheetRow]) -> UInt8[np.ndarray, "H W 3"]:
    """The picture. Letters that Pillow's own font lacks show as boxes."""
    from PIL import Image, ImageDraw, ImageFont

    font, small = ImageFont.load_default(16), ImageFont.load_default(13)
    shapes = [(0, 0, 0) if row.frames is None else row.frames.shape[:3] for row in rows]
    width = max(
        [2 * _MARGIN + count * (wide + _GAP) - _GAP for count, _, wide in shapes], default=0
    )
    width = max(width, 2 * _MARGIN + int(font.getlength(headline)))
    heights = [
        _LINE * (1 + len(row.notes)) + high + _MARGIN
        for row, (_, high, _) in zip(rows, shapes, strict=True)
    ]
    image = Image.new("RGB", (width, 2 * _MARGIN + _LINE + sum(heights)), (24, 24, 27))
    draw = ImageDraw.Draw(image)
    draw.text((_MARGIN, _MARGIN), headline, font=font, fill=(250, 250, 250))
    top = 2 * _MARGIN + _LINE
    for row, height in zip(rows, heights, strict=True):
        at = top
        title = _fitting(row.title, font, width)
        draw.text((_MARGIN, at), title, font=font, fill=(235, 235, 235))
        at += _LINE
        colour = (160, 160, 170) if row.frames is not None else (255, 120, 120)
        for note in row.notes:
            draw.text((_MARGIN, at), _fitting(note, small, width), font=small, fill=colour)
            at += _LINE
        for place, frame in enumerate([] if row.frames is None else row.frames):
            image.paste(Image.fromarray(frame), (_MARGIN + place * (frame.shape[1] + _GAP), at))
        top += height
    return np.asarray(image)


def _fitting(text: str, font: Any, width: int) -> str:
    """The text, cut where it would run out of the sheet."""
    room = width - 2 * _MARGIN
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text}…"
