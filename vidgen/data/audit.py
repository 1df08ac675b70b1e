"""Proof that what is trained on, selected with and judged on has nothing in common."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
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
        grounds: distinct textures of each part; empty where the ground is black.
    """

    name: str
    exemplars: dict[str, int]
    pairs: tuple[int, int]
    grounds: dict[str, int] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        def counts(found: dict[str, int]) -> str:
            return ", ".join(f"{part} {count}" for part, count in found.items())

        textures = f"nor any texture ({counts(self.grounds)}); " if self.grounds else ""
        return (
            f"{self.name}: no object is in two parts ({counts(self.exemplars)}); {textures}"
            f"compositional-train holds {self.pairs[0]} pairs of identity and motion, "
            f"compositional-test {self.pairs[1]} others"
        )


class LeakageError(ValueError):
    """Splits that share what they must not."""


def check_splits(name: str, **options: Any) -> SplitReport:
    """Prove the splits of a source disjoint.

    Every exemplar is hashed as rendered, which also finds images that differ in their file and are
    the same on the canvas, and so is every texture of the ground; the pairs of identity and motion
    are listed, for clips of several objects those of the whole clip.

    Args:
        name: one of `vidgen.data.sources()`.
        **options: of the source, without ``split``.

    Raises:
        LeakageError: if an object or a texture is in two parts, or a pair in both compositional
            splits.
    """
    objects, textures = _Parts(name, "object"), _Parts(name, "texture")
    for part in PARTS:
        chosen = source(name, split=part, **options)
        found = chosen.exemplars()
        if found is None:
            raise ValueError(f"the source {name!r} has no objects whose splits could be compared")
        objects.add(part, *found)
        grounds = chosen.grounds() if isinstance(chosen, MovingObjects) else None
        if grounds is not None:
            textures.add(part, grounds)
    train, test = (_pairs(name, f"compositional-{part}", options) for part in ("train", "test"))
    if train & test:
        raise LeakageError(f"{name}: both compositional splits hold {sorted(train & test)[0]}")
    return SplitReport(name, objects.counts, (len(train), len(test)), textures.counts)


class _Parts:
    """Pictures by their hash, each of which belongs to one part."""

    def __init__(self, name: str, what: str) -> None:
        self.counts: dict[str, int] = {}
        self._name, self._what = name, what
        self._owner: dict[bytes, tuple[str, int]] = {}

    def add(self, part: str, images: np.ndarray, labels: Sequence[str] = ()) -> None:
        """Count the distinct pictures of a part.

        Raises:
            LeakageError: if another part has one of them.
        """
        hashes: dict[bytes, int] = {}
        for row, image in enumerate(images):
            hashes.setdefault(hashlib.sha256(image.tobytes()).digest(), row)
        for digest, row in hashes.items():
            if digest in self._owner:
                other, at = self._owner[digest]
                label = f" ({labels[row]})" if labels else ""
                raise LeakageError(
                    f"{self._name}: {self._what} {row}{label} of the part {part!r} is "
                    f"{self._what} {at} of {other!r}"
                )
            self._owner[digest] = (part, row)
        self.counts[part] = len(hashes)


def _pairs(name: str, split: str, options: dict[str, Any]) -> set[tuple[str, str]]:
    chosen = source(name, split=split, **options)
    return chosen.pairs() if isinstance(chosen, MovingObjects) else set()
