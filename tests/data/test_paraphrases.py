import numpy as np
import pytest

from vidgen.data import source
from vidgen.text import WordVectors, words

SOURCES = [("digits", {}), ("shapes", {"sizes": True}), ("digits", {"motion": "mage-double"})]


@pytest.mark.parametrize(("name", "options"), SOURCES)
def test_paraphrases_tell_the_same_clips_in_sentences_that_training_never_hears(name, options):
    told = source(name, split="test", wordings=5, **options)
    otherwise = source(name, split="test", wordings=5, paraphrased=True, **options)
    heard = {told[i].caption for i in range(400)}
    for index in range(40):
        one, other = told[index], otherwise[index]
        np.testing.assert_array_equal(one.video, other.video)
        assert (one.truth.identity, one.truth.motion) == (other.truth.identity, other.truth.motion)
        assert other.caption not in heard
    assert told.fingerprint != otherwise.fingerprint


@pytest.mark.parametrize(("name", "options"), SOURCES)
def test_an_encoder_of_the_vocabulary_of_training_reads_paraphrases(name, options):
    train = source(name, split="train", wordings=5, **options)
    otherwise = source(name, split="test", wordings=5, paraphrased=True, **options)
    assert train.vocabulary == otherwise.vocabulary
    assert train.max_words == otherwise.max_words
    encoder = WordVectors(train.vocabulary, length=train.max_words, width=4)
    encoder([otherwise[i].caption for i in range(100)])


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_paraphrases_have_words_of_their_own(name):
    told = source(name, split="train", wordings=5)
    otherwise = source(name, split="train", wordings=5, paraphrased=True)
    heard = {word for i in range(400) for word in words(told[i].caption)}
    new = {word for i in range(400) for word in words(otherwise[i].caption)} - heard
    assert {"slides", "glides", "heads", "upwards"} <= new


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_one_wording_is_what_it_was(name):
    alone, same = source(name), source(name, wordings=1)
    assert alone.vocabulary == same.vocabulary
    assert "slides" not in alone.vocabulary
    assert alone.fingerprint == same.fingerprint


@pytest.mark.parametrize("name", ["digits", "shapes"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wordings": 0}, r"\[1, 5\], got 0"),
        ({"wordings": 6}, r"\[1, 5\], got 6"),
        ({"paraphrased": True}, "wordings=2 or more"),
    ],
)
def test_wordings_that_there_are_not_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        source(name, **options)
