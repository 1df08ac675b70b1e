"""benchmarks/coverage.py in its tiny mode, and what it must notice."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def coverage(load_benchmark):
    return load_benchmark("coverage")


def test_the_tiny_mode_prints_and_writes_every_finding(coverage, tmp_path, capsys):
    out = tmp_path / "coverage.json"
    assert coverage.main(["--tiny", "--out", str(out)]) == 0
    found = json.loads(out.read_text())["findings"]
    assert len(found) == sum(len(numbers) for _, _, _, numbers, _ in coverage.TRIALS)
    assert len(found) == len(capsys.readouterr().out.splitlines())
    assert all(row["low"] <= row["share"] <= row["high"] for row in found)
    seeds = {row["seeds"] for row in found if row["name"] == "t over seeds"}
    assert seeds == {3, 5, 7}
    never = [row for row in found if (row["expected"] or "").endswith("it never rejects")]
    assert [row["share"] for row in never] == [0.0] * 3


def test_intervals_cover_and_the_paired_test_keeps_its_level(coverage, monkeypatch):
    kept = ("t over seeds", "paired over prompts within seeds", "paired test over prompts")
    trials = [(*t[:3], (5,), t[4]) for t in coverage.TRIALS if t[0] in kept]
    monkeypatch.setattr(coverage, "TRIALS", trials)
    for finding in coverage.measure(300):
        # Four standard errors of 300 repetitions about the nominal share.
        nominal = 0.95 if finding.kind == "interval" else 0.05
        assert abs(finding.share - nominal) < 4 * np.sqrt(0.05 * 0.95 / 300), finding


def test_an_interval_that_does_not_cover_is_noticed(coverage, monkeypatch, capsys):
    monkeypatch.setattr(coverage, "over_seeds", lambda means: (0.5, 0.499, 0.501))
    monkeypatch.setattr(coverage, "TRIALS", coverage.TRIALS[:1])
    assert coverage.main(["--repetitions", "50"]) == 1
    assert "NOT EXPECTED" in capsys.readouterr().out


def test_no_repetition_is_refused(coverage):
    with pytest.raises(SystemExit):
        coverage.main(["--repetitions", "0"])
