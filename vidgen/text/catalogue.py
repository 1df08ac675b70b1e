"""How a name finds a text encoder."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vidgen.registry import suggest
from vidgen.text.cache import Remembered
from vidgen.text.contextual import Contextual
from vidgen.text.embeddings import Embeddings, read_glove, read_word2vec
from vidgen.text.encoder import TextEncoder
from vidgen.text.minilm import minilm_folder
from vidgen.text.word_vectors import WordVectors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an encoder is built for.

    Attributes:
        vocabulary: every word that the source may say.
        length: L, positions a caption is padded to.
        width: D, features of a position, where the encoder has no width of its own.
        learned: gives the vectors that word2vec learned from the captions of training.
    """

    vocabulary: Sequence[str]
    length: int
    width: int
    learned: Callable[[], Embeddings]


def _words(wanted: Wanted) -> TextEncoder:
    """One random direction a word of the source's vocabulary."""
    return WordVectors(wanted.vocabulary, length=wanted.length, width=wanted.width)


def _word2vec(wanted: Wanted) -> TextEncoder:
    """Word vectors that skip-gram learns from the captions of the train split, by gensim."""
    vectors = wanted.learned()
    return vectors.encoder(wanted.vocabulary, name="word2vec", length=wanted.length)


def _minilm(wanted: Wanted) -> TextEncoder:
    """all-MiniLM-L6-v2, a sentence encoder of six layers: 384 features a token."""
    return Remembered(_contextual("bert", minilm_folder(), wanted.length))


_NAMES: Mapping[str, Callable[[Wanted], TextEncoder]] = {
    "minilm": _minilm,
    "word2vec": _word2vec,
    "words": _words,
}

_FILES: Mapping[str, Callable[[Path], Embeddings]] = {
    "glove": functools.cache(read_glove),
    "word2vec": functools.cache(read_word2vec),
}

_KINDS: Mapping[str, tuple[str, str]] = {
    "bert": ("bert:FOLDER", "BERT, or another encoder of its kind, from a Hugging Face folder."),
    "clip": ("clip:FOLDER", "The text tower of CLIP, from a Hugging Face folder."),
    "glove": ("glove:FILE", "Word vectors in the text format that GloVe publishes."),
    "gpt2": ("gpt2:FOLDER", "GPT-2, which reads from left to right, from a Hugging Face folder."),
    "t5": ("t5:FOLDER", "The encoder of T5, from a Hugging Face folder."),
    "word2vec": ("word2vec:FILE", "Word vectors of word2vec's tool or of gensim's KeyedVectors."),
}
"""Encoders that are told behind a colon where their weights lie."""


def text_encoders() -> dict[str, str]:
    """The names that `text_encoder` knows, as they are written, and what each is."""
    plain = {name: (build.__doc__ or "") for name, build in _NAMES.items()}
    return dict(sorted({**plain, **dict(_KINDS.values())}.items()))


def text_encoder(name: str, wanted: Wanted) -> TextEncoder:
    """The text encoder called `name`.

    Args:
        name: one of `text_encoders()`, with a file or folder in place of its last word.
        wanted: what it is for.

    Raises:
        UnknownNameError: for a name that does not exist, with the near misses.
        ValueError: if a name is not told where, or told what it does not ask.
        vidgen.pretrained.MissingWeightsError: if its weights, or a package that reads them, are not
            here, with how to get them.
        vidgen.pretrained.WrongWeightsError: if they are others than the network needs.
    """
    kind, place = _parted(name)
    if place is None:
        return _NAMES[kind](wanted)
    if kind in _FILES:
        vectors = _FILES[kind](place)
        return vectors.encoder(wanted.vocabulary, name=f"{kind}-{place.stem}", length=wanted.length)
    return Remembered(_contextual(kind, place, wanted.length))


def own_width(name: str, length: int) -> int | None:
    """D of an encoder that has a width of its own; None of one that takes any.

    Args:
        name: of the encoder.
        length: L that it is going to be asked for.

    Raises:
        Exception: as `text_encoder`.
    """
    kind, place = _parted(name)
    if place is None:
        return _contextual("bert", minilm_folder(), length).width if kind == "minilm" else None
    if kind in _FILES:
        return _FILES[kind](place).vectors.shape[1]
    return _contextual(kind, place, length).width


def _parted(name: str) -> tuple[str, Path | None]:
    """The kind, and the place behind the colon if it takes one."""
    kind, colon, place = name.partition(":")
    if kind not in (_KINDS if colon else _NAMES):
        if kind in _KINDS:
            raise ValueError(f"the text encoder {kind!r} must be told where: {_KINDS[kind][0]}")
        if kind in _NAMES:
            raise ValueError(
                f"the text encoder {kind!r} takes nothing behind a colon, got {name!r}"
            )
        raise suggest(kind, sorted({*_NAMES, *_KINDS}), "text encoder")
    if colon and not place:
        raise ValueError(f"{name!r} must be told where: {_KINDS[kind][0]}")
    return kind, Path(place).expanduser() if colon else None


@functools.cache
def _contextual(kind: str, folder: Path, length: int) -> Contextual:
    return Contextual(folder, length=length, kind=kind)
