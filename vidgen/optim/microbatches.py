"""What is computed of a batch, such as a gradient, in parts that are held one after another."""

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
    """A loss that is a mean over the rows of a batch, and its gradient, as `in_parts` takes them.

    Args:
        loss: from (params, rows) to a scalar, or to a scalar and scalars with `has_aux`.
        params: by which it is differentiated.
        rows: as in `in_parts`.
        microbatches: as in `in_parts`.
        has_aux: as in `jax.value_and_grad`; means over the rows too.

    Returns:
        As `jax.value_and_grad` does.
    """
    both = jax.value_and_grad(loss, has_aux=has_aux)
    return in_parts(lambda rows: (both(params, rows), ()), rows, microbatches)[0]


def in_parts(compute: Callable[[Any], tuple[Any, Any]], rows: Any, microbatches: int) -> Any:
    """Means over the rows of a batch (a loss, its gradient), and what each row has of its own.

    Over equal parts of the rows, the mean of their means is the mean of all: the step is that of
    the whole batch but for rounding, and what is kept for the way back is of one part at a time.
    That is so only where each row adds its own share: what is drawn at random must stand in the
    rows already, and what compares rows with one another, or divides by a count of its own, would
    be another thing. What is drawn or made for all rows beforehand takes the memory that it takes.

    On several devices a part is shared among them like a batch: one that their number does not
    divide is padded, and gains nothing. Gradients are summed over devices once a part.

    Args:
        compute: from rows to two pytrees: means over them, and arrays with a value for each.
        rows: a pytree of arrays, the first axis of each divisible by `microbatches`. Part i takes
            every row whose place leaves the remainder i, so that rows which belong together in
            several arrays must stand at places of one remainder.
        microbatches: how many parts.

    Returns:
        As `compute` does, of all rows, in their order.
    """
    if microbatches == 1:
        return compute(rows)
    leaves, structure = jax.tree.flatten(rows)  # what is stacked is no `Condition` any more
    parts = [_parts(x, microbatches) for x in leaves]

    def of_part(leaves: list[Array]) -> tuple[Any, Any]:
        return compute(jax.tree.unflatten(structure, leaves))

    def add(total: Any, leaves: list[Array]) -> tuple[Any, Any]:
        means, each = of_part(leaves)
        return jax.tree.map(jnp.add, total, means), each

    shapes, _ = jax.eval_shape(of_part, [x[0] for x in parts])
    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    total, each = jax.lax.scan(add, nothing, parts)
    means = jax.tree.map(lambda x: x / microbatches, total)
    return means, jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(-1, *x.shape[2:]), each)


def check_microbatches(microbatches: int, *batch_sizes: int) -> None:
    """Refuse parts into which a batch cannot be divided.

    Raises:
        ValueError: with the numbers.
    """
    for size in batch_sizes:
        if microbatches < 1 or size % microbatches:
            raise ValueError(
                f"{microbatches} microbatches do not divide a batch of {size}; they must divide "
                f"every batch of the phase ({', '.join(map(str, batch_sizes))})"
            )


def _parts(x: Array, microbatches: int) -> Array:
    # Every so many rows, not as many beside each other: rows beside each other lie on one device,
    # which would compute alone.
    size = len(x) // microbatches
    return jnp.moveaxis(x.reshape(size, microbatches, *x.shape[1:]), 1, 0)
