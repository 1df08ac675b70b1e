"""A generator small enough to train in a blink: a linear tokenizer, then a linear prior on it."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
import rich.console

from vidgen.contract import Card, TrainState, stream
from vidgen.training import Budget, TrainingConfig, train
from vidgen.types import HostBatch, Task

TASK = Task(frames=2, height=4, width=4, channels=1, text_length=3, text_width=2)
OPTIMIZER = optax.adam(1e-2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Linear:
    """Denoises the video by least squares; carries what earlier phases exported."""

    name: str
    share: float
    batch_size: int = 4
    poison: tuple[float, float] = (2.0, 2.0)  # progress between which gradients are NaN

    # Of twelve steps the last ten: an alarm only for who still knows of them after a resume.
    collapse: ClassVar[Mapping[str, float]] = {"left": 0.9}

    def init(self, key, earlier):
        params = {"w": 0.1 * jax.random.normal(key, (32, 32)), "b": jnp.zeros((32,))}
        return TrainState.create(params, OPTIMIZER.init(params), rest=dict(earlier))

    def step(self, state, batch, key, progress):
        pixels = batch.video.reshape(batch.video.shape[0], -1)
        noisy = pixels + 0.1 * jax.random.normal(key, pixels.shape)

        def loss(params):
            return jnp.mean((noisy @ params["w"] + params["b"][None] - pixels) ** 2)

        value, grads = jax.value_and_grad(loss)(state.params)
        poisoned = (progress >= self.poison[0]) & (progress < self.poison[1])
        grads = jax.tree.map(lambda g: jnp.where(poisoned, jnp.nan, g), grads)
        with jax.named_scope("optimizer"):
            updates, opt_state = OPTIMIZER.update(grads, state.opt_state)
        params = jax.tree.map(lambda p, u: p + u * (1 - progress), state.params, updates)
        ema = jax.tree.map(lambda e, p: 0.9 * e + 0.1 * p, state.ema, params)
        new = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=ema)
        return new, {"loss": value, "left": 1 - progress}

    def export(self, state):
        return state.ema


class Toy:
    """Two linear phases."""

    card: ClassVar[Card] = Card(
        name="toy", family="new", summary="a toy", paper="none", matches_reference="no"
    )

    def __init__(self, *phases: Linear) -> None:
        self._phases = phases or (Linear(name="first", share=0.5), Linear(name="second", share=0.5))

    def phases(self):
        return self._phases

    def sample(self, params, condition, keys, sampler=None):
        weights = params["second"]
        noise = jax.vmap(lambda key: jax.random.normal(key, (len(weights["b"]),)))(keys)
        video = jnp.tanh(noise @ weights["w"] + weights["b"][None])
        return video.reshape(len(noise), *TASK.video_shape)


class Baseline(Toy):
    """Nothing to train."""

    def phases(self):
        return ()


def _host_batch(rows: np.ndarray) -> HostBatch:
    random = np.random.default_rng(rows.tolist())
    return HostBatch(
        video=random.integers(0, 256, (len(rows), *TASK.video_shape), np.uint8),
        text=np.zeros((len(rows), 3, 2), np.float32),
        text_mask=np.ones((len(rows), 3), bool),
        context_mask=np.ones((len(rows), 1), bool),
    )


class Tripwire:
    """A checkpointable iterator that does something just before it gives its n-th batch."""

    def __init__(self, iterator: Any, n: int, action: Callable[[], None]) -> None:
        self._iterator, self._n, self._left, self._action = iterator, n, n, action
        self.get_state = iterator.get_state

    def set_state(self, state: Any) -> None:
        self._left = self._n  # the harness has only peeked
        self._iterator.set_state(state)

    def __iter__(self) -> Tripwire:
        return self

    def __next__(self) -> HostBatch:
        self._left -= 1
        if self._left == 0:
            self._action()
        return next(self._iterator)

    async def save(self, directory: Any) -> Any:
        return await self._iterator.save(directory)

    async def load(self, directory: Any) -> Any:
        return await self._iterator.load(directory)


def rows(batch_size: int, seed: int) -> grain.MapDataset[HostBatch]:
    """Batches of random clips without end."""
    clips = grain.MapDataset.source(np.arange(64)).shuffle(seed=seed).repeat()
    return clips.batch(batch_size).map(_host_batch)


def data(batch_size: int, seed: int) -> Any:
    """An endless stream of them."""
    return iter(rows(batch_size, seed).to_iter_dataset())


def validation(batch_size: int) -> list[HostBatch]:
    """Two fixed batches."""
    return [_host_batch(np.arange(batch_size) + 1000 * i) for i in (1, 2)]


def setting(**changes: Any) -> dict[str, Any]:
    """Arguments of `vidgen.training.train` for the toy, but for its folder."""
    quiet = rich.console.Console(quiet=True)
    config = TrainingConfig(log_every=1, validate_every=0.5, tensorboard=False)
    return {
        "name": "toy",
        "seed": 0,
        "budget": Budget.parse("24steps"),
        "data": data,
        "validation": validation,
        "fingerprint": {"configuration": {"width": 32}},
        "config": config,
        "console": quiet,
    } | changes


def trip(n: int, number: signal.Signals) -> Callable[[int, int], Tripwire]:
    """Data that sends this process a signal before the n-th batch of a phase."""
    return lambda size, seed: Tripwire(data(size, seed), n, lambda: os.kill(os.getpid(), number))


def struck(folder: str | os.PathLike[str], phase: str, n: int, number: signal.Signals) -> int:
    """Train in a process that is sent a signal before the n-th batch of a phase; its exit code."""
    # The same arithmetic as in this process: the flag changes what XLA makes of a program.
    plain = str(int(jax.config.values["jax_disable_most_optimizations"]))
    process = subprocess.run(
        [sys.executable, __file__, str(folder), phase, str(n), number.name],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        # A resumed process compiles for itself, as users' do.
        env={
            **os.environ,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": plain,
            "JAX_ENABLE_COMPILATION_CACHE": "false",
        },
    )
    return process.returncode


if __name__ == "__main__":  # folder, phase, n, signal: train, and be struck in that phase
    where, at, sign = sys.argv[2], int(sys.argv[3]), signal.Signals[sys.argv[4]]
    seeds = {phase: int(jax.random.bits(stream(0, phase, "data"))) for phase in ("first", "second")}

    def struck_data(size: int, seed: int) -> Any:
        return (trip(at, sign) if seed == seeds[where] else data)(size, seed)

    train(Toy(), **setting(data=struck_data, folder=sys.argv[1]))
