"""Rollouts: clips longer than those of training.

A generator that implements `vidgen.contract.RollsOut` goes on by its own means. Any other that
follows given frames is *chained*: the last K frames of a clip are the given frames of the next
one, under the same sentence and with fresh keys, and each link adds T - K frames. Of all that went
before, a link knows those K frames and the sentence alone. An object that has turned at a border is
told again to move as at first, so that chained sampling need not follow the true continuation, and
is held against it only as far as `foreseeable` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from vidgen.contract import Generator, Key, RollsOut
from vidgen.data import MOTIONS, Source
from vidgen.evaluation.clipset import ClipSet, TruthSet
from vidgen.evaluation.protocol import draw
from vidgen.text import TextEncoder
from vidgen.types import Condition, Params, Task, Video

Method = Literal["own", "chained"]

METHODS: Mapping[str, str] = {"own": "own rollout", "chained": "chained sampling"}
"""Each `Method` in words."""

Roll = Callable[[Mapping[str, Params], Condition, Key, Any], Video]
"""As `Generator.sample`, of more frames than the task has."""

_LINK = 0x6C696E6B
"""Folded into a key before the number of the link, so that no link's key is one that a generator
folds out of the first."""


class UnrollableError(ValueError):
    """A generator that makes no clips longer than its task; the message says why."""


def method_of(generator: Generator, task: Task) -> Method:
    """How a generator makes clips longer than its task: its own rollout wherever it has one.

    Raises:
        UnrollableError: if it has none, and follows no given frames.
    """
    if isinstance(generator, RollsOut):
        return "own"
    name = generator.card.name
    if not generator.card.context:
        raise UnrollableError(f"{name} has no rollout of its own and follows no given frames")
    if not task.context_frames:
        raise UnrollableError(f"{name} has no rollout of its own, and the task gives no frames")
    return "chained"


def rollout(
    generator: Generator,
    task: Task,
    *,
    frames: int,
    jit: Callable[..., Any] = jax.jit,
) -> Roll:
    """The function that draws longer clips of a generator.

    It is pure and traceable. A chained one calls one compiled sampler link by link, which is no
    more to compile than for clips of the task; its first T frames are the clip that `sample` draws
    for the same prompts and keys.

    Args:
        generator: who rolls out.
        task: that it was built for.
        frames: of the longer clips, more than T.
        jit: compiles what is called; the identity compiles nothing.

    Returns:
        (params, condition of B prompts, keys [B], sampler) -> float [B frames H W C]. A clip
        depends on its own prompt and key alone.

    Raises:
        UnrollableError: see `method_of`.
        ValueError: for frames that are no more than the task's.
    """
    if frames <= task.frames:
        raise ValueError(f"a rollout is longer than the task's {task.frames} frames, got {frames}")
    if method_of(generator, task) == "own":
        assert isinstance(generator, RollsOut)
        own = generator.rollout
        return jit(
            lambda params, condition, keys, sampler: own(params, condition, keys, frames, sampler)
        )
    sample, kept = jit(generator.sample), task.context_frames

    def chained(
        params: Mapping[str, Params], condition: Condition, keys: Key, sampler: Any
    ) -> Video:
        clip = sample(params, condition, keys, sampler)
        parts = [clip]
        for link in range(1, links_of(task, frames)):
            given = jnp.ones_like(condition.context_mask)
            # A layout speaks of the first clip's frames alone.
            told = Condition.of(
                condition.text, condition.text_mask, _as_pixels(clip[:, -kept:]), given
            )
            clip = sample(params, told, _link_keys(keys, link), sampler)
            parts.append(clip[:, kept:])
        return jnp.concatenate(parts, axis=1)[:, :frames]

    return chained


def links_of(task: Task, frames: int) -> int:
    """Clips of the task that a chained clip of so many frames is made of."""
    return 1 + math.ceil((frames - task.frames) / (task.frames - task.context_frames))


def roll_out(
    prompts: ClipSet,
    encoder: TextEncoder,
    task: Task,
    sample: Callable[[Condition, Key], Any],
    *,
    frames: int,
    batch_size: int,
    truth: TruthSet | None = None,
) -> ClipSet:
    """Have every prompt answered by a longer clip, as `protocol.answer` does by one of the task's.

    Args:
        prompts: the real clips to answer, of the task's length.
        encoder: captions to features, the same as in training.
        task: that the generator was built for.
        sample: what `rollout` returned, with parameters and sampler bound.
        frames: of the longer clips.
        batch_size: prompts at once.
        truth: of the true continuation, where it is known.

    Returns:
        The prompts with the generator's longer clips in place of the real ones.

    Raises:
        ValueError: if prompts, encoder, task and samples do not fit each other.
    """
    video, failed = draw(prompts, encoder, task, sample, frames=frames, batch_size=batch_size)
    return prompts.replace(video=video, failed=failed, truth=truth)


def continuation(prompts: ClipSet, longer: Source) -> ClipSet:
    """The prompts with the clips that they are the beginning of.

    Args:
        prompts: real clips.
        longer: the same source, continued, see `vidgen.data.Continues`.

    Raises:
        ValueError: if a longer clip does not begin with its prompt, so that it is another clip.
    """
    clips = [longer[int(index)] for index in prompts.index]
    frames = prompts.video.shape[1]
    for place, clip in enumerate(clips):
        if not np.array_equal(clip.video[:frames], prompts.video[place]):
            raise ValueError(
                f"clip {prompts.index[place]} of the continued source {longer.name!r} begins "
                f"otherwise than prompt {place}: it is no continuation of it"
            )
    return ClipSet.of(
        clips,
        **{
            name: getattr(prompts, name)
            for name in ("context_frames", "context_mask", "keys", "index", "source", "fps")
        },
    )


def foreseeable(real: ClipSet, task: Task) -> np.ndarray:
    """Frames of the true continuation that follow from what chained sampling is told.

    A clip that is begun anew, under the same sentence, at an object that moves as the sentence says
    goes on as the true one does; at an object that has turned since, it does not. The frames of
    the first link always follow, those of another link where no object has turned by the first of
    its given frames.

    Args:
        real: N prompts with their continuation and its truth.
        task: of the links.

    Returns:
        bool [N F]; of clips whose objects move by nothing in `vidgen.data.MOTIONS`, the first link
        alone.
    """
    known = np.zeros(real.video.shape[:2], np.bool_)
    known[:, : task.frames] = True
    if real.truth is None:
        return known
    as_said = _moves_as_said(real.truth)
    step = task.frames - task.context_frames
    for start in range(step, real.video.shape[1] - task.context_frames, step):
        new = start + task.context_frames
        known[:, new : new + step] = as_said[:, start, None]
    return known


def _moves_as_said(truth: TruthSet) -> np.ndarray:
    """bool [N F], whether every object has moved along its heading so far, and will in the next
    frame; False in the last, whose next nobody knows.
    """
    corners = truth.boxes[..., :2]
    moves = np.sign(np.diff(corners, axis=1))  # [N F-1 O 2]
    headings = np.full((len(corners), 1, *corners.shape[2:]), np.inf, np.float32)
    for clip, motions in enumerate(truth.motion):
        for place, motion in enumerate(motions):
            if motion in MOTIONS:
                headings[clip, 0, place] = MOTIONS[motion].heading
    right = ((moves == headings) | np.isnan(moves)).all((2, 3))
    so_far = np.logical_and.accumulate(right, axis=1)
    return np.pad(so_far, ((0, 0), (0, 1)))


def _as_pixels(video: Video) -> Video:
    """Floats clipped and rounded to what uint8 can say, as the given frames of training are."""
    levels = jnp.round((jnp.clip(video, -1.0, 1.0) + 1.0) * 127.5)
    return levels / 127.5 - 1.0


def _link_keys(keys: Key, link: int) -> Key:
    fresh = jax.vmap(lambda key: jax.random.fold_in(jax.random.fold_in(key, _LINK), link))
    return fresh(keys)
