"""The gradient of a loss over a batch, in parts that are held one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from vidgen.types import Params


def value_and_grad(
    loss: Callable[..., Any],
    params: Params,
    rows: Any,
    *,
    microbatches: int = 1,
    has_aux: bool = False,
) -> tuple[Any, Params]:
    """A loss that is a mean over the rows of a batch, and its gradient.

    Over equal parts of the rows, the mean of their means is the mean of all, and of gradients
    likewise: the step is that of the whole batch but for rounding, and what is kept for the way
    back is of one part at a time. That is so only of a loss to which each row adds its own share:
    what is drawn at random must stand in the rows already, and a loss that compares rows with one
    another, as a contrastive one, or divides by a count of its own, would be another one.

    Args:
        loss: from (params, rows) to a scalar, or to a scalar and scalars with `has_aux`.
        params: by which it is differentiated.
        rows: a pytree of arrays whose first axis a multiple of B long, B clips being a batch.
        microbatches: into how many parts B is divided, and must be divisible.
        has_aux: as in `jax.value_and_grad`; means over the rows too.

    Returns:
        As `jax.value_and_grad` does.
    """
    both = jax.value_and_grad(loss, has_aux=has_aux)
    if microbatches == 1:
        return both(params, rows)

    def part(x: Array) -> Array:
        # Every so many rows, not as many beside each other: rows beside each other lie on one
        # device, which would compute alone.
        size = len(x) // microbatches
        return jnp.moveaxis(x.reshape(size, microbatches, *x.shape[1:]), 1, 0)

    # Leaves, since what is stacked is no `Condition` any more.
    leaves, structure = jax.tree.flatten(rows)

    def of_part(leaves: list[Array]) -> Any:
        return both(params, jax.tree.unflatten(structure, leaves))

    def add(total: Any, leaves: list[Array]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, of_part(leaves)), None

    parts = [part(x) for x in leaves]
    shapes = jax.eval_shape(of_part, [x[0] for x in parts])
    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    total, _ = jax.lax.scan(add, nothing, parts)
    return jax.tree.map(lambda x: x / microbatches, total)


def check_microbatches(microbatches: int, *batch_sizes: int) -> None:
    """Refuse parts into which a batch cannot be divided.

    Raises:
        ValueError: with the numbers.
    """
    for size in batch_sizes:
        if microbatches < 1 or size % microbatches:
            raise ValueError(f"{microbatches} microbatches do not divide a batch of {size}")
