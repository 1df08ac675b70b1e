import numpy as np
import pytest

from vidgen.registry import UnknownNameError
from vidgen.text import (
    Embeddings,
    Remembered,
    Wanted,
    WordTable,
    WordVectors,
    own_width,
    text_encoder,
    text_encoders,
    train_word2vec,
    write_glove,
)


def wanted(vocabulary=("a", "red", "circle", "up"), learned=None):
    def refuse():
        raise AssertionError("nobody asked for it")

    return Wanted(vocabulary=vocabulary, length=8, width=6, learned=learned or refuse)


@pytest.fixture(scope="module")
def glove(tmp_path_factory):
    path = tmp_path_factory.mktemp("glove") / "glove.4d.txt"
    vectors = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    write_glove(Embeddings(("red", "circle", "up"), vectors), path)
    return path


def test_words_are_the_directions_that_they_were():
    found = text_encoder("words", wanted())
    direct = WordVectors(["a", "red", "circle", "up"], length=8, width=6)
    assert found.fingerprint == direct.fingerprint
    assert own_width("words", 8) is None


def test_word2vec_is_learned_from_the_captions_or_read_from_a_file(glove):
    learned = train_word2vec(["a red circle", "red up"] * 10, width=6)
    found = text_encoder("word2vec", wanted(learned=lambda: learned))
    assert isinstance(found, WordTable)
    assert (found.name, found.width) == ("word2vec", 6)
    assert own_width("word2vec", 8) is None


def test_a_file_of_vectors_has_a_width_of_its_own(glove):
    found = text_encoder(f"glove:{glove}", wanted())
    assert (found.name, found.width, found.length) == ("glove-glove.4d", 4, 8)
    assert own_width(f"glove:{glove}", 8) == 4
    assert found(["a red circle"])[1].sum() == 3


@pytest.mark.parametrize("kind", ["bert", "t5", "clip", "gpt2"])
def test_a_network_is_read_from_its_folder_and_its_features_are_kept(
    kind, folders, tmp_path, monkeypatch
):
    monkeypatch.setenv("VIDGEN_CACHE", str(tmp_path))
    found = text_encoder(f"{kind}:{folders[kind]}", wanted())
    assert isinstance(found, Remembered)
    assert (found.width, own_width(f"{kind}:{folders[kind]}", 8)) == (16, 16)
    features, _ = found(["a red circle"])
    assert len(list((tmp_path / "text").glob("*.sqlite"))) == 1
    np.testing.assert_array_equal(found(["a red circle"])[0], features)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("wrods", UnknownNameError, "'words'"),
        ("brt:/tmp", UnknownNameError, "'bert'"),
        ("bert", ValueError, "bert:FOLDER"),
        ("glove:", ValueError, "glove:FILE"),
        ("words:file", ValueError, "takes nothing behind a colon"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, error, message):
    for ask in (lambda: text_encoder(name, wanted()), lambda: own_width(name, 8)):
        with pytest.raises(error, match=message):
            ask()


def test_another_network_than_its_name_says_is_refused(folders):
    with pytest.raises(ValueError, match="kind bert, not t5"):
        own_width(f"t5:{folders['bert']}", 8)


def test_all_are_listed_with_what_they_are():
    found = text_encoders()
    assert {"words", "minilm", "word2vec", "glove:FILE", "bert:FOLDER", "t5:FOLDER"} <= set(found)
    assert all(len(summary) > 20 for summary in found.values())
