"""Whether every family learns the same on one device and on several.

    python benchmarks/devices.py
    python benchmarks/devices.py --generators gan --precisions 32

Every phase of every registered generator, at the size of its tests, takes 20 steps from the same
weights on 1 device, and on 2 and 4 (`--devices`), replicated and fully sharded; and, on 1 and on
the most, in two microbatches and with rematerialisation. One device and a whole batch are the
measure. The devices are fake ones of the CPU, unless JAX_PLATFORMS names others. Phases that
several generators share are compared once. Columns:

    loss        greatest relative difference of the loss over the steps
    gradient    greatest difference of the optimiser's memory after the first step (the gradients,
                clipped, and their squares), over the greatest value of the same array. New weights
                are no measure: where a gradient is zero but for rounding, Adam and Muon make
                a whole step of the rounding
    state       bytes of the phase's state on the first device, over those on one device

Tables here are rows of runs of one family or a few each. `--precisions 64 --steps 1 --plain`
printed gradients that were this far apart at most, on 2 replicated, on 4 fully sharded, and on 1 in
parts:

    gan             adversarial       8.5e-15   at first weights
    autoregressive  tokenizer         2.9e-15
    autoregressive  prior             7.0e-07   `jax.nn.dot_product_attention` has its softmax in
    masked          prior             5.6e-07   float32; at first weights, which hide it, 3.0e-16
    diffusion       motion            1.0e-15
    diffusion       opening           9.5e-07   likewise
    diffusion       denoiser          4.2e-15   at first weights, as are those below
    meanflow        meanflow-opening  1.0e-15
    meanflow        meanflow-denoiser 1.1e-15

`--precisions 32 --no-parts` printed, over 20 steps by the families' own optimisers, of the loss:

    gan             adversarial  2 replicated     1   32   1.5e-06   1.1e-06  1.000
    gan             adversarial  4 full           1   32   1.5e-06   2.6e-06  0.384
    autoregressive  tokenizer    2 replicated     1   32   2.0e-06   4.5e-06  1.000
    autoregressive  tokenizer    4 full           1   32   2.7e-06   3.5e-06  0.701
    autoregressive  motion       2 replicated     1   32   1.0e-06   4.7e-07  1.000
    autoregressive  motion       4 full           1   32   5.9e-07   4.6e-07  0.426
    autoregressive  prior        2 replicated     1   32   6.1e-07   1.2e-07  1.000
    autoregressive  prior        4 full           1   32   3.4e-07   1.2e-07  0.586
    diffusion       motion       2 replicated     1   32   1.4e-07   4.7e-07  1.000
    diffusion       opening      2 replicated     1   32   5.4e-06   4.2e-07  1.000
    diffusion       opening      4 full           1   32   2.0e-06   5.1e-07  0.292
    diffusion       denoiser     2 replicated     1   32   5.8e-06   7.4e-07  1.000
    diffusion       denoiser     4 full           1   32   9.1e-06   4.9e-07  0.307
    masked          prior        2 replicated     1   32   3.8e-07   6.2e-07  1.000
    masked          prior        4 full           1   32   2.9e-07   6.2e-07  0.510
    meanflow        meanflow-opening 2 replicated 1   32   2.6e-06   7.6e-07  1.000
    meanflow        meanflow-opening 4 full       1   32   4.6e-06   8.5e-07  0.284
    meanflow        meanflow-denoiser 2 replicated 1  32   4.8e-06   5.3e-07  1.000
    meanflow        meanflow-denoiser 4 full      1   32   4.3e-06   4.5e-07  0.296

No phase in parts has been through these 20 steps. The columns are those above, and between the
sharding and the bits the number of microbatches.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from vidgen import registry
from vidgen.contract import Phase
from vidgen.optim import Optimizer
from vidgen.training.placement import SHARDINGS, Placement, Sharding
from vidgen.training.step import Guarded, guarded_step, initialise
from vidgen.types import HostBatch, Task

TASK = Task(
    frames=4, height=16, width=16, channels=1, context_frames=1, text_length=6, text_width=8
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to compare.

    Attributes:
        generators: names from `vidgen list generators`; by default all.
        devices: how many are held against one.
        shardings: of the state, with each number of them.
        precisions: bits of a number, 64 or 32.
        batch_size: clips a step, in all phases.
        steps: taken in each way.
        parts: whether steps in parts are held against whole ones too.
        plain: what gradients are compared by, with one step: weights have left their beginnings,
            and are moved by Adam without momentum or clipping, whose memory are the gradients and
            their squares. It takes half as long to compile as Muon.
    """

    generators: tuple[str, ...] = ()
    devices: tuple[int, ...] = (2, 4)
    shardings: tuple[Sharding, ...] = SHARDINGS
    precisions: tuple[int, ...] = (64, 32)
    batch_size: int = 4
    steps: int = 20
    parts: bool = True
    plain: bool = False


