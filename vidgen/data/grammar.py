"""Sentences of simulated clips: a clause for each object, joined in the order of the objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from vidgen.text import words


@dataclasses.dataclass(frozen=True)
class Wording:
    """One way to say what moves how.

    Example:
        >>> Wording("the digit {identity} is moving {motion}", stop=" .")(["3"], ["up then down"])
        'the digit 3 is moving up then down .'

    Attributes:
        clause: of one object; holds ``{identity}`` and ``{motion}``.
        joint: between two clauses.
        stop: after the last.
        instead: other words for some of those of identities and motions.
    """

    clause: str
    joint: str = " and "
    stop: str = ""
    instead: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def __call__(self, identities: Sequence[str], motions: Sequence[str]) -> str:
        """The sentence about objects and how each of them moves."""
        clauses = (
            self.clause.format(identity=self._said(identity), motion=self._said(motion))
            for identity, motion in zip(identities, motions, strict=True)
        )
        return self.joint.join(clauses) + self.stop

    def _said(self, phrase: str) -> str:
        return " ".join(self.instead.get(word, word) for word in phrase.split())


def chosen(
    wordings: Sequence[Wording], paraphrases: Sequence[Wording], *, first: int, paraphrased: bool
) -> tuple[list[Wording], list[Wording]]:
    """The wordings that captions are drawn from, and those whose words must be known besides.

    A single wording stands alone. Where there are several, captions of other splits may be
    paraphrases, and an encoder of a closed vocabulary must know their words, too.

    Args:
        wordings: of training, the usual one first.
        paraphrases: ways to say the same that share none of them.
        first: how many of the wordings are in use.
        paraphrased: whether captions are drawn from the paraphrases instead.

    Raises:
        ValueError: for a number of wordings that there are not, or paraphrases of a single one.
    """
    if not 1 <= first <= len(wordings):
        raise ValueError(f"wordings must lie in [1, {len(wordings)}], got {first}")
    if paraphrased and first == 1:
        raise ValueError("paraphrases are of captions in several wordings: set wordings=2 or more")
    usual = list(wordings[:first])
    if first == 1:
        return usual, []
    return (list(paraphrases), usual) if paraphrased else (usual, list(paraphrases))


def vocabulary(wordings: Iterable[Wording], sentences: Iterable[str], objects: int) -> set[str]:
    """Every word of captions of `objects` objects, and the full stop.

    Args:
        wordings: in use.
        sentences: about one object each: every wording of every identity and motion.
        objects: clauses of a caption.
    """
    spoken = {word for sentence in sentences for word in words(sentence)}
    joints = {word for wording in wordings for word in words(wording.joint)}
    return spoken | {"."} | (joints if objects > 1 else set())


def max_words(
    wordings: Sequence[Wording], identities: Sequence[str], motions: Sequence[str], objects: int
) -> int:
    """The most words of a caption of `objects` objects, a full stop included."""

    def spoken(text: str) -> int:
        return len([word for word in words(text) if word != "."])

    def longest(wording: Wording) -> int:
        return max(spoken(wording([i], [m])) for i in identities for m in motions)

    return 1 + max(
        objects * longest(wording) + (objects - 1) * spoken(wording.joint) for wording in wordings
    )
