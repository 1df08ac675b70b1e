"""The smoke form of experiments whose data set is not here, through the command line.

Those of `digits64` and `babyai` are put together in `tests/comparison/test_experiment.py`.
"""

import json

import pytest

from vidgen.cli import main


@pytest.mark.parametrize(
    ("name", "generators", "source"),
    [
        ("bair64", ("toy", "copy-first-frame"), "stand-in:tfds:bair_robot_pushing_small"),
        ("ucf101_64", ("frozen-prior",), "stand-in:tfds:ucf101/ucf101_1"),
    ],
)
def test_it_goes_from_training_to_the_report_and_says_what_it_is(
    name, generators, source, tmp_path
):
    out = tmp_path / "runs"
    cheap = "metrics=pixel"
    command = ("compare", name, "--smoke", "--out", str(out), "--set", cheap, "--generators")
    assert main([*command, *generators]) == 0
    recorded = json.loads((out / "experiment.json").read_text())["experiment"]
    assert (recorded["name"], recorded["source"]) == (f"{name}-smoke", source)
    page = (out / "report.html").read_text()
    assert f"experiment {name}-smoke" in page
    limits = page[page.index('<div class="limits"') :].partition("</div>")[0]
    stated = f"Clips of moving shapes stand in for {source.removeprefix('stand-in:')}. No number"
    assert stated in limits
    rows = json.loads((out / "results.json").read_text())["rows"]
    assert {*generators, "held-out-real"} <= {row["generator"] for row in rows}


def test_an_estimate_tells_every_phase_and_makes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ("compare", "bair64", "--smoke", "--estimate", "1e12", "--budget", "3600s")
    assert main([*command, "--generators", "gan"]) == 0
    said = capsys.readouterr().out
    assert "adversarial" in said
    assert "computed, not measured" in said
    assert "?" not in said
    assert not list(tmp_path.iterdir())
