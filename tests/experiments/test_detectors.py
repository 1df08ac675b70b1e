import json

import pytest

from vidgen.evaluation.detection import PRECISIONS, DetectorConfig


@pytest.fixture(scope="module")
def detectors(load_experiment):
    return load_experiment("detectors")


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_detector_gets_a_line_of_what_it_learned(detectors, seeds, tmp_path, capsys):
    settings = detectors.Settings(
        worlds=("digits",),
        detectors=("single-stage",),
        seeds=seeds,
        config=DetectorConfig(width=16, steps=30, batch_size=16, clips=256),
        clips=16,
        prompts=16,
        resamples=5,
        folder=tmp_path,
        out=tmp_path / "detectors.json",
    )
    assert detectors.main(settings) == 0
    (row,) = json.loads(settings.out.read_text())["rows"]
    assert (row["world"], row["detector"], row["seeds"]) == ("digits", "single-stage", len(seeds))
    assert (row["clips"], row["frames"]) == (16, 128)
    for name in PRECISIONS:
        value, low, high = row[name]
        assert low <= value <= high
        assert 0 <= value <= 1
    assert row["mask AP"][0] <= row["mask AP50"][0]
    for name in ("agreement on real clips", "agreement on broken clips"):
        value, low, high = row[name]
        assert 0 <= low <= value <= high <= 1
    assert row["worst kind"][0] in row["agreement"]
    assert row["parameters"] > 1000
    assert row["frames_per_second"] > 0
    assert sorted(path.stem for path in tmp_path.glob("*.npz")) == [
        f"digits-single-stage-{seed}" for seed in seeds
    ]
    table = capsys.readouterr().out
    assert "single-stage" in table
    assert f"{row['parameters']:,}" in table
