"""Windows that know the last frames that were made, for clips of any length, see `vidgen.nn.slide`.

A network that is told a level of noise for every frame is shown the last frames that were made,
with little noise or none, beside noise where the next ones will be. Unlike chained sampling, which
hands on no more frames than a prompt may give, it sees how things were moving.

At the size of `quick` it is no gain. Rollouts to 32 frames by a denoiser of clips after 540 steps
(seed 0, 64 prompts, 95% intervals over them), by ``vidgen compare quick --generators diffusion
--budget 1200steps --set horizon=4 prompts=64 metrics=oracle,pixel,temporal``, without and with
``diffusion.frame_levels=independent``; the latter's weights were also rolled out by other settings
of the sampler:

- share of frames with the right identity, slope a frame: chained -0.022 [-0.026, -0.018]; its own
  rollout with 4 frames of history -0.024 [-0.028, -0.021], with history_noise=0.1 -0.024 [-0.027,
  -0.021], with history=1 -0.023 [-0.026, -0.019], with rollout_text=false and guidance=none -0.020
  [-0.023, -0.018];
- with one object, likewise: -0.016 [-0.021, -0.012]; -0.032 [-0.035, -0.029], -0.032 [-0.036,
  -0.029], -0.012 [-0.016, -0.008], -0.011 [-0.014, -0.007];
- clips with one object in 7 of the last 8 frames: 0.38 [0.27, 0.50]; 0.00 [0.00, 0.06], 0.03 [0.01,
  0.11], 0.47 [0.35, 0.59], 0.36 [0.25, 0.48].

Real clips have slopes of 0 and a share of 1. Clips of the task's length succeed in 0.45 [0.34,
0.57] with shared levels and in 0.39 [0.28, 0.51] with independent ones. With the sentence most
digits fade. A likely cause, not isolated: of one that has turned at the border, the sentence and
the motion compensation that follows it tell that it moves as at first, while the history shows
otherwise, and training, whose windows all begin where the sentence is true, has no such clips.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.denoising import Process
from vidgen.types import Video


@dataclasses.dataclass(frozen=True)
class Known:
    """The history of clips: first frames that are there.

    Attributes:
        frames: float [B M H W C].
        level: of the noise that they are shown with, a number or traced; None for none.
    """

    frames: Float[Array, "B M H W C"]
    level: Any = None


def begin(
    known: Known, process: Process, noise: Video, levels: Float[Array, "S"], lag: int
) -> tuple[Video, Float[Array, "passes T"]]:
    """Where clips with a history begin, and the levels that each of their frames takes.

    Args:
        known: their history.
        process: the path.
        noise: where clips without one begin.
        levels: of such clips, from noise to none.
        lag: steps by which each frame follows the one before it.
    """
    M = known.frames.shape[1]
    shown, level = known.frames, jnp.zeros(())
    if known.level is not None:
        level = jnp.asarray(known.level, jnp.float32)
        a, b = process.level(level)
        shown = a * shown + b * noise[:, :M]
    start = jnp.concatenate([shown, noise[:, M:]], axis=1)
    later = staggered(levels, noise.shape[1] - M, lag)
    held = jnp.broadcast_to(level, (len(later), M))
    return start, jnp.concatenate([held, later], axis=1)


def staggered(levels: Float[Array, "S"], frames: int, lag: int) -> Float[Array, "passes {frames}"]:
    """The same levels for each frame, taken `lag` steps after the frame before it takes them.

    References: Chen et al., "Diffusion forcing" (2024), section 3.3, for schedules in which what
    lies further ahead is noisier.
    """
    last = len(levels) - 1
    step = jnp.arange(last + lag * (frames - 1) + 1)[:, None]
    return levels[jnp.clip(step - lag * jnp.arange(frames)[None], 0, last)]
