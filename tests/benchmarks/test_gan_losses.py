"""benchmarks/gan_losses.py in its tiny form, and what it makes of a training's course."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def study(load_benchmark):
    return load_benchmark("gan_losses")


@pytest.mark.slow
def test_the_tiny_form_trains_judges_and_prints(study, tmp_path, capsys):
    out = tmp_path / "losses.json"
    settings = study.Settings(
        losses=("wgan-gp",),
        motions=("transformer",),
        augment=("colour", "translation", "cutout"),
        seeds=(0, 1),
        tiny=True,
        out=out,
    )
    assert study.main(settings) == 0
    report = json.loads(out.read_text())
    # Real clips are legible, and eight of them show at most eight of eighty modes.
    assert report["real"]["legible_free"] >= 7 / 8
    assert 1 <= report["real"]["modes_free"] <= 8
    assert report["real"]["modes"] == 80
    first, second = report["trainings"]
    assert (first["seed"], second["seed"], first["steps"]) == (0, 1, 8)
    assert first["skipped"] == 0
    assert first["norm_ratio"] > 0
    assert first["norm_ratio"] != second["norm_ratio"]
    # Eight steps teach nothing that an oracle would pass.
    assert first["success_text"] == {**first["success_text"], "value": 0.0, "n": 4}
    printed = capsys.readouterr().out
    assert printed.count("wgan-gp, transformer") == 3
    assert "mean" in printed


def history(**changes):
    quiet = {
        "loss": np.ones(8),
        "skipped": np.zeros(8),
        "diversity": np.full(8, 0.8),
        "clip_accuracy": np.full(8, 0.5),
        "frame_accuracy": np.ones(8),
        "generator_grad_norm": np.full(8, 3.0),
        "discriminator_grad_norm": np.full(8, 2.0),
    }
    return quiet | {name: np.asarray(value, float) for name, value in changes.items()}


def test_the_course_of_a_training_is_read_in_its_second_half(study):
    quiet = study.stability(history())
    assert quiet == {
        "steps": 8,
        "skipped": 0,
        "collapsed": 0.0,
        "lost": 0.0,
        "diversity_in_training": 0.8,
        "norm_ratio": 1.5,
        "spike_generator": 1.0,
        "spike_discriminator": 1.0,
    }
    late = study.stability(
        history(
            diversity=[0, 0, 0, 0, 0.05, 0.05, 0.05, 0.85],
            clip_accuracy=[1, 1, 1, 1, 1, 0.5, 0.5, 0.5],
            generator_grad_norm=[99, 99, 3, 3, 3, 3, 3, 12],
        )
    )
    assert late["collapsed"] == 0.75
    assert late["lost"] == 0.25
    assert late["spike_generator"] == 4.0
    assert late["diversity_in_training"] == pytest.approx(0.25)


def test_steps_that_are_not_finite_are_counted_and_left_out(study):
    nan = [3, 3, 3, 3, 3, np.nan, 3, 3]
    broken = study.stability(history(generator_grad_norm=nan, skipped=[0] * 5 + [1] * 3))
    assert broken["skipped"] == 1
    assert broken["norm_ratio"] == 1.5
    # Nothing is said of a training that never came to a finite step.
    never = study.stability(history(generator_grad_norm=[np.nan] * 8, skipped=range(1, 9)))
    assert never == {"steps": 8, "skipped": 8}
    assert "-" in study.table([never | {"loss": "hinge", "motion": "gru", "seed": 0}])[1]
