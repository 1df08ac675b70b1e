"""What a detector says of clips: how many objects, the same ones throughout, where, and whether a
clip is what was asked.

It is a second opinion beside the oracles', by a network that has learned objects instead of rules.
An object that another one hides is not there to it, where the oracle of two objects forgives that.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from vidgen.data import Source
from vidgen.data.objects import INK
from vidgen.evaluation.clip_oracle import ClipOracle, Measure
from vidgen.evaluation.clipset import ClipSet, TruthSet
from vidgen.evaluation.detection.network import DetectorNetwork, Seen
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.motion_fit import MotionModel, required
from vidgen.evaluation.oracle import REQUIRED_SHARE
from vidgen.evaluation.statistics import proportion
from vidgen.types import Score
from vidgen.vision.detection import overlap

_REACH_SLACK = 0.5
_BESIDE = 1.0
"""Pixels along an axis, below which neither of two objects is before the other."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectedVerdicts:
    """What a detector saw in N clips, against their prompts.

    Attributes:
        count: int64 [N T], objects in each frame.
        asked_count: int64 [N].
        conserved: bool [N], the same objects, and at least one, in at least 7 of 8 frames.
        relation: float [N T], of two objects, the share of the axes along which they stand in the
            order of the real clip, 0 where one of them is not detected; NaN where there are no two,
            or where neither is before the other.
        box_overlap: float [N T], intersection over union of the best detection of each asked class
            with the real clip's box, mean over objects; 0 where nothing of the class is detected.
        mask_overlap: float [N T], the same of masks; None where the truth has none.
        success: bool [N], in at least 7 of 8 frames the objects that were asked, in at least 7 of 8
            no others, and each object on a path of the motion that was asked; None where it is not
            known how objects move.
    """

    count: Int[np.ndarray, "N T"]
    asked_count: Int[np.ndarray, "N"]
    conserved: Bool[np.ndarray, "N"]
    relation: Float[np.ndarray, "N T"]
    box_overlap: Float[np.ndarray, "N T"]
    mask_overlap: Float[np.ndarray, "N T"] | None
    success: Bool[np.ndarray, "N"] | None

    def measures(self) -> dict[str, Measure]:
        """By the names of `metrics.METRICS`."""
        right = self.count == self.asked_count[:, None]
        found = {
            "detected_count": Measure(kind="rate", values=right.astype(np.float64)),
            "detected_conservation": Measure(kind="proportion", values=self.conserved),
            "detected_relation": Measure(kind="average", values=self.relation),
            "detected_box_iou": Measure(kind="average", values=self.box_overlap),
        }
        if self.mask_overlap is not None:
            found["detected_mask_iou"] = Measure(kind="average", values=self.mask_overlap)
        if self.success is not None:
            found["detected_success"] = Measure(kind="proportion", values=self.success)
        return found


def motion_of_boxes(train: Source) -> MotionModel | None:
    """How the middles of boxes move in a source; None where that is not known."""
    exemplars, physics = train.exemplars(), train.physics
    if exemplars is None or physics is None:
        return None
    ink = exemplars[0].max(axis=3) >= INK
    reach = [
        np.abs((first + last + 1) / 2 - ink.shape[1] / 2).max()
        for first, last in (_extent(ink.any(axis=2)), _extent(ink.any(axis=1)))
    ]
    return MotionModel(physics=physics, reach=np.array(reach) + _REACH_SLACK, share=REQUIRED_SHARE)


def examine_detected(
    network: DetectorNetwork,
    clips: ClipSet,
    real: ClipSet,
    *,
    motion: MotionModel | None = None,
) -> DetectedVerdicts:
    """What the clips show, and what they were asked to show.

    Args:
        network: the detector.
        clips: the answers.
        real: the prompts they answer, clip by clip: the real clips with their truth.
        motion: how the middles of boxes may move, see `motion_of_boxes`.

    Raises:
        UnsuitableClipsError: for frames of another size, for prompts without truth, or for objects
            that it has not learned.
    """
    if real.truth is None:
        raise UnsuitableClipsError("the prompts have no truth: their source is not simulated")
    wanted = network.classes_of(real.truth.identity)
    if real.truth.boxes.shape[2] != wanted.shape[1]:
        raise UnsuitableClipsError("the truth has not one box for each object")
    return judge_seen(
        network(clips.video), clips, real, wanted, classes=len(network.card.classes), motion=motion
    )


def judge_seen(
    seen: Seen,
    clips: ClipSet,
    real: ClipSet,
    wanted: Int[np.ndarray, "N O"],
    *,
    classes: int,
    motion: MotionModel | None,
) -> DetectedVerdicts:
    """As `examine_detected`, of what was seen: a clip that failed to be drawn shows nothing.

    Args:
        seen: in the answers.
        clips: the answers.
        real: the prompts, with their truth.
        wanted: class of each object that was asked for, -1 where a clip has fewer.
        classes: how many classes there are.
        motion: see `examine_detected`.
    """
    truth = real.truth
    assert truth is not None
    drawn = ~clips.failed
    seen = dataclasses.replace(
        seen, scores=np.where(drawn[:, None, None], seen.scores, np.float32(0.0))
    )
    rows = seen.first_of(wanted)
    boxes = seen.boxes_at(rows)
    count = seen.counted.sum(axis=-1)
    present = wanted >= 0
    return DetectedVerdicts(
        count=count,
        asked_count=present.sum(axis=1),
        conserved=_conserved(seen, classes),
        relation=_relation(boxes, truth.boxes),
        box_overlap=_mean_of_objects(box_overlaps(boxes, truth.boxes), present),
        mask_overlap=_mask_overlap(seen, rows, truth, present),
        success=None if motion is None else _success(seen, real, wanted, motion),
    )


