"""Motion told by a condition: flows that carry one picture into all later frames."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float

from vidgen.motion.path import MotionPath, TemporalConvolution, TemporalTransformer
from vidgen.nn import GRU, Conv, patchify, refine_flow, warp

_PYRAMID_LEVELS = 4
PATCH = 4
"""Side, in pixels, of the patches in which a canvas is seen."""


class Motion(nnx.Module):
    """A network over time that gives each frame its flow back to the canvas.

    Its states become velocities on a coarse grid, which add up over time to flows from every frame
    back to the canvas: so the first step, where the canvas and a frame overlap and gradients say
    which way to go, teaches the later ones too.

    Args:
        frames: T.
        canvas: (height, width, channels) of the canvas.
        context_frames: K, how many frames a condition may give.
        told: E, features of what tells the motion.
        width: features of a state.
        features: half of the features in which the canvas is seen.
        grid: g, cells of a flow along each side.
        path: what carries the state from move to move, see `vidgen.motion.path`.
        rngs: source of the initial weights.

    References: a picture moved by flow that text or a latent generates: Hao et al., "Controllable
    video generation with sparse trajectories" (2018); flow learned by laying the moved picture
    beside the real one: Liu et al., "Video frame synthesis using deep voxel flow" (2017).
    """

    def __init__(
        self,
        *,
        frames: int,
        canvas: tuple[int, int, int],
        context_frames: int,
        told: int,
        width: int,
        features: int,
        grid: int,
        path: MotionPath = "gru",
        rngs: nnx.Rngs,
    ) -> None:
        height, breadth, channels = canvas
        inputs = channels * PATCH**2 * (1 + context_frames) + 1
        self.moves, self.context_frames, self.grid = frames - 1, context_frames, grid
        self.encode = Conv(inputs, 2 * features, (3, 3), rngs=rngs)
        self.shrink = Conv(2 * features, 3 * features, (3, 3), strides=(2, 2), rngs=rngs)
        cells = math.prod(math.ceil(side / (2 * PATCH)) for side in (height, breadth))
        self.scene = nnx.Linear(cells * 3 * features, width, rngs=rngs)
        self.begin = nnx.Linear(width + told, width, rngs=rngs)
        self.time = nnx.Param(0.5 * jax.random.normal(rngs.params(), (self.moves, width)))
        match path:
            case "gru":
                self.recurrent = GRU(width, width, rngs=rngs)
            case "conv":
                self.temporal = TemporalConvolution(width, self.moves, rngs=rngs)
            case "transformer":
                self.temporal = TemporalTransformer(width, rngs=rngs)
        self.path = path
        self.shared = nnx.Linear(width, 2, kernel_init=initializers.normal(0.01), rngs=rngs)
        self.local = nnx.Linear(
            width, 2 * self.grid**2, kernel_init=initializers.normal(0.01), rngs=rngs
        )

    def __call__(
        self,
        canvas: Float[Array, "B H W C"],
        told: Float[Array, "B E"],
        history: Float[Array, "B K H W C"],
        given: Float[Array, "B"],
    ) -> tuple[Float[Array, "B M g g 2"], Float[Array, "B M D"], Float[Array, "B h w F2"]]:
        """Flows in pixels from each of the frames but the first to the canvas.

        Args:
            canvas: the last context frame where there is one, else the first frame.
            told: what is known of the motion.
            history: the context frames, zero where there are none.
            given: 1 where the context is given, else 0.

        Returns:
            M = T - 1 flows, as many states, and what is seen of the canvas, twice `features` wide.
        """
        pictures = jnp.concatenate([canvas[:, None], history], axis=1)
        seen = patchify(pictures, (pictures.shape[1], PATCH, PATCH))[:, 0]
        flag = jnp.broadcast_to(given[:, None, None, None], (*seen.shape[:-1], 1))
        x = jax.nn.leaky_relu(self.encode(jnp.concatenate([seen, flag], axis=-1)), 0.2)
        scene = jax.nn.leaky_relu(self.shrink(x), 0.2).reshape(x.shape[0], -1)
        known = [jax.nn.leaky_relu(self.scene(scene), 0.2), told]
        inputs = self.begin(jnp.concatenate(known, -1))[:, None] + self.time.get_value()[None]
        inputs = jax.nn.leaky_relu(inputs, 0.2)
        states = self.recurrent(inputs)[0] if self.path == "gru" else self.temporal(inputs)
        shape = (states.shape[0], self.moves, self.grid, self.grid, 2)
        velocity = self.local(states).reshape(shape) + self.shared(states)[:, :, None, None]
        # Where the canvas is the last of several context frames, motion begins after it.
        begin = jnp.where(given > 0.0, self.context_frames, 1)
        moves = jnp.arange(1, 1 + self.moves)[None] >= begin[:, None]
        velocity = jnp.where(moves[..., None, None, None], velocity, 0.0)
        return jnp.cumsum(velocity, axis=1), states, x


def travel(
    canvas: Float[Array, "B H W C"], flow: Float[Array, "B M g g 2"]
) -> Float[Array, "B M H W C"]:
    """The canvas carried into M frames by their flows."""
    moves = flow.shape[1]
    fine = refine_flow(flow.reshape(-1, *flow.shape[2:]), *canvas.shape[1:3])
    frames = warp(jnp.repeat(canvas, moves, axis=0), fine)
    return frames.reshape(len(canvas), moves, *canvas.shape[1:])


def photometric_error(
    moved: Float[Array, "B T H W C"], real: Float[Array, "B T H W C"]
) -> Float[Array, "B"]:
    """Photometric error of warped frames: mean absolute difference, over a pyramid of averages.

    Bilinear warping has gradients one pixel wide. In frames averaged over 2, 4 and 8 pixels what
    was moved and where it belongs overlap sooner, and the gradients point from one to the other.
    Differentiable in reverse.

    References: Yu et al., "Back to basics: unsupervised learning of optical flow via brightness
    constancy" (2016).
    """
    return _pyramid_error(moved - real)


def _pyramid(difference: Float[Array, "B T H W C"]) -> Float[Array, "B"]:
    clips, difference = len(difference), difference.reshape(-1, *difference.shape[2:])
    error = jnp.zeros(clips)
    for level in range(_PYRAMID_LEVELS):
        if level:
            count, height, width, channels = difference.shape
            if min(height, width) < 2:
                break
            even = difference[:, : height // 2 * 2, : width // 2 * 2]
            blocks = even.reshape(count, height // 2, 2, width // 2, 2, channels)
            difference = blocks.mean(axis=(2, 4))
        error = error + jnp.abs(difference).reshape(clips, -1).mean(axis=1)
    return error


def _pyramid_and_gradient(difference: Array) -> tuple[Array, Array]:
    # XLA's CPU back end computes what comes down from all levels anew for each channel and axis of
    # the flow into which it is summed, but what a loop gives only once: `benchmarks/gradients.py`.
    one = jax.value_and_grad(lambda clip: _pyramid(clip[None])[0])
    # With several devices the loop would run along the axis that is divided among them.
    if jax.default_backend() == "cpu" and jax.device_count() == 1:
        return jax.lax.map(one, difference)
    return jax.vmap(one)(difference)


_pyramid_error = jax.custom_vjp(_pyramid)
_pyramid_error.defvjp(
    _pyramid_and_gradient,
    lambda gradient, error: ((error[:, None, None, None, None] * gradient).astype(gradient.dtype),),
)
