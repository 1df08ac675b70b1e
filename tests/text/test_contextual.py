"""Text networks from Hugging Face folders, without PyTorch: files made by hand."""

from __future__ import annotations

import json
import sys
import threading

import numpy as np
import pytest

from vidgen.pretrained import MissingWeightsError, WrongWeightsError
from vidgen.registry import UnknownNameError
from vidgen.text import Contextual, TextEncoder


@pytest.fixture(scope="module", params=["bert", "t5", "clip", "gpt2"])
def encoder(request, folders):
    return Contextual(folders[request.param], length=8)


@pytest.fixture(scope="module")
def bert(folders):
    return Contextual(folders["bert"], length=8)


def test_it_is_a_text_encoder_of_unit_features(encoder):
    assert isinstance(encoder, TextEncoder)
    features, mask = encoder(["a red circle moves up", "", "left"])
    assert features.shape == (3, 8, 16)
    assert features.dtype == np.float32
    assert mask.sum(axis=1).tolist() == [6, 0, 2]
    assert not features[~mask].any()
    np.testing.assert_allclose(np.mean(features[mask] ** 2, axis=-1), 1, rtol=1e-5)
    assert [encoder.tokens(c) for c in ("a red circle moves up", "", " ")] == [6, 0, 0]
    pieces = encoder.pieces("a red circle moves up")
    assert (len(pieces), encoder.pieces("")) == (6, [])
    assert "circle" in "".join(pieces)
    assert np.isfinite(features).all()


def test_a_word_is_read_in_its_sentence(encoder):
    """The same word after others is another vector; after the same ones it is the same."""
    one, other, again = encoder(["red left", "up left", "red left up"])[0]
    assert np.abs(one[1] - other[1]).max() > 1e-2
    if encoder.sizes.kind in ("clip", "gpt2"):  # what comes later is not seen
        np.testing.assert_allclose(one[:2], again[:2], atol=1e-5)
    else:
        assert np.abs(one[1] - again[1]).max() > 1e-2


def test_features_do_not_depend_on_who_is_read_beside(encoder):
    captions = ["a red circle", "moves", "up and left", "red", "circle and circle"] * 5
    together, _ = encoder(captions)
    for n in (0, 2, 4):
        np.testing.assert_array_equal(encoder([captions[n]])[0][0], together[n])
    np.testing.assert_array_equal(together[:5], together[20:])


def test_sentences_have_length_1_and_no_captions_give_nothing(encoder):
    vectors = encoder.sentences(["a red circle", "up"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert encoder.sentences([]).shape[0] == 0
    assert encoder([])[0].shape == (0, 8, 16)
    assert encoder.hidden_states(["up"]).shape == (1, 3, 8, 16)


def test_threads_may_read_at_once(bert):
    expected, _ = bert(["a red circle"])
    found = []
    readers = [
        threading.Thread(target=lambda: found.append(bert(["a red circle"])[0])) for _ in range(4)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(found) == 4
    for one in found:
        np.testing.assert_array_equal(one, expected)


def test_the_fingerprint_is_of_the_files_and_not_of_their_place(
    bert, bert_weights, write_folder, tmp_path
):
    copy = write_folder(tmp_path / "elsewhere")
    assert Contextual(copy, length=8).fingerprint == bert.fingerprint
    assert Contextual(copy, length=9).fingerprint != bert.fingerprint
    told = json.loads((copy / "tokenizer.json").read_text())
    told["model"]["vocab"]["purple"] = 10
    (copy / "tokenizer.json").write_text(json.dumps(told))
    assert Contextual(copy, length=8).fingerprint != bert.fingerprint
    changed = bert_weights()
    changed["embeddings.LayerNorm.bias"] = changed["embeddings.LayerNorm.bias"] + 1
    other = write_folder(tmp_path / "other", weights=changed)
    assert Contextual(other, length=8).fingerprint != bert.fingerprint


def test_a_caption_of_too_many_tokens_is_refused_with_what_to_set(bert):
    with pytest.raises(ValueError, match=r"9 tokens.*takes 8.*task\.text_length=9"):
        bert(["up " * 8])


def test_a_lone_string_is_no_list_of_captions(bert):
    with pytest.raises(Exception, match=r"list of captions|violates type hint"):
        bert("up")


def test_keys_that_do_not_fit_are_named_all_at_once(bert_weights, write_folder, tmp_path):
    weights = bert_weights()
    del weights["encoder.layer.1.output.dense.bias"]
    weights["encoder.layer.0.extra"] = np.zeros(3, np.float32)
    weights["embeddings.LayerNorm.weight"] = np.zeros(5, np.float32)
    weights["pooler.dense.bias"] = np.zeros(3, np.float32)  # of no matter, and not complained of
    folder = write_folder(tmp_path / "wrong", weights=weights)
    with pytest.raises(WrongWeightsError) as caught:
        Contextual(folder, length=8)
    message = str(caught.value)
    assert message.startswith("3 keys do not fit")
    for line in (
        "missing encoder.layer.1.output.dense.bias (16,)",
        "unexpected encoder.layer.0.extra (3,)",
        "wrong shape embeddings.LayerNorm.weight (5,), not (16,)",
    ):
        assert line in message


def test_keys_may_have_the_prefix_of_a_larger_network(bert, bert_weights, write_folder, tmp_path):
    weights = {f"bert.{k}": v for k, v in bert_weights().items()}
    weights["cls.predictions.bias"] = np.zeros(12, np.float32)
    # As older files name what a normalisation has.
    for new, old in (("weight", "gamma"), ("bias", "beta")):
        norm = "bert.embeddings.LayerNorm"
        weights[f"{norm}.{old}"] = weights.pop(f"{norm}.{new}")
    folder = write_folder(tmp_path / "larger", weights=weights)
    found, _ = Contextual(folder, length=8)(["a red circle"])
    np.testing.assert_array_equal(found, bert(["a red circle"])[0])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(name, write_folder, tmp_path):
    folder = write_folder(tmp_path / "half")
    (folder / name).unlink()
    with pytest.raises(MissingWeightsError, match=name):
        Contextual(folder, length=8)


def test_networks_that_are_not_ported_are_refused(write_folder, tmp_path):
    folder = write_folder(tmp_path / "bart")
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    with pytest.raises(UnknownNameError, match="'bert'"):
        Contextual(folder, length=8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "mish"}, "'mish' is not known"),
        ({"is_decoder": True}, "is_decoder=True, not False"),
    ],
)
def test_configurations_that_are_not_ported_are_refused(
    change, message, configs, write_folder, tmp_path
):
    folder = write_folder(tmp_path / "odd")
    (folder / "config.json").write_text(json.dumps({**configs["bert"], **change}))
    with pytest.raises(WrongWeightsError, match=message):
        Contextual(folder, length=8)


def test_more_tokens_than_there_are_places_are_refused(folders):
    with pytest.raises(ValueError, match=r"places for 16 tokens, and 17.*text_length"):
        Contextual(folders["bert"], length=17)
    Contextual(folders["t5"], length=17)


def test_another_kind_than_asked_is_refused(folders):
    with pytest.raises(ValueError, match="kind bert, not gpt2"):
        Contextual(folders["bert"], length=8, kind="gpt2")


def test_without_transformers_it_says_what_to_install(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingWeightsError, match=r"pip install 'vidgen\[text\]'"):
        Contextual(folders["bert"], length=8)
