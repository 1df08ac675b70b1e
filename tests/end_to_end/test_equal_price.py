"""Comparisons on equal FLOPs and at equal parameters, beside the one that asks for them."""

import json

import pytest

from vidgen.cli import main
from vidgen.comparison import further, jobs

PIXELS = 8 * 32 * 32
STEP = 2 * 2 * 4 * PIXELS
"""FLOPs of a step with one feature by hand: of 4 clips, and of their gradient by the features."""


@pytest.mark.slow
def test_equal_prices_are_trained_struck_and_gone_on_with(experiment, tmp_path, capsys):
    out, step = tmp_path / "runs", 2 * STEP
    command = ["compare", experiment, "--out", str(out), "--generators", "toy-wide"]
    command += ["copy-first-frame", "--set", "metrics=oracle", f"equal_flops={9.5 * step}"]
    with pytest.MonkeyPatch.context() as patch:
        judge = jobs._judge

        def strike(run, *arguments, **options):
            if "equal-flops" in str(run.path):
                raise KeyboardInterrupt
            judge(run, *arguments, **options)

        patch.setattr(jobs, "_judge", strike)
        with pytest.raises(SystemExit):
            main([*command, "--equal-parameters", str(3 * PIXELS)])
    sized = json.loads((out / "equal-parameters/experiment.json").read_text())["experiment"]
    assert sized["generators"] == {"toy-wide": {"rate": 0.5, "width": 3}}
    answers = out / "equal-flops/toy-wide/seed-0/samples/test-8.npz"
    answered = answers.stat().st_mtime_ns
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(further, "sized", None)  # what was found is not looked for again
        assert main([*command, "--equal-parameters", str(3 * PIXELS)]) == 0
    assert answers.stat().st_mtime_ns == answered, "neither trained nor drawn anew"

    def cost(run):
        return json.loads((out / run / "seed-0/cost.json").read_text())["phases"]["mean"]

    runs = ("toy-wide", "equal-flops/toy-wide", "equal-parameters/toy-wide")
    assert [cost(run)["model_flops"] for run in runs] == [step, step, 3 * STEP]
    assert [cost(run)["steps"] for run in runs] == [6, 9, 6]
    for inside in ("anchors", "judge", "prompts", "copy-first-frame"):
        assert not (out / "equal-flops" / inside).exists()
    said = capsys.readouterr().out
    assert "once more as toys-equal-flops" in said
    assert "Trained at equal training FLOPs" in said
    assert "Trained at equal parameters (24.6 k)" in said
    assert main([*command, "--equal-parameters", str(5 * PIXELS)]) == 2
    assert "equal_parameters: 24576 became 40960" in capsys.readouterr().err
    assert main([*command, "--equal-parameters", str(3 * PIXELS), "--estimate", "1"]) == 0
    said = capsys.readouterr().out
    assert "toys-equal-parameters: computed" in said
    hours = (6 * step + 9 * step + 6 * 3 * STEP) / 3600
    assert f"All trainings, of every seed, budget and question: {hours:,.2f} hours" in said
