"""Clips longer than training's, asked of a comparison that was finished without them."""

import csv
import json
import shutil

import numpy as np
import pytest

from vidgen.cli import main
from vidgen.comparison import rollouts
from vidgen.evaluation import ClipSet

MADE = {"toy": "chained", "copy-first-frame": "own", "held-out-real": "", "decaying-real": ""}


@pytest.fixture(scope="module")
def rolled(prepared, experiment, undisturbed, tmp_path_factory):
    """The finished comparison, asked again with a horizon, of some and of one that cannot."""
    out = tmp_path_factory.mktemp("rollouts") / "runs"
    shutil.copytree(undisturbed, out)
    names = ["toy", "copy-first-frame", "frozen-prior"]
    command = ["compare", experiment, "--out", str(out), "--generators", *names]
    command += ["--set", "horizon=3"]
    with prepared():
        assert main(command) == 0
    return out, command


def rows_in(folder):
    rows = json.loads((folder / "results.json").read_text())["rows"]
    return [row for row in rows if row["protocol"] == "rollout"]


def test_rows_say_how_long_clips_were_made_and_who_is_left_out(rolled, undisturbed):
    out, _ = rolled
    assert rows_in(undisturbed) == []
    # What was finished before is as it was.
    for file in ("scores.json", "price.json", "cost.json", "samples/test-8.npz"):
        paths = [folder / "toy/seed-0" / file for folder in (out, undisturbed)]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    rows = rows_in(out)
    assert {row["generator"]: row["method"] for row in rows if row["value"] is not None} == MADE
    slopes = {(r["generator"], r["metric"], r["prompts"]): r for r in rows}
    assert {"drift_identity", "drift_sharpness", "drift_psnr"} <= {r["metric"] for r in rows}
    decaying, real = (
        slopes[who, "drift_sharpness", "all"] for who in ("decaying-real", "held-out-real")
    )
    assert decaying["high"] < real["low"]
    absent = slopes["frozen-prior", "drift_identity", "all"]
    assert absent["value"] is None
    assert "frozen-prior has no rollout of its own" in absent["note"]


def test_a_chained_clip_begins_with_the_answer_and_each_link_with_the_last_frame(rolled):
    out, _ = rolled
    run = out / "toy/seed-0"
    short = ClipSet.load(run / "samples/test-8.npz")
    long = ClipSet.load(run / "samples/test-8-24-frames.npz")
    assert (long.video.shape[1], long.captions) == (24, short.captions)
    np.testing.assert_array_equal(long.video[:, :8], short.video)
    # The toy's frames differ by noise alone, which each link draws anew.
    links = [long.video[:, start : start + 7].astype(int) for start in (1, 8, 15)]
    assert all((links[0] != link).mean() > 0.5 for link in links[1:])
    real = ClipSet.load(out / "prompts/test-8-24-frames.npz")
    np.testing.assert_array_equal(real.video[:, :8], ClipSet.load(out / "prompts/test-8.npz").video)


def test_the_report_draws_them_with_the_length_of_training_and_the_method(rolled):
    out, _ = rolled
    page = (out / "report.html").read_text()
    assert "Beyond training's length" in page
    assert "Left out, frozen-prior: frozen-prior has no rollout of its own" in page
    drawn = (out / "figures/rollout-identity-text.svg").read_text()
    for words in ("toy, chained sampling", "training ends at 8", "held-out-real"):
        assert f">{words}</text>" in drawn
    with (out / "tables/rollout-frames.csv").open() as file:
        lines = list(csv.DictReader(file))
    sharp = [
        float(line["value"])
        for line in lines
        if (line["metric"], line["prompts"], line["who"])
        == ("sharpness", "text", "copy-first-frame, own rollout")
    ]
    assert sharp == [0.0] * 24  # black
    with (out / "tables/rollout.csv").open() as file:
        table = {(line["line"], line["column"]): line for line in csv.DictReader(file)}
    wanted = ("toy", "drift_sharpness", "all")
    row = next(r for r in rows_in(out) if (r["generator"], r["metric"], r["prompts"]) == wanted)
    assert float(table["drift_sharpness:all", "toy"]["value"]) == row["value"]


def test_nothing_is_rolled_out_or_judged_twice_and_a_judging_cut_short_goes_on(rolled, monkeypatch):
    out, command = rolled
    monkeypatch.setattr(rollouts, "roll_out", lambda *a, **k: pytest.fail("rolled out again"))
    before = (out / "results.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(rollouts, "judge_rollouts", lambda *a, **k: pytest.fail("judged again"))
        assert main(command) == 0
    assert (out / "results.json").read_bytes() == before
    path = out / "toy/seed-0/rollout.json"
    made = json.loads(path.read_text())
    first = ("asked", "generator", "seed", "method")
    path.write_text(json.dumps({key: made[key] for key in first}))
    assert main(command) == 0
    assert json.loads(path.read_text())["rows"] == made["rows"]


def test_every_number_comes_back_from_disk_with_no_model_in_sight(rolled, monkeypatch):
    out, _ = rolled
    before = (out / "results.json").read_bytes()
    for path in out.glob("*/seed-*/checkpoints"):
        shutil.rmtree(path)
    for path in out.glob("**/rollout.json"):
        data = json.loads(path.read_text())
        path.write_text(json.dumps({**data, "rows": [], "observed": None, "clips": []}))
    assert main(["report", str(out), "--recompute"]) == 0
    assert (out / "results.json").read_bytes() == before


def test_one_folder_has_one_horizon(rolled, capsys):
    _, command = rolled
    assert main([*command[:-1], "horizon=2"]) == 2
    assert "horizon: 3 became 2" in capsys.readouterr().err
    assert main([*command[:-1], "horizon=0"]) == 2
    assert "horizon must be at least 1" in capsys.readouterr().err
