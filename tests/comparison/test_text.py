"""The text encoder of an experiment: which one, how wide, and what is kept of one that learns."""

import dataclasses
import json

import numpy as np
import pytest

from vidgen.cli import main
from vidgen.comparison.experiment import to_json
from vidgen.comparison.folder import ComparisonFolder
from vidgen.comparison.overrides import OverrideError
from vidgen.comparison.question import prepare, resolve, setting_of
from vidgen.comparison.setting import Setting
from vidgen.data import DataMismatchError
from vidgen.pretrained import MissingWeightsError
from vidgen.text import Embeddings, write_glove


def asked(text=None, **changes):
    changes = {"generators": ["copy-first-frame"], **changes}
    generators = changes.pop("generators")
    told = {} if text is None else {"text": text}
    return resolve("quick", generators=generators, changes=told | changes)


@pytest.fixture(scope="module")
def glove(tmp_path_factory):
    path = tmp_path_factory.mktemp("glove") / "vectors.txt"
    rng = np.random.default_rng(0)
    known = ("the", "digit", "is", "moving", "and", *"0123456789", "up", "down", "left", "right")
    write_glove(Embeddings(known, rng.normal(size=(len(known), 5)).astype(np.float32)), path)
    return path


def test_experiments_from_before_there_was_a_choice_are_recorded_as_they_were():
    assert asked().text_encoder == "words"
    assert "text" not in to_json(asked())
    assert to_json(asked("word2vec"))["text"] == "word2vec"


def test_what_people_write_is_read_by_minilm_unless_told_otherwise():
    written = dataclasses.replace(asked(), source="folder:/clips")
    assert written.text_encoder == "minilm"
    assert dataclasses.replace(written, text="words").text_encoder == "words"
    smoke = dataclasses.replace(written, text="glove:/nowhere").smoke()
    assert (smoke.source, smoke.text_encoder) == ("stand-in:folder:/clips", "words")


def test_an_encoder_with_a_width_of_its_own_decides_that_of_the_task(glove):
    assert asked().task.text_width == 32
    experiment = asked(f"glove:{glove}")
    assert experiment.task.text_width == 5
    with_folder = Setting(experiment, ComparisonFolder.at("nowhere"))
    assert with_folder.encoder.width == 5
    with_folder.check_training()


def test_missing_weights_are_told_before_anything_is_written():
    with pytest.raises(MissingWeightsError, match=r"nowhere\.txt"):
        asked("glove:nowhere.txt")


def test_what_word2vec_learned_is_kept_for_all_jobs_and_read_again(tmp_path, monkeypatch):
    experiment = asked("word2vec")
    prepare(experiment, tmp_path / "run")
    kept = ComparisonFolder.at(tmp_path / "run").word_vectors
    assert kept.exists()
    monkeypatch.setattr("vidgen.text.train_word2vec", lambda *a, **k: pytest.fail("learned again"))
    again = setting_of(ComparisonFolder.at(tmp_path / "run"))
    assert again.encoder.width == 32
    assert "digit" in again.encoder.vocabulary
    features, mask = again.encoder(["the digit 3 is moving up"])
    assert mask.sum() == 6
    np.testing.assert_allclose(np.mean(features[mask] ** 2, axis=-1), 1, rtol=1e-5)
    record = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert record["experiment"]["text"] == "word2vec"


def test_a_refused_comparison_leaves_no_vectors_behind(tmp_path):
    experiment = asked("word2vec", **{"task.text_length": 7})
    with pytest.raises(DataMismatchError, match=r"set task\.text_length=9"):
        prepare(experiment, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_line_takes_an_encoder_of_another_width(glove, tmp_path, capsys):
    asked_for = ["compare", "quick", "--smoke", "--generators", "frozen-prior", "--print-jobs"]
    asked_for += ["--out", str(tmp_path / "run"), "--set", f"text=glove:{glove}"]
    assert main(asked_for) == 0, capsys.readouterr().err
    record = json.loads((tmp_path / "run" / "experiment.json").read_text())["experiment"]
    assert record["text"] == f"glove:{glove}"
    assert record["task"]["text_width"] == 5


def test_another_width_than_the_encoder_s_is_refused(glove):
    with pytest.raises(OverrideError, match=r"width of its own, 5; leave task\.text_width away"):
        asked(f"glove:{glove}", **{"task.text_width": "7"})
    assert asked(f"glove:{glove}", **{"task.text_width": "5"}).task.text_width == 5