@dataclasses.dataclass(frozen=True)
class Way:
    """Where steps are taken, and whether in two microbatches and with rematerialisation."""

    place: Placement
    parts: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared:
    """One phase in some way against the plain one; see the columns above."""

    generator: str
    phase: str
    way: Way
    bits: int
    loss: float
    gradient: float
    state: float
    seconds: float

    def __str__(self) -> str:
        place, parts = self.way.place, 1 + self.way.parts
        return (
            f"{self.generator:16}{self.phase:12}{len(place.devices):2} {place.sharding:11}"
            f"{parts:5} {self.bits:4} {self.loss:9.1e} {self.gradient:9.1e} "
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
    print(f"{'generator':16}{'phase':12}{'on':>2} {'sharding':11}", end="")
    print("parts bits      loss  gradient  state")
    places = [Placement.of(count, how) for count in settings.devices for how in settings.shardings]
    ways = [Way(place) for place in places]
    if settings.parts:
        ways += [Way(Placement.of(1), parts=True), Way(places[-1], parts=True)]
    seen: set[Any] = set()
    for name in settings.generators or registry.names():
        for compared in compare(name, ways, settings, seen):
            print(compared, flush=True)


def compare(
    name: str, ways: Sequence[Way], settings: Settings, seen: set[Any]
) -> Iterator[Compared]:
    """One generator's phases in each of the ways, against a whole batch on one device.

    Args:
        name: of the generator.
        ways: in which its phases are trained.
        settings: precisions, batches and steps.
        seen: phases that are not to be compared again; those that are compared are added.
    """
    entry = registry.entry(name)
    config = adapted(entry.config.tiny(), settings)
    earlier: dict[str, Any] = {}
    for phase, parted in zip(
        entry.build(TASK, config).phases(),
        entry.build(TASK, in_parts(config)).phases(),
        strict=True,
    ):
        begin = initialise(phase, jax.random.key(1), earlier)
        begin = stirred(begin) if settings.plain else begin
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
            begun = time.perf_counter()
            trained = [(phase, Placement.of(1))]
            trained += [(parted if way.parts else phase, way.place) for way in ways]
            with jax.enable_x64(bits == 64):
                one, *others = runs(trained, begin, bits, settings.steps)
            seconds = (time.perf_counter() - begun) / (1 + len(ways))
            for way, ran in zip(ways, others, strict=True):
                yield Compared(
                    generator=name,
                    phase=phase.name,
                    way=way,
                    bits=bits,
                    loss=max(abs(a / b - 1) for a, b in zip(ran.losses, one.losses, strict=True)),
                    gradient=apart(ran.memory, one.memory),
                    state=ran.held / one.held,
                    seconds=seconds,
                )
        jax.clear_caches()


def runs(
    trained: Sequence[tuple[Phase, Placement]], begin: Guarded, bits: int, steps: int
) -> list[Ran]:
    """Some steps of each phase in its place, all from one state on the host."""
    if bits == 64:
        wider = {phase: Wide(phase) for phase, _ in trained}
        trained, begin = [(wider[phase], place) for phase, place in trained], wide(begin)
    rest = (np.int32(0), np.float32(0.0))
    lowered, fed = [], []
    for phase, place in trained:
        shardings = jax.tree.map(lambda x, place=place: place.part(x.shape), begin)
        guarded = jax.device_put(begin, shardings)
        key = place.everywhere(lambda: jax.random.key(2))
        step = jax.jit(
            guarded_step(phase), donate_argnums=0, out_shardings=(shardings, place.whole())
        )
        lowered.append(step.lower(guarded, place.feed(batch(phase.batch_size, 0)), key, *rest))
        fed.append((guarded, key))
    with ThreadPoolExecutor(2) as pool:
        programs = pool.map(lambda program: program.compile(), lowered)
        return [
            run(program, place, guarded, key, phase.batch_size, steps)
            for program, (phase, place), (guarded, key) in zip(programs, trained, fed, strict=True)
        ]


def run(step: Any, place: Placement, guarded: Any, key: Any, size: int, steps: int) -> Ran:
    """Some steps by the compiled one."""
    held = sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(guarded))
    losses, memory = [], []
    for n in range(steps):
        clips = place.feed(batch(size, n))
        guarded, told = step(guarded, clips, key, np.int32(n), np.float32(n / steps))
        losses.append(float(told["loss"]))
        memory = memory or jax.tree.leaves(jax.device_get(guarded.state.opt_state))
    return Ran(losses=losses, memory=memory, held=held)


def stirred(begin: Guarded) -> Guarded:
    """A state whose weights have left their beginnings, where layers of zeros hide those before
    them from the gradient.
    """
    draw = np.random.default_rng(0).standard_normal
    weights = jax.tree.map(
        lambda x: x + 0.02 * draw(x.shape).astype(x.dtype), (begin.state.params, begin.state.ema)
    )
    state = begin.state.replace(params=weights[0], ema=weights[1])
    return dataclasses.replace(begin, state=state)


class Wide:
    """A phase in float64, also where it asks for float32, as quantizers and losses do."""

    def __init__(self, phase: Phase) -> None:
        self.name, self.share, self.batch_size = phase.name, phase.share, phase.batch_size
        self.init, self.export, self._step = phase.init, phase.export, phase.step

    def step(self, state: Any, batch: Any, key: Any, progress: Any) -> Any:
        """The phase's own, on a widened batch."""
        with mock.patch.object(jnp, "float32", jnp.float64):
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


def adapted(config: Any, settings: Settings) -> Any:
    """A config all of whose phases take batches of one size, and are moved as the settings say."""
    changes = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name.endswith("batch_size"):
            changes[field.name] = settings.batch_size
        elif field.name in ("animated", "continued"):
            changes[field.name] = settings.batch_size // 2
        elif isinstance(value, Optimizer) and settings.plain:
            changes[field.name] = dataclasses.replace(value, kind="adamw", b1=0.0, clip=None)
        elif dataclasses.is_dataclass(value):
            changes[field.name] = adapted(value, settings)
    return dataclasses.replace(config, **changes)


def in_parts(config: Any) -> Any:
    """A config whose phases take each batch in two parts, and compute again what they can."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name == "microbatches":
            changes[field.name] = 2
        elif field.name == "remat":
            changes[field.name] = True
        elif dataclasses.is_dataclass(value):
            changes[field.name] = in_parts(value)
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
