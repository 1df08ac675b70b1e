"""Rematerialisation: what the way back needs of the way forward, computed again in its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


def recomputed(call: Callable[..., Any], remat: bool) -> Callable[..., Any]:
    """The same function; with `remat` nothing inside it is kept for its gradient, which computes it
    again from its arguments.

    Args:
        call: a function, or a method of a module: of a block its ``__call__``.
        remat: whether to.

    References: Chen et al., "Training deep nets with sublinear memory cost" (2016).
    """
    return jax.checkpoint(call) if remat else call  # type: ignore[return-value]
