"""What of a generator's config may be varied: its search space, and its widths.

A config declares both itself, since nobody else knows what matters in it. The search space is what
`vidgen tune` may turn, and how far::

    @classmethod
    def search_space(cls) -> Space:
        return {"optimizer.learning_rate": Range(1e-3, 1e-2, log=True)}

Fields that should hold one value are a single dimension, ``Range(0.0, 0.9, also=(...,))``. Only
what decides training belongs here. What can be turned at sampling time costs no training, and is
chosen by an experiment's ``sweeps``.

Widths are what makes its networks larger or smaller, for comparisons at equal parameters::

    def widths(self) -> Widths:
        return {"prior.width": Width(2 * self.prior.heads), "tokenizer.widths": Width(8)}
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from vidgen.types import ADDED_LATER

Scalar = float | int | str | bool | None


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included.

    A field that holds a whole number gets whole ones.

    Attributes:
        low: the lower end.
        high: the upper end.
        log: drawn evenly in the logarithm, as rates and weights should be.
        also: dotted paths of further fields, which always hold the same value.

    Raises:
        ValueError: if the ends are not finite or not in order, or not positive with `log`.
    """

    low: float | int
    high: float | int
    log: bool = False
    also: tuple[str, ...] = dataclasses.field(default=(), repr=False, metadata=ADDED_LATER)

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
        also: as of a `Range`.

    Raises:
        ValueError: if there is nothing to choose.
    """

    values: tuple[Scalar, ...]
    also: tuple[str, ...] = dataclasses.field(default=(), repr=False, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        if len(set(self.values)) < max(2, len(self.values)):
            raise ValueError(f"a choice needs two values or more that differ, got {self.values}")

    def __contains__(self, value: object) -> bool:
        return value in self.values


Dimension = Range | Choice

Space = Mapping[str, Dimension]
"""Dimensions by the dotted path of a config's field, such as ``optimizer.learning_rate``."""


def fields_of(space: Space, path: str) -> tuple[str, ...]:
    """All fields that a dimension turns, the one that it is named after first."""
    return (path, *space[path].also)


def settings_at(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every field that a space turns, by its path.

    Args:
        space: the dimensions.
        point: a value for each of them.
    """
    return {path: value for name, value in point.items() for path in fields_of(space, name)}


@runtime_checkable
class Searchable(Protocol):
    """A config that declares a search space."""

    @classmethod
    def search_space(cls) -> Space:
        """Every point of it, whatever the other fields, must be a config that can be built."""
        ...


@dataclasses.dataclass(frozen=True)
class Width:
    """Which whole numbers a width may be.

    Attributes:
        step: it is a multiple of this: of its attention heads, say.
        least: it is no smaller, unless the config that is scaled has it smaller.

    Raises:
        ValueError: if the step is below 1.
    """

    step: int
    least: int = 1

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"the step of a width is at least 1, got {self.step}")

    def scaled(self, width: int, factor: float) -> int:
        """The width that is nearest to so many times another."""
        least = max(min(self.least, width), self.step)
        return max(math.ceil(least / self.step), round(factor * width / self.step)) * self.step


Widths = Mapping[str, Width]
"""Widths by the dotted path of a config's field, which holds one number or a tuple of them."""


@runtime_checkable
class Sizable(Protocol):
    """A config that says what makes its generator larger or smaller."""

    def widths(self) -> Widths:
        """The fields that are scaled together, by one factor.

        With every width at or above its `Width.least`, and a multiple of its step, the config can
        be built and sampled from, and more parameters come of larger widths. Of players that are
        trained against each other, the widths of all belong here, so that they stay even.
        """
        ...


def scaled(config: Sizable, factor: float) -> Any:
    """A config with every width as near as it may be to so many times what it is.

    Args:
        config: of a generator.
        factor: above 0.
    """
    found: Any = config
    for path, width in config.widths().items():
        found = _resized(found, path.split("."), width, factor)
    return found


def _resized(config: Any, path: list[str], width: Width, factor: float) -> Any:
    field, *rest = path
    now = getattr(config, field)
    if rest:
        new = _resized(now, rest, width, factor)
    elif isinstance(now, tuple):
        new = tuple(width.scaled(one, factor) for one in now)
    else:
        new = width.scaled(now, factor)
    return dataclasses.replace(config, **{field: new})
