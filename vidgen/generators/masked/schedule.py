"""Which codes are hidden: while the prior learns, and from step to step when it samples."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from vidgen.contract import Key


def remaining(codes: int, steps: int) -> np.ndarray:
    """How many codes stay hidden after each step, by how many were hidden at the start.

    A share of cos(pi/2 * step / steps), rounded down: few codes are decided while little is known,
    many at the end. Each step decides at least one as long as any is left.

    Args:
        codes: the most that can be hidden.
        steps: in which they are decided.

    Returns:
        int32 [steps, codes + 1]; the last row is 0.

    References: Chang et al., "MaskGIT" (2022), section 3.3.
    """
    shares = np.cos(np.pi / 2 * np.arange(1, steps + 1) / steps)
    hidden = np.arange(codes + 1)
    # A share such as cos(pi/3) must not lose a code to its last bit.
    rounded = np.floor(shares[:, None] * hidden + 1e-9).astype(np.int32)
    at_most = np.maximum(hidden - np.arange(1, steps + 1)[:, None], 0)
    return np.minimum(rounded, at_most).astype(np.int32)


def least(scores: Float[Array, "B M"], among: Bool[Array, "B M"], counts: Int[Array, "B"]) -> Array:
    """True at the lowest `counts` scores of each row, of the places `among` which to choose."""
    order = jnp.argsort(jnp.where(among, scores, jnp.inf), axis=-1)
    ranks = jnp.argsort(order, axis=-1)
    return among & (ranks < counts[:, None])


def hide(key: Key, among: Bool[Array, "B M"]) -> Bool[Array, "B M"]:
    """Which codes are hidden from the prior in a step of its training.

    In each row a share of cos(pi/2 * u) with u uniform, rounded up: as often as `remaining` leaves
    that many.

    Args:
        key: of this step.
        among: codes that may be hidden.
    """
    for_share, for_choice = jax.random.split(key)
    share = jnp.cos(jnp.pi / 2 * jax.random.uniform(for_share, among.shape[:1]))
    counts = jnp.ceil(share * jnp.sum(among, axis=-1)).astype(jnp.int32)
    return least(jax.random.uniform(for_choice, among.shape), among, counts)
