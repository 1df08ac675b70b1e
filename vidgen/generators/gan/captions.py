"""What a clip follows that is asked for without a sentence: one of training."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vidgen.contract import Key

HELD = "captions"
"""Name of the captions that are held, among what is carried and among what is exported."""

_OF_CAPTIONS = 0x63617074
"""Sets the draw of a caption apart from all else that is drawn by a clip's key."""


def hold(
    held: Float[Array, "J E"], fresh: Float[Array, "B E"], step: Int[Array, ""]
) -> Float[Array, "J E"]:
    """The captions held after a step: its own, and of those before it the latest.

    Args:
        held: vectors of captions held so far, the latest first.
        fresh: of those of the step.
        step: how many were taken before it; the first one's fill all places.
    """
    before = jnp.where(step > 0, held, jnp.resize(fresh, held.shape))
    return jnp.concatenate([fresh, before])[: len(held)]


def draw(held: Float[Array, "J E"], keys: Key) -> Float[Array, "B E"]:
    """One of the captions held for each key, all as likely: as likely as in training."""

    def place(key: Key) -> Int[Array, ""]:
        return jax.random.randint(jax.random.fold_in(key, _OF_CAPTIONS), (), 0, len(held))

    return held[jax.vmap(place)(keys)]
