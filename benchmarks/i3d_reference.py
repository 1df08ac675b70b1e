"""I3D the straightforward way: what the suite's own port is timed against and must agree with.

Every convolution a 3-D `nnx.Conv`, every normalisation an `nnx.BatchNorm`, every pool one window,
straight from the published architecture (Carreira & Zisserman, CVPR 2017) and in a program that
shares no line with `vidgen.evaluation.features.i3d`, down to how the weights are found.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

BLOCKS = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}


class Unit(nnx.Module):
    """Convolution, normalisation, ReLU, from the arrays under one name of the file."""

    def __init__(self, arrays: Mapping[str, np.ndarray], scope: str, strides: int = 1) -> None:
        kernel = arrays[f"params/{scope}/Conv_0/kernel"]
        *taps, inputs, outputs = kernel.shape
        self.conv = nnx.Conv(
            inputs, outputs, taps, strides, padding="SAME", use_bias=False, rngs=nnx.Rngs(0)
        )
        self.norm = nnx.BatchNorm(
            outputs, epsilon=1e-3, use_scale=False, use_running_average=True, rngs=nnx.Rngs(0)
        )
        statistics = f"batch_stats/{scope}/BatchNorm_0"
        self.conv.kernel.set_value(jnp.asarray(kernel))
        self.norm.bias = nnx.Param(jnp.asarray(arrays[f"params/{scope}/BatchNorm_0/bias"]))
        self.norm.mean.set_value(jnp.asarray(arrays[f"{statistics}/mean"].ravel()))
        self.norm.var.set_value(jnp.asarray(arrays[f"{statistics}/var"].ravel()))

    def __call__(self, x: jax.Array) -> jax.Array:
        return nnx.relu(self.norm(self.conv(x)))


class Block(nnx.Module):
    """Four branches side by side."""

    def __init__(self, arrays: Mapping[str, np.ndarray], scope: str) -> None:
        branch = f"{scope}/Branch_"
        self.branch_0 = Unit(arrays, f"{branch}0/Conv3d_0a_1x1")
        self.reduce_1 = Unit(arrays, f"{branch}1/Conv3d_0a_1x1")
        self.branch_1 = Unit(arrays, f"{branch}1/Conv3d_0b_3x3")
        self.reduce_2 = Unit(arrays, f"{branch}2/Conv3d_0a_1x1")
        self.branch_2 = Unit(arrays, f"{branch}2/Conv3d_0b_3x3")
        self.branch_3 = Unit(arrays, f"{branch}3/Conv3d_0b_1x1")

    def __call__(self, x: jax.Array) -> jax.Array:
        pooled = nnx.max_pool(x, (3, 3, 3), (1, 1, 1), "SAME")
        return jnp.concatenate(
            [
                self.branch_0(x),
                self.branch_1(self.reduce_1(x)),
                self.branch_2(self.reduce_2(x)),
                self.branch_3(pooled),
            ],
            axis=-1,
        )


class Straightforward(nnx.Module):
    """The whole network. Build it from `vidgen`'s reading of the package's file."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.conv_1a = Unit(arrays, "Conv3d_1a_7x7", 2)
        self.conv_2b = Unit(arrays, "Conv3d_2b_1x1")
        self.conv_2c = Unit(arrays, "Conv3d_2c_3x3")
        self.blocks = nnx.Dict({scope: Block(arrays, scope) for scope in BLOCKS})
        head = "params/Logits/Conv3d_0c_1x1/Conv_0"
        self.head = nnx.Conv(1024, 400, (1, 1, 1), rngs=nnx.Rngs(0))
        self.head.kernel.set_value(jnp.asarray(arrays[f"{head}/kernel"]))
        self.head.bias = nnx.Param(jnp.asarray(arrays[f"{head}/bias"]))

    def __call__(self, video: jax.Array) -> jax.Array:
        """float32 [B T H W 3] in [-1, 1] to logits [B 400]."""
        x = nnx.max_pool(self.conv_1a(video), (1, 3, 3), (1, 2, 2), "SAME")
        x = nnx.max_pool(self.conv_2c(self.conv_2b(x)), (1, 3, 3), (1, 2, 2), "SAME")
        for scope in BLOCKS:
            if scope == "Mixed_4b":
                x = nnx.max_pool(x, (3, 3, 3), (2, 2, 2), "SAME")
            if scope == "Mixed_5b":
                x = nnx.max_pool(x, (2, 2, 2), (2, 2, 2), "SAME")
            x = self.blocks[scope](x)
        x = nnx.avg_pool(x, (2, *x.shape[2:4]), (1, 1, 1), "VALID")
        return self.head(x)[:, :, 0, 0].mean(axis=1)
