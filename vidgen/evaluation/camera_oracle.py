"""The oracle of the source `camera`: does a clip move as its sentence asked, before one scene?

The motion between each two frames is measured in the pixels (`camera_flow`) and compared with the
script that was asked for. A step is right if its rate along the asked axis lies within half an
octave of the asked speed, and what it does along every other axis stays below a quarter of the
medium speed, or of its own. Nothing that is missing is imputed: a step that could not be measured
is wrong.

A clip is a *success* if, at once,

- in at least 7 of 8 steps it does what was asked; two moves may change over anywhere between a
  quarter and three quarters of the clip;
- every frame shows the scene of the first one, and, where a first frame was given, the first one
  shows that;
- no frame is blurred against the first one.

Sharpness and scene are held against the clip's own first frame where none was given: a clip that is
blurred from its first frame on is then not failed for that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from vidgen.data.camera_motion import AXES, HOLD, MOVES, SPEEDS, scripts
from vidgen.evaluation.camera_flow import flow, likeness
from vidgen.evaluation.clip_oracle import Confusion, Measure, UnjudgeableError, of_one_shape
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.motion_fit import NONE, required
from vidgen.evaluation.oracle import REQUIRED_SHARE
from vidgen.evaluation.statistics import proportion
from vidgen.types import Score

_HALF_AN_OCTAVE = 2.0**0.5

_STRAY = 0.25
"""Of the medium speed, or of the asked axis: what another axis may do, and all may do while the
camera holds still. Half of the slow speed."""

_SAME_SCENE = 0.65
"""Correlation with the first frame. Real clips lie above it, finest grass zoomed in on included."""

_GIVEN_SCENE = 0.9
"""Correlation of the first frame with the one that was given."""

_SHARP = 0.6
"""Root mean square slope against that of the first frame."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CameraVerdicts:
    """What the oracle saw in N clips, and what it should have seen.

    Attributes:
        asked: int64 [N], index of the script that was asked for.
        seen: int64 [N], index of the script whose steps the clip shows, the last class where it
            shows none in enough steps.
        right_steps: int64 [N], steps that do what was asked.
        motion_right: bool [N], whether there are enough of them.
        same_scene: bool [N].
        sharp: bool [N].
        rates: float64 [N T-1 4], the measured motion, see `camera_flow.Flow`.
        classes: names of the scripts, ``"none"`` last.
    """

    asked: np.ndarray
    seen: np.ndarray
    right_steps: np.ndarray
    motion_right: np.ndarray
    same_scene: np.ndarray
    sharp: np.ndarray
    rates: np.ndarray
    classes: tuple[str, ...]

    @property
    def success(self) -> np.ndarray:
        """bool [N], all of it at once."""
        return self.motion_right & self.same_scene & self.sharp

    @property
    def asked_to_move(self) -> np.ndarray:
        """bool [N], False where the camera was to hold still."""
        return self.asked != self.classes.index(HOLD)

    def confusion(self) -> Confusion:
        """Scripts asked against scripts seen."""
        return Confusion.of(self.asked, self.seen, self.classes[:-1], self.classes)

    @property
    def silence(self) -> str:
        """Why other metrics have no value here."""
        return "before a moving camera there are no objects"

    def measures(self) -> Mapping[str, Measure]:
        """By the names of `metrics.METRICS`."""
        return {
            "oracle_success": Measure(kind="proportion", values=self.success),
            "motion": Measure(kind="proportion", values=self.motion_right),
        }

    def confusions(self) -> Mapping[str, Confusion]:
        """Of scripts alone."""
        return {"motion": self.confusion()}


