"""What an in-domain network learns to say of real clips: who, how, or in which words."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.clipset import ClipSet
from vidgen.text import words
from vidgen.types import Clip

_MOST_CLASSES = 64
_TRUTH = ("identity", "motion")
_WORDS = "words"
_RARE, _COMMON = 0.02, 0.9
"""Shares of the captions outside of which a word tells too little to be learned."""


Said = Mapping[str, tuple[str, ...]]
"""What is known of one clip: by question, every answer that is right."""


def of_clips(clips: Sequence[Clip]) -> list[Said]:
    """What is known of clips: identity and motion of the objects, where the source tells, and the
    words of the caption.
    """
    return [
        _said(c.caption, None if c.truth is None else (c.truth.identity, c.truth.motion))
        for c in clips
    ]


def of_prompts(prompts: ClipSet) -> list[Said]:
    """The same of a list of prompts."""
    truth = prompts.truth
    return [
        _said(caption, None if truth is None else (truth.identity[i], truth.motion[i]))
        for i, caption in enumerate(prompts.captions)
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Targets:
    """Questions with one set of answers each.

    Where the source knows the truth the questions are the identities and the motions of a clip's
    objects. Otherwise it is the words of the caption, without those that nearly all captions have
    or nearly none.

    Attributes:
        names: of the questions.
        classes: the answers that each knows.
    """

    names: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, said: Sequence[Said]) -> Targets:
        """The questions that tell these clips apart.

        Raises:
            ValueError: if all clips are alike in all that is known of them.
        """
        known = {}
        for name in _TRUTH:
            if all(name in one for one in said):
                counts = collections.Counter(a for one in said for a in set(one[name]))
                if 2 <= len(counts) <= _MOST_CLASSES:
                    known[name] = tuple(sorted(counts))
        if not known:
            counts = collections.Counter(a for one in said for a in set(one[_WORDS]))
            telling = [
                word
                for word, count in counts.most_common()
                if _RARE <= count / len(said) <= _COMMON
            ]
            if len(telling) >= 2:
                known[_WORDS] = tuple(sorted(telling[:_MOST_CLASSES]))
        if not known:
            raise ValueError(
                "neither truth nor captions tell these clips apart, so that a network could learn "
                "from them"
            )
        return cls(names=tuple(known), classes=tuple(known.values()))

    @property
    def width(self) -> int:
        """Answers of all questions together."""
        return sum(map(len, self.classes))

    @property
    def parts(self) -> tuple[slice, ...]:
        """Where each question's answers stand among all."""
        ends = np.cumsum([0, *map(len, self.classes)])
        return tuple(slice(int(a), int(b)) for a, b in itertools.pairwise(ends))

    def __call__(self, said: Sequence[Said]) -> Float[np.ndarray, "N K"]:
        """For each clip and question a distribution, even over the answers; all 0 where the
        question knows none of them.
        """
        rows = np.zeros((len(said), self.width), np.float32)
        for name, classes, part in zip(self.names, self.classes, self.parts, strict=True):
            place = {answer: i for i, answer in enumerate(classes)}
            for row, one in zip(rows, said, strict=True):
                found = sorted({place[a] for a in one.get(name, ()) if a in place})
                if found:
                    row[part][found] = 1.0 / len(found)
        return rows


def right(
    logits: Float[np.ndarray, "N K"], wanted: Float[np.ndarray, "N K"]
) -> Float[np.ndarray, "N"]:
    """1.0 where the highest logits of one question are those of all its wanted answers, 0.0 where
    they are not, NaN where nothing is wanted.
    """
    count = (wanted > 0).sum(1)
    ranked = np.argsort(-logits, axis=1, kind="stable")
    first = np.arange(logits.shape[1])[None, :] < count[:, None]
    hits = (np.take_along_axis(wanted > 0, ranked, axis=1) & first).sum(1)
    return np.where(count > 0, hits == count, np.nan)


def _said(caption: str, truth: tuple[tuple[str, ...], tuple[str, ...]] | None) -> Said:
    told = {_WORDS: tuple(words(caption))}
    return told if truth is None else told | dict(zip(_TRUTH, truth, strict=True))
