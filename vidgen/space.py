"""The search space of a generator's config: which fields `vidgen tune` may turn, and how far.

A config declares its own, since nobody else knows what matters in it::

    @classmethod
    def search_space(cls) -> Space:
        return {"optimizer.learning_rate": Range(1e-3, 1e-2, log=True)}

Only what decides training belongs here. What can be turned at sampling time costs no training, and
is chosen by an experiment's ``sweeps``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

Scalar = float | int | str | bool | None


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included.

    A field that holds a whole number gets whole ones.

    Attributes:
        low: the lower end.
        high: the upper end.
        log: drawn evenly in the logarithm, as rates and weights should be.

    Raises:
        ValueError: if the ends are not finite or not in order, or not positive with `log`.
    """

    low: float | int
    high: float | int
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a range has a finite low end below a finite high one, got {self}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range drawn in the logarithm must be positive, got {self}")

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, float | int):
            return False
        return self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some values, in no order.

    Attributes:
        values: two or more that differ.

    Raises:
        ValueError: if there is nothing to choose.
    """

    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if len(set(self.values)) < max(2, len(self.values)):
            raise ValueError(f"a choice needs two values or more that differ, got {self.values}")

    def __contains__(self, value: object) -> bool:
        return value in self.values


Dimension = Range | Choice

Space = Mapping[str, Dimension]
"""Dimensions by the dotted path of a config's field, such as ``optimizer.learning_rate``."""


@runtime_checkable
class Searchable(Protocol):
    """A config that declares a search space."""

    @classmethod
    def search_space(cls) -> Space:
        """Every point of it, whatever the other fields, must be a config that can be built."""
        ...