def examine_camera(clips: ClipSet, real: ClipSet) -> CameraVerdicts:
    """What clips show of their camera, and what they were asked to show.

    Args:
        clips: the answers.
        real: the prompts they answer, clip by clip: the real clips with their truth.

    Raises:
        ImportError: if OpenCV is not installed.
        UnjudgeableError: if the truth is absent, or not of the source `camera`.
        ValueError: if the two sets do not belong together.
    """
    names = tuple(scripts(two_part=True))
    asked = _asked(clips, real, names)
    found = flow(clips.video, fps=clips.fps)
    right = _right_steps(found.rates)
    # A clip that could not be drawn shows nothing at all, whatever stands in its place.
    right = np.where(clips.failed[:, None], 0, right)
    enough = required(found.rates.shape[1], REQUIRED_SHARE)
    best = right.argmax(axis=1)
    rows = np.arange(len(clips))
    # A comparison with NaN is False: before the unknown, frames beyond sight of the first one
    # included, the steps alone decide.
    same = ~(found.likeness < _SAME_SCENE).any(axis=1)
    begun = [likeness(a[0], b[0]) for a, b in zip(clips.video, real.video, strict=True)]
    same = same & ((np.array(begun) >= _GIVEN_SCENE) | ~real.context_mask)
    return CameraVerdicts(
        asked=asked,
        seen=np.where(right[rows, best] >= enough, best, len(names)),
        right_steps=right[rows, asked],
        motion_right=right[rows, asked] >= enough,
        same_scene=same & ~clips.failed,
        sharp=~(found.sharpness < _SHARP).any(axis=1) & ~clips.failed,
        rates=found.rates,
        classes=(*names, NONE),
    )


def camera_success(clips: ClipSet, truth: ClipSet) -> Score:
    """Share of clips whose camera does exactly what was asked, with Wilson's interval.

    Args:
        clips: the answers.
        truth: the prompts they answer: the real clips with their truth.

    Raises:
        ImportError: if OpenCV is not installed.
        UnjudgeableError: if the clips have no ground truth.
        ValueError: if the two sets do not belong together.
    """
    note = f"{clips.failed.sum()} clips failed to be drawn" if clips.failed.any() else ""
    return proportion(examine_camera(clips, truth).success, note=note)


def _right_steps(rates: np.ndarray) -> np.ndarray:
    """int64 [N S], how many steps of each clip do what each script asks.

    Args:
        rates: float64 [N T-1 4], in multiples of the medium rates.
    """
    steps = rates.shape[1]
    # What each move at each speed would call right: bool [N T-1].
    moving = {
        (name, speed): _does(rates, AXES.index(move.axis), move.sign * SPEEDS[speed])
        for name, move in MOVES.items()
        if move.axis is not None
        for speed in SPEEDS
    }
    early, late = -(-steps // 4), 3 * steps // 4
    columns = []
    for script in scripts(two_part=True).values():
        if not script.moves:
            columns.append((np.abs(rates) <= _STRAY).all(axis=2).sum(axis=1))
        elif len(script.moves) == 1:
            columns.append(moving[script.moves[0], script.speed].sum(axis=1))
        else:
            first, second = (moving[move, script.speed] for move in script.moves)
            before = np.pad(first.cumsum(axis=1), ((0, 0), (1, 0)))
            after = np.pad(second[:, ::-1].cumsum(axis=1)[:, ::-1], ((0, 0), (0, 1)))
            columns.append((before + after)[:, early : late + 1].max(axis=1))
    return np.stack(columns, axis=1)


def _does(rates: np.ndarray, axis: int, asked: float) -> np.ndarray:
    """bool [N T-1], whether steps go along an axis at a rate, and along no other."""
    along = rates[..., axis] / asked
    others = np.abs(np.delete(rates, axis, axis=-1)).max(axis=-1)
    stray = _STRAY * np.maximum(1.0, np.abs(rates[..., axis]))
    return (along >= 1 / _HALF_AN_OCTAVE) & (along <= _HALF_AN_OCTAVE) & (others <= stray)


def _asked(clips: ClipSet, real: ClipSet, names: tuple[str, ...]) -> np.ndarray:
    of_one_shape(clips, real)
    if real.truth is None or real.truth.camera is None:
        raise UnjudgeableError("the prompts do not know their camera: take them from 'camera'")
    motions = [" and ".join(motion) for motion in real.truth.motion]
    strange = sorted(set(motions) - set(names))
    if strange:
        raise UnjudgeableError(f"the oracle knows no motion {', '.join(map(repr, strange))}")
    return np.array([names.index(motion) for motion in motions], np.int64)
