"""At which precision products are computed, whatever device computes them.

Parameters, their averages, the optimiser's memory and every array between operations are float32.
What is chosen is how the factors of a matrix product are rounded before they are multiplied; sums
are float32. All that is no product (softmax, norms, losses, quantizers' rounding) is float32
always, and so is what names a precision of its own.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Literal

import jax

Precision = Literal["float32", "tensorfloat32", "bfloat16"]

_JAX_NAMES = MappingProxyType(
    {"float32": "highest", "tensorfloat32": "high", "bfloat16": "BF16_BF16_F32"}
)

PRECISIONS: tuple[str, ...] = tuple(_JAX_NAMES)
"""``float32`` rounds nothing. It is set outright because devices round by themselves where nobody
says otherwise: recent NVIDIA GPUs to TensorFloat-32, TPUs to bfloat16. On a CPU it is what is done
anyhow.

``tensorfloat32`` keeps 10 bits of each factor's fraction on NVIDIA GPUs, of convolutions too; TPUs
come near it with three products of bfloat16, and CPUs stay with float32.

``bfloat16`` names the dot algorithm BF16_BF16_F32, which CPUs lack. JAX has such names for matrix
products alone, so that under it convolutions are left to what the device does by itself."""


def computing(precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """What is traced in this context is computed at this precision."""
    return jax.default_matmul_precision(_JAX_NAMES[precision])


def at(precision: Precision, fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, which traces at this precision wherever it is called."""

    @functools.wraps(fn)
    def traced(*args: Any, **kwargs: Any) -> Any:
        with computing(precision):
            return fn(*args, **kwargs)

    return traced


def check_device(precision: Precision) -> None:
    """Refuse a precision that the device does not have, before anything is compiled.

    Raises:
        ValueError: with what to change.
    """
    if precision == "bfloat16" and jax.default_backend() == "cpu":
        raise ValueError(
            "CPUs do not multiply bfloat16 factors: use an accelerator, or, before anything is "
            "trained, set precision=float32"
        )
