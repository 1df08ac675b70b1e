"""Configs of a given number of parameters, found by shapes alone."""

import dataclasses

import jax.numpy as jnp
import pytest

from vidgen import registry
from vidgen.comparison import catalogue, sizing
from vidgen.comparison.folder import FolderError
from vidgen.comparison.further import further
from vidgen.comparison.question import prepare
from vidgen.comparison.rows import COMPOSITIONAL, EQUAL_FLOPS, EQUAL_PARAMETERS
from vidgen.comparison.setting import Setting
from vidgen.contract import Card, TrainState
from vidgen.generators.baselines.copy_first_frame import CopyFirstFrameConfig
from vidgen.space import Width, scaled
from vidgen.tokenizers import AdversarialLoss
from vidgen.training import Budget

LEARNED = ("gan", "autoregressive", "masked", "diffusion", "meanflow")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StiffConfig:
    """Layers of some widths."""

    layers: tuple[int, ...] = (8, 24)

    @classmethod
    def tiny(cls):
        return cls()


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayersConfig(StiffConfig):
    """The same, and how they may be chosen."""

    def widths(self):
        return {"layers": Width(2)}


class _Layers:
    """Squares of the widths, a judge and an average of it that are not exported."""

    share, batch_size = 0.5, 1

    def __init__(self, name, widths):
        self.name, self._widths = name, widths

    def init(self, key, earlier):
        squares = {str(i): jnp.zeros((width, width)) for i, width in enumerate(self._widths)}
        return TrainState.create({"player": squares, "judge": jnp.zeros(999)}, {})

    def step(self, state, batch, key, progress):
        raise NotImplementedError

    def export(self, state):
        return state.ema["player"]


class _Toy:
    """Two phases, of which sampling reads the second."""

    card = Card(name="layers", family="toy", summary="-", paper="-", matches_reference="-")

    def __init__(self, config, task):
        self._config, self._task = config, task

    def phases(self):
        return [_Layers(name, self._config.layers) for name in ("before", "after")]

    def sample(self, params, condition, keys, sampler=None):
        shade = sum(layer.mean() for layer in params["after"].values())
        return jnp.broadcast_to(shade, (len(keys), *self._task.video_shape))


class _StiffToy(_Toy):
    card = dataclasses.replace(_Toy.card, name="stiff")


@pytest.fixture(scope="module", autouse=True)
def _toys():
    registry.register("layers", LayersConfig)(_Toy)
    registry.register("stiff", StiffConfig)(_StiffToy)
    yield
    for name in ("layers", "stiff"):
        del registry._entries[name]


def size(name, config, task):
    return sizing.size_of(registry.entry(name).build(task, config), task)


def test_what_sampling_reads_is_counted_and_nothing_else(task):
    assert size("layers", LayersConfig(), task) == 8**2 + 24**2


@pytest.mark.parametrize("wanted", [60, 640, 641, 5_000, 30_000])
def test_widths_are_scaled_together_to_the_parameters_that_are_wanted(task, wanted):
    found = sizing.sized("layers", LayersConfig(), task, wanted)
    assert abs(size("layers", found, task) - wanted) <= 0.15 * wanted
    assert found.layers[1] / found.layers[0] == pytest.approx(3, abs=1.1)
    ten = dataclasses.replace(LayersConfig(), layers=(80, 240))
    near = size("layers", sizing.sized("layers", ten, task, 100 * wanted), task)
    assert abs(near - 100 * wanted) <= 0.02 * 100 * wanted, "finer steps come nearer"


def test_without_widths_a_config_stays_as_it_is(task):
    assert sizing.sized("stiff", StiffConfig(), task, 5_000) == StiffConfig()


def test_a_width_is_a_multiple_of_its_step_and_no_smaller_than_its_least():
    wide = Width(8, least=20)
    assert [wide.scaled(40, factor) for factor in (0.01, 0.7, 1.0, 4.0)] == [24, 32, 40, 160]
    assert wide.scaled(16, 1.0) == 16, "what is smaller may stay so"
    assert Width(8).scaled(40, 0.01) == 8
    with pytest.raises(ValueError, match="at least 1"):
        Width(0)


def test_further_questions_are_the_same_but_for_their_price():
    experiment = dataclasses.replace(
        catalogue.find("quick").select(generators=["copy-first-frame"], seeds=(0, 1)),
        generators={"layers": LayersConfig(), "stiff": StiffConfig(), "copy-first-frame": None},
        equal_flops=2e12,
        equal_parameters=2_500,
        compositional=True,
        curve=(0.5,),
        horizon=2,
    ).resolve()
    asked = further(experiment)
    assert list(asked) == [COMPOSITIONAL, EQUAL_FLOPS, EQUAL_PARAMETERS]
    _, flops, parameters_ = asked.values()
    assert (flops.budget, parameters_.budget) == (Budget(2e12, "flops"), experiment.budget)
    for question in (flops, parameters_):
        assert (question.curve, question.horizon, question.seeds) == ((), 1, (0, 1))
        assert (question.compositional, question.protocol) == (False, experiment.protocol)
        assert not further(question)
        assert list(question.generators) == ["layers", "stiff"], "who learns nothing has no price"
    assert flops.generators["layers"] == LayersConfig()
    assert parameters_.generators == {
        "layers": LayersConfig(layers=(16, 48)),
        "stiff": StiffConfig(),
    }
    baseline = {"copy-first-frame": CopyFirstFrameConfig()}
    alone = dataclasses.replace(experiment, generators=baseline, compositional=False)
    assert not further(alone)


