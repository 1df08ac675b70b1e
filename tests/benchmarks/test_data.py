"""benchmarks/data.py on few clips, and on a toy generator in this process."""

import dataclasses
import io
import json

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from rich.console import Console

from vidgen import data, registry
from vidgen.contract import Card, TrainState

NAME = "toy-eater"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyConfig:
    @classmethod
    def tiny(cls):
        return cls()


class ToyPhase:
    """One number, pulled to the mean pixel."""

    share, batch_size = 0.5, 4

    def __init__(self, name):
        self.name = name

    def init(self, key, earlier):
        return TrainState.create({"mean": jnp.zeros(())}, opt_state={}, rest=dict(earlier))

    def step(self, state, batch, key, progress):
        loss = jnp.square(batch.video.mean() - state.params["mean"])
        return state.replace(step=state.step + 1), {"loss": loss}

    def export(self, state):
        return state.params


class Toy:
    card = Card(name=NAME, family="baseline", summary="A toy.", paper="", matches_reference="")

    def __init__(self, config, task):
        pass

    def phases(self):
        return [ToyPhase("first"), ToyPhase("second")]


@pytest.fixture(scope="module")
def script(load_benchmark):
    return load_benchmark("data")


@pytest.fixture
def few(script, tmp_path):
    return script.Settings(
        clips=6, batch_size=4, seconds_each=0.0, feed=(), out=tmp_path / "data.json"
    )


@pytest.fixture
def here(script, monkeypatch):
    """Everything in this process, which has JAX already."""
    monkeypatch.setattr(script, "in_own_process", lambda work, *args: work(*args))


def test_a_source_is_measured_cold_warm_and_in_the_pipeline(script, few):
    row = script.measure("digits", {"size": 16, "frames": 4}, few)
    assert row["shape"] == [4, 16, 16, 1]
    assert row["clips_read"] == 4
    assert row["length"] == 65_536
    for rates in (row["cold"], row["warm"], row["pipeline"]):
        assert 0 < rates["clips_per_second"] < 1e7
        assert 0 < rates["clips_per_cpu_second"] < 1e7
    # Cold is cold: what it took to have the first clip is in it.
    assert 0 < row["first_clip_seconds"] < row["cold"]["seconds"]
    piped = row["pipeline"]
    assert piped["batches"] == 20
    assert piped["batch_seconds"] * piped["clips_per_second"] == pytest.approx(4)


def test_every_clip_of_a_pass_is_read_and_the_order_is_random(script, few, stand_in, monkeypatch):
    real = data.source("digits", size=16, frames=4)
    read = []

    def read_and_note(index):
        read.append(index)
        return real[index]

    spy = stand_in(real, read_and_note, clips=50)
    monkeypatch.setattr(data, "source", lambda name, **options: spy)
    monkeypatch.setattr(script, "pipeline", lambda clips, settings: {})
    script.measure("spied", {}, dataclasses.replace(few, clips=40, batch_size=40))
    first, *passes = read
    assert first == 0
    once = passes[:40]
    assert len(set(once)) == 40
    assert once != sorted(once)
    assert passes == once * 4  # one cold and three warm


def test_a_slow_source_is_read_for_a_batch_and_no_longer(script, few, monkeypatch):
    monkeypatch.setattr(script, "pipeline", lambda clips, settings: {})
    row = script.measure("digits", {}, dataclasses.replace(few, clips=500))
    assert row["clips_read"] == 4


def test_main_covers_the_catalogue_and_says_what_it_skips(script, few, here, monkeypatch, capsys):
    found = {"digits": data.source("digits", size=16, frames=4)}

    def source(name, **options):
        if name == "camera":
            raise RuntimeError("a bug [sic]")
        if name not in found:
            raise ValueError(f"{name} needs a folder")
        return found[name]

    monkeypatch.setattr(data, "sources", lambda: ["camera", "digits", "folder"])
    monkeypatch.setattr(data, "source", source)
    assert script.main(few) == 1
    report = json.loads(few.out.read_text())
    assert report["skipped"] == {"folder": "ValueError: folder needs a folder"}
    assert report["failed"] == {"camera": "RuntimeError: a bug [sic]"}
    assert [row["source"] for row in report["sources"]] == ["digits"] * 4
    assert [row["options"]["motion"] for row in report["sources"]] == [
        "diagonal",
        "sync-draw",
        "mage",
        "mage-double",
    ]
    assert report["machine"]["versions"]["numpy"] == np.__version__
    assert "folder was skipped: ValueError: folder needs a folder" in capsys.readouterr().out
    # What was asked for by name must run.
    monkeypatch.setattr(data, "sources", lambda: ["folder"])
    assert script.main(few) == 0
    assert script.main(dataclasses.replace(few, sources=("folder",))) == 1


def test_options_are_those_given_or_those_of_the_script(script, few):
    given = dataclasses.replace(few, sources=("shapes",), set=("size=16", "objects=2"))
    assert script.cases(given) == [("shapes", {"size": "16", "objects": "2"})]
    named = {name for name, _ in script.cases(few)}
    assert named == set(data.sources())
    ours = [options for name, options in script.cases(few) if name in ("digits", "shapes")]
    assert len(ours) == 8
    assert all((options["size"], options["frames"]) == (64, 16) for options in ours)


def test_training_is_fed_a_phase_after_the_other(script, few):
    registry.register(NAME, ToyConfig)(Toy)
    unchecked = jaxtyping.config.jaxtyping_disable
    # When JAX lowers a function it rebuilds its arguments with descriptions in place of arrays.
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        rows = script.feed(NAME, dataclasses.replace(few, tiny=True))["phases"]
    finally:
        jaxtyping.config.update("jaxtyping_disable", unchecked)
        registry._entries.pop(NAME)
    assert [row["phase"] for row in rows] == ["first", "second"]
    for row in rows:
        assert row["steps"] == 20
        assert row["batch_size"] == 4
        assert 0 < row["busy"] < 1
        assert row["step_seconds"] > 0
    assert jax.devices()[0].platform == "cpu"


def test_tables_fit_and_hold_the_numbers(script, few):
    row = script.measure("shapes", dict(script.CASES["shapes"][-1], size=16, frames=4), few)
    fed = {"generator": "gan", "phase": "play", "batch_size": 8, "step_seconds": 0.25}
    fed |= {"wait_seconds": 0.0004, "busy": 0.9984}
    console = Console(file=io.StringIO(), width=script.TABLE_WIDTH)
    for table in script.tables([row], [fed]):
        console.print(table)
    text = console.file.getvalue()
    assert "…" not in text
    assert "shapes objects=2 sizes=True ground=textured wordings=5" in text
    assert f"{row['warm']['clips_per_second']:,.0f}" in text
    assert "99.8%" in text


def test_sources_are_measured_in_processes_of_their_own(script, few):
    row = script.in_own_process(script.measure, "folder-of-dreams", {}, few)
    assert "UnknownNameError" in row["skipped"]
