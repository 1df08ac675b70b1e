"""The config that gives a generator a number of parameters, found without computing anything.

What counts is what sampling reads: the number that stands in a run's ``price.json`` once it is
trained.
"""

from __future__ import annotations

from typing import Any

from vidgen import registry
from vidgen.comparison.price import parameters, read_by_sampling
from vidgen.contract import Generator
from vidgen.space import Sizable, scaled
from vidgen.training import exports
from vidgen.types import Task

_NEAR = 0.02
"""Share of the number that is wanted within which none that is nearer is looked for."""

_CORRECTIONS = 6


def size_of(generator: Generator, task: Task) -> int:
    """How many numbers sampling reads, by shapes alone.

    Args:
        generator: built for the task.
        task: what it is asked for.
    """
    shapes = exports(generator)
    return parameters(shapes, read_by_sampling(generator, task, shapes))


def sized(name: str, config: Any, task: Task, wanted: int) -> Any:
    """The config of those tried whose generator comes nearest to a number of parameters.

    All widths are scaled by one factor, each to the nearest that it may have, so that proportions
    stay. Parameters grow about as its square, and each probe corrects the one before by as much.
    Deterministic. A config that says nothing of its widths, or a generator that learns nothing,
    stays as it is.

    Args:
        name: of the generator, as registered.
        config: where its other fields, and the proportions of its widths, come from.
        task: what it is asked for.
        wanted: numbers that sampling reads.
    """
    if not isinstance(config, Sizable):
        return config
    read: list[bool] | None = None  # the same at every size, and the dearest to find
    factor, found = 1.0, list[tuple[Any, int]]()
    for _ in range(_CORRECTIONS):
        probe = scaled(config, factor)
        size = next((size for before, size in found if before == probe), None)
        if size is None:
            generator = registry.entry(name).build(task, probe)
            shapes = exports(generator)
            read = read or read_by_sampling(generator, task, shapes)
            size = parameters(shapes, read)
            found.append((probe, size))
        if not size or abs(size - wanted) <= _NEAR * wanted:
            break
        factor *= (wanted / size) ** 0.5
    return min(found, key=lambda one: abs(one[1] - wanted))[0]
