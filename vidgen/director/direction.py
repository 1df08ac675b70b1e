"""A trained director, as others use it: descriptions in, scripts or a refusal out."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from etils import epath
from jaxtyping import Bool, Float

from vidgen import nn
from vidgen.data.script import Script, ScriptError
from vidgen.director import tokens
from vidgen.director.network import DirectorConfig, DirectorNetwork
from vidgen.evaluation.arrays import arrays_digest
from vidgen.evaluation.features.learning import read_network, write_network
from vidgen.text import TextEncoder, Wanted, text_encoder, words

WORD_WIDTH = 64
"""Features of a word, for encoders that take any number."""

SURE = 0.5
"""Least probability of a script that is not refused: a description that is understood is far above,
one that is guessed at far below."""

_AT_ONCE = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class DirectorCard:
    """Where a director comes from.

    Attributes:
        config: how it was trained.
        seed: of the initial weights and of the order of clips.
        source: name and split that it learned from.
        fingerprint: of the source.
        vocabulary: words of the source.
        known: words that it has heard in training.
        length: words of the longest description.
        exact: share of descriptions of the validation split that it turned into exactly their
            script, by how they are told; empty where none was given.
    """

    config: DirectorConfig
    seed: int
    source: str
    fingerprint: str
    vocabulary: tuple[str, ...]
    known: tuple[str, ...]
    length: int
    exact: dict[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Direction:
    """What became of a description.

    Attributes:
        script: what it says; None where it was not understood.
        probability: of the whole script.
        why: it was refused; empty where it was not.
    """

    script: Script | None
    probability: float
    why: str = ""


class Director:
    """Turns descriptions into scripts.

    Args:
        card: where it comes from.
        weights: by name.
    """

    def __init__(self, card: DirectorCard, weights: dict[str, np.ndarray]) -> None:
        self.card, self.weights = card, weights
        self.name = f"director-{arrays_digest(weights)[:8]}"

    @functools.cached_property
    def reader(self) -> Reader:
        """What makes features of descriptions."""
        card = self.card
        return Reader(card.config, card.vocabulary, card.known, card.length)

    def __call__(self, descriptions: Sequence[str]) -> list[Direction]:
        """What each description says.

        Raises:
            ValueError: for one that is empty or too long.
        """
        for description in descriptions:
            if not description.strip():
                raise ValueError("a description is empty")
        config, length = self.card.config, self.card.length
        program = _writing(config, length, self.reader.width)
        found = []
        for start in range(0, len(descriptions), _AT_ONCE):
            part = list(descriptions[start : start + _AT_ONCE])
            filled = part + part[-1:] * (_AT_ONCE - len(part))  # one shape is compiled
            said, shares = program(self.weights, *self.reader(filled))
            rows = zip(np.asarray(said), np.asarray(shares).sum(1).tolist(), strict=True)
            found += [_direction(*row) for row in list(rows)[: len(part)]]
        return found

    def save(self, path: epath.PathLike) -> None:
        """Write card and weights, whole or not at all."""
        write_network(path, self.name, self.card, self.weights)

    @classmethod
    def load(cls, path: epath.PathLike) -> Director:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is damaged or of a newer schema; the message names it.
        """
        return read_network(
            path,
            "director",
            lambda card, weights: cls(_card(card), weights),
            lambda made: made.name,
        )


class Reader:
    """Descriptions as a director hears them: a word that it never heard in training is a gap, where
    an encoder knows words by themselves alone.

    Args:
        config: names the encoder.
        vocabulary: of an encoder that is closed.
        known: words of training.
        length: L.
    """

    def __init__(
        self,
        config: DirectorConfig,
        vocabulary: Sequence[str],
        known: Sequence[str],
        length: int,
    ) -> None:
        wanted = Wanted(
            vocabulary=tuple(vocabulary), length=length, width=WORD_WIDTH, learned=_nothing_learned
        )
        self._encoder: TextEncoder = text_encoder(config.encoder, wanted)
        self._known = frozenset(known) if config.encoder == "words" else None
        self.width = self._encoder.width

    def __call__(
        self, descriptions: Sequence[str]
    ) -> tuple[Float[np.ndarray, "N L E"], Bool[np.ndarray, "N L"]]:
        """Features and mask."""
        if self._known is None:
            return self._encoder(descriptions)
        some = min(self._known)  # stands in the place of a word that is to be silenced
        split = [words(description) for description in descriptions]
        heard = [" ".join(w if w in self._known else some for w in said) for said in split]
        features, mask = self._encoder(heard)
        features = features.copy()
        for row, said in zip(features, split, strict=True):
            row[: len(said)][[word not in self._known for word in said]] = 0.0
        return features, mask


def _nothing_learned() -> Any:
    raise ValueError("a director learns no word vectors of its own; name a file of them")


def _direction(said: np.ndarray, share: float) -> Direction:
    probability = float(np.exp(share))
    try:
        script = tokens.decode(said.tolist())
    except ScriptError as error:
        return Direction(script=None, probability=probability, why=str(error))
    if probability < SURE:
        why = f"it may say {script.to_json()}, with a probability of {probability:.2f} only"
        return Direction(script=None, probability=probability, why=why)
    return Direction(script=script, probability=probability)


@functools.cache
def network_of(config: DirectorConfig, length: int, width: int) -> nn.Network[DirectorNetwork]:
    """The network of such a director."""
    return nn.Network(lambda rngs: DirectorNetwork(config, length, width, rngs=rngs))


@functools.cache
def _writing(config: DirectorConfig, length: int, width: int) -> Any:
    network = network_of(config, length, width)
    return jax.jit(lambda weights, text, mask: network.bind(weights).write(text, mask))


def _card(data: dict[str, Any]) -> DirectorCard:
    return DirectorCard(
        **{
            **data,
            "vocabulary": tuple(data["vocabulary"]),
            "known": tuple(data["known"]),
            "config": DirectorConfig.of(data["config"]),
        }
    )
