"""Two toy families that learn in milliseconds, for whole comparisons through the command line."""

import contextlib
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import pytest

from vidgen import registry
from vidgen.comparison import setting, terminal
from vidgen.contract import Card, TrainState
from vidgen.evaluation import Judge
from vidgen.registry import register
from vidgen.space import Range, Width, Widths
from vidgen.training import alarms

EXPERIMENT = '''"""Toys on real handwriting.

Expected: nobody passes the oracle.
"""

from vidgen.comparison import Budget, Experiment
from vidgen.training import TrainingConfig
from vidgen.types import Task

experiment = Experiment(
    name="toys",
    task=Task(frames=8, height=32, width=32, channels=1, context_frames=1),
    options={"motion": "diagonal"},
    generators={"toy": None, "toy-bright": None, "copy-first-frame": None},
    budget=Budget(6, "steps"),
    prompts=8,
    answer_batch=4,
    latency_repeats=1,
    training=TrainingConfig(log_every=1, tensorboard=False),
)
'''


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """Step size of plain gradient descent."""

    rate: float = 0.5

    @classmethod
    def tiny(cls):
        return cls()

    @classmethod
    def search_space(cls):
        return {"rate": Range(0.01, 1.0, log=True)}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class ToySampler:
    """Standard deviation of the noise that is added."""

    noise: float = 0.1


class MeanPhase:
    """Learns the mean clip by gradient descent."""

    name, share, batch_size = "mean", 1.0, 4

    def __init__(self, config, task):
        self.config, self.task = config, task

    def init(self, key, earlier):
        start = 0.1 * jax.random.normal(key, self.task.video_shape)
        return TrainState.create({"mean": start}, {}, average=False)

    def step(self, state, batch, key, progress):
        def loss_of(params):
            noisy = batch.video + 0.1 * jax.random.normal(key, batch.video.shape)
            return jnp.mean((params["mean"][None] - noisy) ** 2)

        loss, slope = jax.value_and_grad(loss_of)(state.params)
        size = slope["mean"].size
        params = {"mean": state.params["mean"] - self.config.rate * size * 0.1 * slope["mean"]}
        return state.replace(step=state.step + 1, params=params), {"loss": loss}

    def export(self, state):
        return state.params


class FadingPhase(MeanPhase):
    """Learns the same, and says that there is ever less to tell apart."""

    collapse: ClassVar = {"variety": 0.7}

    def step(self, state, batch, key, progress):
        state, metrics = super().step(state, batch, key, progress)
        return state, {**metrics, "variety": 1 - progress}


class Toy:
    """The mean clip with noise, and the given frame in front."""

    card: ClassVar[Card] = Card(
        name="toy", family="toy", summary="A mean.", paper="none", matches_reference="no"
    )
    shift = 0.0

    def __init__(self, config, task):
        self.config, self.task = config, task

    def phases(self):
        return [MeanPhase(self.config, self.task)]

    def sample(self, params, condition, keys, sampler: ToySampler | None = None):
        shape = self.task.video_shape
        noise = jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
        video = params["mean"]["mean"][None] + (sampler or ToySampler()).noise * noise + self.shift
        given = condition.context_mask[:, :, None, None, None]
        first = jnp.where(given, condition.context, video[:, :1])
        return jnp.concatenate([first, video[:, 1:]], axis=1)


class BrightToy(Toy):
    """The same, brighter, by way of codes that halve every contrast."""

    card = dataclasses.replace(Toy.card, name="toy-bright")
    shift = 0.3

    def phases(self):
        return [FadingPhase(self.config, self.task)]

    def reconstruct(self, params, video, condition):
        return 0.5 * video


class BarePhase(MeanPhase):
    """Learns the same and leaves nothing."""

    def export(self, state):
        return {}


class BareToy(Toy):
    """Noise alone, since training leaves it nothing."""

    card = dataclasses.replace(Toy.card, name="toy-bare")

    def phases(self):
        return [BarePhase(self.config, self.task)]

    def sample(self, params, condition, keys, sampler: ToySampler | None = None):
        assert not jax.tree.leaves(params)
        return super().sample({"mean": {"mean": jnp.zeros(self.task.video_shape)}}, condition, keys)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WideConfig(ToyConfig):
    """The same, and how many clips are summed."""

    width: int = 2

    def widths(self) -> Widths:
        return {"width": Width(1)}


