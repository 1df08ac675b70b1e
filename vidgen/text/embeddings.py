"""Word vectors that were learned from text: files of them, and a training of one's own.

GloVe publishes a word and its numbers a line. Word2vec's tool writes the same below a line of two
counts, or packed; gensim writes pickles. All are read here, and turned into a text encoder.

References: Mikolov et al., "Efficient estimation of word representations in vector space" (2013);
Pennington et al., "GloVe: global vectors for word representation" (EMNLP 2014).
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import logging
import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vidgen.pretrained.unpickle import unpickle
from vidgen.pretrained.weights import MissingWeightsError, WrongWeightsError
from vidgen.text.encoder import words
from vidgen.text.word_table import WordTable, unit
from vidgen.text.word_vectors import directions

_log = logging.getLogger("vidgen.text")

_KEYED_VECTORS = ("gensim.models.keyedvectors", "KeyedVectors")
_PASSES = 20
"""Over the captions: a training on newspapers makes five, over a million times as many words."""


@dataclasses.dataclass(frozen=True, eq=False)
class Embeddings:
    """Words and a vector of each, as a file has them.

    Attributes:
        words: V of them, commonest first where the file says so.
        vectors: float32 [V D].
    """

    words: Sequence[str]
    vectors: Float[np.ndarray, "V D"]

    def encoder(self, vocabulary: Sequence[str], *, name: str, length: int) -> WordTable:
        """The text encoder of these vectors, each scaled to a root mean square of 1.

        Case is folded: where two words differ in it alone, the one in lower case counts, or else
        the first. A word of the vocabulary without a vector gets a direction of its own
        (`word_vectors.directions`), which is logged; a word of neither is refused when it is met.

        Args:
            vocabulary: every word that the source may say.
            name: for tables.
            length: L, positions a caption is padded to.
        """
        rows: dict[str, int] = {}
        useful = np.any(self.vectors != 0, axis=1)
        for row, word in enumerate(self.words):
            if useful[row] and word == word.lower():
                rows[word] = row
        for row, word in enumerate(self.words):
            if useful[row]:
                rows.setdefault(word.lower(), row)
        strange = sorted(set(vocabulary) - rows.keys())
        if strange:
            more = f" and {len(strange) - 10:,} more" if len(strange) > 10 else ""
            _log.warning(
                "%s has no vector of %s%s: each gets a direction of its own",
                name,
                ", ".join(map(repr, strange[:10])),
                more,
            )
        vectors = np.concatenate(
            [unit(self.vectors[list(rows.values())]), directions(strange, self.vectors.shape[1])]
        )
        return WordTable([*rows, *strange], vectors, name=name, length=length)


def read_glove(path: Path) -> Embeddings:
    """The published text format, plain or gzipped.

    Raises:
        MissingWeightsError: if there is no such file.
        WrongWeightsError: for a line that is none of a word and numbers, with its number.
    """
    return _text(path, header=False)


def read_word2vec(path: Path) -> Embeddings:
    """A file of word2vec's tool, binary (``.bin``) or text (``.txt``, ``.vec``), each plain or
    gzipped; or what gensim's `KeyedVectors.save` wrote, without running any of it.

    Raises:
        MissingWeightsError: if there is no such file, or gensim is wanted and not installed.
        WrongWeightsError: if it cannot be read as what its suffix says.
    """
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    read = {".bin": _binary, ".txt": _headed, ".vec": _headed}.get(suffix, _keyed_vectors)
    return read(path)


def write_word2vec(embeddings: Embeddings, path: Path) -> None:
    """Write the binary format of word2vec's tool, float32."""
    _gensim(embeddings).save_word2vec_format(os.fspath(path), binary=True)


def write_glove(embeddings: Embeddings, path: Path) -> None:
    """Write the text format of GloVe, with as many digits as float32 has."""
    _gensim(embeddings).save_word2vec_format(os.fspath(path), binary=False, write_header=False)


