"""Which clips may be trained on, selected with and judged on.

Handwriting (or a shape's make) is split into three disjoint parts, and a split draws from one:

=========================  ============  =====================================
split                      exemplars of  combinations of identity and motion
=========================  ============  =====================================
train                      train         all
validation                 validation    all
test                       test          all
compositional-train        train         those an identity is trained on
compositional-validation   validation    those an identity is trained on
compositional-test         test          the others, which nothing has trained
=========================  ============  =====================================

Motions fall into two groups of two lines each, `FIRST_GROUP` (the vertical and the falling
diagonal) and the rest (the horizontal and the rising diagonal). Identities of even rank train on
the first group and are tested on the second, those of odd rank the other way round: every identity,
every motion and every word is seen in training, half of the pairs is not.

Where a clip has several objects, its rank is the sum of theirs and decides the motion of the last;
the others move in all ways. That is the rule of MAGE's Double Moving MNIST, which trains an ordered
pair of digits on two of its four combinations of axes and tests it on the other two, with a fixed
choice in place of its shuffled one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from vidgen.registry import suggest

Part = Literal["train", "validation", "test"]

PARTS: tuple[Part, ...] = ("train", "validation", "test")

FIRST_GROUP = frozenset(
    {
        *("up", "down", "up and left", "down and right"),
        *("up then down", "down then up", "up and down"),
    }
)
"""The motions that identities of even rank train on."""


LENGTHS: Mapping[Part, int] = MappingProxyType(
    {"train": 65_536, "validation": 4_096, "test": 4_096}
)
"""Clips of a source that draws them without end, unless somebody says how many."""


@dataclasses.dataclass(frozen=True)
class Split:
    """A split by name.

    Attributes:
        name: as in the table above.
        part: whose exemplars it draws from.
        compositional: whether it holds only some pairs of identity and motion.
    """

    name: str
    part: Part
    compositional: bool

    def motions(self, rank: int, motions: Sequence[str]) -> tuple[str, ...]:
        """The motions, of those offered, in which an identity of this rank appears."""
        if not self.compositional:
            return tuple(motions)
        first = (rank % 2 == 0) != (self.part == "test")
        return tuple(motion for motion in motions if (motion in FIRST_GROUP) == first)


SPLITS: dict[str, Split] = {
    split.name: split
    for part in PARTS
    for split in (Split(part, part, False), Split(f"compositional-{part}", part, True))
}


def split_named(name: str) -> Split:
    """The split of that name.

    Raises:
        UnknownNameError: if there is none, with the near misses.
    """
    if name not in SPLITS:
        raise suggest(name, SPLITS, "split")
    return SPLITS[name]


def part_named(name: str, source: str) -> Part:
    """The part that a split is, of a source without compositional splits.

    Args:
        name: of the split.
        source: for the message.

    Raises:
        UnknownNameError: if there is no such split, with the near misses.
        ValueError: for a compositional one.
    """
    chosen = split_named(name)
    if chosen.compositional:
        raise ValueError(
            f"the source {source!r} has no compositional splits; take train, validation or test"
        )
    return chosen.part


def divide(count: int, validation: float, test: float) -> dict[Part, slice]:
    """Contiguous shares of `count` things, at least one a part wherever its share is positive.

    Raises:
        ValueError: if there are too few things to go round.
    """
    share = {"validation": validation, "test": test}
    size = {part: max(1, round(count * s)) if s else 0 for part, s in share.items()}
    train = count - sum(size.values())
    if train < 1:
        raise ValueError(f"{count} exemplars are too few for a train, validation and test part")
    return {
        "train": slice(0, train),
        "validation": slice(train, train + size["validation"]),
        "test": slice(train + size["validation"], count),
    }
