"""Proof that what is trained on, selected with and judged on has nothing in common."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from vidgen.data.catalogue import source
from vidgen.data.objects import MovingObjects
from vidgen.data.splits import PARTS


@dataclasses.dataclass(frozen=True)
class SplitReport:
    """What was compared.

    Attributes:
        name: of the source.
        exemplars: distinct objects of each part.
        pairs: of identity and motion, in compositional-train and in compositional-test.
    """

    name: str
    exemplars: dict[str, int]
    pairs: tuple[int, int]

    def __str__(self) -> str:
        counts = ", ".join(f"{part} {count}" for part, count in self.exemplars.items())
        return (
            f"{self.name}: no object is in two parts ({counts}); compositional-train holds "
            f"{self.pairs[0]} pairs of identity and motion, compositional-test {self.pairs[1]} "
            f"others"
        )


class LeakageError(ValueError):
    """Splits that share what they must not."""


def check_splits(name: str, **options: Any) -> SplitReport:
    """Prove the splits of a source disjoint.

    Every exemplar is hashed as rendered, which also finds images that differ in their file and are
    the same on the canvas; the pairs of identity and motion are listed.

    Args:
        name: one of `vidgen.data.sources()`.
        **options: of the source, without ``split``.

    Raises:
        LeakageError: if an object is in two parts, or a pair in both compositional splits.
    """
    owner: dict[bytes, tuple[str, int]] = {}
    counts = {}
    for part in PARTS:
        found = source(name, split=part, **options).exemplars()
        if found is None:
            raise ValueError(f"the source {name!r} has no objects whose splits could be compared")
        hashes = {_hash(image): row for row, image in reversed(list(enumerate(found[0])))}
        for digest, row in hashes.items():
            if digest in owner:
                other, at = owner[digest]
                raise LeakageError(
                    f"{name}: object {row} ({found[1][row]}) of the part {part!r} is object {at} "
                    f"of {other!r}"
                )
            owner[digest] = (part, row)
        counts[part] = len(hashes)
    train, test = (_pairs(name, f"compositional-{part}", options) for part in ("train", "test"))
    if train & test:
        raise LeakageError(f"{name}: both compositional splits hold {sorted(train & test)[0]}")
    return SplitReport(name, counts, (len(train), len(test)))


def _hash(image: np.ndarray) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()


def _pairs(name: str, split: str, options: dict[str, Any]) -> set[tuple[str, str]]:
    chosen = source(name, split=split, **options)
    return chosen.pairs() if isinstance(chosen, MovingObjects) else set()
