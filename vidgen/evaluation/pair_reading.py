"""What two objects look like along a pair of paths.

Where they stand apart they are read as components; where they cross and hide each other they are
read in the cells that travel along the paths, as `layers`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from vidgen.evaluation.components import Extent, grown, two_apart
from vidgen.evaluation.layers import layers, strangers
from vidgen.evaluation.recogniser import UNKNOWN, Recogniser, centroids, crop, likeness


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairReading:
    """What two objects look like in T frames.

    Attributes:
        shown: bool [T 2], whether each is there.
        hidden: bool [T 2], whether too much of it is hidden to say.
        identity: int64 [T 2], -1 where it is not shown.
        centre: float [T 2 2], centroids (y, x) in px.
        crops: float32 [T 2 G G C].
        corners: int64 [T 2 2], of the cells in which they travel.
        count: int64 [T], objects, of which those that are hidden are counted.
    """

    shown: np.ndarray
    hidden: np.ndarray
    identity: np.ndarray
    centre: np.ndarray
    crops: np.ndarray
    corners: np.ndarray
    count: np.ndarray

    def distances(self, due: np.ndarray | None) -> np.ndarray:
        """float [T 2], px from the real path `due` [T 2 2], or from the path that was found."""
        gap = np.where(self.shown[..., None], self.centre, np.nan)
        if due is not None:
            return np.linalg.norm(gap - due, axis=2)
        # A path is one of the cell; where in its cell the object lies does not change.
        gap -= self.corners
        for number in np.flatnonzero(self.shown.any(0)):
            gap[:, number] -= np.nanmedian(gap[:, number], axis=0)
        return np.linalg.norm(gap, axis=2)

    @property
    def stability(self) -> float:
        """Mean likeness of the objects to themselves one frame before, where both frames show
        them; NaN where none do.
        """
        both = self.shown[:-1] & self.shown[1:]
        if not both.any():
            return float("nan")
        return float(np.nanmean(likeness(self.crops[:-1][both], self.crops[1:][both])))


def read_apart(
    video: np.ndarray, extent: Extent, recogniser: Recogniser
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What is seen of two objects where they stand apart.

    Args:
        video: uint8 [T H W C].
        extent: how large an object is.
        recogniser: of identity.

    Returns:
        Frames bool [T] in which they do; as in `PairReading`, their centres, crops and identities,
        in no order.
    """
    frames, alone = two_apart(video, extent)
    return frames, *_seen(alone, extent, recogniser)


def read_along(
    pair: Sequence[np.ndarray],
    video: np.ndarray,
    apart: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    extent: Extent,
    recogniser: Recogniser,
) -> PairReading:
    """Both objects along a pair of paths; where they stand apart, as they are seen there.

    Args:
        pair: two paths, int [T 2] each, see `pair_paths`.
        video: uint8 [T H W C].
        apart: of the same clip, see `read_apart`.
        extent: how large an object is.
        recogniser: of identity.
    """
    found = layers(video, pair, extent)
    windows = np.stack([_alone(layer.windows, extent) for layer in found], axis=1)
    corners = np.stack([layer.corners for layer in found], axis=1)
    inside, crops, identity = _seen(windows, extent, recogniser)
    centre = inside + corners
    shown = np.stack([layer.shown for layer in found], axis=1)
    hidden = np.stack([layer.hidden for layer in found], axis=1)
    count = (shown | hidden).sum(1) + strangers(video, found, extent)

    frames, centre_there, crops_there, identity_there = apart
    cell = np.stack(list(pair), axis=1) + extent.size / 2
    straight, crossed = (
        np.linalg.norm(some - cell, axis=2) for some in (centre_there, centre_there[:, ::-1])
    )
    swap = crossed.sum(1) < straight.sum(1)
    near = np.where(swap, crossed.max(1), straight.max(1)) <= extent.size / 2
    for t in np.flatnonzero(frames & near):
        order = [1, 0] if swap[t] else [0, 1]
        centre[t], crops[t] = centre_there[t, order], crops_there[t, order]
        identity[t] = identity_there[t, order]
        shown[t], hidden[t], count[t] = True, False, 2
    return PairReading(
        shown=shown,
        hidden=hidden,
        identity=np.where(shown, identity, UNKNOWN),
        centre=centre,
        crops=crops,
        corners=corners,
        count=count,
    )


def _seen(
    objects: np.ndarray, extent: Extent, recogniser: Recogniser
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centroids, crops and identities of objects uint8 [T 2 H W C] on black."""
    flat = objects.reshape(-1, *objects.shape[2:])
    centre = centroids(flat)
    crops = crop(flat, np.nan_to_num(centre), extent.size)
    shape = objects.shape[:2]
    return (
        centre.reshape(*shape, 2),
        crops.reshape(*shape, *crops.shape[1:]),
        recogniser(crops).reshape(shape),
    )


def _alone(windows: np.ndarray, extent: Extent) -> np.ndarray:
    """The object of each window on black, as `components.find_objects` cuts it out."""
    return np.where(grown(windows.max(3) >= extent.level)[..., None], windows, 0)
