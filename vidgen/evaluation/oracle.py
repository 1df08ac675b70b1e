"""The oracle: what a clip of a simulated world shows, against what was asked.

Objects are counted and located in closed form (`components`), the motion class is a robust fit of
simulated paths (`motion_fit`), and only identity is learned, from training handwriting
(`recogniser`). Nothing that is missing is imputed: a frame without an object is a frame in which
identity is wrong and no path is followed.

A clip is a *success* if, in at least 7 of 8 frames, there is exactly one object, it is recognised
as what was asked, and it lies on a path of the motion that was asked; with a first frame given,
on a path from there. The majority score asks of identity only that what was asked is seen in more
frames than anything else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from vidgen.data import Source
from vidgen.data.motion import MOTIONS
from vidgen.evaluation.broken import broken
from vidgen.evaluation.clip_oracle import Confusion, Measure, UnjudgeableError, of_one_shape
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.components import Extent, Objects, cut_exemplars, find_objects
from vidgen.evaluation.motion_fit import MotionModel, bounce_error, required
from vidgen.evaluation.pair_oracle import PairVerdicts, examine_pairs
from vidgen.evaluation.recogniser import UNKNOWN, Recogniser, centroids, crop, likeness
from vidgen.evaluation.statistics import mean_of_known

REQUIRED_SHARE = 7 / 8
"""Share of the frames in which a clip must be right."""

_REACH_SLACK = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What the oracle saw in N clips, and what it should have seen.

    Attributes:
        count: int64 [N T], objects in each frame.
        identity: int64 [N T], class of the largest object, -1 for unknown or none.
        asked_identity: int64 [N].
        motion: int64 [N], class of the path.
        asked_motion: int64 [N].
        distance: float [N T], px from where the object should be; NaN where none was seen. With a
            first frame given that is where the real clip has it, otherwise on the best path of the
            motion that was asked.
        bounce: float [N], frames between a bounce and when it should be, see
            `motion_fit.bounce_error`; NaN where nothing should bounce.
        stability: float [N], mean likeness of the object to itself one frame before, see
            `recogniser.likeness`; NaN where it is never seen twice running.
        identities: names of the identity classes.
        motions: names of the motion classes, ``"static"`` and ``"none"`` last.
    """

    count: np.ndarray
    identity: np.ndarray
    asked_identity: np.ndarray
    motion: np.ndarray
    asked_motion: np.ndarray
    distance: np.ndarray
    bounce: np.ndarray
    stability: np.ndarray
    identities: tuple[str, ...]
    motions: tuple[str, ...]

    @property
    def identity_per_frame(self) -> np.ndarray:
        """bool [N T], whether each frame shows what was asked."""
        return self.identity == self.asked_identity[:, None]

    @property
    def identity_right(self) -> np.ndarray:
        """bool [N], what was asked in at least 7 of 8 frames."""
        return _in_enough_frames(self.identity_per_frame)

    @property
    def majority_identity(self) -> np.ndarray:
        """int64 [N], the class seen in more frames than any other, -1 where there is none."""
        votes = (self.identity[:, :, None] == np.arange(len(self.identities))).sum(1)
        first, second = np.sort(votes, axis=1)[:, ::-1][:, :2].T
        return np.where(first > second, votes.argmax(1), UNKNOWN)

    @property
    def identity_majority_right(self) -> np.ndarray:
        """bool [N], what was asked in more frames than any other."""
        return self.majority_identity == self.asked_identity

    @property
    def motion_right(self) -> np.ndarray:
        """bool [N]."""
        return self.motion == self.asked_motion

    @property
    def one_object(self) -> np.ndarray:
        """bool [N], exactly one object in at least 7 of 8 frames."""
        return _in_enough_frames(self.count == 1)

    @property
    def success(self) -> np.ndarray:
        """bool [N], all of it at once."""
        return self.identity_right & self.motion_right & self.one_object

    @property
    def success_majority(self) -> np.ndarray:
        """bool [N], all of it at once, with identity by majority."""
        return self.identity_majority_right & self.motion_right & self.one_object

    @property
    def silence(self) -> str:
        """Why other metrics have no value here."""
        return "objects that move by themselves have no mission"

    def measures(self) -> Mapping[str, Measure]:
        """By the names of `metrics.METRICS`."""
        return {
            "oracle_success": Measure(kind="proportion", values=self.success),
            "oracle_success_majority": Measure(kind="proportion", values=self.success_majority),
            "identity": Measure(kind="proportion", values=self.identity_right),
            "identity_majority": Measure(kind="proportion", values=self.identity_majority_right),
            "motion": Measure(kind="proportion", values=self.motion_right),
            "one_object": Measure(kind="proportion", values=self.one_object),
            "missing_rate": Measure(kind="rate", values=self.count == 0),
            "extra_rate": Measure(kind="rate", values=self.count > 1),
            "trajectory_error_px": Measure(kind="average", values=self.distance),
            "endpoint_error_px": Measure(kind="average", values=self.distance[:, -1]),
            "bounce_error_frames": Measure(kind="average", values=self.bounce),
            "shape_stability": Measure(kind="average", values=self.stability),
            "drift_identity": Measure(kind="drift", values=self.identity_per_frame),
            "drift_one_object": Measure(kind="drift", values=self.count == 1),
            "drift_trajectory_error_px": Measure(kind="drift", values=self.distance),
        }

    def confusions(self) -> Mapping[str, Confusion]:
        """Identity asked against identity seen, a clip counted once, by majority; and motion."""
        seen = (*self.identities, "unknown")
        return {
            "identity": Confusion.of(
                self.asked_identity, self.majority_identity, self.identities, seen
            ),
            "motion": Confusion.of(self.asked_motion, self.motion, self.motions[:-2], self.motions),
        }


