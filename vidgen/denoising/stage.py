"""The two stages in which a clip is drawn: its opening, then all of it.

The opening (the first frames, as many as a condition may give) is drawn from the sentence, unless
it is given; then the clip from sentence and opening. Each stage has a denoiser of its own. That of
openings sees many scenes in the time of one clip; that of clips always has first frames, and is
shown where motion compensation carries them.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from vidgen import nn
from vidgen.denoising.config import DenoisingConfig
from vidgen.denoising.denoiser import Denoiser
from vidgen.motion import MotionPhase
from vidgen.types import Batch, Condition, Task, Video


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One of the two, as its denoiser sees it.

    Attributes:
        name: of the phase that trains its denoiser.
        config: sizes and rates of this stage.
        task: shapes of what is drawn; its context frames are always there.
        share: fraction of the generator's budget.
        batch_size: clips a step.
        motion: motion compensation of the context, trained by an earlier phase; None where there is
            no context.
    """

    name: str
    config: DenoisingConfig
    task: Task
    share: float
    batch_size: int
    motion: MotionPhase | None = None

    def network(self, *, interval: bool = False) -> nn.Network[Denoiser]:
        """A denoiser; `interval` as in `Denoiser`."""
        return nn.Network(
            lambda rngs: Denoiser(self.config, self.task, interval=interval, rngs=rngs)
        )

    def view(self, batch: Batch) -> tuple[Video, Condition]:
        """What is learned of a batch: what is to be drawn, and its condition."""
        clip = batch.video[:, : self.task.frames]
        return clip, begun(batch.condition, clip[:, : self.task.context_frames])


class Cascade:
    """Both stages, and the motion compensation between them.

    Args:
        config: of both.
        task: what the generator is asked for.

    Attributes:
        motion: the phase of motion compensation.
        opening: the stage of openings.
        clips: the stage of clips.

    References: a clip that begins from a picture of its own: Girdhar et al., "Emu Video" (2023).
    """

    def __init__(self, config: DenoisingConfig, task: Task) -> None:
        frames = task.opening_frames
        task = dataclasses.replace(task, context_frames=frames)
        self.motion = MotionPhase(
            config.motion, task, share=config.motion_share, drop_text=config.drop_text
        )
        self.opening = Stage(
            name="opening",
            # All frames of an opening become one in the middle of its U.
            config=dataclasses.replace(
                config, merge=(0, *config.merge[1:]), time_mean=config.opening_time_mean
            ),
            task=dataclasses.replace(task, frames=frames, context_frames=0),
            share=config.opening_share,
            batch_size=config.opening_batch_size,
        )
        self.clips = Stage(
            name="denoiser",
            config=config,
            task=task,
            share=1.0 - config.motion_share - config.opening_share,
            batch_size=config.batch_size,
            motion=self.motion,
        )

    @property
    def stages(self) -> tuple[Stage, Stage]:
        """In the order in which they are drawn."""
        return self.opening, self.clips


def begun(condition: Condition, opening: Video) -> Condition:
    """The condition whose context is `opening`, all of it there."""
    return dataclasses.replace(
        condition,
        context=opening,
        context_mask=jnp.ones(opening.shape[:2], bool),
    )


def unopened(condition: Condition) -> Condition:
    """The condition of an opening: its sentence, and no frame."""
    return begun(condition, condition.context[:, :0])


def opened(condition: Condition, drawn: Video) -> Condition:
    """The condition with an opening that was drawn wherever none is given."""
    K = condition.context_mask.shape[1]
    given = condition.context_mask[:, :, None, None, None]
    first = jnp.where(given, condition.context, drawn[:, :K])
    return begun(condition, jnp.concatenate([first, drawn[:, K:]], axis=1))
