"""The two stages in which a clip is drawn: its opening, then all of it.

The opening (the first frames, as many as a condition may give) is drawn from the sentence, unless
it is given; then the clip from sentence and opening. Each stage has a denoiser of its own. That of
openings sees many scenes in the time of one clip; that of clips always has first frames, and is
shown where motion compensation carries them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.contract import Key
from vidgen.denoising.config import DenoisingConfig
from vidgen.denoising.denoiser import Denoiser
from vidgen.denoising.dit import DiT
from vidgen.denoising.hybrid import Hybrid
from vidgen.denoising.latents import Latents
from vidgen.denoising.unet import UNet
from vidgen.motion import MotionPhase
from vidgen.types import Batch, Condition, Params, Task, Video

_NETWORKS: Mapping[str, Callable[..., Denoiser]] = {"hybrid": Hybrid, "unet": UNet, "dit": DiT}


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
        latents: the space in which the clip is drawn; None for pixels.
    """

    name: str
    config: DenoisingConfig
    task: Task
    share: float
    batch_size: int
    motion: MotionPhase | None = None
    latents: Latents | None = None

    @property
    def drawn(self) -> Task:
        """The task in the space in which the clip is drawn, as the denoiser sees it."""
        return self.task if self.latents is None else self.latents.task(self.task)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Phases whose weights its training carries along."""
        parts = (self.motion, None if self.latents is None else self.latents.phase)
        return tuple(part.name for part in parts if part is not None)

    def network(self, *, interval: bool = False) -> nn.Network[Denoiser]:
        """A denoiser; `interval` as in `Hybrid`."""
        build = _NETWORKS[self.config.network]
        return nn.Network(lambda rngs: build(self.config, self.drawn, interval=interval, rngs=rngs))

    def view(self, batch: Batch) -> tuple[Video, Condition]:
        """What is learned of a batch: what is to be drawn, and its condition."""
        clip = batch.video[:, : self.task.frames]
        return clip, begun(batch.condition, clip[:, : self.task.context_frames])

    def moved(self, params: Mapping[str, Params], condition: Condition) -> Video | None:
        """The context, and what becomes of it as the sentence asks, in the space in which the clip
        is drawn; None where there is no context.

        Args:
            params: of the `frozen` phases, by name.
            condition: in pixels.
        """
        if self.motion is None:
            return None
        moved = self.motion.network.bind(params[self.motion.name])(condition.context, condition)
        return moved if self.latents is None else self.latents.encode(params, moved)

    def attention(
        self,
        params: Mapping[str, Params],
        denoiser: Denoiser,
        video: Video,
        condition: Condition,
        keys: Key,
    ) -> Float[Array, "B L t h w"]:
        """As `vidgen.contract.Attends.attention`, of clips that are half noise, as training on the
        flow path shows them, all of whose opening is known.

        Args:
            params: of the `frozen` phases, by name.
            denoiser: bound to its weights.
            video: in pixels.
            condition: in pixels.
            keys: of the noise.
        """
        told = begun(condition, video[:, : self.task.context_frames])
        moved = self.moved(params, told)
        if self.latents is not None:
            video = self.latents.encode(params, video)
            told = self.latents.decided(told, video)
        noise = jax.vmap(lambda key: jax.random.normal(key, video.shape[1:]))(keys)
        shown = 0.5 * (video + noise)
        half = jnp.full(len(video), 0.5)
        length = told.text_mask.shape[1]
        words = denoiser.attention(lambda: denoiser(shown, half, told, moved), len(video), length)
        if self.latents is None:
            return words
        # A frame at a time, since the first step holds fewer of them.
        steps = self.latents.steps(self.task.frames)
        return words[:, :, steps * words.shape[2] // video.shape[1]]

    def stills(self, batch: Batch) -> tuple[Video, Condition] | None:
        """The single frames that are learned beside clips, as clips of one frame with a sentence
        and no context; None where the stage learns from clips alone.

        Raises:
            ValueError: if it learns from single frames and the batch has none.
        """
        if not self.config.joint_images:
            return None
        if batch.images is None:
            raise ValueError("joint_images needs batches with single frames; see Task.images")
        images = jax.tree.map(lambda rows: rows.reshape(-1, *rows.shape[2:]), batch.images)
        stills = images.pixels[:, None]
        nothing = jnp.zeros((len(stills), 0), bool)
        return stills, Condition.of(images.text, images.text_mask, stills[:, :0], nothing)


class Cascade:
    """Both stages, and the motion compensation between them.

    Args:
        config: of both.
        task: what the generator is asked for.
        latents: the space in which both draw; None for pixels.

    Attributes:
        motion: the phase of motion compensation.
        opening: the stage of openings.
        clips: the stage of clips.

    Raises:
        ValueError: if the denoiser of clips is to learn from single frames, and cannot.

    References: a clip that begins from a picture of its own: Girdhar et al., "Emu Video" (2023).
    """

    def __init__(self, config: DenoisingConfig, task: Task, latents: Latents | None = None) -> None:
        left = 1.0
        if latents is not None:
            config, left = latents.config(config), 1.0 - latents.phase.share
        if config.joint_images:
            _check_joint(config, task)
        frames = task.opening_frames
        task = dataclasses.replace(task, context_frames=frames)
        self.motion = MotionPhase(
            config.motion, task, share=left * config.motion_share, drop_text=config.drop_text
        )
        # Latents of an opening may hold frames beyond it.
        held = frames if latents is None else min(latents.held(frames), task.frames)
        opening = dataclasses.replace(task, frames=held, context_frames=0)
        steps = held if latents is None else latents.task(opening).frames
        self.opening = Stage(
            name="opening",
            # All frames of an opening become one in the middle of a hybrid, and as many as can be
            # in a token of a DiT.
            config=dataclasses.replace(
                config,
                merge=(0, *config.merge[1:]),
                dit=dataclasses.replace(
                    config.dit, temporal_patch=math.gcd(config.dit.temporal_patch, steps)
                ),
                joint_images=False,
                time_mean=config.opening_time_mean,
            ),
            task=opening,
            share=left * config.opening_share,
            batch_size=config.opening_batch_size,
            latents=latents,
        )
        self.clips = Stage(
            name="denoiser",
            config=config,
            task=task,
            share=left * (1.0 - config.motion_share - config.opening_share),
            batch_size=config.batch_size,
            motion=self.motion,
            latents=latents,
        )

    @property
    def stages(self) -> tuple[Stage, Stage]:
        """In the order in which they are drawn."""
        return self.opening, self.clips


def _check_joint(config: DenoisingConfig, task: Task) -> None:
    if config.network == "hybrid":
        raise ValueError(
            "joint_images: blocks and tokens of a hybrid span the frames of a clip, and cannot see "
            "one alone; choose network=unet or network=dit"
        )
    if config.network == "dit" and config.dit.temporal_patch > 1:
        raise ValueError(
            f"joint_images: tokens of {config.dit.temporal_patch} frames cannot be cut from one; "
            "choose dit.temporal_patch=1"
        )
    if not task.images:
        raise ValueError(
            "joint_images: the task has no single frames beside its clips; say how many each gets, "
            "as task.images=4"
        )


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
