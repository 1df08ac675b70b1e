"""The generator: a content path paints a picture and places it, a motion path moves it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float

from vidgen.generators.gan.config import GanConfig
from vidgen.motion import Motion, travel
from vidgen.nn import Caption, Conv, LayoutPool, patchify, unpatchify, warp
from vidgen.types import Condition, Layout, Task, Video

PATCH = 4
"""Side, in pixels, of the patches that the repair and the discriminators see."""

_SQUARE = (1, PATCH, PATCH)


class Stage(nnx.Module):
    """A 3x3 convolution, normalised at every position, then scaled and shifted by a condition."""

    def __init__(self, inputs: int, outputs: int, condition_width: int, *, rngs: nnx.Rngs) -> None:
        self.conv = Conv(inputs, outputs, (3, 3), rngs=rngs)
        self.steer = nnx.Linear(condition_width, 2 * outputs, rngs=rngs)

    def __call__(
        self, x: Float[Array, "N H W I"], condition: Float[Array, "N E"]
    ) -> Float[Array, "N H W O"]:
        x = self.conv(x)
        x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-6)
        scale, shift = jnp.split(self.steer(condition)[:, None, None], 2, axis=-1)
        return jax.nn.leaky_relu(x * (1.0 + scale) + shift, 0.2)


class Content(nnx.Module):
    """The content path: one picture from a caption and an appearance latent.

    Grows from an eighth of the resolution to a half, and writes 2x2 pixels at each position.
    """

    def __init__(self, config: GanConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        base = config.content_width
        inputs = config.motion_width + config.content_latent
        self.canvas = task.video_shape[1:]
        self.grid = (task.height // 8, task.width // 8)
        self.stem = nnx.Linear(inputs, self.grid[0] * self.grid[1] * 4 * base, rngs=rngs)
        self.eighth = Stage(4 * base, 4 * base, inputs, rngs=rngs)
        self.quarter = Stage(4 * base, 2 * base, inputs, rngs=rngs)
        self.half = Stage(2 * base, base, inputs, rngs=rngs)
        self.head = Conv(base, 4 * task.channels, (3, 3), rngs=rngs)

    def __call__(
        self, caption: Float[Array, "B E"], latent: Float[Array, "B Z"]
    ) -> Float[Array, "B H W C"]:
        condition = jnp.concatenate([caption, latent], axis=-1)
        x = self.stem(condition).reshape(condition.shape[0], *self.grid, -1)
        x = _enlarge(self.eighth(x, condition))
        x = _enlarge(self.quarter(x, condition))
        x = self.head(self.half(x, condition))
        return unpatchify(x[:, None], (1, 2, 2), (1, *self.canvas))[:, 0]


class Placement(nnx.Module):
    """Where the painted picture stands in the first frame: a shift, drawn by the motion latent.

    Without it the content path would have to paint every appearance at every place; with it, what
    is learned at one place holds at all others. Where a layout says where the first frame has its
    objects, what is painted is put there by its middle, wherever it was painted, and no place is
    drawn.

    References: a picture placed by the box it is asked for in: Reed et al., "Learning what and
    where to draw" (2016).
    """

    def __init__(self, config: GanConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        self.reach = (task.height / 3, task.width / 3)
        self.canvas = (task.height, task.width)
        latent = config.motion_latent
        # A draw starts out about half of the reach away.
        spread = initializers.normal((0.5 / latent) ** 0.5)
        self.latent_stem = nnx.Linear(latent, config.motion_width, rngs=rngs)
        self.caption_stem = nnx.Linear(config.motion_width, config.motion_width, rngs=rngs)
        self.direct_head = nnx.Linear(latent, 2, kernel_init=spread, rngs=rngs)
        self.head = nnx.Linear(config.motion_width, 2, kernel_init=initializers.zeros, rngs=rngs)

    def __call__(
        self,
        picture: Float[Array, "B H W C"],
        caption: Float[Array, "B E"],
        latent: Float[Array, "B Z"],
        layout: Layout | None = None,
    ) -> Float[Array, "B H W C"]:
        hidden = jax.nn.leaky_relu(self.latent_stem(latent) + self.caption_stem(caption), 0.2)
        shift = jnp.tanh(self.direct_head(latent) + self.head(hidden))
        shift = shift * jnp.asarray(self.reach)[None]
        if layout is not None:
            asked = _middle(picture) - self._asked(layout)
            shift = jnp.where(layout.mask[:, 0].any(axis=1)[:, None], asked, shift)
        flow = jnp.broadcast_to(shift[:, None, None], (*picture.shape[:3], 2))
        return warp(picture, flow)

    def _asked(self, layout: Layout) -> Float[Array, "B 2"]:
        """The middle of the boxes of the first frame, pixels down and to the right."""
        said = layout.mask[:, 0, :, None].astype(jnp.float32)
        middle = 0.5 * (layout.boxes[:, 0, :, :2] + layout.boxes[:, 0, :, 2:])
        middle = (said * middle).sum(axis=1) / jnp.maximum(said.sum(axis=1), 1.0)
        return middle * jnp.asarray(self.canvas)[None]


class VideoGenerator(nnx.Module):
    """Content and motion brought together: a canvas, warped into every frame and repaired.

    The canvas is the last context frame where there is one, else what the content path painted, put
    in its place, which then is the first frame. Every other frame is the canvas warped by that
    frame's flow, plus what a small network adds, which sees the warped canvas, its warped features
    and the motion path's state. Context frames are passed on as they were given.

    References: separate content and motion: Tulyakov et al., "MoCoGAN" (2018); a picture moved by
    generated flow: Hao et al., "Controllable video generation with sparse trajectories" (2018),
    Siarohin et al., "First order motion model for image animation" (2019).

    Args:
        config: widths.
        task: what is asked for.
        rngs: source of the initial weights.

    Raises:
        ValueError: if height or width is no multiple of 8, or there is no second frame.
    """

    def __init__(self, config: GanConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        if task.height % 8 or task.width % 8 or task.frames < 2:
            raise ValueError(
                f"the gan needs a height and a width that are multiples of 8, and two frames, got "
                f"{task.frames}x{task.height}x{task.width}"
            )
        width, patch = config.motion_width, task.channels * PATCH**2
        self.caption = Caption(task.text_length, task.text_width, width, rngs=rngs)
        self.content = Content(config, task, rngs=rngs)
        self.placement = Placement(config, task, rngs=rngs)
        self.motion = Motion(
            frames=task.frames,
            canvas=(task.height, task.width, task.channels),
            context_frames=task.context_frames,
            told=width + config.motion_latent,
            width=width,
            features=config.feature_width,
            grid=config.flow_grid,
            path=config.motion,
            rngs=rngs,
        )
        hidden = 2 * config.feature_width
        self.features = Conv(hidden, config.feature_width, (3, 3), rngs=rngs)
        self.repair = Stage(patch + config.feature_width, hidden, width, rngs=rngs)
        self.head = Conv(hidden, patch, (3, 3), zero=True, rngs=rngs)
        self.layout = (
            LayoutPool(task.frames, task.text_width, width, rngs=rngs) if task.objects else None
        )

    def __call__(
        self,
        condition: Condition,
        content_latent: Float[Array, "B Z"],
        motion_latent: Float[Array, "B M"],
    ) -> Video:
        """Clips of about [-1, 1]."""
        canvas = self.paint(condition, content_latent, motion_latent)
        return self.animate(canvas, condition, motion_latent)

    def paint(
        self,
        condition: Condition,
        content_latent: Float[Array, "B Z"],
        motion_latent: Float[Array, "B M"],
    ) -> Float[Array, "B H W C"]:
        """First frames without context: what the content path paints, put in its place."""
        caption = self._told(condition)
        picture = self.content(caption, content_latent)
        return self.placement(picture, caption, motion_latent, condition.layout)

    def animate(
        self, canvas: Float[Array, "B H W C"], condition: Condition, latent: Float[Array, "B M"]
    ) -> Video:
        """The motion path: clips from painted canvases, or from the context where it is given."""
        caption = self._told(condition)
        known = condition.context_mask.shape[1]
        if known:
            given = context_given(condition)[:, None, None, None]
            canvas = jnp.where(given > 0.0, condition.context[:, -1], canvas)
        flow, states, seen = self._flow(canvas, caption, latent, condition)
        moved = self._move(canvas, self.features(seen), flow)
        seen = moved.reshape(-1, *moved.shape[2:])
        change = self.head(self.repair(seen, states.reshape(seen.shape[0], -1)))
        pixels = canvas.shape[-1] * PATCH**2
        repaired = moved[..., :pixels] + change.reshape(*moved.shape[:-1], pixels)
        repaired = unpatchify(repaired, _SQUARE, (moved.shape[1], *self.content.canvas))
        video = jnp.concatenate([canvas[:, None], repaired], axis=1)
        keep = condition.context_mask[..., None, None, None]
        first = jnp.where(keep, condition.context, video[:, :known])
        return jnp.concatenate([first, video[:, known:]], axis=1)

    def follow(
        self, canvas: Float[Array, "B H W C"], condition: Condition, latent: Float[Array, "B M"]
    ) -> Float[Array, "B moves H W C"]:
        """The canvas warped into all frames but the first, before any repair: the flow by itself.

        Args:
            canvas: the last context frame, or the first frame where the task has no context.
            condition: with that context.
            latent: of motion.
        """
        caption = self._told(condition)
        flow, _, _ = self._flow(canvas, caption, latent, condition)
        return travel(canvas, flow)

    def _told(self, condition: Condition) -> Float[Array, "B E"]:
        """The caption, and the layout where there is one."""
        told = self.caption(condition.text, condition.text_mask)
        if self.layout is None or condition.layout is None:
            return told
        return told + self.layout(condition.layout)

    def _flow(
        self,
        canvas: Float[Array, "B H W C"],
        caption: Float[Array, "B E"],
        latent: Float[Array, "B Z"],
        condition: Condition,
    ) -> tuple[Array, Array, Array]:
        told = jnp.concatenate([caption, latent], axis=-1)
        return self.motion(canvas, told, condition.context, context_given(condition))

    def _move(
        self,
        canvas: Float[Array, "B H W C"],
        features: Float[Array, "B h w F"],
        flow: Float[Array, "B M g g 2"],
    ) -> Float[Array, "B M h w P"]:
        """Patches of the warped canvas, and its warped features, for every flow."""
        patches = patchify(travel(canvas, flow), _SQUARE)
        moved = travel(features, flow / PATCH)
        return jnp.concatenate([patches, moved], axis=-1)


def _middle(picture: Float[Array, "B H W C"]) -> Float[Array, "B 2"]:
    """The middle of what stands out of a picture, pixels down and to the right: of what differs
    from its mean, by the fourth power, so that a ground counts for little. Held fixed, since what
    is painted should not change for where it lies.
    """
    apart = picture - picture.mean(axis=(1, 2), keepdims=True)
    weight = jnp.square(jnp.square(apart).sum(axis=-1)) + 1e-8
    weight = weight / weight.sum(axis=(1, 2), keepdims=True)
    down, right = (jnp.arange(side) + 0.5 for side in picture.shape[1:3])
    middle = (weight.sum(axis=2) @ down, weight.sum(axis=1) @ right)
    return jax.lax.stop_gradient(jnp.stack(middle, axis=-1))


def _enlarge(x: Float[Array, "N H W C"]) -> Float[Array, "N H2 W2 C"]:
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def context_given(condition: Condition) -> Float[Array, "B"]:
    """1 where a clip's whole context is given; 0 where it is not, or the task has none."""
    if not condition.context_mask.shape[1]:
        return jnp.zeros(condition.batch_size)
    return jnp.all(condition.context_mask, axis=1).astype(jnp.float32)
