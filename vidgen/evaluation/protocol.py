"""The protocol: one fixed list of prompts, first frames and keys, and how they are answered.

Every generator of a comparison answers the same list. It is drawn from a split that no model
selection saw, and it is itself a set of real clips: what a perfect generator might have answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidgen.contract import stream
from vidgen.data import Source
from vidgen.evaluation.clipset import ClipSet
from vidgen.text import TextEncoder, layout_of
from vidgen.types import Clip, Condition, Layout, Plan, Task, to_float, to_pixels

Sample = Callable[[Condition, Any], Any]
"""A jitted sampler: (B prompts, keys [B]) -> float [B T H W C] in about [-1, 1]."""

_CANDIDATES_PER_PROMPT = 8
_LEAST_CANDIDATES = 2048

_KEY_STEP = np.uint32(0x9E3779B9)
"""Odd, so that no two of up to 2**32 answers to one prompt have the same key."""


def protocol(
    source: Source, *, n: int, seed: int, context_frames: int, context_rate: float = 0.5
) -> ClipSet:
    """Draw the list of prompts: n real clips, balanced, a fixed share with their first frames.

    Clips are drawn without replacement, and as evenly as the split allows over the combinations of
    identity and motion (over captions, where the source knows no truth). The first frames are
    given to `context_rate` of them, as evenly over the combinations again.

    Args:
        source: the split to draw from.
        n: how many prompts.
        seed: of the draw; the same list for the same source, n and seed.
        context_frames: K, how many first frames are given where any are; 0 gives none.
        context_rate: share of the prompts with first frames, met exactly up to rounding down.

    Raises:
        ValueError: if the split has fewer than n clips, or a share lies outside [0, 1].
    """
    if not 1 <= n <= len(source):
        raise ValueError(
            f"the split {source.split!r} of {source.name!r} has {len(source)} clips, "
            f"so {n} prompts cannot be drawn"
        )
    if not 0 <= context_rate <= 1:
        raise ValueError(f"context_rate must lie in [0, 1], got {context_rate}")
    rng = np.random.default_rng(seed)
    candidates = min(len(source), max(_CANDIDATES_PER_PROMPT * n, _LEAST_CANDIDATES))
    indices = rng.permutation(len(source))[:candidates]
    drawn = [source[int(index)] for index in indices]
    chosen, combination = _balanced([_combination(clip) for clip in drawn], n, rng)

    rate = context_rate if context_frames else 0.0
    given = np.zeros(n, np.bool_)
    # Every second clip of each combination (at a half), and the count exact over all.
    place = np.arange(n)
    given[np.argsort(combination, kind="stable")] = np.floor((place + 1) * rate + 1e-9) > np.floor(
        place * rate + 1e-9
    )
    order = rng.permutation(n)
    return ClipSet.of(
        [drawn[chosen[i]] for i in order],
        context_frames=context_frames,
        context_mask=given[order],
        keys=rng.integers(2**32, size=n, dtype=np.uint32),
        index=indices[chosen[order]].astype(np.int64),
        source=f"{source.name}/{source.split}",
        fps=source.fps,
    )


def asked_again(prompts: ClipSet, *, answers: int) -> ClipSet:
    """The prompts that give first frames, once for each answer after the first.

    Args:
        prompts: N of them.
        answers: K, the answer to the list itself among them.

    Returns:
        K - 1 times those prompts, one round after the other, each with a key of its own.
    """
    given = np.flatnonzero(prompts.context_mask)
    again = prompts[np.tile(given, answers - 1)]
    number = np.repeat(np.arange(1, answers, dtype=np.uint32), len(given))
    return again.replace(keys=again.keys + number * _KEY_STEP)


def plans_of(prompts: ClipSet) -> list[Plan]:
    """Where everything was in the real clips of a list of prompts, to be asked for.

    Raises:
        ValueError: if nobody knows.
    """
    truth = prompts.truth
    if truth is None:
        raise ValueError("nobody knows where things are in these clips: they have no truth")
    return [Plan.of(*one) for one in zip(truth.identity, truth.boxes, strict=True)]


def answer(
    prompts: ClipSet,
    encoder: TextEncoder,
    task: Task,
    sample: Sample,
    *,
    batch_size: int,
    plans: Sequence[Plan | None] | None = None,
) -> ClipSet:
    """Have every prompt answered by a generator.

    A clip depends on its prompt and its key alone, not on the batch it is drawn in; between batch
    sizes results differ by no more than the rounding of the compiled arithmetic. The last batch is
    filled up with copies of its last prompt, so that one shape is compiled.

    A clip with a NaN or Inf anywhere becomes mid-grey and is marked in `ClipSet.failed`: a
    generator that breaks now and then is judged on its breaks, and does not end the comparison.

    Args:
        prompts: the real clips to answer.
        encoder: captions to features, the same as in training.
        task: the shapes that the generator was built for.
        sample: the jitted sampler with its parameters bound.
        batch_size: prompts at once.
        plans: where things are to be, a prompt, None where nothing is said of it; None altogether
            says nothing of any.

    Returns:
        The prompts with the generator's pixels in place of the real ones.

    Raises:
        ValueError: if prompts, encoder, task and samples do not fit each other.
    """
    video, failed = draw(
        prompts,
        encoder,
        task,
        sample,
        frames=task.frames,
        batch_size=batch_size,
        plans=plans,
    )
    return prompts.replace(video=video, failed=failed)


def draw(
    prompts: ClipSet,
    encoder: TextEncoder,
    task: Task,
    sample: Sample,
    *,
    frames: int,
    batch_size: int,
    plans: Sequence[Plan | None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What a generator draws for each prompt, as `answer` has it, of any number of frames.

    Args:
        prompts: the real clips to answer, of the task's length.
        encoder: captions to features, the same as in training.
        task: the shapes that the generator was built for.
        sample: the jitted sampler with its parameters bound.
        frames: of a drawn clip.
        batch_size: prompts at once.
        plans: as in `answer`.

    Returns:
        uint8 [N frames H W C], and bool [N], which clips are not finite and grey instead.

    Raises:
        ValueError: if prompts, encoder, task and samples do not fit each other.
    """
    if plans is not None and (len(plans) != len(prompts) or not task.objects):
        raise ValueError(
            f"{len(plans)} plans for {len(prompts)} prompts of a task with room for {task.objects} "
            "objects"
        )
    layout = None if plans is None else layout_of(plans, encoder, task)
    root = stream(0, "sample")
    keys = jax.vmap(lambda seed: jax.random.fold_in(root, seed))(jnp.asarray(prompts.keys))
    shape = (frames, *task.video_shape[1:])
    video = np.empty((len(prompts), *shape), np.uint8)
    failed = np.zeros(len(prompts), np.bool_)
    for real, rows, condition in _batches(prompts, encoder, task, batch_size, layout):
        drawn = np.asarray(sample(condition, keys[rows]), np.float32)
        if drawn.shape != (batch_size, *shape):
            raise ValueError(
                f"the sampler drew {drawn.shape}, and was asked for {(batch_size, *shape)}"
            )
        video[real], failed[real] = _pixels(drawn[: real.stop - real.start])
    return video, failed


