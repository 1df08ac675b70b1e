"""Frozen word vectors: one random direction a word."""

from __future__ import annotations

import difflib
import hashlib
import json
import reprlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from vidgen.text.encoder import words
from vidgen.types import Captions


class WordVectors:
    """A table of fixed, nearly orthogonal vectors for a closed vocabulary.

    A word's vector is Gaussian noise of root mean square 1, drawn from a hash of the seed and the
    word alone: it depends neither on the other words nor on the version of any library. Order is
    for the generator to add; this encoder is a bag of rows with positions.

    Example:
        >>> encoder = WordVectors(["moving", "up"], length=4, width=8)
        >>> features, mask = encoder(["moving up"])
        >>> features.shape, mask.tolist()
        ((1, 4, 8), [[True, True, False, False]])

    Args:
        vocabulary: every word that may be said; order and repetition do not matter.
        length: L, positions a caption is padded to.
        width: D, features of a word.
        seed: another seed is another table.

    Raises:
        ValueError: if the vocabulary is empty, holds something that is not one word, or if
            `length` or `width` is below 1.
    """

    name = "word-vectors"

    def __init__(
        self, vocabulary: Sequence[str], *, length: int, width: int, seed: int = 0
    ) -> None:
        if length < 1 or width < 1:
            raise ValueError(f"length and width must be at least 1, got {length} and {width}")
        if not vocabulary:
            raise ValueError("word vectors need at least one word")
        for word in vocabulary:
            if words(word) != [word]:
                raise ValueError(f"{word!r} is not a single word in lower case")
        self.vocabulary = tuple(sorted(set(vocabulary)))
        self.length, self.width, self.seed = length, width, seed
        self._row = {word: row for row, word in enumerate(self.vocabulary, start=1)}
        # Row 0 is silence, so that padding needs no second pass.
        self._table = np.stack(
            [np.zeros(width, np.float32)] + [_direction(w, width, seed) for w in self.vocabulary]
        )

    @property
    def fingerprint(self) -> str:
        """A hash of the vocabulary, the shape and the seed."""
        identity = [self.name, 1, self.vocabulary, self.length, self.width, self.seed]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

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
        rows = np.zeros((len(captions), self.length), np.int64)
        for n, caption in enumerate(captions):
            spoken = words(caption)
            if len(spoken) > self.length:
                raise ValueError(
                    f"a caption has {len(spoken)} words and the encoder takes {self.length}: "
                    f"{reprlib.repr(caption)}"
                )
            rows[n, : len(spoken)] = [self._index(word, caption) for word in spoken]
        return self._table[rows], rows > 0

    def _index(self, word: str, caption: str) -> int:
        if word in self._row:
            return self._row[word]
        near = difflib.get_close_matches(word, self.vocabulary, n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"known words: {', '.join(self.vocabulary)}"
        )
        raise ValueError(
            f"the word {reprlib.repr(word)} in {reprlib.repr(caption)} is not in the vocabulary; "
            f"{hint}"
        )


def _direction(word: str, width: int, seed: int) -> Float[np.ndarray, "D"]:
    """Gaussian noise of unit root mean square, from a hash: Box and Muller's transform."""
    stream = hashlib.shake_256(f"{seed}:{word}".encode()).digest(16 * width)
    uniform = (np.frombuffer(stream, "<u8").reshape(2, width) + 0.5) / 2.0**64
    noise = np.sqrt(-2.0 * np.log(uniform[0])) * np.cos(2.0 * np.pi * uniform[1])
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)
