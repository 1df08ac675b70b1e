"""A budget: how much training a generator gets, and when a phase has used its share of it."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Literal, get_args

Unit = Literal["seconds", "flops", "clips", "steps"]

_SUFFIX: dict[str, Unit] = {"s": "seconds", "flops": "flops", "clips": "clips", "steps": "steps"}


@dataclasses.dataclass(frozen=True)
class Budget:
    """An amount of training.

    Steps, clips and FLOPs fix the number of steps beforehand, so that a run can be repeated and
    cited; seconds are the training clock's alone (compiling, validating, logging and saving are
    free), and what they buy depends on the machine.

    Attributes:
        amount: how many units, positive and finite.
        unit: "seconds", "flops" (model and optimiser, by the analytic counter), "clips" or "steps".

    Example:
        >>> str(Budget.parse("2e15flops").share(0.25))
        '5e+14flops'
    """

    amount: float | int
    unit: Unit

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise ValueError(f"a budget counts {', '.join(get_args(Unit))}; got {self.unit!r}")
        if not (math.isfinite(self.amount) and self.amount > 0):
            raise ValueError(f"a budget must be positive and finite, got {self.amount}")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The budget that ``120s``, ``2e15flops``, ``5000clips`` or ``400steps`` stands for.

        Raises:
            ValueError: if the text is none of these.
        """
        match = re.fullmatch(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([a-z]+)\s*", text)
        try:
            return cls(float(match[1]), _SUFFIX[match[2]])  # type: ignore[index]
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(
                f"{text!r} is no budget; write 120s, 2e15flops, 5000clips or 400steps"
            ) from error

    def __str__(self) -> str:
        short, exact = f"{self.amount:g}", f"{self.amount!r}".removesuffix(".0")
        suffix = next(suffix for suffix, unit in _SUFFIX.items() if unit == self.unit)
        return (short if float(short) == self.amount else exact) + suffix

    def share(self, fraction: float | int) -> Budget:
        """The given fraction of this budget."""
        return Budget(self.amount * fraction, self.unit)

    def plan(self, *, batch_size: int, step_flops: float | int | None) -> Plan:
        """When a phase with this budget ends.

        Args:
            batch_size: clips a step.
            step_flops: model and optimiser FLOPs of one step; only a budget in FLOPs needs them.

        Raises:
            ValueError: if the budget does not pay for one step, or FLOPs are asked for and unknown.
        """
        if self.unit == "seconds":
            return Plan(steps=None, seconds=self.amount)
        if self.unit == "flops" and not step_flops:
            raise ValueError("a budget in FLOPs needs the FLOPs of one step, which are unknown")
        price = {"steps": 1.0, "clips": float(batch_size), "flops": step_flops or math.inf}
        # A share such as 0.3 of 10 steps must not lose a step to rounding.
        steps = math.floor(self.amount / price[self.unit] * (1 + 1e-9))
        if steps < 1:
            raise ValueError(
                f"a budget of {self} does not pay for one step, which costs "
                f"{price[self.unit]:g} {self.unit}; give more"
            )
        return Plan(steps=steps, seconds=None)


@dataclasses.dataclass(frozen=True)
class Plan:
    """When a phase ends: after a number of steps, or of seconds on the training clock."""

    steps: int | None
    seconds: float | int | None

    def progress(self, step: int, seconds: float | int) -> float:
        """Share of the phase that is done, in [0, 1]; the phase ends at 1.

        Args:
            step: steps taken.
            seconds: on the training clock.
        """
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.seconds is not None
        return min(1.0, seconds / self.seconds)


def crossed(before: float, after: float, every: float) -> bool:
    """Whether progress passed a multiple of `every` (a share of the phase), or reached the end.

    A function of progress alone, so that under a budget in steps the same things happen at the
    same steps whether or not a run was interrupted.
    """
    nudge = 1e-9  # 0.3 / 0.1 is 2.9999999999999996
    return after >= 1.0 or math.floor(after / every + nudge) > math.floor(before / every + nudge)
