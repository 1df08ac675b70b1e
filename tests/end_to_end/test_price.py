"""Prices of a finished comparison, timed again."""

import dataclasses
import json
import shutil

import vidgen
from vidgen.cli import main
from vidgen.comparison import catalogue, selection
from vidgen.training import devices_here

RUNS = ("toy/seed-0", "toy-bright/seed-0", "copy-first-frame/seed-0")
SLOW = {"sampling_p50": 9.0, "sampling_p95": 10.0, "sampling_rate": 0.01}


def spoil(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_prices_are_timed_again_and_nothing_else_changes(undisturbed, tmp_path, capsys):
    out = shutil.copytree(undisturbed, tmp_path / "runs")
    elsewhere = {**SLOW, "device": "1 x elsewhere", "neighbours": 0.62}
    for run in RUNS:
        spoil(out / run / "price.json", lambda data: data.update(elsewhere))
    assert main(["report", str(out)]) == 0
    limits = " ".join(json.loads((out / "results.json").read_text())["verdict"]["limits"])
    assert "others took up to 0.62 of its cores (toy, toy-bright)" in limits
    shutil.rmtree(out / "toy-bright/seed-0/checkpoints")

    answered = {run: (out / run / "scores.json").read_bytes() for run in RUNS}
    capsys.readouterr()
    assert main(["price", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "toy seed 0" in printed
    assert "9 s before" in printed
    assert "toy-bright seed 0: not timed, " in printed
    assert "1 runs keep their prices" in printed
    for run in RUNS:
        before = json.loads((undisturbed / run / "price.json").read_text())
        after = json.loads((out / run / "price.json").read_text())
        assert after.keys() == before.keys()
        assert after["asked"] == before["asked"]
        assert after["parameters"] == before["parameters"]
        again = run != "toy-bright/seed-0"
        assert (0 < after["sampling_p50"] < 5) == again
        assert (after["sampling_rate"] > 0.1) == again
        assert (after["device"] == devices_here()) == again
        assert (after["neighbours"] != 0.62) == again
    assert answered == {run: (out / run / "scores.json").read_bytes() for run in RUNS}
    results = json.loads((out / "results.json").read_text())
    assert set(results["sampled_on"]) == {devices_here(), "1 x elsewhere"}
    assert set(results["devices"]) == {devices_here()}
    # What answered before counts as answered: nothing is drawn again.
    assert vidgen.load(out / "toy/seed-0").sample(text=None).shape == (1, 8, 32, 32, 1)


def test_another_question_than_was_answered_is_not_timed(undisturbed, tmp_path, capsys):
    out = shutil.copytree(undisturbed, tmp_path / "runs")
    path = out / "toy/seed-0/price.json"
    spoil(path, lambda data: data["asked"].update(sampler={"noise": 0.7}))
    kept = path.read_bytes()
    assert main(["price", str(out)]) == 0
    assert "toy seed 0: not timed, it answered another question" in capsys.readouterr().out
    assert path.read_bytes() == kept


def test_every_setting_that_was_tried_is_timed_again(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "CHOSEN_BY", (("psnr", "text+image"),))
    swept = dataclasses.replace(
        catalogue.find(experiment).select(generators=["toy"]),
        sweeps={"toy": {"noise": (1, 0)}},
        sweep_prompts=4,
    )
    assert not vidgen.compare(swept, out=tmp_path / "runs").failed
    run = tmp_path / "runs/toy/seed-0"
    chosen = json.loads((run / "selection.json").read_text())
    spoil(run / "price.json", lambda data: data.update(SLOW))
    spoil(
        run / "selection.json", lambda data: [tried.update(price=SLOW) for tried in data["tried"]]
    )
    traced = []
    kind = vidgen.registry.entry("toy").generator
    sample = kind.sample

    def counted(self, params, condition, keys, sampler=None):
        traced.append(condition.batch_size)
        return sample(self, params, condition, keys, sampler)

    counted.__annotations__ = sample.__annotations__
    monkeypatch.setattr(kind, "sample", counted)
    assert main(["price", str(tmp_path / "runs")]) == 0
    after = json.loads((run / "selection.json").read_text())
    assert after["chosen"] == chosen["chosen"] == {"noise": 0.0}
    for tried, before in zip(after["tried"], chosen["tried"], strict=True):
        assert tried["rows"] == before["rows"]
        assert 0 < tried["price"]["sampling_p50"] < 5
    price = json.loads((run / "price.json").read_text())
    assert price["sampling_p50"] == after["tried"][after["chosen_setting"]]["price"]["sampling_p50"]
    assert sorted(set(traced)) == [1, 4]


def test_without_answers_or_weights_it_says_what_is_missing(undisturbed, tmp_path, capsys):
    out = shutil.copytree(undisturbed, tmp_path / "runs")
    for path in out.glob("**/checkpoints"):
        shutil.rmtree(path)
    kept = {path: path.read_bytes() for path in out.glob("**/*") if path.is_file()}
    assert main(["price", str(out)]) == 2
    assert "holds no weights" in capsys.readouterr().err
    # Baselines, which need none, are not timed either.
    assert kept == {path: path.read_bytes() for path in out.glob("**/*") if path.is_file()}
    for path in out.glob("*/seed-0/price.json"):
        path.unlink()
    assert main(["price", str(out)]) == 2
    assert "no run that has answered" in capsys.readouterr().err
