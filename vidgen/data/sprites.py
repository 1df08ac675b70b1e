"""What moves: small pictures on black, and how they lie over what is behind them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt16

INK = 26
"""A pixel with a channel this bright, a tenth of full, belongs to the object."""


@dataclasses.dataclass(frozen=True)
class Sprites:
    """The objects of one split, as rendered.

    Attributes:
        images: uint8 [M S S C] on black.
        identities: what each of the M is.
        names: the distinct identities of the whole source, in the order of their rank.
        cover: uint8 [M S S], the share of a pixel that the object hides, 255 for all of it; its
            colours in `images` are already weighted with it. None for objects of light, whose
            brighter pixel wins.
    """

    images: UInt8[np.ndarray, "M S S C"]
    identities: Sequence[str]
    names: Sequence[str]
    cover: UInt8[np.ndarray, "M S S"] | None = None

    @functools.cached_property
    def ink(self) -> Bool[np.ndarray, "M S S"]:
        """Where each object is in its cell: a pixel with a channel of at least `INK`."""
        return self.images.max(axis=-1) >= INK

    @functools.cached_property
    def boxes(self) -> Float[np.ndarray, "M 4"]:
        """(top, left, bottom, right) of the ink in each cell, half open.

        Raises:
            ValueError: if an object has no ink.
        """
        if not self.ink.any(axis=(1, 2)).all():
            raise ValueError("an object has no ink: one of its pixels must reach a tenth of full")
        return _bounds(self.ink).astype(np.float32)

    @functools.cached_property
    def _tight(self) -> list[list[int]]:
        """(top, left, bottom, right) of whatever is not black in each cell."""
        return _bounds(self.images.max(axis=-1) > 0).tolist()

    @functools.cached_property
    def _through(self) -> UInt16[np.ndarray, "M S S"]:
        """How much of what is behind shows, 256 for all of it, so that a shift divides."""
        assert self.cover is not None
        return (256 - np.rint(self.cover * (256 / 255))).astype(np.uint16)

    def place(
        self, video: UInt8[np.ndarray, "T H W C"], row: int, ys: Sequence[int], xs: Sequence[int]
    ) -> None:
        """Draw one object where nothing is yet: on black.

        Args:
            video: changed in place.
            row: of the object.
            ys: top of its cell, T of them, all inside the canvas.
            xs: left of its cell.
        """
        sprite = self.images[row]
        size = len(sprite)
        for frame, y, x in zip(video, ys, xs, strict=True):
            frame[y : y + size, x : x + size] = sprite

    def lay_over(
        self, video: UInt8[np.ndarray, "T H W C"], row: int, ys: Sequence[int], xs: Sequence[int]
    ) -> None:
        """Draw one object over what is there; arguments as for `place`."""
        # Small shapes leave most of their cell empty, and this is what a scene's time goes into.
        top, left, bottom, right = self._tight[row]
        sprite = self.images[row, top:bottom, left:right]
        patches = (
            frame[y + top : y + bottom, x + left : x + right]
            for frame, y, x in zip(video, ys, xs, strict=True)
        )
        if self.cover is None:
            for patch in patches:
                np.maximum(patch, sprite, out=patch)
            return
        through = np.empty(sprite.shape, np.uint16)
        through[:] = self._through[row, top:bottom, left:right, None]
        behind = np.empty_like(through)
        for patch in patches:
            np.multiply(patch, through, out=behind)
            np.right_shift(behind, 8, out=behind)
            # No sum exceeds 255: the sprite is weighted with the cover, what is behind with the
            # rest.
            np.add(behind, sprite, out=patch, casting="unsafe")

    def mark(
        self, masks: Bool[np.ndarray, "T H W"], row: int, ys: Sequence[int], xs: Sequence[int]
    ) -> None:
        """Set a mask, False so far, where the object is; arguments as for `place`."""
        ink = self.ink[row]
        size = len(ink)
        for mask, y, x in zip(masks, ys, xs, strict=True):
            mask[y : y + size, x : x + size] = ink


def _bounds(marked: Bool[np.ndarray, "M S S"]) -> Int[np.ndarray, "M 4"]:
    """(top, left, bottom, right) of what is marked in each cell, half open."""
    size = marked.shape[1]
    lines = [np.asarray(marked.any(axis=axis)) for axis in (2, 1)]
    low = [line.argmax(axis=1) for line in lines]
    high = [size - line[:, ::-1].argmax(axis=1) for line in lines]
    return np.stack(low + high, axis=1)
