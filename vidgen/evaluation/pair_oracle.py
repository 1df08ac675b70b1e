"""The oracle of clips of two objects: each of its own identity, on a path of its own motion.

Where they stand apart they are read as components; where they cross and hide each other they are
followed along their paths, as `layers`. A clip is a *success* if, in at least 7 of 8 frames, both
objects are there and no other one, and, of each for itself, it is recognised as what was asked and
lies on a path of the motion that was asked; with a first frame given, on the path of the real clip.
A frame in which more than three quarters of an object are hidden says nothing against it.

An object whose greater part is hidden in nearly all frames cannot be recognised: the clip does not
show it, and fails. The share of real clips of that kind is the ceiling, and is published with the
oracle's own error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from vidgen.data.motion import paths
from vidgen.evaluation.clip_oracle import Confusion, Measure
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.components import Extent, grown
from vidgen.evaluation.motion_fit import TOLERANCE, MotionModel, required
from vidgen.evaluation.pair_paths import pair_paths
from vidgen.evaluation.pair_reading import read_along, read_apart
from vidgen.evaluation.recogniser import UNKNOWN, Recogniser, centroids
from vidgen.evaluation.scene import Scene

_LEAST_IN_SIGHT = 0.25
"""Share of the frames in which each object must not be hidden, or the clip does not show it."""

_MOST_PATHS = 3
"""Of each object, with each of which the best path of the other one is sought."""

_MOST_PAIRS = 4
"""Of these pairs of paths, on which it is read what the objects are."""


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
            "missing_rate": Measure(kind="rate", values=self.count < 2),
            "extra_rate": Measure(kind="rate", values=self.count > 2),
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
    library = [paths(model.physics, motion, frames=frames) for motion in model.physics.motions]
    count = np.zeros((n, frames), np.int64)
    hidden = np.zeros((n, frames, 2), np.bool_)
    distance = np.full((n, frames, 2), np.nan)
    identity = np.full((n, frames, 2), UNKNOWN)
    stability = np.full(n, np.nan)
    for clip in np.flatnonzero(~clips.failed).tolist():
        video = clips.video[clip]
        ink = grown(video.max(3) >= extent.level)
        asked = [library[motion] for motion in asked_motion[clip]]
        pairs = pair_paths(ink, asked, extent.size, need=need, most=_MOST_PATHS)
        apart = read_apart(video, extent, recogniser)
        read = [read_along(pair, video, apart, extent, recogniser) for pair in pairs[:_MOST_PAIRS]]
        # Which path is whose is decided by who is recognised on it.
        rights = [(one.identity == asked_identity[clip]).sum() for one in read]
        best = read[int(np.argmax(rights))]
        hidden[clip], identity[clip], count[clip] = best.hidden, best.identity, best.count
        due = _real_path(real, clip) if real.context_mask[clip] else None
        distance[clip] = best.distances(due)
        stability[clip] = best.stability
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


def _real_path(real: ClipSet, clip: int) -> np.ndarray:
    """float [T 2 2], the centroids of the objects of a real clip."""
    scene = Scene.of(real, clip)
    inside = [centroids((t.pixels * t.mask[..., None])[None])[0] for t in scene.things]
    middle = [np.array(thing.mask.shape) / 2 for thing in scene.things]
    return scene.centres + np.stack(inside) - np.stack(middle)
