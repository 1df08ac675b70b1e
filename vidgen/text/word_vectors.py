"""Frozen word vectors: one random direction a word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vidgen.text.encoder import words
from vidgen.text.word_table import WordTable


class WordVectors(WordTable):
    """A table of fixed, nearly orthogonal vectors for a closed vocabulary.

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

    def __init__(
        self, vocabulary: Sequence[str], *, length: int, width: int, seed: int = 0
    ) -> None:
        if width < 1:
            raise ValueError(f"the width must be at least 1, got {width}")
        for word in vocabulary:
            if words(word) != [word]:
                raise ValueError(f"{word!r} is not a single word in lower case")
        known = sorted(set(vocabulary))
        self.seed = seed
        table = directions(known, width, seed)
        super().__init__(known, table, name="word-vectors", length=length)

    @property
    def fingerprint(self) -> str:
        """A hash of the vocabulary, the shape and the seed, by which the vectors are given."""
        identity = [self.name, 1, self.vocabulary, self.length, self.width, self.seed]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def directions(vocabulary: Sequence[str], width: int, seed: int = 0) -> Float[np.ndarray, "V D"]:
    """Gaussian noise of root mean square 1 for each word, drawn from a hash of the seed and the
    word alone: it depends neither on the other words nor on the version of any library.
    """
    drawn = [_direction(word, width, seed) for word in vocabulary]
    return np.stack(drawn) if drawn else np.zeros((0, width), np.float32)


def _direction(word: str, width: int, seed: int) -> Float[np.ndarray, "D"]:
    """Box and Muller's transform of a stream of hashed bytes."""
    stream = hashlib.shake_256(f"{seed}:{word}".encode()).digest(16 * width)
    uniform = (np.frombuffer(stream, "<u8").reshape(2, width) + 0.5) / 2.0**64
    noise = np.sqrt(-2.0 * np.log(uniform[0])) * np.cos(2.0 * np.pi * uniform[1])
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)
