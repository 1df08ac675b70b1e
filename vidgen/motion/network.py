"""The network of motion compensation: a sentence and a frame in, later frames out."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen.motion.config import MotionConfig
from vidgen.motion.flow import Motion, travel
from vidgen.nn import Caption, LayoutPool, recomputed
from vidgen.types import Condition, Task, Video


class MotionNetwork(nnx.Module):
    """The last of K first frames, carried into all later ones as the sentence asks.

    It moves what is there and invents nothing: what it gives is a hint of where things will be, for
    a generator to repair.

    Args:
        config: sizes.
        task: shape of the clips; of a task without context frames the first frame is moved.
        rngs: source of the initial weights.

    Raises:
        ValueError: if there is no frame to move to.
    """

    def __init__(self, config: MotionConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        self.known, self.remat = task.opening_frames, config.remat
        if task.frames <= self.known:
            raise ValueError(
                f"there is no frame to move to: the task has {task.frames}, of which the first "
                f"{self.known} begin it; ask for more frames"
            )
        self.caption = Caption(task.text_length, task.text_width, config.width, rngs=rngs)
        self.motion = Motion(
            frames=task.frames,
            canvas=(task.height, task.width, task.channels),
            context_frames=self.known,
            told=config.width,
            width=config.width,
            features=config.features,
            grid=config.grid,
            rngs=rngs,
        )
        self.layout = (
            LayoutPool(task.frames, task.text_width, config.width, rngs=rngs)
            if task.objects
            else None
        )

    def __call__(self, first: Float[Array, "B K H W C"], condition: Condition) -> Video:
        """Clips [B T H W C] that begin with the K frames given and go on with the last one, moved.

        Args:
            first: the first max(K, 1) frames.
            condition: its sentence and its layout are read; its context is not.
        """
        told = self.caption(condition.text, condition.text_mask)
        if self.layout is not None and condition.layout is not None:
            told = told + self.layout(condition.layout)
        motion = recomputed(self.motion.__call__, self.remat)
        flow, _, _ = motion(first[:, -1], told, first, jnp.ones(len(first)))
        moved = recomputed(travel, self.remat)(first[:, -1], flow[:, self.known - 1 :])
        return jnp.concatenate([first, moved], axis=1)
