"""What an oracle is: ground truth about clips, whatever world they show.

An oracle examines clips against the prompts they answer and returns verdicts; verdicts say what
they know by the names of `metrics.METRICS`, and the judge turns that into scores. A new simulated
source brings its oracle by `oracles.register_oracle` and changes nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.drift import drift
from vidgen.evaluation.statistics import average, mean_of_known, proportion, rate
from vidgen.types import Better, Score


class UnjudgeableError(ValueError):
    """Clips that an oracle has no ground truth for; the message says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often the oracle took one class for another.

    Attributes:
        classes: names of what was asked, the rows.
        seen: names of what was seen, the columns; the first are those of the rows.
        counts: int64 [classes seen].
    """

    classes: tuple[str, ...]
    seen: tuple[str, ...]
    counts: np.ndarray

    @classmethod
    def of(
        cls, asked: np.ndarray, seen: np.ndarray, rows: tuple[str, ...], columns: tuple[str, ...]
    ) -> Confusion:
        """Count pairs: int [n] into the rows, and int [n] into the columns, -1 for the last."""
        counts = np.zeros((len(rows), len(columns)), np.int64)
        np.add.at(counts, (asked, seen), 1)
        return cls(classes=rows, seen=columns, counts=counts)

    @property
    def accuracy(self) -> float:
        """Share on the diagonal; NaN where nothing was counted."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")

    @property
    def mistakes(self) -> list[tuple[str, str, int]]:
        """(asked, seen, how often) of whatever is off the diagonal, the most frequent first."""
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        rows, columns = np.nonzero(wrong)
        found = [
            (self.classes[row], self.seen[column], int(wrong[row, column]))
            for row, column in zip(rows, columns, strict=True)
        ]
        return sorted(found, key=lambda mistake: -mistake[2])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """What an oracle measured in N clips, and how it becomes one number.

    Attributes:
        kind: "proportion" of clips that are right; "rate", the mean of a share of each clip;
            "average" of a quantity; "drift", the slope of a quantity over the frames.
        values: bool [N] of a proportion, float [N] or [N T] in [0, 1] of a rate and of any size of
            an average (a clip's mean is over its frames that are not NaN), [N T] of a drift.
    """

    kind: Literal["proportion", "rate", "average", "drift"]
    values: np.ndarray

    def score(
        self, rows: np.ndarray, *, given: np.ndarray, better: Better, note: str = ""
    ) -> Score:
        """The score of some of the clips.

        Args:
            rows: bool [N].
            given: bool [N T], frames that the generator was given: they count for nothing where a
                quantity is known frame by frame.
            better: which way is good.
            note: goes before the name of the interval.
        """
        values = self.values[rows]
        if self.kind == "proportion":
            return proportion(values, better=better, note=note)
        if values.ndim == 2:
            values = np.where(given[rows], np.nan, values)
        if self.kind == "drift":
            return drift(values, better=better, note=note)
        if values.ndim == 2:
            values = mean_of_known(values)
        if self.kind == "rate":
            return rate(values, better=better, note=note)
        return average(values, better=better, note=note)


@runtime_checkable
class ClipVerdicts(Protocol):
    """What an oracle says of N clips."""

    @property
    def success(self) -> np.ndarray:
        """bool [N], whether each clip is exactly what was asked."""
        ...

    @property
    def silence(self) -> str:
        """Why metrics that `measures` lacks have no value here."""
        ...

    def measures(self) -> Mapping[str, Measure]:
        """What was measured, by the name of the metric; ``"oracle_success"`` is always there."""
        ...

    def confusions(self) -> Mapping[str, Confusion]:
        """What was taken for what, by what is told apart (``"identity"``, ``"motion"``)."""
        ...


@runtime_checkable
class ClipOracle(Protocol):
    """Judges clips of one simulated world."""

    def examine(self, clips: ClipSet, real: ClipSet) -> ClipVerdicts:
        """What the clips show, and what they were asked to show.

        Args:
            clips: the answers.
            real: the prompts they answer, clip by clip: the real clips with their truth.

        Raises:
            UnjudgeableError: if there is no ground truth for them.
            ImportError: if an optional package is not installed, with what to install.
            ValueError: if the two sets do not belong together.
        """
        ...

    def broken(self, real: ClipSet, *, seed: int) -> Mapping[str, tuple[ClipSet, ClipSet]]:
        """Clips broken on purpose, and the prompts that they answer wrongly, by kind.

        Args:
            real: real clips with their truth.
            seed: of the breaking.
        """
        ...


def own_error(oracle: ClipOracle, real: ClipSet, *, seed: int = 0) -> dict[str, Score]:
    """What an oracle gives to real clips, and to clips broken on purpose.

    Args:
        oracle: the judge to be judged.
        real: real clips with their truth.
        seed: of the breaking.

    Returns:
        Shares that pass, with Wilson's interval, by kind: ``"real"``, which should be near 1, and
        each kind of `ClipOracle.broken`, near 0.

    Raises:
        UnjudgeableError: if the clips have no ground truth.
    """
    pairs = {"real": (real, real)} | dict(oracle.broken(real, seed=seed))
    return {kind: success(oracle, clips, asked) for kind, (clips, asked) in pairs.items()}


def success(oracle: ClipOracle, clips: ClipSet, real: ClipSet) -> Score:
    """Share of clips that an oracle finds to be exactly what was asked, with Wilson's interval.

    Args:
        oracle: the judge.
        clips: the answers.
        real: the prompts they answer.

    Raises:
        UnjudgeableError: if the clips have no ground truth.
        ValueError: if the two sets do not belong together.
    """
    note = f"{clips.failed.sum()} clips failed to be drawn" if clips.failed.any() else ""
    return proportion(oracle.examine(clips, real).success, note=note)


def of_one_shape(clips: ClipSet, real: ClipSet) -> None:
    """Refuse answers that cannot be those to these prompts.

    Raises:
        ValueError: if their shapes differ.
    """
    if clips.video.shape != real.video.shape:
        raise ValueError(
            f"the answers are {clips.video.shape}, the prompts {real.video.shape}: they do not "
            "belong together"
        )
