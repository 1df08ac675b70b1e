"""A clip of objects taken apart into its ground, its objects and their paths, and drawn anew.

Clips are broken on purpose by changing one of these and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from vidgen.evaluation.clipset import ClipSet


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thing:
    """An object as it looks where nothing hides it.

    Attributes:
        pixels: uint8 [h w C], its tight box.
        mask: bool [h w], its ink.
    """

    pixels: np.ndarray
    mask: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """One clip, taken apart.

    Attributes:
        ground: uint8 [H W C], what the objects move over.
        things: O of them, the one in front last.
        centres: float [T O 2], the middle (y, x) of each box in px; NaN where there is none.
    """

    ground: np.ndarray
    things: tuple[Thing, ...]
    centres: np.ndarray

    @classmethod
    def of(cls, real: ClipSet, clip: int) -> Scene:
        """Take a real clip apart with the help of its truth, see `ClipSet.truth`."""
        truth = real.truth
        assert truth is not None
        video, boxes = real.video[clip], np.rint(truth.boxes[clip]).astype(np.int64)
        masks = _masks(real, clip)
        things = tuple(_thing(video, boxes, masks, number) for number in range(boxes.shape[1]))
        return cls(
            ground=_ground(video, masks),
            things=things,
            centres=(boxes[..., :2] + boxes[..., 2:]) / 2,
        )

    def replace(self, number: int, thing: Thing, frames: np.ndarray) -> list[list[Thing]]:
        """The things of every frame, with another in place of thing `number` in frames bool [T]."""
        cast = [list(self.things) for _ in self.centres]
        for frame in np.flatnonzero(frames):
            cast[frame][number] = thing
        return cast

    def draw(
        self, centres: np.ndarray, cast: Sequence[Sequence[Thing]] | None = None
    ) -> np.ndarray:
        """uint8 [T H W C], with other centres [T O 2], or other things in every frame."""
        video = np.repeat(self.ground[None], len(centres), axis=0)
        for frame, places in enumerate(centres):
            for thing, centre in zip(cast[frame] if cast else self.things, places, strict=True):
                if np.isfinite(centre).all():
                    paste(video[frame], thing, centre)
        return video


def paste(frame: np.ndarray, thing: Thing, centre: np.ndarray) -> None:
    """Lay a thing over a frame in place, as near to a centre as the canvas allows.

    Grey things shine through each other, coloured ones hide what is behind, as in the sources.
    """
    side = np.array(thing.pixels.shape[:2])
    place = np.rint(np.asarray(centre) - side / 2).astype(np.int64)
    top, left = np.clip(place, 0, np.array(frame.shape[:2]) - side)
    window = frame[top : top + side[0], left : left + side[1]]
    if frame.shape[2] == 1:
        np.maximum(window, thing.pixels, out=window)
    else:
        np.copyto(window, thing.pixels, where=thing.mask[..., None])


def _masks(real: ClipSet, clip: int) -> np.ndarray:
    """bool [T O H W], the ink of each object, hidden parts included; whole boxes where unknown."""
    truth = real.truth
    assert truth is not None
    if truth.object_masks is not None:
        return truth.object_masks[clip]
    if truth.masks is not None and truth.boxes.shape[2] == 1:
        return truth.masks[clip][:, None]
    y, x = np.ogrid[: real.video.shape[2], : real.video.shape[3]]
    top, left, bottom, right = np.moveaxis(truth.boxes[clip], -1, 0)[..., None, None]
    return (y >= top) & (y < bottom) & (x >= left) & (x < right)


def _ground(video: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """uint8 [H W C], the median of a pixel over the frames without an object on or beside it.

    Black for objects of light, which reach further than their ink.
    """
    if video.shape[-1] == 1:
        return np.zeros_like(video[0])
    beside = ndimage.binary_dilation(masks.any(1), np.ones((1, 3, 3), bool))
    bare = np.where(beside[..., None], np.nan, video)
    if np.isnan(bare).all():
        return np.zeros_like(video[0])
    # What is never bare takes the colour of the ground at large.
    ground = np.broadcast_to(np.nanmedian(bare, axis=(0, 1, 2)), video.shape[1:]).copy()
    known = ~np.asarray(beside.all(0))
    ground[known] = np.nanmedian(bare[:, known], axis=0)
    return np.rint(ground).astype(np.uint8)


def _thing(video: np.ndarray, boxes: np.ndarray, masks: np.ndarray, number: int) -> Thing:
    """Object `number`: each pixel from a frame in which no other object is in front of it."""
    cut = [tuple(map(slice, box[:2], box[2:])) for box in boxes[:, number]]
    seen = np.stack([frame[window] for frame, window in zip(video, cut, strict=True)])
    mask = masks[0, number][cut[0]]
    if video.shape[-1] == 1:
        return Thing(pixels=seen.min(0), mask=mask)  # light only ever adds
    others = np.asarray(masks[:, number + 1 :].any(1))
    hidden = np.stack([frame[window] for frame, window in zip(others, cut, strict=True)])
    first = hidden.argmin(0)[None, ..., None]
    return Thing(pixels=np.take_along_axis(seen, first, axis=0)[0], mask=mask)
