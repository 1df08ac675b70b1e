"""Frames of any size, aspect and colour into those of a clip."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8

from vidgen.registry import suggest

FITS: dict[str, str] = {
    "crop": "the largest part of the wanted aspect is cut out and resized",
    "squash": "the whole frame is resized, whatever becomes of its aspect",
}


def check_fit(fit: str, channels: int) -> None:
    """Refuse what `fitted` cannot do.

    Raises:
        UnknownNameError: for another fit, with the near misses.
        ValueError: for channels other than 1 (grey) and 3 (RGB).
    """
    if fit not in FITS:
        raise suggest(fit, FITS, "fit")
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {channels}")


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size given as a side or as both.

    Raises:
        ValueError: for a side below 1.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"size must be positive, got {size}")
    return height, width


def fitted(
    image: Any,
    height: int,
    width: int,
    channels: int,
    *,
    fit: str = "crop",
    place: float = 0.5,
    pixel_aspect: float = 1.0,
) -> UInt8[np.ndarray, "H W C"]:
    """One frame at the size and in the colours of a clip.

    Bicubic, with antialiasing where it shrinks; a frame that fits already keeps its pixels. Colours
    as in `recoloured`.

    Args:
        image: a `PIL.Image.Image` of any mode.
        height: wanted, pixels.
        width: wanted, pixels.
        channels: 1 or 3.
        fit: a name in `FITS`.
        place: where a crop lies along the side that is cut: 0 at the top or left, 1 at the other
            end.
        pixel_aspect: width of a pixel over its height, where they are not square.
    """
    from PIL import Image

    image = recoloured(image, channels)
    box = (0.0, 0.0, float(image.width), float(image.height))
    if fit == "crop":
        aspect = width / height / pixel_aspect
        wide, high = (
            min(image.width, image.height * aspect),
            min(image.height, image.width / aspect),
        )
        left, top = (image.width - wide) * place, (image.height - high) * place
        box = (left, top, left + wide, top + high)
    if image.size != (width, height) or box != (0.0, 0.0, float(width), float(height)):
        image = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image, np.uint8).reshape(height, width, channels)


def recoloured(image: Any, channels: int) -> Any:
    """A `PIL.Image.Image` of any mode in grey (1) or RGB (3).

    Grey is ITU-R 601's luma. What is transparent shows black, as behind every object of the
    simulated sources.
    """
    from PIL import Image

    if image.mode.startswith("I"):
        # Sixteen bits of grey, which Pillow would clip at 255 instead of scaling.
        deep = np.asarray(image).astype(np.int64).clip(0, 65_535)
        grey = (deep >> 8).astype(np.uint8)
        clear = image.info.get("transparency")  # one of the levels, in a PNG
        image = Image.fromarray(grey if clear is None else np.where(deep == clear, 0, grey))
    elif image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer)
    return image.convert("L" if channels == 1 else "RGB")
