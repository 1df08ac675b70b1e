"""Anchors: clips whose score is known before any generator is judged.

They frame every table. A metric on which held-out real clips do not score best, or on which a
frozen clip looks alive, is not to be trusted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from vidgen.data import Source, Tells
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.protocol import asked_again
from vidgen.evaluation.reordering import disorder

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "held-out-real": "other real clips under the same caption, where there are any: the "
        "ceiling",
        "real-against-real": "other real clips for all prompts, first frames too: the floor of "
        "what compares sets of clips",
        "copy-first-frame": "the given first frame repeated, black where none is given: chance",
        "frozen-real": "the real first frame repeated: appearance without motion",
        "shuffled-frames": "the real frames in a random order: appearance without time",
        "shuffled-captions": "real clips that answer another caption (another prompt, where there "
        "are no captions): chance",
        "decaying-real": "real clips that blur and fade from frame to frame: what drifts",
        "reconstruction": "real clips through a tokenizer and back: its ceiling",
    }
)
"""What each anchor is, by name."""

_LAST_BLUR, _LAST_FADE = 1 / 16, 0.8
"""Of the last frame of a clip that decays: the width of the Gaussian as a share of the height, and
how far it has dissolved into the clip's mean colour."""


def anchors(prompts: ClipSet, source: Source, *, seed: int) -> dict[str, ClipSet]:
    """Every anchor that needs no trained model, as if each were a generator's answers.

    - ``held-out-real``: for a prompt of text, another real clip of the split under the same
      caption. Where the first frame is given, or nothing else bears the caption, the real clip
      itself is the one right answer.
    - ``real-against-real``: for every prompt another real clip of the split, under the same caption
      while there are any. Only where the split has as many clips besides the prompts.
    - ``copy-first-frame``: the given first frame repeated; black where none is given.
    - ``frozen-real``: the real first frame repeated, for prompts of text too.
    - ``shuffled-frames``: the real frames in a random order that is not the true one.
    - ``shuffled-captions``: real clips of the list that answer somebody else's caption; where no
      prompt has one, somebody else's first frames.
    - ``decaying-real``: the real clip, more blurred and more faded in every frame that no prompt
      gives, so that a metric of drift has something to find.

    Args:
        prompts: the real clips.
        source: the split that the prompts were drawn from.
        seed: of the draws.
    """
    rng = np.random.default_rng([seed, 1])
    frames = prompts.video.shape[1]
    frozen = np.repeat(prompts.video[:, :1], frames, axis=1)
    given = prompts.context_mask[:, None, None, None, None]
    held_out = prompts.replace(video=_held_out(prompts, source, rng))
    others = _others(prompts, source, np.random.default_rng([seed, 6]))
    floor = {} if others is None else {"real-against-real": prompts.replace(video=others)}
    return {
        "held-out-real": held_out,
        **floor,
        "copy-first-frame": prompts.replace(video=np.where(given, frozen, np.uint8(0))),
        "frozen-real": prompts.replace(video=frozen),
        "shuffled-frames": prompts.replace(video=_shuffled_frames(prompts.video, rng)),
        "shuffled-captions": prompts.replace(
            video=prompts.video[_derangement(prompts.captions, rng)]
        ),
        "decaying-real": prompts.replace(video=_decaying(prompts.video, prompts.context_frames)),
    }


def further_answers(prompts: ClipSet, *, answers: int, seed: int) -> dict[str, ClipSet]:
    """What anchors answer to `protocol.asked_again`.

    - ``held-out-real``: the real clip each time, the one right answer.
    - ``shuffled-captions``: each time another draw of real clips that answer another caption, of
      which the best is nearer with every answer: what luck alone is worth.

    All others answer each time as at first.

    Args:
        prompts: the real clips.
        answers: K, the anchors' answers to the list itself among them.
        seed: of the draws.
    """
    again = asked_again(prompts, answers=answers)
    draws = [
        prompts.video[_derangement(prompts.captions, np.random.default_rng([seed, 7, number]))]
        for number in range(1, answers)
    ]
    shuffled = np.concatenate([video[prompts.context_mask] for video in draws])
    return {"held-out-real": again, "shuffled-captions": again.replace(video=shuffled)}


