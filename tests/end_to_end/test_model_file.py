"""A trained generator as one file: written, read, and refused where it is not what it says."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import vidgen
from vidgen import registry, zoo
from vidgen.comparison import model_file
from vidgen.comparison.folder import ComparisonFolder, read_json
from vidgen.comparison.jobs import restored
from vidgen.comparison.model_file import ModelFileError
from vidgen.evaluation.arrays import arrays_digest
from vidgen.registry import UnknownNameError, entry

SENTENCE = "the digit 3 is moving up and left"


@pytest.fixture(scope="module")
def file(model_files):
    return model_files["toy"]


def rewritten(file, path, change):
    """A copy whose arrays and metadata were changed."""
    arrays, about = load_file(file), json.loads(model_file_metadata(file))
    change(arrays, about)
    save_file(arrays, path, metadata={"vidgen": json.dumps(about)})
    return path


def model_file_metadata(file):
    from safetensors import safe_open

    with safe_open(file, "np") as opened:
        return opened.metadata()["vidgen"]


def resealed(arrays, about):
    """As one who makes a file up would."""
    about.pop("digest")
    about["digest"] = arrays_digest(arrays, header=json.dumps(about, sort_keys=True).encode())


@pytest.mark.fault(15)
def test_weights_that_are_not_finite_are_refused(file, tmp_path):
    def change(arrays, about):
        arrays["mean/mean"][0, 0, 0, 0] = np.nan
        resealed(arrays, about)

    with pytest.raises(ModelFileError, match="not finite"):
        vidgen.load(rewritten(file, tmp_path / "other.safetensors", change))


def test_a_model_file_draws_what_its_run_draws_but_for_rounding(undisturbed, file):
    run, model = vidgen.load(undisturbed / "toy" / "seed-0"), vidgen.load(file)
    assert model.name == "toy"
    assert model.task == run.task
    clips = model.sample(text=[SENTENCE, None], seed=3)
    off = np.abs(clips.astype(int) - run.sample(text=[SENTENCE, None], seed=3))
    assert off.max() <= 1
    assert off.mean() < 0.1  # or something other than rounding lies between them


def test_the_card_says_what_it_is_and_what_its_rounded_weights_came_to(undisturbed, file):
    card = model_file.read_card(file)
    assert (card.generator, card.source, card.seed) == ("toy", "digits", 0)
    assert card.faults == "stands still"
    assert card.cost["steps"] == 6
    assert card.command == "vidgen train toys.py toy --budget 6steps --seeds 0"
    assert SENTENCE in card.sentences
    assert card.parameters == 8 * 32 * 32
    scored = read_json(ComparisonFolder.at(undisturbed).run("toy", 0).scores)["rows"]
    before = next(
        row["value"]
        for row in scored
        if (row["metric"], row["prompts"]) == ("oracle_success", "text")
    )
    row = card.score("oracle_success", "text")
    assert row["value"] == before
    assert row["n"] > 0
    assert "stands still" in model_file.described(card)


def test_weights_are_halved(file):
    assert {array.dtype for array in load_file(file).values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, m: a["mean/mean"].__setitem__((0, 0, 0, 0), 9), "is damaged"),
        (lambda a, m: m.update(schema_version=99), "update vidgen"),
        (lambda a, m: m.update(faults="none"), "is damaged"),
        (lambda a, m: m.update(task={"frames": -1}), "does not fit this version"),
        (lambda a, m: m.update(colour="red"), "no field 'colour'"),
        (lambda a, m: m.pop("digest"), "a card that vidgen did not write"),
    ],
)
@pytest.mark.fault(15)
def test_a_file_that_is_not_what_it_says_is_refused(file, tmp_path, change, message):
    with pytest.raises(ModelFileError, match=message):
        vidgen.load(rewritten(file, tmp_path / "other.safetensors", change))


@pytest.mark.fault(15)
def test_every_key_that_does_not_fit_is_named_at_once(file, tmp_path):
    def change(arrays, about):
        arrays["mean/other"] = arrays.pop("mean/mean")
        resealed(arrays, about)

    path = rewritten(file, tmp_path / "other.safetensors", change)
    with pytest.raises(ModelFileError, match=r"(?s)missing mean/mean.*unexpected mean/other"):
        vidgen.load(path)


@pytest.mark.fault(15)
@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 64])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="no readable safetensors"):
        vidgen.load(path)


@pytest.mark.fault(15)
def test_a_card_of_which_no_network_is_built_is_refused_by_its_file(file, tmp_path, monkeypatch):
    def fails(self, config, task):
        raise ZeroDivisionError("no width")

    monkeypatch.setattr(entry("toy").generator, "__init__", fails)
    registry._built.cache_clear()  # of the toy that another test has built
    with pytest.raises(ModelFileError, match=r"toy\.safetensors does not fit.*no width"):
        vidgen.load(file)


@pytest.mark.fault(15)
def test_a_file_without_what_drawing_reads_is_refused(file, tmp_path):
    def change(arrays, about):
        arrays.pop("mean/mean")
        resealed(arrays, about)

    with pytest.raises(ModelFileError, match="lacks mean, which drawing reads"):
        vidgen.load(rewritten(file, tmp_path / "other.safetensors", change))


def test_weights_without_a_card_and_files_that_are_absent_are_refused(tmp_path):
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "bare.safetensors")
    with pytest.raises(ModelFileError, match="vidgen export"):
        vidgen.load(tmp_path / "bare.safetensors")
    with pytest.raises(ModelFileError, match="there is no model file"):
        vidgen.load(tmp_path / "absent.safetensors")
    with pytest.raises(UnknownNameError, match="no model of the zoo"):
        vidgen.load("zoo:absent")


def test_what_only_later_phases_began_from_is_left_out(
    prepared, undisturbed, tmp_path, monkeypatch
):
    def with_a_beginning(job, setting):
        generator, params, sampler = restored(job, setting)
        return generator, {"beginning": {"w": np.ones(9, np.float32)}, **params}, sampler

    monkeypatch.setattr(model_file, "restored", with_a_beginning)
    path = tmp_path / "model.safetensors"
    with prepared():
        card = model_file.export(undisturbed / "toy" / "seed-0", path)
    assert set(load_file(path)) == {"mean/mean"}
    assert card.parameters == 8 * 32 * 32


def test_export_refuses_before_it_works(undisturbed, tmp_path):
    run = undisturbed / "toy" / "seed-0"
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        model_file.export(run, tmp_path / "model.npz")
    with pytest.raises(ValueError, match="does not exist"):
        model_file.export(run, tmp_path / "absent" / "model.safetensors")


def test_every_model_of_the_zoo_has_a_card_of_its_name():
    for name in zoo.names():
        card = model_file.read_card(zoo.path(name))
        assert name == f"{card.generator}-{card.source}"
        assert card.faults
        assert card.scores


def test_longer_clips_go_on_from_their_own_end_and_shorter_ones_are_a_beginning(file):
    model = vidgen.load(file)
    image = np.full((32, 32), 200, np.uint8)
    usual = model.sample(SENTENCE, image=image, seed=1)
    longer = model.sample(SENTENCE, image=image, seed=1, frames=17)
    assert longer.shape == (1, 17, 32, 32, 1)
    np.testing.assert_array_equal(longer[:, :8], usual)
    assert (longer[0, 8] != longer[0, 1]).any()  # another draw
    np.testing.assert_array_equal(
        model.sample(SENTENCE, image=image, seed=1, frames=3), usual[:, :3]
    )
    with pytest.raises(ValueError, match="at least one frame"):
        model.sample(SENTENCE, frames=0)
    assert model.frames(3) == 24
    assert model.frames(0.01) == 1
    with pytest.raises(ValueError, match="a seed is a whole number of 64 bits"):
        model.sample(SENTENCE, seed=2**63)
    with pytest.raises(ValueError, match="lasts up to 60 s"):
        model.frames(float("nan"))