def reconstruct(
    prompts: ClipSet,
    encoder: TextEncoder,
    task: Task,
    through: Callable[[Any, Condition], Any],
    *,
    batch_size: int,
) -> ClipSet:
    """The real clips sent through a tokenizer and back: the ceiling of whoever works on its codes.

    Args:
        prompts: the real clips.
        encoder: captions to features, the same as in training.
        task: the shapes that the tokenizer was built for.
        through: jitted, float32 [B T H W C] in [-1, 1] and what is told of them to the same.
        batch_size: clips at once; the last batch is filled up as in `answer`.

    Raises:
        ValueError: if prompts, encoder and task do not fit each other.
    """
    video, failed = np.empty_like(prompts.video), np.zeros(len(prompts), np.bool_)
    for real, rows, condition in _batches(prompts, encoder, task, batch_size):
        back = through(to_float(jnp.asarray(prompts.video[rows])), condition)
        video[real], failed[real] = _pixels(np.asarray(back, np.float32)[: real.stop - real.start])
    return prompts.replace(video=video, failed=failed)


def _batches(
    prompts: ClipSet,
    encoder: TextEncoder,
    task: Task,
    batch_size: int,
    layout: Layout | None = None,
) -> Iterator[tuple[slice, np.ndarray, Condition]]:
    """Which prompts a batch is to answer; its rows, the last one again and again where it would
    not be full; and what is asked.
    """
    _fits(prompts, encoder, task)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    text, text_mask = encoder(prompts.captions)
    context_mask = np.repeat(prompts.context_mask[:, None], task.context_frames, axis=1)
    for start in range(0, len(prompts), batch_size):
        rows = np.minimum(np.arange(start, start + batch_size), len(prompts) - 1)
        context = to_float(jnp.asarray(prompts.video[rows, : task.context_frames]))
        places = jax.tree.map(lambda x, rows=rows: x[rows], layout)
        condition = Condition.of(text[rows], text_mask[rows], context, context_mask[rows], places)
        yield slice(start, min(start + batch_size, len(prompts))), rows, condition


def _pixels(video: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n T H W C], mid-grey where a clip is not finite, and bool [n] which ones are not."""
    failed = np.logical_not(np.isfinite(video).all(axis=(1, 2, 3, 4)))
    return to_pixels(np.where(failed[:, None, None, None, None], 0.0, video)), failed


def _combination(clip: Clip) -> str:
    if clip.truth is None:
        return clip.caption
    return " / ".join((*clip.truth.identity, *clip.truth.motion))


def _balanced(labels: list[str], n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose n places in rounds, one of each label a round; also the label index of each."""
    names, label = np.unique(labels, return_inverse=True)
    seen = np.zeros(len(names), np.int64)
    round_ = np.empty(len(labels), np.int64)
    for place, which in enumerate(label):
        round_[place] = seen[which]
        seen[which] += 1
    # Within a round the order is random, so that an unfinished last round favours no label.
    chosen = np.lexsort((rng.random(len(labels)), round_))[:n]
    return chosen, label[chosen]


def _fits(prompts: ClipSet, encoder: TextEncoder, task: Task) -> None:
    if prompts.video.shape[1:] != task.video_shape:
        raise ValueError(f"prompts {prompts.video.shape[1:]} do not fit task {task.video_shape}")
    if prompts.context_frames != task.context_frames:
        raise ValueError(
            f"prompts give {prompts.context_frames} first frames, the task {task.context_frames}"
        )
    if (encoder.length, encoder.width) != (task.text_length, task.text_width):
        raise ValueError(
            f"the encoder makes [{encoder.length} {encoder.width}] features a caption, the task "
            f"asks for [{task.text_length} {task.text_width}]"
        )