class WidePhase(MeanPhase):
    """Learns the mean clip as the sum of some."""

    def init(self, key, earlier):
        state = super().init(key, earlier)
        start = jax.random.normal(key, (self.config.width, *self.task.video_shape))
        return state.replace(params={"mean": 0.1 * start})

    def step(self, state, batch, key, progress):
        def loss_of(params):
            features = jnp.ones((len(batch.video), self.config.width))
            made = jnp.tensordot(features, params["mean"], axes=1)
            return jnp.mean((made - batch.video) ** 2)

        loss, slope = jax.value_and_grad(loss_of)(state.params)
        params = jax.tree.map(lambda x, s: x - s, state.params, slope)
        return state.replace(step=state.step + 1, params=params), {"loss": loss}


class WideToy(Toy):
    """The mean clip as a product, so that steps have FLOPs and the config widths."""

    card = dataclasses.replace(Toy.card, name="toy-wide")

    def phases(self):
        return [WidePhase(self.config, self.task)]

    def sample(self, params, condition, keys, sampler=None):
        mean = params["mean"]["mean"].sum(axis=0)
        return super().sample({"mean": {"mean": mean}}, condition, keys)


class BrokenToy(Toy):
    """Fails when it is to draw."""

    card = dataclasses.replace(Toy.card, name="toy-broken")

    def sample(self, params, condition, keys, sampler: ToySampler | None = None):
        raise RuntimeError("the brush broke")


@pytest.fixture(scope="session", autouse=True)
def _figures(figures_drawn_once):
    """Reports here share their figures."""


@pytest.fixture(scope="session")
def _compiled_once():
    """Small programs are kept too, since these tests build the same ones again and again."""
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, 0.0)
    yield
    jax.config.update(name, before)


@pytest.fixture(scope="session")
def _toys(_compiled_once):
    """Registered for this folder's tests alone."""
    before = dict(registry._entries)
    for toy in (Toy, BrightToy, BareToy, BrokenToy):
        register(toy.card.name, ToyConfig)(toy)
    register(WideToy.card.name, WideConfig)(WideToy)
    yield
    registry._entries.clear()
    registry._entries.update(before)


@pytest.fixture(scope="session")
def prepared(_toys):
    """A context with the toys, in which neither the judge nor the machine's speed is found out
    anew.
    """

    @contextlib.contextmanager
    def context():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(setting, "Judge", _judge)
            patch.setattr(terminal, "matmul_peak", lambda: 1e11)
            patch.setattr(alarms, "COLLAPSE_ROWS", 3)  # of the toys' six
            yield

    return context


@pytest.fixture(autouse=True)
def toys(prepared):
    """Every test is in that context."""
    with prepared():
        yield


_JUDGES = {}


def _judge(train, *, seed, groups, features):
    """One judge a source, seed and choice of metrics, for all comparisons that need no features."""
    key = (train.fingerprint, seed, tuple(groups))
    if "in-domain" in groups:
        return Judge(train, seed=seed, groups=groups, features=features)
    if key not in _JUDGES:
        _JUDGES[key] = Judge(train, seed=seed, groups=groups)
    return _JUDGES[key]


@pytest.fixture(scope="session")
def experiment(tmp_path_factory):
    """A file that defines the experiment."""
    path = tmp_path_factory.mktemp("experiments") / "toys.py"
    path.write_text(EXPERIMENT)
    return str(path)


@pytest.fixture(scope="session")
def undisturbed(prepared, experiment, tmp_path_factory):
    """The folder of a comparison that nobody interrupted."""
    from vidgen.cli import main

    with prepared():
        out = tmp_path_factory.mktemp("runs") / "undisturbed"
        assert main(["compare", experiment, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def model_files(prepared, undisturbed, tmp_path_factory):
    """The two families of that comparison as model files, by name."""
    from vidgen.cli import main

    folder = tmp_path_factory.mktemp("models")
    files = {name: folder / f"{name}.safetensors" for name in ("toy", "toy-bright")}
    with prepared():
        for name, path in files.items():
            run = str(undisturbed / name / "seed-0")
            assert main(["export", run, "--out", str(path), "--faults", "stands still"]) == 0
    return files
