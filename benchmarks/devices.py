"""Whether every family learns the same on one device and on several.

    python benchmarks/devices.py
    python benchmarks/devices.py --generators gan --precisions 64 32

Every phase of every registered generator, at the size of its tests, takes 20 steps from the same
weights on 1 device, on 2, and on 4 fully sharded (`--devices`); one device is the measure. The
devices are fake ones of the CPU, unless JAX_PLATFORMS names others. Phases that several
generators share are compared once. Columns:

    loss        greatest relative difference of the loss over the steps
    gradient    greatest difference of the optimiser's memory after the first step (the gradients,
                clipped, and their squares), over the greatest value of the same array. New weights
                are no measure: where a gradient is zero but for rounding, Adam and Muon make
                a whole step of the rounding
    state       bytes of the phase's state on the first device, over those on one device

It printed, of motion compensation, which several families share:

    motion       2 replicated   64   4.4e-16   7.4e-16  1.000
    motion       4 full         64   4.4e-16   9.3e-16  0.426

The other phases have not been held against it yet: each takes minutes to compile in each way. In
float32, on two devices, the loss of the tokenizer was apart by 1.0e-5 and that of motion by 7.2e-7.

In float64 a difference of meaning cannot hide behind rounding; in float32 rounding grows from step
to step, in a game of two players the most.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from vidgen import registry
from vidgen.contract import Phase
from vidgen.training.placement import Placement
from vidgen.training.step import Guarded, guarded_step, initialise
from vidgen.types import HostBatch, Task

STEPS = 20
TASK = Task(
    frames=4, height=16, width=16, channels=1, context_frames=1, text_length=6, text_width=8
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to compare.

    Attributes:
        generators: names from `vidgen list generators`; by default all.
        devices: how many; the first is the measure, and the last is fully sharded.
        precisions: bits of a number, 64 or 32.
        batch_size: clips a step, in all phases.
    """

    generators: tuple[str, ...] = ()
    devices: tuple[int, ...] = (1, 2, 4)
    precisions: tuple[int, ...] = (64,)
    batch_size: int = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared:
    """One phase on some devices against one; see the columns above."""

    generator: str
    phase: str
    place: Placement
    bits: int
    loss: float
    gradient: float
    state: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.generator:16}{self.phase:12}{len(self.place.devices):2} "
            f"{self.place.sharding:11}{self.bits:4} {self.loss:9.1e} {self.gradient:9.1e} "
            f"{self.state:6.3f} {self.seconds:6.0f} s"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ran:
    """Losses of the steps, the optimiser's memory after the first, bytes held on one device."""

    losses: list[float]
    memory: list[np.ndarray]
    held: int


def main(settings: Settings) -> None:
    """Compare and print, a line at a time."""
    fake_devices(max(settings.devices))
    jax.config.update("jax_disable_most_optimizations", True)  # half the time to compile
    print(f"{'generator':16}{'phase':12}{'on':>2} {'sharding':11}bits      loss  gradient  state")
    *some, most = settings.devices
    ways = (*map(Placement.of, some), Placement.of(most, "full"))
    seen: set[Any] = set()
    for name in settings.generators or registry.names():
        for compared in compare(name, ways, settings, seen):
            print(compared, flush=True)


