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
import functools

import numpy as np

from vidgen.data import Source, source
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.components import Extent, Objects, cut_exemplars, find_objects
from vidgen.evaluation.motion_fit import MotionModel, required
from vidgen.evaluation.recogniser import UNKNOWN, Recogniser, centroids, crop
from vidgen.evaluation.statistics import proportion
from vidgen.types import Score

REQUIRED_SHARE = 7 / 8
"""Share of the frames in which a clip must be right."""

_REACH_SLACK = 0.5


class UnjudgeableError(ValueError):
    """Clips that an oracle has no ground truth for; the message says why."""


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
        identities: names of the identity classes.
        motions: names of the motion classes, ``"static"`` and ``"none"`` last.
    """

    count: np.ndarray
    identity: np.ndarray
    asked_identity: np.ndarray
    motion: np.ndarray
    asked_motion: np.ndarray
    distance: np.ndarray
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often the oracle took one class for another.

    Attributes:
        classes: names of what was asked, the rows.
        seen: names of what was seen, the columns.
        counts: int64 [classes seen].
    """

    classes: tuple[str, ...]
    seen: tuple[str, ...]
    counts: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share on the diagonal; NaN where nothing was counted."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")


class Oracle:
    """Judges clips of one simulated world.

    Args:
        train: the training split, whose exemplars teach the recogniser.
        seed: of the recogniser's augmentation.

    Raises:
        UnjudgeableError: if the source knows no physics or has no exemplars.
    """

    def __init__(self, train: Source, *, seed: int = 0) -> None:
        exemplars, physics = train.exemplars(), getattr(train, "physics", None)
        if exemplars is None or physics is None:
            raise UnjudgeableError(f"the source {train.name!r} has no exemplars or no physics")
        images, identities = exemplars
        self.extent = Extent.of(images)
        cut = cut_exemplars(images, self.extent)
        middle = np.array(cut.shape[1:3]) / 2
        offset = np.abs(centroids(cut) - middle[None, :]).max(0)
        self.motion = MotionModel(
            physics=physics, reach=offset + _REACH_SLACK, share=REQUIRED_SHARE
        )
        self.recogniser = Recogniser.fit(cut, identities, size=self.extent.size, seed=seed)

    def examine(self, clips: ClipSet, real: ClipSet) -> Verdicts:
        """What the clips show, and what they were asked to show.

        Args:
            clips: the answers.
            real: the prompts they answer, clip by clip: the real clips with their truth.

        Raises:
            UnjudgeableError: if the truth is absent, or not of one known object a clip.
            ValueError: if the two sets do not belong together.
        """
        asked_identity, asked_motion = self._asked(clips, real)
        n, frames = clips.video.shape[:2]
        seen = self._see(clips.video)
        # A clip that could not be drawn shows nothing at all, whatever stands in its place.
        count = np.where(clips.failed[:, None], 0, seen.count.reshape(n, frames))
        path = np.where(count[..., None] > 0, seen.centroid.reshape(n, frames, 2), np.nan)
        identity = self.recogniser(seen.crops).reshape(n, frames)
        first, real_path = self._given(real)
        fit = self.motion.fit(path, first, asked_motion)
        to_real = np.linalg.norm(path - real_path, axis=-1)
        return Verdicts(
            count=count,
            identity=np.where(count > 0, identity, UNKNOWN),
            asked_identity=asked_identity,
            motion=fit.motion,
            asked_motion=asked_motion,
            distance=np.where(real.context_mask[:, None], to_real, fit.residual),
            identities=self.recogniser.classes,
            motions=self.motion.classes,
        )

    def recognise(self, images: np.ndarray) -> np.ndarray:
        """int64 [M], identity of single objects uint8 [M S S C] on black; -1 for unknown."""
        cut = cut_exemplars(images, self.extent)
        return self.recogniser(crop(cut, np.nan_to_num(centroids(cut)), self.extent.size))

    def identity_confusion(self, verdicts: Verdicts) -> Confusion:
        """Identity asked against identity seen, a clip counted once, by majority."""
        seen = (*verdicts.identities, "unknown")
        return _confusion(
            verdicts.asked_identity, verdicts.majority_identity, verdicts.identities, seen
        )

    def motion_confusion(self, verdicts: Verdicts) -> Confusion:
        """Motion asked against motion seen."""
        return _confusion(
            verdicts.asked_motion, verdicts.motion, verdicts.motions[:-2], verdicts.motions
        )

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
        if clips.video.shape != real.video.shape:
            raise ValueError(
                f"the answers are {clips.video.shape}, the prompts {real.video.shape}: "
                "they do not belong together"
            )
        if real.truth is None:
            raise UnjudgeableError("the prompts have no truth: their source is not simulated")
        world = self.motion.physics
        if real.video.shape[2:4] != (world.height, world.width):
            raise UnjudgeableError(
                f"the clips are {real.video.shape[2]}x{real.video.shape[3]} px, the oracle's world "
                f"{world.height}x{world.width}: build one from the same source and options"
            )
        if any(len(words) != 1 for words in (*real.truth.identity, *real.truth.motion)):
            raise UnjudgeableError("the oracle judges clips of exactly one object")
        identity = [words[0] for words in real.truth.identity]
        motion = [words[0] for words in real.truth.motion]
        return (
            _indices(identity, self.recogniser.classes, "identity"),
            _indices(motion, self.motion.physics.motions, "motion"),
        )


def oracle_success(clips: ClipSet, truth: ClipSet, *, oracle: Oracle | None = None) -> Score:
    """Share of clips that show exactly what was asked, with Wilson's interval.

    Args:
        clips: the answers.
        truth: the prompts they answer: the real clips with their truth.
        oracle: the judge; None builds one from the training split of the source that `truth`
            names, with the source's default options.

    Raises:
        UnjudgeableError: if the clips have no ground truth.
        ValueError: if the two sets do not belong together.
    """
    if oracle is None:
        oracle = _default_oracle(truth.source.partition("/")[0])
    note = f"{clips.failed.sum()} clips failed to be drawn" if clips.failed.any() else ""
    return proportion(oracle.examine(clips, truth).success, note=note)


@functools.cache
def _default_oracle(name: str) -> Oracle:
    if not name:
        raise UnjudgeableError("the prompts do not name their source; pass an oracle")
    return Oracle(source(name, split="train"))


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


def _confusion(
    asked: np.ndarray, seen: np.ndarray, rows: tuple[str, ...], columns: tuple[str, ...]
) -> Confusion:
    counts = np.zeros((len(rows), len(columns)), np.int64)
    np.add.at(counts, (asked, seen), 1)  # unknown is -1, the last column
    return Confusion(classes=rows, seen=columns, counts=counts)
