"""Longer clips by a window that slides along what was made, and adds the frames that follow."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.contract import Key
from vidgen.types import Video

_LINK = 0x77696E64
"""Folded into a key before the number of the link, so that no link's key is one that a clip draws
from."""


def slide(
    clip: Video,
    keys: Key,
    frames: int,
    history: int,
    draw: Callable[[Float[Array, "B M H W C"], Key], Video],
) -> Float[Array, "B F H W C"]:
    """The clip, gone on with until it has so many frames.

    However many that are, one window is compiled.

    Args:
        clip: of the task's T frames, drawn.
        keys: [B] PRNG keys, one a clip.
        frames: of the longer clip, more than T.
        history: M, frames that a window knows; each window adds T - M.
        draw: (last frames [B M H W C], keys [B]) -> clips of T frames that begin with them.

    References: Chen et al., "Diffusion forcing: next-token prediction meets full-sequence
    diffusion" (2024), section 3.3.
    """
    T = clip.shape[1]
    links = math.ceil((frames - T) / (T - history))

    def link(
        last: Float[Array, "B M H W C"], number: Array
    ) -> tuple[Float[Array, "B M H W C"], Float[Array, "B N H W C"]]:
        fresh = lambda key: jax.random.fold_in(jax.random.fold_in(key, _LINK), number)  # noqa: E731
        longer = draw(last, jax.vmap(fresh)(keys))
        return longer[:, T - history :], longer[:, history:]

    _, made = jax.lax.scan(link, clip[:, T - history :], jnp.arange(1, links + 1))
    later = jnp.moveaxis(made, 0, 1).reshape(len(clip), -1, *clip.shape[2:])
    return jnp.concatenate([clip, later], axis=1)[:, :frames]
