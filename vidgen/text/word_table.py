"""Words looked up in a table of vectors, whoever made it."""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import reprlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from vidgen.text.encoder import words
from vidgen.types import Captions

_LISTED = 20
"""Known words that an error names; more would hide what is wrong."""

_COMPARED = 20_000
"""Words above which only those that begin alike are compared with one that is not known: the
comparison takes a tenth of a millisecond each."""


class WordTable:
    """A text encoder that gives each word of a caption a row of a table.

    Order is for the generator to add; this encoder is a bag of rows with positions.

    Args:
        vocabulary: the words, in lower case and each once.
        vectors: one of each, in its order, of root mean square 1.
        name: for tables.
        length: L, positions a caption is padded to.

    Raises:
        ValueError: if there are no words, one of them is none, or `length` or the width is below 1.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        vectors: Float[np.ndarray, "V D"],
        *,
        name: str,
        length: int,
    ) -> None:
        if length < 1 or vectors.shape[1] < 1:
            raise ValueError(
                f"length and width must be at least 1, got {length} and {vectors.shape[1]}"
            )
        if not vocabulary:
            raise ValueError("word vectors need at least one word")
        self.name, self.length, self.width = name, length, vectors.shape[1]
        self.vocabulary = tuple(vocabulary)
        self._vectors = vectors
        self._row = {word: row for row, word in enumerate(self.vocabulary)}

    @property
    def fingerprint(self) -> str:
        """A hash of the words, their vectors and the length."""
        return self._content

    @functools.cached_property
    def _content(self) -> str:
        digest = hashlib.sha256(json.dumps([self.name, 1, self.length, self.vocabulary]).encode())
        digest.update(np.ascontiguousarray(self._vectors, "<f4").tobytes())
        return digest.hexdigest()

    def tokens(self, caption: str) -> int:
        """How many of the L positions a caption takes: one a word."""
        return len(words(caption))

    def pieces(self, caption: str) -> list[str]:
        """The words of a caption."""
        return words(caption)

    def __call__(
        self, captions: Captions
    ) -> tuple[Float[np.ndarray, "N L D"], Bool[np.ndarray, "N L"]]:
        """Vectors and mask of N captions; an empty caption has a mask of False.

        Returns:
            float32 [N L D], zero where the mask is False, and bool [N L].

        Raises:
            ValueError: for an unknown word, with its near misses, or for a caption of more than L
                words.
        """
        if isinstance(captions, str):
            raise ValueError("pass a list of captions, not a single string")
        rows = np.full((len(captions), self.length), -1, np.int64)
        for n, caption in enumerate(captions):
            spoken = words(caption)
            if len(spoken) > self.length:
                raise ValueError(
                    f"a caption has {len(spoken)} words and the encoder takes {self.length}: "
                    f"{reprlib.repr(caption)}"
                )
            rows[n, : len(spoken)] = [self._index(word, caption) for word in spoken]
        mask = rows >= 0
        return np.where(mask[..., None], self._vectors[rows], np.float32(0)), mask

    def _index(self, word: str, caption: str) -> int:
        if word in self._row:
            return self._row[word]
        candidates: Iterable[str] = self.vocabulary
        if len(self.vocabulary) > _COMPARED:
            candidates = [known for known in self.vocabulary if known[:1] == word[:1]]
        near = difflib.get_close_matches(word, candidates, n=3, cutoff=0.5)
        listed = ", ".join(self.vocabulary[:_LISTED])
        more = f" and {len(self.vocabulary) - _LISTED:,} more"
        hint = (
            f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"known words: {listed}{more if len(self.vocabulary) > _LISTED else ''}"
        )
        raise ValueError(
            f"the word {reprlib.repr(word)} in {reprlib.repr(caption)} is not in the vocabulary; "
            f"{hint}"
        )


def unit(vectors: Float[np.ndarray, "*N D"]) -> Float[np.ndarray, "*N D"]:
    """Each vector over its root mean square, so that all encoders give features of one size; a
    vector of zeros stays one.
    """
    size = np.sqrt(np.mean(np.square(vectors, dtype=np.float64), axis=-1, keepdims=True))
    return (vectors / np.where(size > 0, size, 1.0)).astype(np.float32)
