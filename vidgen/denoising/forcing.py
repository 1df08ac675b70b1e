"""Diffusion forcing: in training every frame has a level of noise of its own."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vidgen.contract import Key
from vidgen.denoising.process import Process


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forcing:
    """How the levels of the frames of a clip are drawn.

    A clip begins with a history, which ends anywhere from the given frames to the last frame but
    one, each as likely, and is not learned. Its frames share a level: none in half of the clips,
    up to `history_noise` in the others. Every later frame has a level of its own, of the path's
    distribution. That leaves hardly a frame without noise, since what matters is decided at high
    noise; so, unlike in the paper, a history is drawn apart, as it is shown when a clip goes on.

    Attributes:
        history_noise: the highest level of a history, in [0, 1].

    References: Chen et al., "Diffusion forcing: next-token prediction meets full-sequence
    diffusion" (2024), algorithm 1; histories of any length: Song et al., "History-guided video
    diffusion" (2025).
    """

    history_noise: float

    def draw(
        self, process: Process, key: Key, count: int, frames: int, given: int
    ) -> tuple[Float[Array, "{count} {frames}"], Bool[Array, "{count} {frames}"]]:
        """The level of every frame of `count` clips, and whether it is learned.

        Args:
            process: the path.
            key: a PRNG key.
            count: clips.
            frames: of a clip.
            given: first frames that always are part of the history.
        """
        for_time, for_start, for_history = jax.random.split(key, 3)
        t = process.draw(for_time, count * frames).reshape(count, frames)
        start = jax.random.randint(for_start, (count, 1), given, frames)
        most = self.history_noise
        shown = jax.random.uniform(for_history, (count, 1), minval=-most, maxval=most)
        learned = jnp.arange(frames)[None] >= start
        return jnp.where(learned, t, jnp.maximum(shown, 0.0)), learned
