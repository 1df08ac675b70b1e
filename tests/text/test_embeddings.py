import gzip
import logging
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from vidgen.pretrained import MissingWeightsError, WrongWeightsError
from vidgen.text import (
    Embeddings,
    TextEncoder,
    WordVectors,
    read_glove,
    read_word2vec,
    train_word2vec,
    write_glove,
    write_word2vec,
)

CAPTIONS = [
    f"the digit {digit} is moving {way}"
    for digit in range(10)
    for way in ("up and left", "down and right", "up and right", "down and left")
]


@pytest.fixture(scope="module")
def learned():
    return train_word2vec(CAPTIONS, width=16, seed=3)


@pytest.mark.parametrize(
    ("write", "read", "name"),
    [
        (write_word2vec, read_word2vec, "vectors.bin"),
        (write_glove, read_glove, "glove.16d.txt"),
    ],
)
def test_files_round_trip(learned, write, read, name, tmp_path):
    write(learned, tmp_path / name)
    found = read(tmp_path / name)
    assert list(found.words) == list(learned.words)
    np.testing.assert_array_equal(found.vectors, learned.vectors)


def test_gzipped_text_is_read(learned, tmp_path):
    write_glove(learned, tmp_path / "plain.txt")
    packed = tmp_path / "glove.txt.gz"
    packed.write_bytes(gzip.compress((tmp_path / "plain.txt").read_bytes()))
    np.testing.assert_array_equal(read_glove(packed).vectors, learned.vectors)


@pytest.mark.parametrize("suffix", [".txt", ".vec"])
def test_the_text_of_word2vec_has_a_line_of_counts(learned, suffix, tmp_path):
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(16)
    keyed.add_vectors(list(learned.words), learned.vectors)
    path = tmp_path / f"vectors{suffix}"
    keyed.save_word2vec_format(str(path), binary=False)
    assert list(read_word2vec(path).words) == list(learned.words)


@pytest.mark.parametrize("apart", [False, True])
def test_what_gensim_saves_is_read_without_gensim(learned, apart, tmp_path):
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(16)
    keyed.add_vectors(list(learned.words), learned.vectors)
    path = tmp_path / "vectors.kv"
    keyed.save(str(path), sep_limit=0 if apart else 2**30)
    assert (tmp_path / "vectors.kv.vectors.npy").exists() == apart
    code = (
        "import sys; sys.modules['gensim'] = None; from pathlib import Path; "
        "from vidgen.text import read_word2vec; "
        f"print(len(read_word2vec(Path({str(path)!r})).words))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(learned.words)
    np.testing.assert_array_equal(read_word2vec(path).vectors, learned.vectors)


class Evil:
    def __reduce__(self):
        return (print, ("it ran",))


def test_a_pickle_that_would_run_something_is_refused(tmp_path, capsys):
    path = tmp_path / "vectors.kv"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WrongWeightsError, match=r"builtins\.print.*save_word2vec_format"):
        read_word2vec(path)
    assert not capsys.readouterr().out


def test_a_model_is_refused_with_what_to_do(tmp_path):
    from gensim.models import Word2Vec

    path = tmp_path / "word2vec.model"
    Word2Vec([["up", "down"]], vector_size=4, min_count=1, workers=1).save(str(path))
    with pytest.raises(WrongWeightsError, match="save_word2vec_format"):
        read_word2vec(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("up 1 2\ndown 1\n", r"line 2.*2 finite numbers"),
        ("up 1 2\ndown 1 nan\n", r"line 2.*2 finite numbers"),
        ("up 1 2\ndown one two\n", "line 2.*could not convert"),
        ("up\n", "line 1"),
        ("", "holds no word"),
        (b"\xff\xfe\x00", "no readable text"),
    ],
)
def test_damaged_text_is_named_by_its_line(content, message, tmp_path):
    path = tmp_path / "glove.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WrongWeightsError, match=message):
        read_glove(path)


