"""The oracle of the source ``"stories"``: shapes of different colours that never touch.

Colours are told apart pixel by pixel, so that each object is found by its own; its shape is
recognised as that of `vidgen.evaluation.oracle` is, and its path is laid over that of the real
clip, which its description tells. A clip is a *success* if, in at least 7 of 8 frames, every object
is there, of the right shape, and within `TOLERANCE` of where it should be, and nothing else is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from vidgen.data import Source
from vidgen.data.shapes import COLOURS
from vidgen.evaluation.broken import broken
from vidgen.evaluation.clip_oracle import Confusion, Measure, UnjudgeableError, of_one_shape
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.components import INK_LEVEL, grown
from vidgen.evaluation.motion_fit import required
from vidgen.evaluation.oracle import REQUIRED_SHARE
from vidgen.evaluation.recogniser import Recogniser, centroids, crop
from vidgen.evaluation.statistics import mean_of_known

TOLERANCE = 0.3
"""Of the way from a place to the next: nearer to another place than that is another story."""

_LEAST_SHARE = 0.5
"""Of the ink of the slightest exemplar: less is a speck, and no object."""

_PALETTE = np.array(list(COLOURS.values()), np.float32)
_HUES = _PALETTE / _PALETTE.max(axis=1, keepdims=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoryVerdicts:
    """What the oracle saw in N clips of O objects.

    Attributes:
        there: bool [N T O], whether each object is there.
        shape: bool [N T O], whether it has its shape.
        distance: float [N T O], px from where it should be; NaN where it is not there.
        stray: bool [N T], whether something else is there.
        tolerance: px.
    """

    there: Bool[np.ndarray, "N T O"]
    shape: Bool[np.ndarray, "N T O"]
    distance: Float[np.ndarray, "N T O"]
    stray: Bool[np.ndarray, "N T"]
    tolerance: float

    @property
    def identity_right(self) -> Bool[np.ndarray, "N"]:
        """Every object there and of its shape, in enough frames."""
        return np.asarray(_enough(self.there & self.shape).all(axis=1))

    @property
    def motion_right(self) -> Bool[np.ndarray, "N"]:
        """Every object where it should be, in enough frames."""
        return np.asarray(_enough(self.distance <= self.tolerance).all(axis=1))

    @property
    def success(self) -> Bool[np.ndarray, "N"]:
        """All of it at once, and nothing else there."""
        return self.identity_right & self.motion_right & _enough(~self.stray)

    @property
    def silence(self) -> str:
        """Why other metrics have no value here."""
        return "not measured on stories"

    def measures(self) -> Mapping[str, Measure]:
        """By the names of `metrics.METRICS`; distances are the mean over the objects seen."""
        N, T, objects = self.distance.shape
        distance = mean_of_known(self.distance.reshape(-1, objects)).reshape(N, T)
        return {
            "oracle_success": Measure(kind="proportion", values=self.success),
            "identity": Measure(kind="proportion", values=self.identity_right),
            "motion": Measure(kind="proportion", values=self.motion_right),
            "missing_rate": Measure(kind="rate", values=~np.asarray(self.there.all(axis=2))),
            "extra_rate": Measure(kind="rate", values=self.stray),
            "trajectory_error_px": Measure(kind="average", values=distance),
            "endpoint_error_px": Measure(kind="average", values=distance[:, -1]),
            "drift_trajectory_error_px": Measure(kind="drift", values=distance),
        }

    def confusions(self) -> Mapping[str, Confusion]:
        """None: colours are looked for, and what is not found is missing."""
        return {}


class StoryOracle:
    """Judges clips of stories.

    Args:
        train: the training split, whose exemplars teach shapes.
        seed: of the recogniser's augmentation.

    Raises:
        UnjudgeableError: if the source has no exemplars.
    """

    def __init__(self, train: Source, *, seed: int = 0) -> None:
        exemplars = train.exemplars()
        if exemplars is None:
            raise UnjudgeableError(f"the source {train.name!r} has no exemplars")
        images, identities = exemplars
        ink = images.max(axis=-1) >= INK_LEVEL
        self.size, self._least = images.shape[1], _LEAST_SHARE * float(ink.sum((1, 2)).min())
        shapes = [identity.split()[-1] for identity in identities]
        colours = [list(COLOURS).index(identity.split()[-2]) for identity in identities]
        room = ((0, 0), (2, 2), (2, 2))
        alone = np.pad(images.max(axis=-1) / _PALETTE.max(axis=1)[colours][:, None, None], room)
        alone = _soft(alone, np.pad(ink, room))
        # One colour says all of a shape.
        first = np.array(colours) == 0
        self._shapes = Recogniser.fit(
            alone[first],
            [shape for shape, chosen in zip(shapes, first, strict=True) if chosen],
            size=self.size,
            seed=seed,
        )

    def examine(self, clips: ClipSet, real: ClipSet) -> StoryVerdicts:
        """What the clips show, against the real clips that they answer.

        Raises:
            UnjudgeableError: if the truth is absent, or not of coloured shapes.
            ValueError: if the two sets do not belong together.
        """
        of_one_shape(clips, real)
        colour, shape = self._asked(real)
        H, W = clips.video.shape[2:4]
        seen, soft = self._see(clips.video, colour)
        where, due = (
            centroids(_white(masks.reshape(-1, H, W))).reshape(*masks.shape[:3], 2)
            for masks in (seen, self._see(real.video, colour)[0])
        )
        there = (seen.sum((-2, -1)) >= self._least) & ~clips.failed[:, None, None]
        where = np.where(there[..., None], where, np.nan)
        centres = np.nan_to_num(where.reshape(-1, 2))
        found = self._shapes(crop(soft, centres, self.size)).reshape(there.shape)
        ink = clips.video.max(axis=-1) >= INK_LEVEL
        # More of its own colour beyond an object's cell is another object.
        own = (seen & self._cells(where, H, W)).any(axis=2)
        other = (ink & ~own).sum((-2, -1)) >= self._least
        return StoryVerdicts(
            there=there,
            shape=found == shape[:, None],
            distance=np.linalg.norm(where - due, axis=-1),
            stray=other,
            tolerance=TOLERANCE * (min(H, W) - self.size) / 2,
        )

    def broken(self, real: ClipSet, *, seed: int) -> Mapping[str, tuple[ClipSet, ClipSet]]:
        """Every kind of `vidgen.evaluation.broken`, and the prompts. Stories in which nobody moves
        after the middle are left out of what freezes.
        """
        made = {kind: (clips, real) for kind, clips in broken(real, seed=seed).items()}
        frozen, asked = made["freezes"]
        middle = real.video.shape[1] // 2 - 1
        assert real.truth is not None
        moved = np.abs(real.truth.boxes[:, middle:] - real.truth.boxes[:, middle : middle + 1])
        goes = moved.max(axis=(1, 2, 3)) > 2 * TOLERANCE * self.size
        return made | {"freezes": (frozen[goes], asked[goes])}

    def _asked(self, real: ClipSet) -> tuple[Int[np.ndarray, "N O"], Int[np.ndarray, "N O"]]:
        """Places in `COLOURS`, and among the recogniser's classes."""
        if real.truth is None:
            raise UnjudgeableError("the prompts have no truth: their source is not simulated")
        try:
            names = [[one.split() for one in words] for words in real.truth.identity]
            colours, shapes = list(COLOURS), self._shapes.classes
            colour = np.array([[colours.index(one[0]) for one in words] for words in names])
            shape = np.array([[shapes.index(one[-1]) for one in words] for words in names])
        except ValueError as error:
            raise UnjudgeableError(f"not clips of coloured shapes: {error}") from error
        return colour, shape

    def _cells(
        self, where: Float[np.ndarray, "N T O 2"], height: int, width: int
    ) -> Bool[np.ndarray, "N T O H W"]:
        """The pixels around each object that may be its own; none where it is not there."""
        reach = self.size / 2 + 1.0
        near = (
            np.abs(np.arange(side) + 0.5 - where[..., axis, None]) <= reach
            for axis, side in enumerate((height, width))
        )
        rows, columns = near
        return rows[..., :, None] & columns[..., None, :]

    def _see(
        self, video: UInt8[np.ndarray, "N T H W 3"], colour: Int[np.ndarray, "N O"]
    ) -> tuple[Bool[np.ndarray, "N T O H W"], UInt8[np.ndarray, "M H W 1"]]:
        """The ink of each asked colour; and that with its soft edge, of all objects in turn."""
        light = video.astype(np.float32)
        most = light.max(axis=-1)
        hue = light / np.maximum(most, 1.0)[..., None]
        nearest = np.square(hue[..., None, :] - _HUES).sum(-1).argmin(-1)
        own = nearest[:, :, None] == colour[:, None, :, None, None]
        seen = (most >= INK_LEVEL)[:, :, None] & own
        share = most[:, :, None] / _PALETTE.max(axis=1)[colour][:, None, :, None, None]
        flat = (-1, *seen.shape[3:])
        return seen, _soft((share * own).reshape(flat), seen.reshape(flat))


def _soft(
    share: Float[np.ndarray, "M H W"], ink: Bool[np.ndarray, "M H W"]
) -> UInt8[np.ndarray, "M H W 1"]:
    """Objects as white ones, the edges of the ink as soft as they are."""
    kept = np.where(grown(ink), np.clip(share, 0.0, 1.0), 0.0)
    return np.rint(255 * kept).astype(np.uint8)[..., None]


def _white(masks: Bool[np.ndarray, "M H W"]) -> UInt8[np.ndarray, "M H W 1"]:
    return (masks * np.uint8(255))[..., None]


def _enough(right: Bool[np.ndarray, "N T *O"]) -> Bool[np.ndarray, "N *O"]:
    return np.asarray(right.sum(axis=1) >= required(right.shape[1], REQUIRED_SHARE))
