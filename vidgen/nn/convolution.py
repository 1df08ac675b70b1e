"""Convolution over one, two or three axes with the classical paddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float

from vidgen.nn import winograd

Padding = Literal["full", "same", "valid", "causal"]
Pads = Sequence[tuple[int, int]]
"""(before, after) of each axis, for what the names do not cover."""


def pads(padding: Padding, kernel: Sequence[int]) -> list[tuple[int, int]]:
    """(before, after) of each axis.

    With n values and a kernel of k at stride 1, ``full`` gives n + k - 1 values, ``same`` n and
    ``valid`` n - k + 1. ``causal`` gives n: the first axis (time) is padded on its left only, so
    that no output sees a later input, the others as in ``same``.

    Raises:
        ValueError: for another padding.
    """
    same = [((k - 1) // 2, k // 2) for k in kernel]
    match padding:
        case "full":
            return [(k - 1, k - 1) for k in kernel]
        case "same":
            return same
        case "valid":
            return [(0, 0) for _ in kernel]
        case "causal":
            return [(kernel[0] - 1, 0), *same[1:]]
    raise ValueError(f"padding must be full, same, valid or causal, got {padding!r}")


def convolve(
    x: Float[Array, "B *axes I"],
    kernel: Float[Array, "*taps I_per_group O"],
    *,
    padding: Padding | Pads = "same",
    strides: Sequence[int] | None = None,
    groups: int = 1,
    fewer_products: bool = False,
) -> Float[Array, "B *out O"]:
    """Cross-correlate `x` with `kernel` (what deep learning calls convolution).

    Args:
        x: a batch with one, two or three axes between batch and channels.
        kernel: taps for the same axes, input channels a group, output channels.
        padding: see `pads`; or (before, after) of each axis.
        strides: a stride for each axis; 1 if not given.
        groups: feature groups.
        fewer_products: whether a 3-D convolution may trade a few units in the last place for
            speed, by Winograd's minimal filtering along time. For frozen networks; it changes
            nothing on any device but a CPU, where alone it was measured to be faster.

    Raises:
        ValueError: if the kernel's axes do not fit `x`, or the padding is not known.
    """
    taps = kernel.shape[:-2]
    if len(taps) != x.ndim - 2 or not 1 <= len(taps) <= 3:
        raise ValueError(f"a kernel over {len(taps)} axes does not fit an input of {x.shape}")
    strides = tuple(strides or (1,) * len(taps))
    padded = pads(padding, taps) if isinstance(padding, str) else list(padding)
    if len(taps) == 3 and groups == 1 and jax.default_backend() == "cpu":
        if fewer_products:
            return _filtered(x, kernel, padded, strides)
        return _shifted(x, kernel, padded, strides)
    letters = "DHW"[-len(taps) :]
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=strides,
        padding=padded,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        feature_group_count=groups,
    )


def _shifted(
    x: Float[Array, "B T H W I"],
    kernel: Float[Array, "kt kh kw I O"],
    padded: list[tuple[int, int]],
    strides: tuple[int, ...],
) -> Float[Array, "B t h w O"]:
    """A 3-D convolution as a 2-D one over shifted frames, concatenated on the channel axis.

    The same sums, which XLA's CPU back end runs faster (``benchmarks/optimisations.py``), because
    its 2-D convolution is a matrix product and its 3-D one is not.
    """
    kernel, padded = _in_reach(x.shape[1:4], kernel, padded, strides)
    if padded[0] != (0, 0):
        x = jnp.pad(x, [(0, 0), padded[0], (0, 0), (0, 0), (0, 0)])
    kt, kh, kw, inputs, outputs = kernel.shape
    frames = (x.shape[1] - kt) // strides[0] + 1
    shifts = [x[:, d : d + strides[0] * (frames - 1) + 1 : strides[0]] for d in range(kt)]
    stacked = jnp.concatenate(shifts, axis=-1) if kt > 1 else shifts[0]
    taps = kernel.transpose(1, 2, 0, 3, 4).reshape(kh, kw, kt * inputs, outputs)
    return _each_frame(stacked, taps, padded[1:], strides[1:])


def _filtered(
    x: Float[Array, "B T H W I"],
    kernel: Float[Array, "kt kh kw I O"],
    padded: list[tuple[int, int]],
    strides: tuple[int, ...],
) -> Float[Array, "B t h w O"]:
    """A 3-D convolution as fewer 2-D ones than it has taps in time; see `winograd`.

    A stride of s in time is first made one of 1: s frames become the channels of one, and the
    kernel, with zero taps behind it where s does not divide them, likewise.
    """
    s, taps = strides[0], -(-kernel.shape[0] // strides[0])
    frames = (x.shape[1] + sum(padded[0]) - kernel.shape[0]) // s + 1
    size = winograd.tile(frames, taps)
    if size is None:
        return _shifted(x, kernel, padded, strides)
    # Behind: frames for the last tap to lie on, or none where a stride leaves the last ones out.
    B, T, before = x.shape[0], x.shape[1], padded[0][0]
    behind = s * (frames + taps - 1) - T - before
    x = jnp.pad(x[:, : T + min(behind, 0)], [(0, 0), (before, max(behind, 0)), *((0, 0),) * 3])
    kernel = jnp.pad(kernel, [(0, s * taps - kernel.shape[0]), *((0, 0),) * 4])
    kernel, around = _in_reach(x.shape[1:4], kernel, [(0, 0), *padded[1:]], strides)
    _, kh, kw, inputs, outputs = kernel.shape
    stacked = x.reshape(B, -1, s, *x.shape[2:]).transpose(0, 1, 3, 4, 2, 5)
    planes = kernel.reshape(taps, s, *kernel.shape[1:]).transpose(0, 2, 3, 1, 4, 5)
    return winograd.correlate(
        stacked.reshape(*stacked.shape[:4], s * inputs),
        planes.reshape(taps, kh, kw, s * inputs, outputs),
        lambda some, plane: _each_frame(some, plane, around[1:], strides[1:]),
        size,
    )


def _each_frame(
    x: Float[Array, "B T H W I"],
    kernel: Float[Array, "kh kw I O"],
    padded: list[tuple[int, int]],
    strides: tuple[int, ...],
) -> Float[Array, "B T h w O"]:
    """One 2-D convolution, of every frame."""
    if kernel.shape[:2] == strides == (1, 1) and padded == [(0, 0), (0, 0)]:
        # XLA's CPU back end is faster at the gradient of a plain product than of a 1x1 convolution.
        return x @ kernel.reshape(kernel.shape[2:])
    if strides == (1, 1) and all(map(_sees_all, x.shape[2:4], kernel.shape[:2], padded)):
        return _whole_frame(x, kernel, padded)
    y = jax.lax.conv_general_dilated(
        x.reshape(-1, *x.shape[2:]),
        kernel,
        window_strides=strides,
        padding=padded,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y.reshape(*x.shape[:2], *y.shape[1:])


def _sees_all(cells: int, taps: int, pad: tuple[int, int]) -> bool:
    """Whether every output along an axis sees every cell."""
    outputs = cells + sum(pad) - taps + 1
    return outputs - 1 <= pad[0] and cells - 1 + pad[0] <= taps - 1


def _whole_frame(
    x: Float[Array, "B T H W I"], kernel: Float[Array, "kh kw I O"], padded: list[tuple[int, int]]
) -> Float[Array, "B T h w O"]:
    """The same as one product of a matrix with each whole frame, all of which every output sees.

    It takes as many products as a convolution that skips its padding, and XLA's CPU back end runs
    it faster (``benchmarks/optimisations.py``).
    """
    sizes, taps = x.shape[2:4], kernel.shape[:2]
    rows, columns = (n + sum(pad) - k + 1 for n, k, pad in zip(sizes, taps, padded, strict=True))
    (top, _), (left, _) = padded
    # The first output sees the first cell through tap `top`, each later one through one before.
    seen = [
        kernel[top - i : top - i + sizes[0], left - j : left - j + sizes[1]]
        for i in range(rows)
        for j in range(columns)
    ]
    matrix = jnp.stack(seen, axis=3)
    y = x.reshape(*x.shape[:2], -1) @ matrix.reshape(-1, len(seen) * kernel.shape[-1])
    return y.reshape(*x.shape[:2], rows, columns, -1)


def _in_reach(
    sizes: tuple[int, ...],
    kernel: Float[Array, "kt kh kw I O"],
    padded: list[tuple[int, int]],
    strides: tuple[int, ...],
) -> tuple[Float[Array, "t rows columns I O"], list[tuple[int, int]]]:
    """The kernel without the taps that see nothing but padding, as those over other patches do
    where a patch stands alone; and the padding that is left.
    """
    cut, left = [], []
    for size, taps, (before, after), stride in zip(
        sizes, kernel.shape[:3], padded, strides, strict=True
    ):
        # As many outputs less one: so far the first tap moves, and the last one back.
        reach = size + before + after - taps if stride == 1 else max(before, after)
        first, last = max(before - reach, 0), max(after - reach, 0)
        cut.append(slice(first, taps - last))
        left.append((before - first, after - last))
    return kernel[tuple(cut)], left


class Conv(nnx.Module):
    """A convolution with its kernel and bias. See `convolve`.

    Args:
        inputs: input channels.
        outputs: output channels.
        kernel: taps of each axis; its length says over how many axes.
        padding: "full", "same", "valid" or "causal".
        strides: a stride for each axis.
        groups: feature groups.
        bias: whether a bias is added.
        zero: start at zero, for the last layer of a residual branch.
        rngs: source of the initial kernel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Sequence[int],
        *,
        padding: Padding = "same",
        strides: Sequence[int] | None = None,
        groups: int = 1,
        bias: bool = True,
        zero: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        self.padding: Padding = padding
        self.strides = None if strides is None else tuple(strides)
        self.groups = groups
        shape = (*kernel, inputs // groups, outputs)
        start = initializers.zeros if zero else initializers.lecun_normal()
        self.kernel = nnx.Param(start(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(outputs)) if bias else None

    def __call__(self, x: Float[Array, "B *axes I"]) -> Float[Array, "B *out O"]:
        """Convolve; see `convolve`."""
        y = convolve(
            x,
            self.kernel.get_value(),
            padding=self.padding,
            strides=self.strides,
            groups=self.groups,
        )
        if self.bias is None:
            return y
        return y + jnp.expand_dims(self.bias.get_value(), tuple(range(y.ndim - 1)))
