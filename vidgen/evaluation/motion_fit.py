"""Which motion a path of centroids shows: a robust fit against simulated paths.

Every motion of the world is simulated from every start it can have, bounces included, and the
nearest one names the class, unless none is near: a path that follows no law has no class. The two
axes of `vidgen.data.motion` are independent, so a motion is a pair of one-dimensional paths and
each axis is fitted alone, which turns a product of starts into a sum.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from vidgen.data.motion import Physics, paths

STATIC = "static"
NONE = "none"

TOLERANCE = 0.75
"""How far an object may be from the fitted path, as a share of one frame's move."""

_CAP = 2.0
"""Moves after which a frame's error grows no more, so that one wild frame decides nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """What the paths of N clips show.

    Attributes:
        motion: int64 [N], index into `MotionModel.classes`; the last two are static and none.
        residual: float64 [N T], px between the object and the best path of the motion that was
            *asked*; NaN where no object was seen.
        expected: float64 [N T 2], that path: where the object should be, (y, x) in px.
    """

    motion: np.ndarray
    residual: np.ndarray
    expected: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionModel:
    """All paths of a world.

    Attributes:
        physics: the world.
        reach: float [2], the furthest that an object's centroid lies from the centre of its cell,
            (y, x) in px. The fit may shift a path by no more.
        share: of the frames must lie within the tolerance of the path.
    """

    physics: Physics
    reach: np.ndarray
    share: float

    @property
    def classes(self) -> tuple[str, ...]:
        """The motions of the world, then ``"static"`` and ``"none"``."""
        return (*self.physics.motions, STATIC, NONE)

    def fit(self, path: np.ndarray, first: np.ndarray, asked: np.ndarray) -> Fit:
        """The class of each path.

        Args:
            path: float [N T 2], centroids (y, x) in px; NaN where no object was seen.
            first: float [N 2], where the object is in the first frame, for clips that were given
                that frame; NaN for the others, whose start is fitted.
            asked: int [N], the motion asked for, as an index into `classes`.
        """
        clips, frames = path.shape[:2]
        library = self._library(frames)
        cost = np.empty((clips, len(library)))
        distance = np.empty((clips, len(library), frames))
        best_paths = np.empty((clips, len(library), frames, 2))
        for index, axes in enumerate(library):
            squares = np.zeros((clips, frames))
            cost[:, index] = 0.0
            for axis, simulated in enumerate(axes):
                error, total, best_paths[:, index, :, axis] = self._fit_axis(
                    path[..., axis], first[:, axis], simulated, axis
                )
                squares += error**2
                cost[:, index] += total
            distance[:, index] = np.sqrt(squares)
        best = cost.argmin(1)
        row = np.arange(clips)
        # A comparison with NaN is False: a frame without an object lies on no path.
        near = distance[row, best] <= TOLERANCE * self.physics.speed
        lawful = near.sum(1) >= required(frames, self.share)
        motion = np.where(lawful, best, self.classes.index(NONE))
        return Fit(motion=motion, residual=distance[row, asked], expected=best_paths[row, asked])

    def _fit_axis(
        self, path: np.ndarray, first: np.ndarray, simulated: np.ndarray, axis: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Best start along one axis.

        Args:
            path: float [N T].
            first: float [N], NaN where no first frame was given.
            simulated: float [S T], the cell's centre from each start.
            axis: 0 or 1.

        Returns:
            float [N T], absolute error of the best start, float [N], its capped mean, and float
            [N T], its path.
        """
        gap = path[:, None, :] - simulated[None, :, :]
        seen = np.isfinite(gap[:, :1])
        fitted = _median(gap)
        given = first[:, None] - simulated[None, :, 0]
        offset = np.where(np.isfinite(given), given, fitted)
        reach = self.reach[axis]
        free = np.clip(offset, -reach, reach)
        error = np.abs(gap - free[..., None])
        capped = np.minimum(np.where(seen, error, 0.0), _CAP * self.physics.speed)
        total = capped.sum(2) / np.maximum(seen.sum(2), 1)
        # A first frame fixes the start: starts that would put the object elsewhere do not count.
        total = np.where(np.isfinite(given) & (np.abs(given) > reach), np.inf, total)
        best = total.argmin(1)
        row = np.arange(len(path))
        return error[row, best], total[row, best], simulated[best] + free[row, best, None]

    def _library(self, frames: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each class but none: float [S T] paths of the cell's centre, along y and along x."""
        half = self.physics.size / 2
        library = []
        for motion in self.physics.motions:
            rows, columns = paths(self.physics, motion, frames=frames)
            library.append((rows + half, columns + half))
        still = [
            np.arange(free + 1)[:, None] + np.full((1, frames), half) for free in self.physics.free
        ]
        return [*library, (still[0], still[1])]


def bounce_error(path: np.ndarray, expected: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """How many frames too early or too late objects bounce, mean over the axes that should.

    An axis bounces where it comes furthest along its heading, unless that is its last frame.

    Args:
        path: float [N T 2], centroids (y, x) in px; NaN where no object was seen, and those frames
            are left out.
        expected: float [N T 2], where the objects should be.
        heading: int [N 2], -1, 0 or 1 along (y, x).

    Returns:
        float [N]; NaN where nothing should bounce or nothing is seen.
    """
    last = path.shape[1] - 1
    along = np.where(np.isfinite(path), path * heading[:, None], -np.inf)
    found, due = along.argmax(1), (expected * heading[:, None]).argmax(1)
    bounces = (heading != 0) & (due < last) & np.isfinite(path).any(1)
    error = np.where(bounces, np.abs(found - due), 0).sum(1)
    return np.where(bounces.any(1), error / np.maximum(bounces.sum(1), 1), np.nan)


def required(frames: int, share: float) -> int:
    """How many of so many frames make up the share, rounded up: 7/8 of 8 are 7, of 4 all 4."""
    return int(np.ceil(share * frames - 1e-9))


def _median(gap: np.ndarray) -> np.ndarray:
    """float [N S], the median of [N S T] over the frames that are seen; 0 where none is."""
    ordered = np.sort(gap, axis=2)  # NaN goes last
    seen = np.isfinite(gap).sum(2, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((seen - 1) // 2, 0), axis=2)
    high = np.take_along_axis(ordered, seen // 2, axis=2)
    return np.where(seen > 0, (low + high) / 2, 0.0)[..., 0]