class Oracle:
    """Judges clips of one simulated world.

    Args:
        train: the training split, whose exemplars teach the recogniser, over its own grounds where
            it has any.
        seed: of the recogniser's augmentation.

    Raises:
        UnjudgeableError: if the source knows no physics or has no exemplars.
    """

    def __init__(self, train: Source, *, seed: int = 0) -> None:
        exemplars, physics = train.exemplars(), getattr(train, "physics", None)
        if exemplars is None or physics is None:
            raise UnjudgeableError(f"the source {train.name!r} has no exemplars or no physics")
        images, identities = exemplars
        grounds = train.grounds() if isinstance(train, _Grounded) else None
        self.extent = Extent.of(images, grounds)
        cut = cut_exemplars(images, self.extent, grounds)
        middle = np.array(cut.shape[1:3]) / 2
        offset = np.abs(centroids(cut) - middle[None, :]).max(0)
        self.motion = MotionModel(
            physics=physics, reach=offset + _REACH_SLACK, share=REQUIRED_SHARE
        )
        self.recogniser = Recogniser.fit(cut, identities, size=self.extent.size, seed=seed)

    def examine(self, clips: ClipSet, real: ClipSet) -> Verdicts | PairVerdicts:
        """What the clips show, and what they were asked to show.

        Args:
            clips: the answers.
            real: the prompts they answer, clip by clip: the real clips with their truth.

        Raises:
            UnjudgeableError: if the truth is absent, or not of one known object a clip, or of two.
            ValueError: if the two sets do not belong together.
        """
        asked_identity, asked_motion = self._asked(clips, real)
        if asked_identity.shape[1] == 2:
            return examine_pairs(
                clips,
                real,
                extent=self.extent,
                model=self.motion,
                recogniser=self.recogniser,
                asked_identity=asked_identity,
                asked_motion=asked_motion,
            )
        asked_identity, asked_motion = asked_identity[:, 0], asked_motion[:, 0]
        n, frames = clips.video.shape[:2]
        seen = self._see(clips.video)
        # A clip that could not be drawn shows nothing at all, whatever stands in its place.
        count = np.where(clips.failed[:, None], 0, seen.count.reshape(n, frames))
        path = np.where(count[..., None] > 0, seen.centroid.reshape(n, frames, 2), np.nan)
        identity = self.recogniser(seen.crops).reshape(n, frames)
        first, real_path = self._given(real)
        fit = self.motion.fit(path, first, asked_motion)
        given = real.context_mask[:, None]
        to_real = np.linalg.norm(path - real_path, axis=-1)
        due = np.where(given[..., None], real_path, fit.expected)
        heading = np.array([MOTIONS[name].heading for name in self.motion.physics.motions])
        return Verdicts(
            count=count,
            identity=np.where(count > 0, identity, UNKNOWN),
            asked_identity=asked_identity,
            motion=fit.motion,
            asked_motion=asked_motion,
            distance=np.where(given, to_real, fit.residual),
            bounce=bounce_error(path, due, heading[asked_motion]),
            stability=_stability(seen.crops.reshape(n, frames, *seen.crops.shape[1:]), count > 0),
            identities=self.recogniser.classes,
            motions=self.motion.classes,
        )

    def recognise(self, images: np.ndarray) -> np.ndarray:
        """int64 [M], identity of single objects uint8 [M S S C] on black; -1 for unknown."""
        cut = cut_exemplars(images, self.extent)
        return self.recogniser(crop(cut, np.nan_to_num(centroids(cut)), self.extent.size))

    def broken(self, real: ClipSet, *, seed: int) -> dict[str, tuple[ClipSet, ClipSet]]:
        """Every kind of `vidgen.evaluation.broken`, and the prompts: all of them."""
        return {kind: (clips, real) for kind, clips in broken(real, seed=seed).items()}

    def _see(self, video: np.ndarray) -> Objects:
        return find_objects(video.reshape(-1, *video.shape[2:]), self.extent)

    def _given(self, real: ClipSet) -> tuple[np.ndarray, np.ndarray]:
        """Where the object is in the real clips that gave their first frame; NaN for the others.

        Returns:
            float [N 2] of the first frame, and float [N T 2] of all frames.
        """
        path = np.full((*real.video.shape[:2], 2), np.nan)
        given = real.context_mask
        if given.any():
            path[given] = self._see(real.video[given]).centroid.reshape(path[given].shape)
        return path[:, 0], path

    def _asked(self, clips: ClipSet, real: ClipSet) -> tuple[np.ndarray, np.ndarray]:
        """int64 [N O] identities and int64 [N O] motions that were asked, O being 1 or 2."""
        of_one_shape(clips, real)
        if real.truth is None:
            raise UnjudgeableError("the prompts have no truth: their source is not simulated")
        world = self.motion.physics
        if real.video.shape[2:4] != (world.height, world.width):
            raise UnjudgeableError(
                f"the clips are {real.video.shape[2]}x{real.video.shape[3]} px, the oracle's world "
                f"{world.height}x{world.width}: build one from the same source and options"
            )
        objects = {len(words) for words in (*real.truth.identity, *real.truth.motion)}
        if objects not in ({1}, {2}):
            raise UnjudgeableError("the oracle judges clips of exactly one object, or of two each")
        shape = (len(real), objects.pop())
        identity = [word for words in real.truth.identity for word in words]
        motion = [word for words in real.truth.motion for word in words]
        return (
            _indices(identity, self.recogniser.classes, "identity").reshape(shape),
            _indices(motion, self.motion.physics.motions, "motion").reshape(shape),
        )


@runtime_checkable
class _Grounded(Protocol):
    """A source whose objects may move over something."""

    def grounds(self) -> np.ndarray | None:
        """uint8 [G h w C], or None for black."""
        ...


def _stability(crops: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """float [N], mean likeness of crops [N T G G C] one frame apart, where both are seen [N T]."""
    n, frames = seen.shape
    if frames < 2:
        return np.full(n, np.nan)
    before = crops[:, :-1].reshape(-1, *crops.shape[2:])
    after = crops[:, 1:].reshape(-1, *crops.shape[2:])
    alike = likeness(before, after).reshape(n, frames - 1)
    return mean_of_known(alike, seen[:, :-1] & seen[:, 1:] & np.isfinite(alike))


def _in_enough_frames(right: np.ndarray) -> np.ndarray:
    return right.sum(1) >= required(right.shape[1], REQUIRED_SHARE)


def _indices(names: list[str], classes: tuple[str, ...], what: str) -> np.ndarray:
    strange = sorted(set(names) - set(classes))
    if strange:
        raise UnjudgeableError(
            f"the oracle knows no {what} {', '.join(map(repr, strange))}; "
            f"known: {', '.join(classes)}"
        )
    return np.array([classes.index(name) for name in names], np.int64)
