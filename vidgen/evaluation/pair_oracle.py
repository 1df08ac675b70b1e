"""The oracle of clips of two objects: each of its own identity, on a path of its own motion.

Objects cross and hide each other, so they are followed as `layers` and not counted as components. A
clip is a *success* if, in at least 7 of 8 frames, both objects are there and no other one, and, of
each for itself, it is recognised as what was asked and lies on a path of the motion that was asked;
with a first frame given, on the path of the real clip. A frame in which more than three quarters of
an object are hidden says nothing against it.

An object whose greater part is hidden in all frames, which happens where both move alike and lie
upon each other, cannot be recognised: the clip does not show it, and fails. The share of real clips
of that kind is the ceiling, and is published with the oracle's own error.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from vidgen.data.motion import starts, trajectory
from vidgen.evaluation.clip_oracle import Confusion, Measure
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.components import Extent, grown
from vidgen.evaluation.layers import Layer, candidates, layers, strangers
from vidgen.evaluation.motion_fit import TOLERANCE, MotionModel, required
from vidgen.evaluation.recogniser import UNKNOWN, Recogniser, centroids, crop, likeness
from vidgen.evaluation.scene import Scene

_LEAST_IN_SIGHT = 0.25
"""Share of the frames in which each object must not be hidden, or the clip does not show it."""

_MOST_PATHS = 4
"""Of which two objects of one motion are sought."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairVerdicts:
    """What the oracle saw in N clips of two objects.

    Attributes:
        count: int64 [N T], objects in each frame, of which those that are hidden are counted.
        identity: int64 [N T 2], class of each object, -1 for unknown or missing.
        hidden: bool [N T 2], whether too much of an object is hidden to judge it.
        asked_identity: int64 [N 2].
        distance: float [N T 2], px from where each object should be; NaN where it is not seen.
        stability: float [N], mean likeness of the objects to themselves one frame before.
        tolerance: px, the most that lies on a path.
        share: of the frames that must be right.
        identities: names of the identity classes.
    """

    count: np.ndarray
    identity: np.ndarray
    hidden: np.ndarray
    asked_identity: np.ndarray
    distance: np.ndarray
    stability: np.ndarray
    tolerance: float
    share: float
    identities: tuple[str, ...]

    @property
    def identity_per_frame(self) -> np.ndarray:
        """bool [N T 2]."""
        return (self.identity == self.asked_identity[:, None]) | self.hidden

    @property
    def identity_right(self) -> np.ndarray:
        """bool [N], both in enough frames."""
        return np.asarray(self._enough(self.identity_per_frame).all(1))

    @property
    def majority_identity(self) -> np.ndarray:
        """int64 [N 2], the class seen in more frames than any other, -1 where there is none."""
        votes = (self.identity[..., None] == np.arange(len(self.identities))).sum(1)
        first, second = np.moveaxis(np.sort(votes, axis=2)[..., ::-1][..., :2], 2, 0)
        return np.where(first > second, votes.argmax(2), UNKNOWN)

    @property
    def identity_majority_right(self) -> np.ndarray:
        """bool [N]."""
        return (self.majority_identity == self.asked_identity).all(1)

    @property
    def motion_right(self) -> np.ndarray:
        """bool [N], both on their paths in enough frames."""
        near = self.distance <= self.tolerance
        return np.asarray(self._enough(near | self.hidden).all(1))

    @property
    def both_objects(self) -> np.ndarray:
        """bool [N], exactly two objects in enough frames, neither of them hidden nearly always."""
        visible = (~self.hidden).mean(1) >= _LEAST_IN_SIGHT
        return self._enough(self.count == 2) & visible.all(1)

    @property
    def success(self) -> np.ndarray:
        """bool [N], all of it at once."""
        return self.identity_right & self.motion_right & self.both_objects

    @property
    def success_majority(self) -> np.ndarray:
        """bool [N], all of it at once, with identity by majority."""
        return self.identity_majority_right & self.motion_right & self.both_objects

    @property
    def silence(self) -> str:
        """Why other metrics have no value here."""
        return "not measured on clips of two objects"

    def measures(self) -> Mapping[str, Measure]:
        """By the names of `metrics.METRICS`; distances are the mean of both objects."""
        seen = np.isfinite(self.distance)
        total = np.where(seen, self.distance, 0.0).sum(2)
        distance = np.where(seen.any(2), total / np.maximum(seen.sum(2), 1), np.nan)
        return {
            "oracle_success": Measure(kind="proportion", values=self.success),
            "oracle_success_majority": Measure(kind="proportion", values=self.success_majority),
            "identity": Measure(kind="proportion", values=self.identity_right),
            "identity_majority": Measure(kind="proportion", values=self.identity_majority_right),
            "motion": Measure(kind="proportion", values=self.motion_right),
            "one_object": Measure(kind="proportion", values=self.both_objects),
            "missing_rate": Measure(kind="rate", values=(self.count < 2).mean(1)),
            "extra_rate": Measure(kind="rate", values=(self.count > 2).mean(1)),
            "trajectory_error_px": Measure(kind="average", values=distance),
            "endpoint_error_px": Measure(kind="average", values=distance[:, -1]),
            "shape_stability": Measure(kind="average", values=self.stability),
            "drift_identity": Measure(
                kind="drift", values=np.asarray(self.identity_per_frame.all(2))
            ),
            "drift_one_object": Measure(kind="drift", values=self.count == 2),
            "drift_trajectory_error_px": Measure(kind="drift", values=distance),
        }

    def confusions(self) -> Mapping[str, Confusion]:
        """Identity asked against identity seen, an object counted once, by majority."""
        return {
            "identity": Confusion.of(
                self.asked_identity.ravel(),
                self.majority_identity.ravel(),
                self.identities,
                (*self.identities, "unknown"),
            )
        }

    def _enough(self, right: np.ndarray) -> np.ndarray:
        return right.sum(1) >= required(right.shape[1], self.share)


