"""What does each way of computing that is kept for its speed save, against the plain one?

    python benchmarks/optimisations.py
    python benchmarks/optimisations.py --only convolutions cache

A line is one of them: what is used, and the plain code that it stands in for, take turns in one
process, must agree, but for a GIF's colours, and are timed from call to answer (medians, and of the
ratios of turns median and quartiles). Of the memory that a step frees, both ways run in processes
of their own, one after the other, since the C library is told once. What differentiation is told to
do is in ``gradients.py``, I3D as a whole in ``features.py``.

Measured on two idle CPU cores, that of a GIF's frame beside a training; the three that take longest
to come by (first weights, forty layers, what is freed) in three turns::

                                                    used        plain   plain / used
    convolution in space, of a discriminator           0.78 ms      1.92 ms    2.43 [2.22, 2.54]
    gradient of that in space, of a discriminator      3.02 ms      8.00 ms    2.60 [2.56, 2.72]
    convolution in time, of a discriminator            0.36 ms      0.78 ms    1.89 [1.51, 2.58]
    gradient of that in time, of a discriminator       1.52 ms      2.64 ms    1.78 [1.39, 2.11]
    convolution 3-D, of a tokenizer                    7.88 ms     14.75 ms    1.83 [1.75, 1.87]
    gradient of that 3-D, of a tokenizer              24.18 ms     41.91 ms    1.95 [1.83, 2.06]
    convolution of single pixels                       0.75 ms      0.79 ms    1.07 [0.82, 1.30]
    gradient of that of single pixels                  3.74 ms      4.47 ms    1.12 [1.06, 1.24]
    convolution of frames of 2x2                       0.72 ms      6.90 ms    9.49 [9.00, 10.02]
    gradient of that of frames of 2x2                  2.03 ms     15.24 ms    7.58 [6.27, 9.42]
    convolution of I3D, by fewer products             12.65 ms     24.10 ms    1.93 [1.87, 1.97]
    maxima of 3x3x3                                    2.10 ms      7.91 ms    3.95 [3.69, 4.29]
    penalty through a halving                          4.17 ms     83.61 ms   19.43 [18.58, 20.58]
    cache of keys and values, 256 codes               72.76 ms   2361.11 ms   33.68 [31.48, 35.23]
    noise of codes                                     0.41 ms      1.04 ms    2.60 [2.39, 2.72]
    compiling of first weights                      5021.31 ms  10785.44 ms    2.16 [2.16, 2.16]
    tracing of forty layers                           77.73 ms    278.27 ms    4.36 [3.68, 4.60]
    colours of a GIF's frame                           0.65 ms     23.43 ms   37.26 [35.07, 48.53]
    step of the GAN, what it frees kept              142.68 ms    147.33 ms    1.07 [0.95, 1.14]

What a step frees makes no difference that three turns show at this size, 32x32.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from vidgen.nn import Network, convolve
from vidgen.types import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What is timed.

    Attributes:
        only: some of `GROUPS`, by their functions' names, or ``memory``; all by default.
        turns: of each way, fewer where they take long.
    """

    only: tuple[str, ...] = ()
    turns: int = 15


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Two ways to one answer.

    Attributes:
        name: what is computed.
        used: as the suite computes it.
        plain: as one would write it down.
        close: how far apart the largest of two answers may be, over the largest of them; None where
            they need not agree.
    """

    name: str
    used: Callable[[], Any]
    plain: Callable[[], Any]
    close: float | None = 1e-4


TASK = Task(frames=8, height=32, width=32, channels=1, context_frames=1)
"""That of `digits32`."""

Size = tuple[tuple[int, ...], tuple[int, ...]]

CONVOLUTIONS: tuple[tuple[str, Size], ...] = (
    ("in space, of a discriminator", ((8, 8, 8, 8, 16), (1, 3, 3, 16, 48))),
    ("in time, of a discriminator", ((8, 4, 4, 4, 96), (3, 1, 1, 96, 96))),
    ("3-D, of a tokenizer", ((8, 4, 8, 8, 128), (2, 3, 3, 128, 128))),
    ("of single pixels", ((8, 4, 8, 8, 128), (1, 1, 1, 128, 128))),
    ("of frames of 2x2", ((8, 4, 2, 2, 128), (3, 3, 3, 128, 128))),
)


def convolutions() -> Iterator[Pair]:
    """`convolve`, which makes 2-D ones and matrix products of a 3-D one, and XLA's own."""
    for what, (shape, taps) in CONVOLUTIONS:
        x, kernel = _normal(0, shape), _normal(1, taps) / np.sqrt(np.prod(taps[:-1]))
        pads = [((n - 1) // 2 + (n - 1) % 2, (n - 1) // 2) for n in taps[:3]]

        def used(x: Any, kernel: Any, pads: Any = pads) -> Any:
            return convolve(x, kernel, padding=pads)

        yield _both(f"convolution {what}", used, _plain_convolution(pads), x, kernel)
        yield _both(
            f"gradient of that {what}",
            _slopes(used),
            _slopes(_plain_convolution(pads)),
            x,
            kernel,
        )


def _plain_convolution(pads: Any, strides: tuple[int, int, int] = (1, 1, 1)) -> Callable[..., Any]:
    return lambda x, kernel: jax.lax.conv_general_dilated(
        x, kernel, strides, pads, dimension_numbers=("NDHWC", "DHWIO", "NDHWC")
    )


def _slopes(run: Callable[..., Any]) -> Callable[..., Any]:
    return jax.grad(lambda x, kernel: (run(x, kernel) ** 2).mean(), argnums=(0, 1))


def fewer_products() -> Iterator[Pair]:
    """Winograd's filtering along time, of frozen networks, and the same without it."""
    x, kernel = _normal(0, (1, 8, 28, 28, 96)), _normal(1, (3, 3, 3, 96, 128)) / 50
    yield _both(
        "convolution of I3D, by fewer products",
        lambda x, kernel: convolve(x, kernel, fewer_products=True),
        convolve,
        x,
        kernel,
    )


def pooling() -> Iterator[Pair]:
    """I3D's maxima, axis by axis, and over the whole window."""
    from vidgen.evaluation.features.i3d import max_pool

    window, strides = (3, 3, 3), (2, 2, 2)

    def plain(x: Any) -> Any:
        axes = (1, *window, 1), (1, *strides, 1)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *axes, "SAME")

    x = _normal(0, (1, 8, 56, 56, 192))
    yield _both("maxima of 3x3x3", lambda x: max_pool(x, window, strides), plain, x)


def halving() -> Iterator[Pair]:
    """The discriminators' halving under a gradient penalty, and a strided convolution's."""
    from vidgen.generators.gan.discriminators import Merge

    x = _normal(0, (16, 8, 8, 8, 48))
    merge = Network(lambda rngs: Merge(3, 48, 96, rngs=rngs))
    weights = merge.init(jax.random.key(0))
    # Of the same product: its rows are in the order of the axes of a patch.
    kernel = weights["project.kernel"].reshape(2, 2, 2, 48, 96)

    def penalty(run: Callable[..., Any]) -> Callable[..., Any]:
        """The gradient of R1: of the squared gradient of an output that is not linear."""

        def of(kernel: Any, x: Any) -> Any:
            slope = jax.grad(lambda x: jax.nn.silu(run(x, kernel)).sum())(x)
            return (slope**2).sum(axis=(1, 2, 3, 4)).mean()

        return jax.grad(of)

    def used(x: Any, kernel: Any) -> Any:
        return merge.bind(weights | {"project.kernel": kernel.reshape(-1, 96)})(x)

    plain = _plain_convolution([(0, 0)] * 3, (2, 2, 2))
    yield _both("penalty through a halving", penalty(used), penalty(plain), kernel, x)


def cache() -> Iterator[Pair]:
    """A decoder's pass over codes one after the other, with keys and values kept, and anew."""
    from vidgen.nn import Decoder

    width, count = 160, 256
    decoder = Network(lambda rngs: Decoder(width, 4, 3, source_width=width, rngs=rngs))
    weights = decoder.init(jax.random.key(0))
    x, source = _normal(0, (1, count, width)), _normal(1, (1, 12, width))
    angles = _normal(2, (count, width // 8))

    def used(x: Any, source: Any) -> Any:
        net = decoder.bind(weights)
        memory = net.memory(source)

        def step(caches: Any, n: Any) -> Any:
            out, caches = net.step(
                jax.lax.dynamic_slice_in_dim(x, n, 1, 1),
                caches,
                n,
                memory,
                angles=jax.lax.dynamic_slice_in_dim(angles, n, 1),
            )
            return caches, out[:, 0]

        return jax.lax.scan(step, net.empty_caches(1, count), jnp.arange(count))[1]

    def plain(x: Any, source: Any) -> Any:
        net = decoder.bind(weights)

        def step(so_far: Any, n: Any) -> Any:
            # What is not drawn yet is nought; the mask hides it from what is.
            new = jax.lax.dynamic_slice_in_dim(x, n, 1, 1)
            so_far = jax.lax.dynamic_update_slice_in_dim(so_far, new, n, 1)
            out = net(so_far, source, angles=angles)
            return so_far, jax.lax.dynamic_slice_in_dim(out, n, 1, 1)[:, 0]

        return jax.lax.scan(step, jnp.zeros_like(x), jnp.arange(count))[1]

    yield _both(f"cache of keys and values, {count} codes", used, plain, x, source)


def noise() -> Iterator[Pair]:
    """The noise of all codes at once, and code by code, as a loop over them would draw it."""
    from vidgen.generators.autoregressive.sampling import gumbel

    levels, count = (5,) * 8, 256
    keys = jax.random.split(jax.random.key(0), 1)

    def plain(keys: Any) -> Any:
        def step(_: None, index: Any) -> tuple[None, Any]:
            return None, gumbel(keys, index[None], levels)[0]

        return jax.lax.scan(step, None, jnp.arange(count))[1]

    yield _both("noise of codes", lambda keys: gumbel(keys, jnp.arange(count), levels), plain, keys)


def first_weights() -> Iterator[Pair]:
    """Drawing the GAN's first weights: how it is compiled, and how keys are counted in a trace."""
    from flax import nnx

    from vidgen.generators.gan import Gan, GanConfig
    from vidgen.nn.network import RUN_ONCE, _Rngs
    from vidgen.training.step import _init

    key = jax.random.key(0)

    @functools.cache
    def lowered() -> Any:
        return jax.jit(_init(Gan(GanConfig(), TASK).phases()[0])).lower(key, {})

    def compiled(options: Any) -> Callable[[], Any]:
        def run() -> Any:
            jax.clear_caches()  # or it is compiled once
            return lowered().compile(options)(key, {}).state.params

        return run

    yield Pair(
        name="compiling of first weights", used=compiled(RUN_ONCE), plain=compiled(AS_ALL_ELSE)
    )

    def traced(rngs: Callable[[Any], nnx.Rngs]) -> Callable[[], Any]:
        def build() -> Any:
            own = rngs(key)
            return [nnx.Linear(8, 8, rngs=own) for _ in range(40)]

        return lambda: [x.shape for x in jax.tree.leaves(nnx.eval_shape(build))]

    yield Pair(name="tracing of forty layers", used=traced(_Rngs), plain=traced(nnx.Rngs))


def pictures() -> Iterator[Pair]:
    """Colours of a GIF's frame that has many, of sixteen photographs, on the host."""
    from PIL import Image

    from vidgen.comparison.video import _in_256_colours
    from vidgen.data import source

    @functools.cache
    def image() -> Image.Image:
        clips = source("camera", split="test")
        return Image.fromarray(np.concatenate([clips[i].video[0] for i in range(16)], axis=1))

    yield Pair(
        name="colours of a GIF's frame",
        used=lambda: _in_256_colours(image()),
        plain=lambda: image().quantize(256, method=Image.Quantize.MEDIANCUT),
        close=None,
    )


AS_ALL_ELSE = {"xla_backend_optimization_level": 3}
"""XLA's default, said outright: without options JAX compiles a program once."""

GROUPS: tuple[Callable[[], Iterator[Pair]], ...] = (
    convolutions,
    fewer_products,
    pooling,
    halving,
    cache,
    noise,
    first_weights,
    pictures,
)

FEWEST = 3
ENOUGH = 40.0
"""Turns, and seconds after which no more than these are taken."""

MEMORY = "memory"
"""The line that takes processes of its own."""


def main(settings: Settings) -> int:
    """Time, check and print."""
    known = [group.__name__ for group in GROUPS] + [MEMORY]
    if unknown := sorted(set(settings.only) - set(known)):
        print(f"no {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 1
    asked = settings.only or known
    print(f"{'':<46}{'used':>12}{'plain':>13}   plain / used")
    for group in GROUPS:
        for pair in group() if group.__name__ in asked else ():
            _check(pair)
            took: list[tuple[float, float]] = []
            while len(took) < FEWEST or (len(took) < settings.turns and np.sum(took) < ENOUGH):
                took.append((_seconds(pair.used), _seconds(pair.plain)))
            print(_line(pair.name, took), flush=True)
    if MEMORY in asked:
        took = [(_apart(True), _apart(False)) for _ in range(FEWEST)]
        print(_line("step of the GAN, what it frees kept", took))
    return 0


def _normal(seed: int, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def _both(name: str, used: Callable[..., Any], plain: Callable[..., Any], *given: Any) -> Pair:
    """Both ways compiled, for the same arguments."""
    run, other = jax.jit(used), jax.jit(plain)
    return Pair(name=name, used=lambda: run(*given), plain=lambda: other(*given))


def _check(pair: Pair) -> None:
    """Run both once.

    Raises:
        AssertionError: if their answers differ.
    """
    answers = [jax.tree.leaves(run()) for run in (pair.used, pair.plain)]
    if pair.close is not None:
        for one, other in zip(*answers, strict=True):
            least = pair.close * float(np.abs(other).max())
            np.testing.assert_allclose(one, other, rtol=0, atol=least, err_msg=pair.name)


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def _line(name: str, took: list[tuple[float, float]]) -> str:
    used, plain = (1e3 * statistics.median(each) for each in zip(*took, strict=True))
    low, middle, high = np.quantile([other / own for own, other in took], [0.25, 0.5, 0.75])
    return f"{name:<46}{used:>9.2f} ms{plain:>10.2f} ms{middle:>8.2f} [{low:.2f}, {high:.2f}]"


def _apart(keep: bool) -> float:
    """Median seconds of a step in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_step, keep).result()


def _step(keep: bool) -> float:
    from throughput import host_batch

    from vidgen.allocator import keep_freed_memory
    from vidgen.contract import stream
    from vidgen.generators.gan import Gan, GanConfig
    from vidgen.training.step import guarded_step, initialise
    from vidgen.training.timing import time_calls

    if keep:
        keep_freed_memory()
    phase = Gan(GanConfig(), TASK).phases()[0]
    state = initialise(phase, stream(0, phase.name, "init"), {})
    batch, key = host_batch(phase.batch_size, TASK), stream(0, phase.name, "step")
    run = jax.jit(guarded_step(phase), donate_argnums=0)

    def one_step() -> Any:
        nonlocal state
        state, metrics = run(state, batch, key, np.int32(0), np.float32(0.5))
        return state, metrics

    return time_calls(one_step, warm_ups=3).median


if __name__ == "__main__":
    jax.config.update("jax_enable_compilation_cache", False)  # compiling is timed, too
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
