"""A photograph and an idea through the command line, by toys in place of families."""

import dataclasses
import json

import av
import numpy as np
import pytest
from PIL import Image

from vidgen.app import files
from vidgen.app.studio import Studio
from vidgen.cli import main
from vidgen.comparison import Model
from vidgen.comparison.sheet import sheet
from vidgen.registry import UnknownNameError

IDEA = "the digit 3 is moving up and left"


@pytest.fixture(scope="module")
def models(model_files):
    return [str(path) for path in model_files.values()]


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.full((90, 120, 3), 200, np.uint8)).save(path)
    return str(path)


def animate(photograph, idea, models, out, *more):
    return main(["animate", photograph, idea, "--models", *models, "--out", str(out), *more])


def test_every_family_leaves_its_clip_and_a_sheet_shows_them(models, photograph, tmp_path, capsys):
    out = tmp_path / "clips"
    more = ("--seconds", "1.5", "--formats", "mp4", "webp", "--seed", "7", "--fit", "letterbox")
    assert animate(photograph, "digit 3, up and left", models, out, *more) == 0
    said = capsys.readouterr().out
    assert "Understood as: the digit 3 is moving up and left" in said
    assert "the whole photograph" in said
    assert {path.name for path in out.iterdir()} == {
        "animation.json", "sheet.png", "toy.mp4", "toy.webp", "toy-bright.mp4", "toy-bright.webp"
    }  # fmt: skip
    with av.open(str(out / "toy.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
        note = json.loads(container.metadata["comment"])
    assert (note["seed"], note["idea"], note["sentence"]) == (7, "digit 3, up and left", IDEA)
    with Image.open(out / "toy.webp") as image:
        assert image.n_frames == 12
        assert image.width / image.height == pytest.approx(4 / 3, abs=0.05)  # the photograph's
    record = json.loads((out / "animation.json").read_text())
    assert [clip["generator"] for clip in record["clips"]] == ["toy", "toy-bright"]
    assert all(clip["frames"] == 12 and clip["seconds"] > 0 for clip in record["clips"])
    with Image.open(out / "sheet.png") as image:
        assert image.height > 2 * 2 * 24  # two rows of frames
        assert np.asarray(image).std() > 5


def test_the_same_seed_makes_the_same_clips_and_another_others(models, photograph):
    studio = Studio(models)
    first, again, other = (studio.animate(photograph, IDEA, seconds=1, seed=s) for s in (1, 1, 2))
    for one, same, different in zip(first.clips, again.clips, other.clips, strict=True):
        np.testing.assert_array_equal(one.clip, same.clip)
        assert (one.clip != different.clip).any()
    assert [one.is_first for one in first.clips] == [True, True]
    assert [one.is_first for one in again.clips] == [False, False]
    assert (first.clips[0].clip[0] == first.photo.frame).all()


def test_an_example_of_their_own_clips_is_moved_and_what_is_none_is_named(models, tmp_path, capsys):
    out = tmp_path / "clips"
    assert animate("example:3", IDEA, models, out) == 0
    shown = Studio(models).examples[3].picture
    made = Studio(models).animate("example:3", IDEA, seconds=1)
    np.testing.assert_array_equal(made.clips[0].clip[0], shown)
    assert animate("example:flower", IDEA, models, tmp_path / "none") == 2
    assert "no example is called 'flower'" in capsys.readouterr().err


def test_models_of_the_zoo_are_chosen_by_what_they_learned_from(models, tmp_path, capsys):
    shapes = Studio(source="shapes")
    assert {"diffusion", "gan"} <= set(shapes.generators)
    assert (shapes.source, shapes.seconds) == ("shapes", 1.0)
    assert (Studio().source, Studio().seconds) == ("camera", 3.0)
    assert animate("example:0", IDEA, [], tmp_path / "none", "--source", "shape") == 2
    assert "learned from 'shape', but from camera, " in capsys.readouterr().err
    assert animate("example:0", IDEA, models, tmp_path / "none", "--source", "shapes") == 2
    assert "leave out 'shapes', or the models" in capsys.readouterr().err


@pytest.mark.slow
def test_the_zoo_goes_on_from_a_picture_of_another_source(tmp_path):
    out = tmp_path / "clips"
    said = "a green circle is moving up and right"
    asked = ("animate", "example:0", said, "--source", "shapes", "--generators", "gan")
    assert main([*asked, "--out", str(out)]) == 0
    with av.open(str(out / "gan.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 8  # as long as those of training


def test_an_example_says_what_becomes_of_it_only_where_the_models_know_the_sentence(
    models, monkeypatch
):
    studio = Studio(models)
    ideas = [one.idea for one in studio.examples]
    assert all(idea in studio.ideas.sentences for idea in ideas)
    other = Studio(models)
    known = tuple(said for said in studio.ideas.sentences if said != ideas[2])
    monkeypatch.setattr(other.ideas, "sentences", known)
    assert [one.idea for one in other.examples] == [*ideas[:2], "", *ideas[3:]]


def test_only_who_is_asked_draws(models, photograph, tmp_path):
    assert animate(photograph, IDEA, models, tmp_path / "x", "--generators", "toy") == 0
    assert not (tmp_path / "x" / "toy-bright.mp4").exists()
    with pytest.raises(UnknownNameError, match="did you mean 'toy'"):
        Studio(models).chosen(["tou"])


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photograph": "absent.jpg"}, "no picture at absent.jpg"),
        ({"idea": "sing me a song"}, "is no idea that these models know; try"),
        ({"idea": ""}, "the idea is empty"),
        ({"idea": "up " * 1000}, "3,000 characters; at most 300"),
        ({"more": ("--seconds", "0")}, "lasts up to 60 s, got 0"),
        ({"more": ("--seconds", "1e9")}, "lasts up to 60 s"),
        ({"more": ("--formats", "avi")}, "'avi' is no format of clips"),
        ({"more": ("--fit", "stretch")}, "no fit is called 'stretch'"),
        ({"more": ("--generators", "tou")}, "did you mean 'toy'"),
        ({"models": ["absent.safetensors"]}, "there is no model file at absent.safetensors"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_leaves_nothing(
    models, photograph, tmp_path, capsys, change, message
):
    out = tmp_path / "out"
    code = animate(
        change.get("photograph", photograph),
        change.get("idea", IDEA),
        change.get("models", models),
        out,
        *change.get("more", ()),
    )
    assert code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_models_that_do_not_belong_together_are_refused(models):
    with pytest.raises(ValueError, match="two models are of 'toy'"):
        Studio([models[0], models[0]])


def test_a_family_that_fails_costs_the_others_nothing(models, photograph, monkeypatch):
    studio = Studio(models)

    def fail(*_, **__):
        raise ValueError("a video with NaN or Inf cannot be turned into pixels")

    monkeypatch.setattr(studio.model("toy"), "sample", fail)
    made = studio.animate(photograph, IDEA, seconds=1)
    assert made.clips[0].clip is None
    assert "NaN" in made.clips[0].error
    assert made.clips[1].clip is not None

    def swell(*_, **__):
        raise MemoryError

    monkeypatch.setattr(studio.model("toy"), "sample", swell)
    assert studio.animate(photograph, IDEA, seconds=1).clips[0].took == "MemoryError"


def test_no_family_begins_after_the_time_is_over(models, photograph):
    made = Studio(models).animate(photograph, IDEA, seconds=1, limit=0)
    assert [(one.clip, one.is_late) for one in made.clips] == [(None, True)] * 2
    assert made.clips[0].took == "left out: 0 seconds of work were over before its turn"


def test_the_record_names_what_belongs_to_it_and_nothing_else_is_removed(
    models, photograph, tmp_path
):
    out = tmp_path / "clips"
    assert animate(photograph, IDEA, models, out, "--formats", "gif", "--seconds", "0.5") == 0
    assert animate(photograph, IDEA, models[:1], out, "--seconds", "0.5") == 0
    left = {path.name for path in out.iterdir()}
    assert left == {"animation.json", "sheet.png", "toy.mp4", "toy.gif", "toy-bright.gif"}
    record = json.loads((out / "animation.json").read_text())
    assert [clip["files"] for clip in record["clips"]] == [["toy.mp4"]]


def test_a_family_without_a_clip_is_told_and_an_old_record_does_not_outlive_its_clips(
    models, photograph, tmp_path, monkeypatch
):
    out = tmp_path / "clips"
    assert animate(photograph, IDEA, models[:1], out, "--seconds", "0.5") == 0
    drawn = Model.sample

    def fail(self, *args, **how):
        if self.name == "toy-bright":
            raise MemoryError
        return drawn(self, *args, **how)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "sample", fail)
    assert animate(photograph, IDEA, models, out, "--seconds", "0.5") == 1
    record = json.loads((out / "animation.json").read_text())
    assert [clip["error"] for clip in record["clips"]] == ["", "MemoryError"]
    monkeypatch.setattr(files, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
        animate(photograph, IDEA, models[:1], out, "--seconds", "0.5")
    assert not (out / "animation.json").exists()
    assert (out / "toy.mp4").exists()


def test_a_sheet_says_in_letters_that_it_has_what_was_asked(models, photograph, monkeypatch):
    made = Studio(models[:1]).animate(photograph, IDEA, seconds=1)
    said = []

    def drawn(headline, rows):
        said.append(headline)
        return sheet(headline, rows)

    monkeypatch.setattr(files, "drawn", drawn)
    for idea, by in ((IDEA, "sentence"), ("vers le haut, à gauche", "meaning"), ("向上", "words")):
        understood = dataclasses.replace(made.understood, idea=idea, by=by)
        files.sheet(dataclasses.replace(made, understood=understood))
    assert said == [
        f'"{IDEA}", seed 0',
        f'"vers le haut, à gauche", seed 0; understood as: {IDEA}',
        f"{IDEA}, as it was understood; seed 0",
    ]


def test_what_comes_after_a_clip_is_not_asked_all_over_again(models, photograph, monkeypatch):
    """A sentence of two parts is said once; beyond it, the clip goes on with the second."""
    rest = "the digit 3 is moving down"
    monkeypatch.setattr("vidgen.app.studio.onward", {IDEA: rest}.get)
    studio = Studio(models[:1])
    model = studio.model("toy")
    asked, sample = [], model.sample

    def listening(sentence, **how):
        asked.append((sentence, how["image"], how.get("frames")))
        return sample(sentence, **how)

    monkeypatch.setattr(model, "sample", listening)
    clip = studio.animate(photograph, IDEA, seconds=1.5).clips[0].clip
    assert len(clip) == 12
    assert [(sentence, frames) for sentence, _, frames in asked] == [(IDEA, 8), (rest, 5)]
    np.testing.assert_array_equal(asked[1][1], sample(IDEA, image=asked[0][1], seed=0)[0][-1])
