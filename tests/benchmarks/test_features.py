"""benchmarks/features.py on tiny clips."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def script(load_benchmark):
    return load_benchmark("features")


@pytest.mark.slow
def test_both_forms_are_timed_and_agree(script, tmp_path, capsys):
    out = tmp_path / "features.json"
    assert script.main(script.Settings(tiny=True, out=out)) == 0
    report = json.loads(out.read_text())
    plain, ours = report["i3d"]["straightforward"], report["i3d"]["vidgen"]
    assert ours["flops"] < plain["flops"]
    assert report["logits_difference"] < 1e-3
    assert report["floor"] == pytest.approx(plain["flops"] / max(report["matmul_peak"]))
    assert "times as fast" in capsys.readouterr().out


def test_names_of_classes(script, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"doing {i}" for i in range(400)) + "\n")
    assert script.class_names(labels)[3] == "doing 3"
    labels.write_text("one\n")
    with pytest.raises(SystemExit, match="400 names, and here are 1"):
        script.class_names(labels)


def test_the_middle_of_a_video(script, tmp_path, write_clip, rising):
    steps, read_steps = rising
    path = write_clip(tmp_path / "clip.mp4", steps(20))
    found = script.middle(path, most=6)
    assert read_steps(found) == list(range(7, 13))
    assert found.dtype == np.uint8