def _held_out(prompts: ClipSet, source: Source, rng: np.random.Generator) -> np.ndarray:
    """For every prompt of text another real clip under its caption, while there are any; else the
    prompt's own.
    """
    video = prompts.video.copy()
    order = rng.permutation(len(source))
    order = order[~np.isin(order, prompts.index)]
    if isinstance(source, Tells):  # no clip is made, or read, for nothing
        said, wanted = source.captions(), set(prompts.captions)
        order = [index for index in order if said[index] in wanted]
    _under_captions(video, prompts, np.flatnonzero(~prompts.context_mask), source, order)
    return video


def _others(prompts: ClipSet, source: Source, rng: np.random.Generator) -> np.ndarray | None:
    """For every prompt another real clip, or None where the split has too few."""
    free = np.setdiff1d(np.arange(len(source)), prompts.index)
    if len(free) < len(prompts):
        return None
    video = np.empty_like(prompts.video)
    order = rng.permutation(free)
    left, spare = _under_captions(video, prompts, np.arange(len(prompts)), source, order)
    for place in left:
        video[place] = spare.pop()
    return video


def _under_captions(
    video: np.ndarray,
    prompts: ClipSet,
    places: np.ndarray,
    source: Source,
    order: Iterable[np.integer],
) -> tuple[list[int], list[np.ndarray]]:
    """Put a clip of the source under the same caption at each place, until all have one.

    Args:
        video: uint8 [N T H W C], where they are put.
        prompts: with the captions.
        places: int [M], where one is wanted.
        source: of the clips.
        order: in which its clips are looked at.

    Returns:
        The places that got none, and as many clips under other captions, while there were any.
    """
    wanted: dict[str, list[int]] = {}
    for place in places.tolist():
        wanted.setdefault(prompts.captions[place], []).append(place)
    spare: list[np.ndarray] = []
    left = len(places)
    for index in order:
        if not left:
            break
        clip = source[int(index)]
        same = wanted.get(clip.caption)
        if same:
            video[same.pop()] = clip.video
            left -= 1
        elif len(spare) < left:
            spare.append(clip.video)
    return [place for same in wanted.values() for place in same], spare


def _shuffled_frames(video: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.stack([clip[disorder(len(clip), rng)] for clip in video])


def _decaying(video: np.ndarray, given: int) -> np.ndarray:
    frames, height = video.shape[1:3]
    decaying = video.copy()
    colour = video.mean(axis=(1, 2, 3), keepdims=True)[:, 0]
    for frame in range(given, frames):
        share = (frame + 1 - given) / (frames - given)
        sigma = _LAST_BLUR * height * share
        blurred = ndimage.gaussian_filter(video[:, frame].astype(np.float32), (0, sigma, sigma, 0))
        faded = blurred + _LAST_FADE * share * (colour - blurred)
        decaying[:, frame] = np.rint(faded).astype(np.uint8)
    return decaying


def _derangement(captions: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """int64 [N], for each clip a clip of another caption; each clip is used once. Where nobody says
    anything, any other clip.

    Clips are laid out caption by caption, in random order, and turned by the size of the largest
    group: nobody can come to lie on their own caption.

    Raises:
        ValueError: if one caption stands over more than half of the clips.
    """
    told = captions if any(captions) else range(len(captions))
    _, label, sizes = np.unique(told, return_inverse=True, return_counts=True)
    if 2 * sizes.max() > len(captions):
        raise ValueError("more than half of the prompts have one caption: it cannot be shuffled")
    rank = rng.permutation(len(sizes))[label]
    order = np.lexsort((rng.random(len(captions)), rank))
    partner = np.empty(len(captions), np.int64)
    partner[order] = np.roll(order, int(sizes.max()))
    return partner
