"""experiments/photograph.py before one photograph, by the quickest model of the zoo."""

import json

import pytest

from vidgen.data import camera_photographs


@pytest.fixture(scope="module")
def photograph(load_experiment):
    return load_experiment("photograph")


def settings(photograph, folder, **changes):
    asked = {
        "models": ("zoo:gan-camera",),
        "photographs": (camera_photographs.shipped("flower"),),
        "seconds": (2.0,),
        "folder": folder,
    }
    return photograph.Settings(**asked | changes)


@pytest.mark.slow
def test_ideas_are_judged_as_a_person_means_them(photograph, tmp_path, monkeypatch, capsys):
    ideas = {
        "slowly zoom in": "slow zoom in",
        "hold still": "hold still",
        "pan right": "medium pan left",  # meant otherwise than it is understood
        "make it rain": "medium tilt up",
    }
    monkeypatch.setattr(photograph, "IDEAS", ideas)
    assert photograph.main(settings(photograph, tmp_path)) == 0
    report = json.loads((tmp_path / "photograph.json").read_text())
    assert report["misread"] == {"pan right": "medium pan right", "make it rain": ""}
    by = {row["generator"]: row for row in report["rows"]}
    assert set(by) == {"gan", photograph.STILL}
    assert by[photograph.STILL]["ideas"] == {idea: float(idea == "hold still") for idea in ideas}
    gan = by["gan"]
    assert gan["ideas"]["make it rain"] == gan["ideas"]["pan right"] == 0
    assert gan["ideas"]["slowly zoom in"] == 1
    value, low, high = gan["success"]
    assert 0 < low < value < high < 1
    assert gan["photographs"] == [value]
    assert gan["seconds a clip"] > 0
    assert (tmp_path / "flower-gan-2s.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert "'make it rain': refused" in said
    assert "'pan right': medium pan right" in said


def test_photographs_of_one_name_are_refused(photograph, tmp_path):
    one = camera_photographs.shipped("flower")
    with pytest.raises(ValueError, match="the same name"):
        photograph.main(settings(photograph, tmp_path / "x", photographs=(one, one)))
    assert not (tmp_path / "x").exists()
