import numpy as np
import pytest

from vidgen.text import TextEncoder, WordVectors, words

VOCABULARY = ("the", "digit", "3", "is", "moving", "up", ".")


@pytest.fixture(scope="module")
def encoder():
    return WordVectors(VOCABULARY, length=7, width=64)


def test_it_is_a_text_encoder(encoder):
    assert isinstance(encoder, TextEncoder)


def test_words_split_punctuation_and_ignore_case():
    assert words("The digit 5 is moving up then down.") == words(
        "the digit 5 is moving up then down ."
    )


def test_padding_is_zero_and_masked(encoder):
    features, mask = encoder(["the digit", ""])
    assert features.dtype == np.float32
    assert features.shape == (2, 7, 64)
    assert mask.tolist() == [[True, True] + [False] * 5, [False] * 7]
    assert not features[~mask].any()
    assert features[mask].all()


def test_no_captions_give_an_empty_batch(encoder):
    features, mask = encoder([])
    assert features.shape == (0, 7, 64)
    assert mask.shape == (0, 7)


def test_vectors_have_unit_rms_and_are_nearly_orthogonal():
    vocabulary = [f"w{n}" for n in range(40)]
    vectors = WordVectors(vocabulary, length=1, width=256)(vocabulary)[0][:, 0]
    gram = vectors @ vectors.T / 256
    np.testing.assert_allclose(np.diag(gram), 1.0, rtol=1e-5)
    # 780 pairs of standard deviation 1/16: five of them are never reached by chance.
    assert np.abs(gram - np.eye(40)).max() < 5 / 16


def test_a_vector_depends_on_its_word_and_the_seed_alone(encoder):
    other = WordVectors(["zebra", "digit"], length=1, width=64)
    np.testing.assert_array_equal(encoder(["digit"])[0][0, 0], other(["digit"])[0][0, 0])
    reseeded = WordVectors(VOCABULARY, length=7, width=64, seed=1)
    assert not np.array_equal(encoder(["digit"])[0], reseeded(["digit"])[0])


def test_vectors_are_the_same_on_every_machine():
    vector = WordVectors(["digit"], length=1, width=4)(["digit"])[0][0, 0]
    np.testing.assert_allclose(vector, [1.142086, -1.313535, 0.984169, -0.040952], rtol=1e-5)


def test_the_fingerprint_covers_everything_but_order(encoder):
    def same(vocabulary=VOCABULARY, length=7, width=64, seed=0):
        made = WordVectors(vocabulary, length=length, width=width, seed=seed)
        return made.fingerprint == encoder.fingerprint

    assert same(VOCABULARY[::-1] + VOCABULARY)
    assert not same(VOCABULARY[1:])
    assert not same(length=8)
    assert not same(width=32)
    assert not same(seed=1)


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("the digti", r"'digti'.*did you mean 'digit'"),
        ("the xylophone", r"'xylophone'.*known words: \., 3, digit"),
        ("the digit 3 is moving up up up", "8 words and the encoder takes 7"),
        ("up " * 50_000, "50000 words"),
    ],
)
def test_a_caption_it_cannot_take_is_refused(encoder, caption, message):
    with pytest.raises(ValueError, match=message) as caught:
        encoder([caption])
    assert len(str(caught.value)) < 300


def test_a_lone_string_is_no_list_of_captions(encoder):
    with pytest.raises(Exception, match=r"list of captions|violates type hint"):
        encoder("the digit")


@pytest.mark.parametrize(
    ("vocabulary", "length", "width"),
    [([], 1, 1), (["two words"], 1, 1), (["Upper"], 1, 1), (["a"], 0, 1), (["a"], 1, 0)],
)
def test_senseless_tables_are_refused(vocabulary, length, width):
    with pytest.raises(ValueError, match=r"at least|single word"):
        WordVectors(vocabulary, length=length, width=width)
