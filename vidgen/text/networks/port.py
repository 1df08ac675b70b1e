"""What every ported text network offers."""

from __future__ import annotations

import abc
import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from vidgen.pretrained import Entry, Weights, port

States = Sequence[Float[Array, "B L D"]]
"""What the tokens are after the embedding and after each block, the last normalised where the
network ends in a normalisation."""


_NEWER = {".gamma": ".weight", ".beta": ".bias"}
"""What normalisations of older files call their arrays, and newer ones do."""

_RENAMED = re.compile(r"\.(gamma|beta)$")


class Port(abc.ABC):
    """The sizes of a network, and how its arrays come from those of a Hugging Face file.

    Attributes:
        kind: for tables.
        prefixes: of keys, as the same network saves them alone or within a larger one.
        ignored: patterns of keys of what the network was trained with and is not needed.
        width: D, features of a token.
        depth: blocks.
    """

    kind: ClassVar[str]
    prefixes: ClassVar[tuple[str, ...]]
    ignored: ClassVar[tuple[str, ...]]
    width: int
    depth: int

    @property
    def longest(self) -> int | None:
        """Tokens of the longest text; None where there is no limit."""
        return None

    @classmethod
    @abc.abstractmethod
    def of(cls, config: Mapping[str, Any]) -> Port:
        """From ``config.json``, defaults filled in.

        Raises:
            WrongWeightsError: if it asks for what is not ported.
        """

    @abc.abstractmethod
    def build(self, rngs: nnx.Rngs) -> nnx.Module:
        """The network, which is called with tokens, int [B L], and a mask, bool [B L], True on
        those that come before the end of each text, and returns `States`. Its method ``sentence``
        makes of states, tokens and mask one vector a text, float [B E], of length 1, as those who
        published the network do.
        """

    @abc.abstractmethod
    def table(self) -> list[Entry]:
        """How its arrays come from those of a file, without prefixes."""

    def read(self, weights: Mapping[str, np.ndarray]) -> Weights:
        """The network's arrays by their names.

        Raises:
            WrongWeightsError: naming every key that is missing, unexpected or of a wrong shape.
        """
        return port(self.needed(weights), self.table())

    def needed(self, weights: Mapping[str, np.ndarray]) -> Weights:
        """The arrays of a file without prefixes, and without what is not needed."""
        ignored = re.compile("|".join(self.ignored))
        kept = {}
        for key, array in weights.items():
            for prefix in self.prefixes:
                key = key.removeprefix(prefix)
            if not ignored.match(key):
                kept[_RENAMED.sub(lambda found: _NEWER[found[0]], key)] = array
        return kept


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placed(Port):
    """A port of a network that has a vector for each place in a text.

    Attributes:
        width: features of a token.
        depth: blocks.
        heads: of the attention.
        hidden: width of the feed-forward networks.
        vocabulary: tokens.
        places: tokens of the longest text.
        act: nonlinearity.
        epsilon: of the normalisation.
    """

    width: int
    depth: int
    heads: int
    hidden: int
    vocabulary: int
    places: int
    act: str
    epsilon: float

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return self.places
