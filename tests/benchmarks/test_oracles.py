"""benchmarks/oracles.py on few clips, in this process."""

import re

import numpy as np
import pytest

from vidgen.evaluation import Confusion


@pytest.fixture(scope="module")
def oracles(load_benchmark):
    return load_benchmark("oracles")


@pytest.fixture
def untrained(oracles, monkeypatch):
    """Where it is not the tokenizer that is looked at: clips come back as they were."""
    monkeypatch.setattr(oracles, "tokenizer", lambda *_, **__: lambda video, _: video)


@pytest.mark.slow
def test_it_publishes_success_broken_kinds_tokenizer_and_confusion(oracles, capsys):
    assert oracles.main(oracles.Settings(worlds=("digits",), tiny=True)) == 0
    printed = capsys.readouterr().out
    for kind in ("real", "vanishes", "swapped", "reversed", "shuffled-frames", "tokenizer"):
        assert f"\n  {kind} " in printed
    assert "unknown" in printed
    # Two steps teach a tiny one nothing, so that its clips show that they went through it.
    assert re.search(r"\n  tokenizer +0\.\d+ ", printed)
    assert "motion on tokenizer clips: " in printed


@pytest.mark.slow
def test_a_grid_world_is_played_and_broken(oracles, untrained, capsys):
    assert oracles.main(oracles.Settings(worlds=("babyai",), tiny=True)) == 0
    printed = capsys.readouterr().out
    for kind in ("real               1.000", "skips", "wrong-caption", "tokenizer          1.000"):
        assert kind in printed
    assert "tile on real clips: 1.0000" in printed


def test_a_demand_that_is_missed_is_an_error(oracles, untrained, capsys, monkeypatch):
    monkeypatch.setattr(oracles, "BROKEN", -1.0)
    assert oracles.main(oracles.Settings(worlds=("shapes",), clips=12)) == 1
    missed = capsys.readouterr().out.rpartition("missed: ")[2]
    assert "shapes: vanishes 0.0" in missed
    # What a tokenizer makes of clips is published, and nothing is demanded of it.
    assert "tokenizer" not in missed


def test_mistakes_are_listed_most_frequent_first():
    confusion = Confusion(
        classes=("a", "b"), seen=("a", "b", "unknown"), counts=np.array([[5, 1, 0], [0, 3, 2]])
    )
    assert confusion.mistakes == [("b", "unknown", 2), ("a", "b", 1)]
    assert confusion.accuracy == pytest.approx(8 / 11)
