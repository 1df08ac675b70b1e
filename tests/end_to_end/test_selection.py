"""Sampler settings chosen on validation prompts, and combinations that training left out."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import vidgen
from vidgen.cli import main
from vidgen.comparison import catalogue, selection
from vidgen.evaluation import ClipSet


@pytest.fixture
def toys_alone(experiment):
    """The experiment with one toy."""
    return catalogue.find(experiment).select(generators=["toy"])


@pytest.mark.slow
def test_settings_are_chosen_on_validation_prompts_and_answer_the_test_once(
    toys_alone, tmp_path, monkeypatch
):
    from vidgen import registry

    toy = registry.entry("toy").generator
    sample, traced = toy.sample, []

    def counted(self, params, condition, keys, sampler=None):
        traced.append(condition.batch_size)
        return sample(self, params, condition, keys, sampler)

    counted.__annotations__ = sample.__annotations__
    monkeypatch.setattr(toy, "sample", counted)
    monkeypatch.setattr(selection, "CHOSEN_BY", (("psnr", "text+image"),))
    swept = dataclasses.replace(
        toys_alone, sweeps={"toy": {"noise": (1, 0, 0.5)}}, sweep_prompts=4, answer_batch=4
    )
    found = vidgen.compare(swept, out=tmp_path / "runs")
    assert not found.failed
    run = tmp_path / "runs/toy/seed-0"
    record = json.loads((run / "selection.json").read_text())
    assert (record["chosen"], record["chosen_setting"]) == ({"noise": 0.0}, 1)
    assert (record["protocol"], record["metric"]) == ("validation-4", "psnr")
    psnr = [
        next(r["value"] for r in tried["rows"] if r["metric"] == "psnr")
        for tried in record["tried"]
    ]
    assert max(psnr) == psnr[1]
    prices = [tried["price"] for tried in record["tried"]]
    assert all(0 < price["sampling_p50"] <= price["sampling_p95"] for price in prices)
    assert (tmp_path / "runs/figures/settings-psnr.svg").exists()
    # Noise is traced: three settings and the test prompts share one program a batch size.
    assert traced.count(4) == 1
    validation = ClipSet.load(tmp_path / "runs/prompts/validation-4.npz")
    assert validation.source == "digits/validation"
    kept = [ClipSet.load(run / f"samples/validation-4-setting-{i}.npz") for i in range(3)]
    assert all(clips.captions == validation.captions for clips in kept)
    test = ClipSet.load(run / "samples/test-8.npz")
    assert (test.video[0, 1] == test.video[1, 1]).all()  # the mean clip, without any noise

    model = vidgen.load(run)
    one, other = (model.sample(text=None, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(one, other)

    monkeypatch.setattr(selection, "answer", lambda *a, **k: pytest.fail("answered again"))
    (run / "samples/test-8.npz").unlink()
    (run / "scores.json").unlink()
    assert not vidgen.compare(swept, out=tmp_path / "runs").failed
    np.testing.assert_array_equal(ClipSet.load(run / "samples/test-8.npz").video, test.video)


@pytest.mark.slow
def test_combinations_that_training_left_out_are_asked_of_trainings_without_them(
    toys_alone, tmp_path
):
    out = tmp_path / "runs"
    alone = dataclasses.replace(toys_alone, compositional=True)
    found = vidgen.compare(alone, out=out)
    assert not found.failed
    rows = [r for r in found.results.rows if (r.generator, r.metric) == ("toy", "oracle_success")]
    assert {row.protocol for row in rows} == {"test", "compositional"}
    assert (
        found.results.one("held-out-real", "oracle_success", protocol="compositional").value > 0.5
    )
    asked = ClipSet.load(out / "compositional/prompts/compositional-test-8.npz")
    whole = json.loads((out / "compositional/experiment.json").read_text())["experiment"]
    assert (whole["train_split"], asked.source) == (
        "compositional-train",
        "digits/compositional-test",
    )
    train = vidgen.data.source("digits", split="compositional-train", motion="diagonal")
    learned = {(c.truth.identity, c.truth.motion) for c in (train[i] for i in range(300))}
    assert not learned & set(zip(asked.truth.identity, asked.truth.motion, strict=True))
    assert any("their training left out" in words for words in found.verdict.findings)

    # Everything is there again from the clips on disk, with no model in sight.
    for path in out.glob("**/checkpoints"):
        shutil.rmtree(path)
    before = (out / "results.json").read_bytes()
    assert main(["report", str(out), "--recompute"]) == 0
    assert (out / "results.json").read_bytes() == before