def compare(
    name: str, ways: Sequence[Placement], settings: Settings, seen: set[Any]
) -> Iterator[Compared]:
    """One generator's phases in each of the ways, the first of which is the measure.

    Args:
        name: of the generator.
        ways: where it is trained.
        settings: precisions and batch size.
        seen: phases that are not to be compared again; those that are compared are added.
    """
    entry = registry.entry(name)
    config = with_batches(entry.config.tiny(), settings.batch_size)
    earlier: dict[str, Any] = {}
    for phase in entry.build(TASK, config).phases():
        begin = initialise(phase, jax.random.key(1), earlier)
        earlier[phase.name] = phase.export(begin.state)
        begin = jax.device_get(begin)
        kind = (
            type(phase),
            jax.tree.structure(begin),
            tuple(map(np.shape, jax.tree.leaves(begin))),
        )
        if kind in seen:
            continue
        seen.add(kind)
        for bits in settings.precisions:
            one: Ran | None = None
            for place in ways:
                begun = time.perf_counter()
                with jax.enable_x64(bits == 64):
                    ran = run(Wide(phase) if bits == 64 else phase, begin, place)
                one = one or ran
                yield Compared(
                    generator=name,
                    phase=phase.name,
                    place=place,
                    bits=bits,
                    loss=max(abs(a / b - 1) for a, b in zip(ran.losses, one.losses, strict=True)),
                    gradient=apart(ran.memory, one.memory),
                    state=ran.held / one.held,
                    seconds=time.perf_counter() - begun,
                )
        jax.clear_caches()


def run(phase: Phase, begin: Guarded, place: Placement) -> Ran:
    """Some steps of a phase from a state on the host."""
    begin = wide(begin) if isinstance(phase, Wide) else begin
    clips = [batch(phase.batch_size, seed) for seed in range(STEPS)]
    places = jax.tree.map(lambda x: place.part(x.shape), begin)
    metrics = place.whole()
    step = jax.jit(guarded_step(phase), donate_argnums=0, out_shardings=(places, metrics))
    guarded = jax.device_put(begin, places)
    held = sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(guarded))
    key = place.everywhere(lambda: jax.random.key(2))
    losses, memory = [], []
    for n, host in enumerate(clips):
        now = np.int32(n), np.float32(n / STEPS)
        guarded, told = step(guarded, place.feed(host), key, *now)
        losses.append(float(told["loss"]))
        memory = memory or jax.tree.leaves(jax.device_get(guarded.state.opt_state))
    return Ran(losses=losses, memory=memory, held=held)


class Wide:
    """A phase in float64."""

    def __init__(self, phase: Phase) -> None:
        self.name, self.share, self.batch_size = phase.name, phase.share, phase.batch_size
        self.init, self.export, self._step = phase.init, phase.export, phase.step

    def step(self, state: Any, batch: Any, key: Any, progress: Any) -> Any:
        """The phase's own, on a widened batch."""
        return self._step(state, wide(batch), key, progress.astype(jnp.float64))


def wide(tree: Any) -> Any:
    """A pytree whose floats are float64."""
    return jax.tree.map(
        lambda x: x.astype(np.float64) if jnp.issubdtype(x.dtype, np.floating) else x, tree
    )


def apart(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """Greatest difference of two lists of arrays, each over the greatest value of its array."""
    return max(
        float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
        for a, b in zip(one, other, strict=True)
    )


def with_batches(config: Any, size: int) -> Any:
    """A config all of whose phases take batches of one size."""
    changes = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name.endswith("batch_size"):
            changes[field.name] = size
        elif dataclasses.is_dataclass(value):
            changes[field.name] = with_batches(value, size)
    return dataclasses.replace(config, **changes)


def batch(size: int, seed: int) -> HostBatch:
    """Clips of a bright square that moves, with random words; every other one gives its frame."""
    random = np.random.default_rng(seed)
    video = np.full((size, *TASK.video_shape), 20, np.uint8)
    for clip in video:
        row, column = random.integers(0, TASK.height - 8, 2)
        for t, frame in enumerate(clip):
            frame[row : row + 5, column + t : column + t + 5] = 230
    words = (size, TASK.text_length, TASK.text_width)
    return HostBatch(
        video=video,
        text=random.standard_normal(words).astype(np.float32),
        text_mask=np.arange(TASK.text_length)[None] < 2 + np.arange(size)[:, None] % 3,
        context_mask=np.arange(size)[:, None] % 2 == 0,
    )


def fake_devices(count: int) -> None:
    """Have the CPU count as so many devices, before the first computation."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    flag = f"--xla_force_host_platform_device_count={count}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