def examine_pairs(
    clips: ClipSet,
    real: ClipSet,
    *,
    extent: Extent,
    model: MotionModel,
    recogniser: Recogniser,
    asked_identity: np.ndarray,
    asked_motion: np.ndarray,
) -> PairVerdicts:
    """What clips of two objects show.

    Args:
        clips: the answers.
        real: the prompts they answer.
        extent: how large an object is.
        model: the world's motions.
        recogniser: of identity.
        asked_identity: int [N 2], into the recogniser's classes.
        asked_motion: int [N 2], into the model's classes.
    """
    n, frames = clips.video.shape[:2]
    need = required(frames, model.share)
    corners = _corners(model, frames)
    count = np.zeros((n, frames), np.int64)
    hidden, shown = np.zeros((2, n, frames, 2), np.bool_)
    distance = np.full((n, frames, 2), np.nan)
    identity = np.full((n, frames, 2), UNKNOWN)
    stability = np.full(n, np.nan)
    for clip in np.flatnonzero(~clips.failed).tolist():
        video = clips.video[clip]
        ink = grown(video.max(3) >= extent.level)
        motions = asked_motion[clip]
        alike = motions[0] == motions[1]
        most = _MOST_PATHS if alike else 1
        best = [
            [path for _, path in candidates(ink, rows, columns, extent.size, need=need, most=most)]
            for rows, columns in (corners[motion] for motion in motions)
        ]
        # Two objects of one motion are two of its best paths, in either order.
        pairs = [(best[0][0], best[1][0])]
        if alike and len(best[0]) > 1:
            pairs = list(itertools.permutations(best[0], 2))
        read = [_read(video, pair, extent, recogniser) for pair in pairs]
        # Which path is whose is decided by who is recognised on it.
        rights = [(r[1] == asked_identity[clip]).sum() for r in read]
        found, identity[clip], crops = read[int(np.argmax(rights))]
        hidden[clip] = np.stack([layer.hidden for layer in found], axis=1)
        shown[clip] = np.stack([layer.shown for layer in found], axis=1)
        identity[clip][~shown[clip]] = UNKNOWN
        count[clip] = (shown[clip] | hidden[clip]).sum(1) + strangers(video, found, extent)
        due = _real_path(real, clip) if real.context_mask[clip] else None
        distance[clip] = _distances(found, shown[clip], due, extent)
        stability[clip] = _stability(crops, shown[clip])
    return PairVerdicts(
        count=count,
        identity=identity,
        hidden=hidden,
        asked_identity=asked_identity,
        distance=distance,
        stability=stability,
        tolerance=TOLERANCE * model.physics.speed,
        share=model.share,
        identities=recogniser.classes,
    )


