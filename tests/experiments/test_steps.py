"""experiments/steps.py with a model that has just been trained, for a few steps."""

import json

import pytest

from vidgen.cli import main


@pytest.fixture(scope="module")
def steps(load_experiment):
    return load_experiment("steps")


@pytest.mark.slow
def test_every_setting_answers_the_same_prompts(steps, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = ("--smoke", "--generators", "meanflow")
    assert main(["compare", "quick", *few, "--out", "run"]) == 0
    assert main(["export", "run/meanflow/seed-0", "--out", "tiny.safetensors"]) == 0
    monkeypatch.setattr(steps, "SETTINGS", {"meanflow": ({"steps": 1}, {"steps": 3})})
    asked = steps.Settings(models=("tiny.safetensors",), prompts=6, timed=2)
    assert steps.main(asked) == 0
    one, three = json.loads((tmp_path / "steps.json").read_text())["rows"]
    assert [one["setting"], three["setting"]] == ["steps=1", "steps=3"]
    for row in (one, three):
        for kind in ("text", "text + frame"):
            n, value, low, high = row[kind]
            assert n == 3
            assert 0 <= low <= value <= high <= 1
        assert row["psnr"][0] > 0
        assert row["milliseconds"] > 0
    assert one["psnr"] != three["psnr"]
    assert "steps=3" in capsys.readouterr().out


def test_without_models_it_says_what_to_do(steps, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(steps.zoo, "names", lambda: ("gan-camera",))
    assert steps.main(steps.Settings(out=tmp_path / "steps.json")) == 1
    assert "--models" in capsys.readouterr().err
    with pytest.raises(ValueError, match="vidgen export"):
        steps.main(steps.Settings(models=("zoo:gan-camera",), out=tmp_path / "steps.json"))
    assert not list(tmp_path.iterdir())