def agreement_with_oracle(
    network: DetectorNetwork,
    oracle: ClipOracle,
    real: ClipSet,
    *,
    motion: MotionModel,
    seed: int = 0,
) -> dict[str, Score]:
    """How often detector and oracle agree on whether a clip is what was asked.

    Args:
        network: the detector.
        oracle: the closed form.
        real: real clips with their truth.
        motion: see `motion_of_boxes`.
        seed: of the breaking.

    Returns:
        Shares of clips with Wilson's interval, by kind: ``"real"``, each kind that the oracle
        breaks, and ``"all"`` of them together.
    """
    pairs = {"real": (real, real)} | dict(oracle.broken(real, seed=seed))
    same = {}
    for kind, (clips, asked) in pairs.items():
        found = examine_detected(network, clips, asked, motion=motion).success
        same[kind] = found == oracle.examine(clips, asked).success
    return {kind: proportion(values) for kind, values in same.items()} | {
        "all": proportion(np.concatenate(list(same.values())))
    }


def box_overlaps(
    boxes: Float[np.ndarray, "N T O 4"], asked: Float[np.ndarray, "N T O 4"]
) -> Float[np.ndarray, "N T O"]:
    """Intersection over union, 0 where either is NaN."""
    found = overlap(jnp.asarray(np.nan_to_num(boxes)), jnp.asarray(np.nan_to_num(asked)))
    return np.asarray(found)


def _success(
    seen: Seen, real: ClipSet, wanted: np.ndarray, motion: MotionModel
) -> Bool[np.ndarray, "N"]:
    truth = real.truth
    assert truth is not None
    strange = sorted({name for names in truth.motion for name in names} - set(motion.classes))
    if strange:
        raise UnsuitableClipsError(f"no motion of this world: {', '.join(strange)}")
    frames = seen.scores.shape[1]
    need = required(frames, motion.share)
    rows = seen.first_of(wanted)
    middles = _middles(seen.boxes_at(rows))
    objects = (wanted >= 0).sum(axis=1)[:, None]
    found = ((rows >= 0).sum(axis=-1) == objects).sum(axis=1) >= need
    found &= (seen.counted.sum(axis=-1) == objects).sum(axis=1) >= need
    for number in range(wanted.shape[1]):
        there = wanted[:, number] >= 0
        if not there.any():
            continue
        moves = [truth.motion[clip][number] for clip in np.flatnonzero(there)]
        asked = np.array([motion.classes.index(name) for name in moves], np.int64)
        first = _middles(truth.boxes[there, :1, number])[:, 0].astype(np.float64)
        first[~real.context_mask[there]] = np.nan
        fit = motion.fit(middles[there, :, number].astype(np.float64), first, asked)
        found[there] &= fit.motion == asked
    return found


def _conserved(seen: Seen, classes: int) -> Bool[np.ndarray, "N"]:
    """Whether the same objects are there, and at least one, in at least 7 of 8 frames."""
    there = seen.counted[..., None] & (seen.classes[..., None] == np.arange(classes))
    cast = there.sum(axis=2)  # [N T classes]
    alike = (cast[:, :, None] == cast[:, None]).all(axis=-1).sum(axis=2)
    most = np.where(cast.any(axis=-1), alike, 0).max(axis=1)
    return most >= required(cast.shape[1], REQUIRED_SHARE)


def _relation(boxes: np.ndarray, real: np.ndarray) -> Float[np.ndarray, "N T"]:
    """float [N T], see `DetectedVerdicts.relation`."""
    if real.shape[2] != 2:
        return np.full(real.shape[:2], np.nan)
    due, found = (_middles(b)[..., 0, :] - _middles(b)[..., 1, :] for b in (real, boxes))
    told = np.abs(due) >= _BESIDE  # a comparison with NaN is False
    right = (np.sign(due) == np.sign(found)) & told
    share = right.sum(axis=-1) / np.maximum(told.sum(axis=-1), 1)
    return np.where(told.any(axis=-1), share, np.nan)


def _mask_overlap(
    seen: Seen, rows: np.ndarray, truth: TruthSet, present: np.ndarray
) -> np.ndarray | None:
    real = truth.object_masks
    if real is None and truth.masks is not None and rows.shape[2] == 1:
        real = truth.masks[:, :, None]
    if real is None:
        return None
    found = seen.masks_at(rows, *real.shape[-2:])
    common, union = (found & real).sum((-2, -1)), (found | real).sum((-2, -1))
    return _mean_of_objects(common / np.maximum(union, 1), present)


def _mean_of_objects(values: np.ndarray, present: np.ndarray) -> Float[np.ndarray, "N T"]:
    """The mean of [N T O] over the objects that there are, NaN without any."""
    there = present.sum(axis=1)[:, None]
    total = np.where(present[:, None], values, 0.0).sum(axis=-1)
    return np.where(there > 0, total / np.maximum(there, 1), np.nan)


def _middles(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _extent(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last of each row of bool [M S] that is True."""
    return ink.argmax(axis=1), ink.shape[1] - 1 - ink[:, ::-1].argmax(axis=1)
