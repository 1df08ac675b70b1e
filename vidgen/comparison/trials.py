"""Trials: the trainings of a search, what they came to, and which of them is the best."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from vidgen.comparison.rows import Row
from vidgen.comparison.wording import interval
from vidgen.training import Cost

Price = Mapping[str, int | float | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One training of a search.

    Attributes:
        number: its place, from 0, the config that the search started from.
        state: "running", "complete" or "failed".
        point: value by field of the search space.
        score: on validation prompts, of a complete one.
        sampler: the sampler settings that it was scored with.
        step: of the last phase, whose checkpoint was scored; None for its end.
        cost: by name, see `price`.
        error: why it failed.
    """

    number: int
    state: Literal["running", "complete", "failed"] = "running"
    point: Mapping[str, Any]
    score: Row | None = None
    sampler: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    step: int | None = None
    cost: Price = dataclasses.field(default_factory=dict)
    error: str = ""

    @property
    def merit(self) -> float | None:
        """How good it is: the score, turned so that higher is better; None if it failed."""
        if self.score is None or self.score.value is None:
            return None
        return self.score.value if self.score.better == "higher" else -self.score.value

    @property
    def outcome(self) -> str:
        """What it came to, in words."""
        return self.error or self.state if self.score is None else interval(self.score)


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The best trial, the earliest of equals; None where none is complete."""
    known = [(trial.merit, trial) for trial in trials if trial.merit is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def price(cost: Cost, *, wall_seconds: float) -> Price:
    """What a trial cost.

    Args:
        cost: of its training, in all processes that worked on it.
        wall_seconds: of the process that finished it, compiling and scoring included.
    """
    return {
        "training_seconds": cost.seconds("train"),
        "wall_seconds": wall_seconds,
        "steps": cost.steps,
        "clips_seen": cost.clips,
        "training_flops": cost.model_flops,
        "optimizer_flops": cost.optimizer_flops,
    }
