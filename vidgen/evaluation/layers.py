"""Two objects that cross: each is followed along its path, and the other tells what is hidden.

Their paths are known, see `pair_paths`. What an object looks like in a frame is taken from that
frame wherever the other object is not; only what is hidden there is taken from the frames in which
it is not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from vidgen.evaluation.components import Extent

MARGIN = 2
"""Pixels around a cell that belong to the window that travels, for objects that waver."""

_LEAST_VISIBLE = 0.25
"""Share of an object's ink that must not be hidden in a frame for it to be judged there."""

_LEAST_SHOWN = 0.5
"""Share of the ink not hidden that must be there, or the object is missing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """One object of one clip.

    Attributes:
        corners: int64 [T 2], (y, x) of its window, which may begin outside the canvas.
        ink: bool [G G], the pixels of the window that are ink in more than half of the frames.
        windows: uint8 [T G G C], the object in each frame, hidden parts filled in from others.
        shown: bool [T], whether it is there.
        hidden: bool [T], whether too much of it is hidden to say.
    """

    corners: np.ndarray
    ink: np.ndarray
    windows: np.ndarray
    shown: np.ndarray
    hidden: np.ndarray


def layers(video: np.ndarray, paths: Sequence[np.ndarray], extent: Extent) -> list[Layer]:
    """Take a clip apart along the paths of its objects.

    Args:
        video: uint8 [T H W C]. Grey objects shine through each other; of coloured ones the last
            lies in front.
        paths: int [T 2] corners of each object's cell.
        extent: how large an object is, and what is ink.
    """
    side = extent.size + 2 * MARGIN
    room = side  # the windows of both objects overlap wherever they are
    padded = np.pad(video, ((0, 0), (room, room), (room, room), (0, 0)))
    bright = padded.max(3) >= extent.level
    corners = [path + room - MARGIN for path in paths]
    windows = [_along(padded, corner, side) for corner in corners]
    inked = [_along(bright, corner, side) for corner in corners]
    # Where an object wavers, few pixels are ink in nearly all frames; more are in most.
    travels = [2 * ink.sum(0) > len(video) for ink in inked]
    travels = [
        _own(
            inked[number],
            _along(_cover(bright, corners, travels, number), corner, side),
            rough & _nearer(corners, number, side),
        )
        for number, (corner, rough) in enumerate(zip(corners, travels, strict=True))
    ]
    found = []
    for number, corner in enumerate(corners):
        covered = _cover(bright, corners, travels, number)
        if number == len(corners) - 1 and video.shape[-1] > 1:
            # In front, it is not hidden, but what is behind it still shows around it.
            _mark(covered, corner, travels[number], to=False)
        hidden = _along(covered, corner, side)
        ink = travels[number]
        is_object = bool(ink.sum() >= extent.least_area)
        # Of light, what is never bare may be the object's own; of colours it is the other's.
        whole = _fill(windows[number], hidden, keep=ink & (video.shape[-1] == 1))
        free = (ink & ~hidden).sum((1, 2))
        there = (ink & ~hidden & inked[number]).sum((1, 2))
        out_of_sight = free < _LEAST_VISIBLE * ink.sum()
        found.append(
            Layer(
                corners=corner - room,
                ink=ink,
                windows=whole,
                shown=(there >= _LEAST_SHOWN * free) & ~out_of_sight & is_object,
                hidden=out_of_sight & is_object,
            )
        )
    return found


def strangers(video: np.ndarray, found: list[Layer], extent: Extent) -> np.ndarray:
    """int64 [T], objects in each frame that no layer explains."""
    ink = video.max(3) >= extent.level
    counts = np.zeros(len(video), np.int64)
    for t, frame in enumerate(ink):
        explained = np.zeros_like(frame)
        for layer in found:
            y, x = layer.corners[t]
            at = np.argwhere(layer.ink) + np.array([[y, x]])
            inside = ((at >= 0) & (at < frame.shape)).all(1)
            explained[tuple(at[inside].T)] = True
        # An object that wavers by a pixel is not two objects.
        rest = frame & ~np.asarray(ndimage.binary_dilation(explained, np.ones((3, 3), bool)), bool)
        label = np.zeros(rest.shape, np.int32)
        number = int(ndimage.label(rest, np.ones((3, 3), bool), output=label))  # type: ignore[arg-type]
        area = np.bincount(label.ravel(), minlength=number + 1)[1:]
        counts[t] = (area >= extent.least_area).sum()
    return counts


def _along(video: np.ndarray, corners: np.ndarray, side: int) -> np.ndarray:
    """[T G G ...], the window that travels."""
    cut = [frame[y : y + side, x : x + side] for frame, (y, x) in zip(video, corners, strict=True)]
    return np.stack(cut)


def _cover(
    like: np.ndarray, corners: list[np.ndarray], ink: list[np.ndarray], number: int
) -> np.ndarray:
    """bool [T H W], where the other objects are than `number`, with a pixel around them."""
    covered = np.zeros_like(like)
    for other, corner in enumerate(corners):
        if other != number:
            wide = ndimage.binary_dilation(ink[other], np.ones((3, 3), bool))
            _mark(covered, corner, wide, to=True)
    return covered


def _own(inked: np.ndarray, covered: np.ndarray, rough: np.ndarray) -> np.ndarray:
    """bool [G G], ink in most of the frames [T G G] that nothing else covers, or else `rough`."""
    bare = (~covered).sum(0)
    return np.where(bare >= 2, 2 * (inked & ~covered).sum(0) > bare, rough)


def _nearer(corners: list[np.ndarray], number: int, side: int) -> np.ndarray:
    """bool [G G], what of a window lies nearer to its middle than to that of another window, in
    most frames: two that move alike share ink that nobody sees alone.
    """
    axis = np.arange(side) - (side - 1) / 2
    y, x = axis[None, :, None], axis[None, None, :]
    nearer = np.ones((side, side), bool)
    for other, corner in enumerate(corners):
        if other != number:
            down, right = (corner - corners[number]).T[..., None, None]
            closer = np.hypot(y, x) <= np.hypot(y - down, x - right)
            nearer &= 2 * closer.sum(0) > len(closer)
    return nearer


def _mark(marks: np.ndarray, corners: np.ndarray, ink: np.ndarray, *, to: bool) -> None:
    """Set marks bool [T H W] where the ink [G G] of a travelling window is, in place."""
    side = len(ink)
    for frame, (y, x) in zip(marks, corners, strict=True):
        frame[y : y + side, x : x + side][ink] = to


def _fill(windows: np.ndarray, hidden: np.ndarray, *, keep: np.ndarray) -> np.ndarray:
    """uint8 [T G G C], hidden pixels replaced by their median over the frames that show them.

    What no frame shows is black, but for pixels to keep, bool [G G], which stay as they are.
    """
    shows = np.where(hidden[..., None], np.nan, windows.astype(np.float32))
    ordered = np.sort(shows, axis=0)  # NaN goes last
    count = (~hidden).sum(0)
    middle = np.maximum(count - 1, 0) // 2
    median = np.take_along_axis(ordered, middle[None, ..., None], axis=0)
    filled = np.where((count > 0)[None, ..., None], np.nan_to_num(median), 0)
    stays = ~hidden | ((count == 0) & keep)
    return np.where(stays[..., None], windows, filled).astype(np.uint8)
