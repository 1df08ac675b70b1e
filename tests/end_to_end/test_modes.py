"""benchmarks/modes.py on a comparison's folder."""

import functools
import json

from vidgen.evaluation import FeatureJudge, InDomainConfig


def test_modes_are_counted_of_each_that_was_trained(
    load_benchmark, undisturbed, tmp_path, monkeypatch, capsys
):
    study = load_benchmark("modes")
    tiny = functools.partial(FeatureJudge, config=InDomainConfig.tiny())
    monkeypatch.setattr(
        study, "FeatureJudge", lambda *args, **asked: tiny(*args, **(asked | tiny.keywords))
    )
    out = tmp_path / "modes.json"
    assert study.main(study.Settings(folder=undisturbed, clips=8, out=out)) == 0
    report = json.loads(out.read_text())
    # Real clips are legible, and eight of them show at most eight of eighty modes.
    assert report["real"]["legible_free"] >= 7 / 8
    assert 1 <= report["real"]["modes_free"] <= 8
    assert report["real"]["modes"] == 80
    # A mean clip shows no digit that moves; and what learns nothing has no line.
    assert [row["generator"] for row in report["trainings"]] == ["toy", "toy-bright"]
    assert {row["modes_free"] for row in report["trainings"]} == {0}
    printed = capsys.readouterr().out
    assert "toy-bright" in printed
    assert "copy-first-frame" not in printed
