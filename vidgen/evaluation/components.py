"""Objects in frames: connected components of ink, counted, located and cut out.

The threshold is an absolute level of light, never relative to the clip's own brightest pixel:
faint or blurred output has no ink and counts as missing, however well its shadows move. Over a
ground it lies midway between the brightest ground and the dimmest object.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from vidgen.evaluation.recogniser import centroids, crop

INK_LEVEL = 96
"""A pixel is ink where its brightest channel reaches this level of 255. Strokes of real clips peak
near 255; at a third of their contrast nothing of them remains. This is the level on black."""

_LEAST_SHARE = 0.5
_SIDE_SLACK = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extent:
    """How large one object is.

    Attributes:
        size: S, pixels a side of an exemplar.
        least_area: pixels of ink below which a component is a speck, and no object.
        most_side: pixels; a component longer than this is two objects that touch.
        level: of 255, that the brightest channel of a pixel of ink reaches.
    """

    size: int
    least_area: float
    most_side: int
    level: int = INK_LEVEL

    @classmethod
    def of(cls, exemplars: np.ndarray, grounds: np.ndarray | None = None) -> Extent:
        """From exemplars uint8 [M S S C]: half the ink of the slightest is the least there can be.

        Args:
            exemplars: uint8 [M S S C], objects on black.
            grounds: uint8 [G h w C], what they may move over; None for black.

        Raises:
            ValueError: if an exemplar has no ink at all, or none that outshines every ground.
        """
        level = INK_LEVEL
        if grounds is not None:
            brightest, dimmest = int(grounds.max()), int(exemplars.max((1, 2, 3)).min())
            if brightest >= dimmest:
                raise ValueError(
                    f"a ground reaches {brightest} and an object only {dimmest}: they cannot be "
                    "told apart by their light"
                )
            level = (brightest + dimmest + 1) // 2
        area = (exemplars.max(3) >= level).sum((1, 2))
        if area.min() == 0:
            raise ValueError(f"exemplar {int(area.argmin())} has no pixel of level {level}")
        size = exemplars.shape[1]
        return cls(
            size=size,
            least_area=_LEAST_SHARE * float(area.min()),
            most_side=size + _SIDE_SLACK,
            level=level,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objects:
    """What is seen in F frames.

    Attributes:
        count: int64 [F], objects in a frame.
        centroid: float64 [F 2], (y, x) in pixels of the largest object; NaN where there is none.
        crops: float32 [F G G C], the largest object alone on black, with the soft edge of one pixel
            that small shapes are told apart by; all black where there is none.
    """

    count: np.ndarray
    centroid: np.ndarray
    crops: np.ndarray


def find_objects(frames: np.ndarray, extent: Extent) -> Objects:
    """Count, locate and cut out the objects in every frame.

    Strokes up to two pixels apart belong to one object, since handwriting has gaps.

    Args:
        frames: uint8 [F H W C].
        extent: how large an object is.
    """
    found = _components(frames, extent)
    largest = np.full(len(frames), -1, np.int64)
    ascending = np.argsort(found.area, kind="stable")
    ascending = ascending[found.worth[ascending] > 0]
    largest[found.home[ascending]] = ascending
    alone = np.where((found.labels == largest[:, None, None])[..., None], frames, 0)
    centroid = centroids(alone)
    crops = crop(alone, np.nan_to_num(centroid), extent.size)
    return Objects(count=found.count, centroid=centroid, crops=crops)


def two_apart(frames: np.ndarray, extent: Extent) -> tuple[np.ndarray, np.ndarray]:
    """The frames in which two objects stand apart, each whole for all that can be seen.

    Args:
        frames: uint8 [F H W C].
        extent: how large an object is.

    Returns:
        bool [F], whether exactly two are seen, and uint8 [F 2 H W C], each alone on black.
    """
    found = _components(frames, extent)
    objects = np.flatnonzero(found.worth == 1)
    pairs = np.full((len(frames), 2), -1, np.int64)
    order = objects[np.argsort(found.home[objects], kind="stable")]
    apart = (found.count == 2) & (np.bincount(found.home[objects], minlength=len(frames)) == 2)
    pairs[apart] = order[apart[found.home[order]]].reshape(-1, 2)
    mine = found.labels[:, None] == pairs[..., None, None]
    return apart, np.where(mine[..., None], frames[:, None], 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Components:
    """Connected ink in F frames, that of label 0 being none.

    Attributes:
        labels: int32 [F H W].
        home: int64 [L], the frame of each component.
        area: int64 [L], its pixels.
        worth: int64 [L], how many objects it is: 0 for a speck, 2 if it is too long for one.
        count: int64 [F], objects in each frame.
    """

    labels: np.ndarray
    home: np.ndarray
    area: np.ndarray
    worth: np.ndarray
    count: np.ndarray


def _components(frames: np.ndarray, extent: Extent) -> _Components:
    ink = frames.max(3) >= extent.level
    within_a_frame = np.zeros((3, 3, 3), bool)
    within_a_frame[1] = True
    labels = np.zeros(ink.shape, np.int32)
    found = int(ndimage.label(grown(ink), structure=within_a_frame, output=labels))  # type: ignore[arg-type]
    frame, y, x = np.nonzero(ink)
    label = labels[frame, y, x]
    area = np.bincount(label, minlength=found + 1)
    home = np.zeros(found + 1, np.int64)
    home[label] = frame
    side = np.maximum(_spread(label, y, found + 1), _spread(label, x, found + 1))
    worth = (area >= extent.least_area) * np.where(side > extent.most_side, 2, 1)
    count = np.bincount(home, weights=worth, minlength=len(frames)).astype(np.int64)
    return _Components(labels=labels, home=home, area=area, worth=worth, count=count)


def cut_exemplars(
    exemplars: np.ndarray, extent: Extent, grounds: np.ndarray | None = None
) -> np.ndarray:
    """Exemplars on a canvas, seen as the oracle sees a frame.

    What the recogniser learns from must have gone through the same threshold as what it judges.

    Args:
        exemplars: uint8 [M S S C], objects on black.
        extent: how large an object is, and what is ink.
        grounds: uint8 [G h w C], behind the exemplars in turn; None for black.

    Returns:
        uint8 [M S' S' C], the objects alone on black.
    """
    room = _SIDE_SLACK
    canvas = np.pad(exemplars, ((0, 0), (room, room), (room, room), (0, 0)))
    if grounds is not None:
        # Of an object of one colour, a pixel's share of the brightest is the share it covers.
        light = canvas.max(3, keepdims=True) / exemplars.max((1, 2, 3))[:, None, None, None]
        side = canvas.shape[1]
        behind = np.resize(grounds[:, :side, :side], (len(canvas), side, side, grounds.shape[3]))
        canvas = np.rint(canvas + (1 - light) * behind).astype(np.uint8)
    ink = canvas.max(3) >= extent.level
    return np.where(grown(ink)[..., None], canvas, 0)


def grown(ink: np.ndarray) -> np.ndarray:
    """bool [F H W] dilated by one pixel in all eight directions, each frame for itself."""
    tall = ink.copy()
    tall[:, 1:] |= ink[:, :-1]
    tall[:, :-1] |= ink[:, 1:]
    grown = tall.copy()
    grown[:, :, 1:] |= tall[:, :, :-1]
    grown[:, :, :-1] |= tall[:, :, 1:]
    return grown


def _spread(label: np.ndarray, position: np.ndarray, labels: int) -> np.ndarray:
    """Extent in pixels of each label along one axis; 0 for a label without pixels."""
    low = np.full(labels, np.iinfo(np.int64).max)
    high = np.full(labels, -1)
    np.minimum.at(low, label, position)
    np.maximum.at(high, label, position)
    return np.where(high >= 0, high - low + 1, 0)
