"""benchmarks/throughput.py on a toy generator, in this process."""

import dataclasses
import io
import json
import multiprocessing

import jax
import jax.numpy as jnp
import jaxtyping
import pytest
from rich.console import Console

from vidgen import registry
from vidgen.contract import Card, TrainState
from vidgen.training import peak

WIDTH = 16
NAME = "toy-rate"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyConfig:
    batch_size: int = 4

    @classmethod
    def tiny(cls):
        return cls(batch_size=2)


class ToyPhase:
    """One linear map from the text to the last frame."""

    def __init__(self, name, config, task):
        self.name, self.share, self.batch_size, self.task = name, 0.5, config.batch_size, task

    def init(self, key, earlier):
        pixels = self.task.height * self.task.width
        params = {
            "in": jax.random.normal(key, (self.task.text_width, WIDTH)),
            "out": jnp.zeros((WIDTH, pixels)),
        }
        return TrainState.create(params, opt_state={}, rest=dict(earlier))

    def step(self, state, batch, key, progress):
        def loss(params):
            frame = batch.condition.text.mean(1) @ params["in"] @ params["out"]
            return jnp.mean((frame - batch.video[:, -1].reshape(frame.shape)) ** 2)

        value, gradients = jax.value_and_grad(loss)(state.params)
        with jax.named_scope("optimizer"):
            scale = gradients["in"] @ gradients["in"].T
        params = jax.tree.map(lambda p, g: p - 1e-3 * g, state.params, gradients)
        params["in"] = params["in"] + 0 * scale[:, :WIDTH]
        return state.replace(step=state.step + 1, params=params), {"loss": value}

    def export(self, state):
        return state.params


class Toy:
    card = Card(name=NAME, family="baseline", summary="A toy.", paper="", matches_reference="")

    def __init__(self, config, task):
        self.config, self.task = config, task

    def phases(self):
        return [ToyPhase(name, self.config, self.task) for name in ("first", "second")]

    def sample(self, params, condition, keys, sampler=None):
        frame = condition.text.mean(1) @ params["first"]["in"] @ params["second"]["out"]
        frame = frame.reshape(-1, 1, *self.task.video_shape[1:])
        return jnp.broadcast_to(frame, (len(keys), *self.task.video_shape))


@pytest.fixture(scope="module")
def script(load_benchmark):
    return load_benchmark("throughput")


@pytest.fixture(scope="module")
def toy(script):
    """The report on the toy, and the settings it was measured with."""
    registry.register(NAME, ToyConfig)(Toy)
    settings = script.Settings(seconds_each=0.0, batches=(2,))
    cache = jax.config.jax_enable_compilation_cache
    unchecked = jaxtyping.config.jaxtyping_disable
    # When JAX lowers a function it rebuilds its arguments with descriptions in place of arrays.
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(peak, "matmul_peak", lambda: 1e9)
            measured = script.measure(NAME, settings)
    finally:
        jaxtyping.config.update("jaxtyping_disable", unchecked)
        jax.config.update("jax_enable_compilation_cache", cache)
        registry._entries.pop(NAME)
    return measured, settings


def test_training_rows_by_hand(toy):
    row = toy[0]["phases"][1]
    batch, text, pixels = 4, 32, 32 * 32
    assert row["phase"] == "second"
    assert row["parameters"] == text * WIDTH + WIDTH * pixels
    # Forward; the gradients of both maps; and that of the hidden features, none for the text.
    model = 2 * batch * WIDTH * (2 * text + 3 * pixels)
    optimizer = 2 * text * WIDTH * text
    assert row["flops_per_clip"] == {
        "model": model / batch,
        "optimizer": optimizer / batch,
        "recomputed": 0,
    }
    assert row["step"]["repetitions"] == 20
    assert row["clips_per_second"]["median"] == pytest.approx(batch / row["step"]["median"])
    assert row["clips_per_second"]["low"] <= row["clips_per_second"]["high"]
    assert row["peak_fraction"] == pytest.approx((model + optimizer) / row["step"]["median"] / 1e9)
    assert min(row["compile_seconds"].values()) > 0


def test_sampling_row(toy):
    sampling = toy[0]["sampling"]
    assert sampling["flops_per_clip"] == 2 * WIDTH * (32 + 32 * 32)
    assert [row["batch_size"] for row in sampling["batches"]] == [1, 2]
    assert sampling["batches"][0]["call"]["repetitions"] == 20
    assert 0 < sampling["latency"]["p50"] <= sampling["latency"]["p95"]
    rates = {row["batch_size"]: row["clips_per_second"] for row in sampling["batches"]}
    assert sampling["best"]["clips_per_second"] == max(rates.values())


def test_memory_only_grows(toy):
    memory = toy[0]["peak_memory_bytes"]
    assert 2**20 < memory["at_start"] <= memory["after_training"] <= memory["after_sampling"]


def test_report_and_a_family_that_fails(script, toy, tmp_path, monkeypatch, capsys):
    measured, settings = toy

    def in_own_process(name, settings, lock):
        if name == "broken":
            raise RuntimeError("no [such] thing")
        return measured

    monkeypatch.setattr(script, "in_own_process", in_own_process)
    out = tmp_path / "throughput.json"
    settings = dataclasses.replace(settings, generators=("broken", NAME), out=out)
    assert script.main(settings) == 1
    report = json.loads(out.read_text())
    assert report["failed"] == {"broken": "RuntimeError: no [such] thing"}
    assert report["families"] == [measured]
    assert report["machine"]["versions"]["jax"] == jax.__version__
    assert set(report["load_average"]) == {"before", "after"}
    assert f"{NAME}, second" in capsys.readouterr().out
    assert script.main(dataclasses.replace(settings, generators=(NAME,))) == 0


def test_tables_fit_and_hold_the_numbers(script, toy):
    console = Console(file=io.StringIO(), width=script.TABLE_WIDTH)
    for table in script.tables([toy[0]]):
        console.print(table)
    text = console.file.getvalue()
    assert "…" not in text
    assert f"{toy[0]['sampling']['latency']['p95'] * 1e3:.1f} ms" in text


def test_families_are_measured_in_processes_of_their_own(script):
    with pytest.raises(LookupError, match="did you mean"):
        script.in_own_process(
            "difusion", script.Settings(), multiprocessing.get_context("spawn").Lock()
        )


def test_an_experiments_own_families_are_those_that_train(script):
    asked = script.experiment(script.Settings(experiment="quick"))
    assert script.trained(asked) == ("gan", "autoregressive", "diffusion")
    assert script.experiment(script.Settings(), "masked").generators.keys() == {"masked"}