def test_words_with_a_space_are_read_as_the_largest_file_has_them(tmp_path):
    path = tmp_path / "glove.840B.txt"
    path.write_text("up 1 2\n. . 3 4\n")
    assert list(read_glove(path).words) == ["up", ". ."]


@pytest.mark.parametrize("name", ["glove.txt", "vectors.bin", "vectors.kv"])
def test_an_absent_file_is_said_to_be_absent(name, tmp_path):
    read = read_glove if name == "glove.txt" else read_word2vec
    with pytest.raises(MissingWeightsError, match=name):
        read(tmp_path / name)


def test_a_truncated_binary_file_is_refused(learned, tmp_path):
    path = tmp_path / "vectors.bin"
    write_word2vec(learned, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WrongWeightsError, match="no file of word2vec's tool"):
        read_word2vec(path)


def test_training_gives_words_of_like_surroundings_like_vectors():
    learned = train_word2vec(CAPTIONS * 50, width=16)
    lengths = np.linalg.norm(learned.vectors, axis=1, keepdims=True)
    rows = dict(zip(learned.words, learned.vectors / lengths, strict=True))
    digits = np.mean([rows["3"] @ rows[str(n)] for n in range(10) if n != 3])
    others = np.mean([rows["3"] @ rows[word] for word in ("up", "left", "the", "moving")])
    assert digits > others + 0.3


def test_training_depends_on_captions_and_seed_alone(learned):
    code = (
        "from vidgen.text import train_word2vec; "
        f"learned = train_word2vec({CAPTIONS!r}, width=16, seed=3); "
        "print(learned.vectors.tobytes().hex(), *learned.words)"
    )
    for salt in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        )
        bits, *known = done.stdout.split()
        assert known == list(learned.words)
        assert bits == learned.vectors.tobytes().hex()
    assert not np.array_equal(train_word2vec(CAPTIONS, width=16, seed=4).vectors, learned.vectors)


def test_captions_without_a_word_teach_nothing():
    with pytest.raises(ValueError, match="no word"):
        train_word2vec(["", " "], width=4)


def test_an_encoder_has_rows_of_unit_size_and_folds_case(learned):
    found = Embeddings(
        ("Up", "up", "Paris", "nothing"), np.array([[1, 0], [0, 3], [4, 4], [0, 0]], np.float32)
    )
    encoder = found.encoder(["up"], name="file", length=3)
    assert isinstance(encoder, TextEncoder)
    features, mask = encoder(["UP paris"])
    assert mask.tolist() == [[True, True, False]]
    np.testing.assert_allclose(features[0], [[0, 2**0.5], [1, 1], [0, 0]], rtol=1e-6)
    with pytest.raises(ValueError, match="'nothing'"):  # its vector says nothing either
        encoder(["nothing"])


def test_a_word_of_the_source_without_a_vector_gets_its_own_and_is_named(learned, caplog):
    with caplog.at_level(logging.WARNING, "vidgen.text"):
        encoder = learned.encoder(["up", "zebra", "."], name="word2vec", length=4)
    assert "'.', 'zebra'" in caplog.text
    features, _ = encoder(["zebra up"])
    alone = WordVectors(["zebra"], length=1, width=16)(["zebra"])[0][0, 0]
    np.testing.assert_array_equal(features[0, 0], alone)
    with pytest.raises(ValueError, match="did you mean 'zebra'"):
        encoder(["zebras"])


def test_the_fingerprint_covers_words_vectors_and_length(learned):
    def print_of(words=learned.words, vectors=learned.vectors, length=4):
        return Embeddings(words, vectors).encoder([], name="e", length=length).fingerprint

    assert print_of() == print_of()
    assert print_of() != print_of(length=5)
    assert print_of() != print_of(vectors=learned.vectors + np.eye(1, 16, dtype=np.float32))
    assert print_of() != print_of(words=[*learned.words[:-1], "other"])