def train_word2vec(captions: Iterable[str], *, width: int, seed: int = 0) -> Embeddings:
    """Vectors of the words of some captions, by gensim's skip-gram with negative sampling.

    One thread, so that captions and seed decide every bit on one kind of processor.

    Args:
        captions: each as often as it counts.
        width: D.
        seed: of the initial vectors and of the sampling.

    Raises:
        MissingWeightsError: if gensim is not installed.
        ValueError: if there is no word in the captions.
    """
    sentences = [spoken for caption in captions if (spoken := words(caption))]
    if not sentences:
        raise ValueError("word2vec learns from captions, and these have no word")
    model = _models().Word2Vec(
        sentences, vector_size=width, min_count=1, sg=1, epochs=_PASSES, seed=seed, workers=1
    )
    return Embeddings(tuple(model.wv.index_to_key), np.asarray(model.wv.vectors, np.float32))


def _headed(path: Path) -> Embeddings:
    return _text(path, header=True)


def _text(path: Path, *, header: bool) -> Embeddings:
    # Not by gensim, which stops at words with a space in them, as GloVe's largest file has.
    known: dict[str, int] = {}
    vectors: list[np.ndarray] = []
    width = None
    for number, line in _lines(path):
        if header and number == 1:
            continue
        width = width or len(line.split(" ")) - 1
        word, *numbers = line.rsplit(" ", width)
        try:
            vector = np.array(numbers, np.float32)
        except ValueError as error:
            raise WrongWeightsError(f"{path.name}, line {number}: {error}") from error
        if len(vector) != width or not width or not np.isfinite(vector).all():
            raise WrongWeightsError(
                f"{path.name}, line {number}: {width} finite numbers are wanted behind the word"
            )
        if word not in known:
            known[word] = number
            vectors.append(vector)
    if not known:
        raise WrongWeightsError(f"{path.name} holds no word")
    return Embeddings(tuple(known), np.stack(vectors))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if not path.is_file():
        raise MissingWeightsError(f"there is no file {path}")
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line := line.rstrip(" \n"):
                    yield number, line
    except (UnicodeDecodeError, OSError, EOFError) as error:
        raise WrongWeightsError(f"{path.name} is no readable text: {error}") from error


def _binary(path: Path) -> Embeddings:
    if not path.is_file():
        raise MissingWeightsError(f"there is no file {path}")
    try:
        return _whole(
            _models().KeyedVectors.load_word2vec_format(os.fspath(path), binary=True), path
        )
    except (ValueError, OSError, EOFError, UnicodeDecodeError) as error:
        raise WrongWeightsError(f"{path.name} is no file of word2vec's tool: {error}") from error


def _keyed_vectors(path: Path) -> Embeddings:
    if not path.is_file():
        raise MissingWeightsError(f"there is no file {path}")
    try:
        found = unpickle(path.read_bytes(), classes=[_KEYED_VECTORS])
        if "vectors" in getattr(found, "__numpys", ()):  # large arrays lie beside the pickle
            found.vectors = np.load(f"{path}.vectors.npy", allow_pickle=False)
        return _whole(found, path)
    except (pickle.UnpicklingError, AttributeError, OSError, ValueError) as error:
        raise WrongWeightsError(
            f"{path.name} cannot be read as KeyedVectors ({error}). Word vectors are read from "
            "word2vec's .bin, .txt and .vec and from what KeyedVectors.save wrote; of another "
            'model write them with model.wv.save_word2vec_format("vectors.bin", binary=True)'
        ) from error


def _whole(found: Any, path: Path) -> Embeddings:
    names, vectors = tuple(found.index_to_key), np.asarray(found.vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != len(names) or not names:
        raise WrongWeightsError(f"{path.name}: {vectors.shape} vectors of {len(names)} words")
    if not all(isinstance(name, str) for name in names) or not np.isfinite(vectors).all():
        raise WrongWeightsError(f"{path.name}: not every word is one, or not every number")
    return Embeddings(names, vectors)


def _gensim(embeddings: Embeddings) -> Any:
    keyed = _models().KeyedVectors(embeddings.vectors.shape[1])
    keyed.add_vectors(list(embeddings.words), embeddings.vectors)
    return keyed


@functools.cache
def _models() -> Any:
    try:
        from gensim import models
    except ImportError as error:
        raise MissingWeightsError(
            "word2vec wants the package gensim: pip install 'vidgen[text]'"
        ) from error
    return models