def _corners(model: MotionModel, frames: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each motion: int [Sy T] tops and int [Sx T] left sides of the cell from every start."""
    world = dataclasses.replace(model.physics, frames=frames)
    found = []
    for motion in world.motions:
        low, high = starts(model.physics, motion)
        axes = []
        for axis in (0, 1):
            corner = np.tile(low, (int(high[axis] - low[axis]) + 1, 1))
            corner[:, axis] = np.arange(low[axis], high[axis] + 1)
            axes.append(trajectory(world, motion, corner)[:, :, axis])
        found.append((axes[0], axes[1]))
    return found


def _read(
    video: np.ndarray, paths: Sequence[np.ndarray], extent: Extent, recogniser: Recogniser
) -> tuple[list[Layer], np.ndarray, np.ndarray]:
    """The layers, int [T 2] identities of their objects, and their crops [T 2 G G C]."""
    found = layers(video, paths, extent)
    cut = np.stack([_alone(layer.windows, extent) for layer in found], axis=1)
    flat = cut.reshape(-1, *cut.shape[2:])
    crops = crop(flat, np.nan_to_num(centroids(flat)), extent.size)
    identity = recogniser(crops).reshape(cut.shape[:2])
    return found, identity, crops.reshape(*cut.shape[:2], *crops.shape[1:])


def _alone(windows: np.ndarray, extent: Extent) -> np.ndarray:
    """The object of each window on black, as `components.find_objects` cuts it out."""
    return np.where(grown(windows.max(3) >= extent.level)[..., None], windows, 0)


def _distances(
    found: list[Layer], shown: np.ndarray, due: np.ndarray | None, extent: Extent
) -> np.ndarray:
    """float [T 2], px from the real path `due` [T 2 2], or from the path that was found."""
    columns = []
    for number, layer in enumerate(found):
        inside = centroids(_alone(layer.windows, extent))
        if due is None:
            # A path is one of the cell; where in its cell the object lies does not change.
            seen = inside[shown[:, number]]
            gap = inside - (np.median(seen, axis=0) if len(seen) else np.nan)
        else:
            gap = inside + layer.corners - due[:, number]
        columns.append(np.where(shown[:, number], np.linalg.norm(gap, axis=1), np.nan))
    return np.stack(columns, axis=1)


def _real_path(real: ClipSet, clip: int) -> np.ndarray:
    """float [T 2 2], the centroids of the objects of a real clip."""
    scene = Scene.of(real, clip)
    inside = [centroids((t.pixels * t.mask[..., None])[None])[0] for t in scene.things]
    middle = [np.array(thing.mask.shape) / 2 for thing in scene.things]
    return scene.centres + np.stack(inside) - np.stack(middle)


def _stability(crops: np.ndarray, shown: np.ndarray) -> float:
    """Mean likeness of crops [T 2 G G C] one frame apart, where both are shown [T 2]."""
    both = shown[:-1] & shown[1:]
    if not both.any():
        return float("nan")
    return float(np.nanmean(likeness(crops[:-1][both], crops[1:][both])))
