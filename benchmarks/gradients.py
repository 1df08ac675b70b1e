"""What do the gradients that are not left to the rules of differentiation save?

    python benchmarks/gradients.py

`vidgen.nn.warp` and `vidgen.motion.photometric_error` say themselves how they are differentiated,
since a CPU computes badly what the rules make of them. For clips of several sizes the gradient of
the error of a warped canvas, with respect to its flow, is taken in four ways: with both, one or
none of them left to the rules. All of them must agree. Printed are medians, and ratios to the one
that is used.

Measured on one of two CPU cores, with the other one busy::

    clips                used    warp by rule   error by rule    both by rule
    16x8x32x32x1       5.3 ms          0.95 x          1.78 x          1.89 x
    32x8x32x32x3      19.7 ms          2.78 x          2.15 x          2.73 x
    16x16x64x64x3    163.2 ms          1.68 x          1.82 x          1.65 x
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from vidgen.motion import flow
from vidgen.nn import refine_flow, warp
from vidgen.nn.warp import _Corners


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What is timed.

    Attributes:
        clips: shapes of batches, ``BxTxHxWxC``.
        grid: cells of a flow along each side.
        runs: of each, of which the median counts.
    """

    clips: tuple[str, ...] = ("16x8x32x32x1", "32x8x32x32x3", "16x16x64x64x3")
    grid: int = 4
    runs: int = 11


def by_rule(image: Any, flows: Any) -> Any:
    """`warp`, differentiated by the rules."""
    return _Corners.of(image, flows).blended()


WAYS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "used": (warp, flow._pyramid_error),
    "warp by rule": (by_rule, flow._pyramid_error),
    "error by rule": (warp, flow._pyramid),
    "both by rule": (by_rule, flow._pyramid),
}


def main(settings: Settings) -> int:
    """Time, check and print."""
    print(f"{'clips':<16}{'used':>9}" + "".join(f"{way:>16}" for way in list(WAYS)[1:]))
    for written in settings.clips:
        shape = tuple(map(int, written.split("x")))
        took = list(timed(shape, settings).values())
        cells = [f"{seconds / took[0]:.2f} x" for seconds in took[1:]]
        print(f"{written:<16}{1e3 * took[0]:>6.1f} ms" + "".join(f"{cell:>16}" for cell in cells))
    return 0


def timed(shape: tuple[int, ...], settings: Settings) -> dict[str, float]:
    """Median seconds by way.

    Raises:
        AssertionError: if two ways differ.
    """
    clips, frames, height, width, _ = shape
    keys = jax.random.split(jax.random.key(0), 3)
    canvas = jax.random.uniform(keys[0], (clips, *shape[2:]))
    real = jax.random.uniform(keys[1], (clips, frames - 1, *shape[2:]))
    coarse = (clips, frames - 1, settings.grid, settings.grid, 2)
    flows = jnp.cumsum(jax.random.normal(keys[2], coarse), axis=1)
    images = jnp.repeat(canvas, frames - 1, axis=0)

    def gradient(move: Callable[..., Any], error: Callable[..., Any]) -> Callable[..., Any]:
        def judged(flows: Any, images: Any, real: Any) -> Any:
            fine = refine_flow(flows.reshape(-1, *flows.shape[2:]), height, width)
            return error(move(images, fine).reshape(real.shape) - real).mean()

        return jax.jit(jax.grad(judged))

    found = {way: gradient(*both) for way, both in WAYS.items()}
    answers = {way: run(flows, images, real) for way, run in found.items()}
    for answer in answers.values():
        least = 1e-4 * float(jnp.abs(answers["used"]).max())
        np.testing.assert_allclose(answer, answers["used"], rtol=1e-3, atol=least)
    took = dict[str, list[float]]((way, []) for way in WAYS)
    for _ in range(settings.runs):
        for way, run in found.items():
            began = time.perf_counter()
            jax.block_until_ready(run(flows, images, real))
            took[way].append(time.perf_counter() - began)
    return {way: statistics.median(each) for way, each in took.items()}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
