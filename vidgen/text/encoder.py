"""What every text encoder offers, and how a caption falls into words."""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from vidgen.types import Captions

_WORD = re.compile(r"\w+|[^\w\s]")


@runtime_checkable
class TextEncoder(Protocol):
    """A frozen encoder, the same for every generator of a comparison.

    Attributes:
        name: for tables.
        length: L, positions of its output.
        width: D, features of a position.
        fingerprint: a hash of everything that decides its output; a run refuses another one.
    """

    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...

    def tokens(self, caption: str) -> int:
        """How many of the L positions a caption takes; more than L where it is too long."""
        ...

    def pieces(self, caption: str) -> list[str]:
        """What stands at each of these positions, for people to read."""
        ...

    def __call__(
        self, captions: Captions
    ) -> tuple[Float[np.ndarray, "N L D"], Bool[np.ndarray, "N L"]]:
        """Features and mask of N captions.

        Returns:
            float32 [N L D], zero where the mask is False, and bool [N L], True on words, which
            come first.

        Raises:
            ValueError: for a caption that the encoder cannot take.
        """
        ...


def words(caption: str) -> list[str]:
    """The words of a caption in lower case; each sign of punctuation is a word of its own.

    Example:
        >>> words("The digit 5 is moving up then down.")
        ['the', 'digit', '5', 'is', 'moving', 'up', 'then', 'down', '.']
    """
    return _WORD.findall(caption.lower())