def test_a_folder_keeps_the_sizes_that_were_found_and_refuses_other_prices(tmp_path, monkeypatch):
    monkeypatch.setattr(Setting, "check_training", lambda self: None)
    monkeypatch.setattr(Setting, "_drawn", None)  # nobody answers

    def prepared(layers=(8, 24), **prices):
        found = dataclasses.replace(
            catalogue.find("quick").select(generators=["copy-first-frame"]),
            generators={"layers": LayersConfig(layers=layers), "stiff": StiffConfig()},
            **prices,
        )
        return [setting.experiment for setting in prepare(found.resolve(), tmp_path)]

    assert len(prepared()) == 1
    first = prepared(equal_flops=2e12, equal_parameters=2_500)  # added to what was there
    assert [one.name for one in first] == [
        "quick",
        f"quick-{EQUAL_FLOPS}",
        f"quick-{EQUAL_PARAMETERS}",
    ]
    search = sizing.sized
    monkeypatch.setattr("vidgen.comparison.further.sized", None)
    assert prepared(equal_flops=2e12, equal_parameters=2_500) == first
    # A slip binds nobody before something is trained at it.
    assert prepared(equal_flops=3e12)[1].budget == Budget(3e12, "flops")
    (tmp_path / EQUAL_FLOPS / "layers/seed-0").mkdir(parents=True)
    with pytest.raises(FolderError, match="equal_flops: "):
        prepared(equal_flops=2e12)
    # Of another config the size is looked for, also where a call without the price came between;
    # runs that it had would refuse it by themselves.
    monkeypatch.setattr("vidgen.comparison.further.sized", search)
    prepared(layers=(24, 24))
    *_, other = prepared(layers=(24, 24), equal_parameters=2_500)
    assert other.generators["layers"] == LayersConfig(layers=(36, 36))


@pytest.mark.parametrize("network", ["hybrid", "unet", "dit"])
def test_the_width_of_the_network_that_is_trained_is_scaled(network):
    start = registry.entry("diffusion").config(network=network)
    found = scaled(start, 1.5)
    changed = {
        field.name
        for field in dataclasses.fields(start)
        if getattr(start, field.name) != getattr(found, field.name)
    }
    own = {"width", "middle_width"} if network == "hybrid" else {network}
    assert changed == {"motion", *own}


@pytest.mark.parametrize("name", ["autoregressive", "diffusion"])
def test_a_tokenizer_is_scaled_with_what_reads_it_and_with_its_rival(name):
    start = registry.entry(name).config()
    if name == "diffusion":
        assert not any(path.startswith("tokenizer") for path in start.widths())
        start = dataclasses.replace(start, space="latents")
    rival = dataclasses.replace(start.tokenizer, adversarial=AdversarialLoss())
    found = scaled(dataclasses.replace(start, tokenizer=rival), 2.0).tokenizer
    assert found.widths == tuple(2 * width for width in start.tokenizer.widths)
    assert found.adversarial.width == 2 * rival.adversarial.width


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, {}) for name in LEARNED),
        ("diffusion", {"network": "dit"}),
    ],
)
def test_every_family_reaches_the_size_that_digits32_asks_for(name, changes):
    experiment = catalogue.find("digits32")
    start, wanted = registry.entry(name).config(**changes), experiment.equal_parameters
    found = sizing.sized(name, start, experiment.task, wanted)
    assert abs(size(name, found, experiment.task) - wanted) <= 0.05 * wanted
    least = size(name, scaled(start, 1 / 64), experiment.task)
    assert 0 < least < wanted / 4, "the least widths can be built"


@pytest.mark.slow
def test_a_unet_comes_as_near_as_its_few_widths_let_it():
    """At 16 channels it grows by 8 at a time: where 5% is out of reach, a neighbour is farther."""
    experiment = catalogue.find("digits32")
    start, wanted = registry.entry("diffusion").config(network="unet"), experiment.equal_parameters
    found = sizing.sized("diffusion", start, experiment.task, wanted)
    step = start.widths()["unet.width"]

    def apart(width):
        unet = dataclasses.replace(found.unet, width=width)
        config = dataclasses.replace(found, unet=unet)
        return abs(size("diffusion", config, experiment.task) - wanted)

    here = found.unet.width
    others = [width for width in (here - step.step, here + step.step) if width >= step.least]
    assert here >= step.least
    assert others
    assert all(apart(here) < apart(width) for width in others)
    least = scaled(start, 1 / 64)
    assert least.unet.width == step.least
    assert (
        0 < size("diffusion", least, experiment.task) <= size("diffusion", found, experiment.task)
    )
