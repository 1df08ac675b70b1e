"""Which word each place of a clip looked at: computed with the answers, and drawn for the report.

::

    samples/<protocol>-attention.npz    maps float16 [n L t h w], rows int64 [n], header: words
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from vidgen.comparison.folder import ComparisonFolder, RunFolder
from vidgen.comparison.gallery import strip
from vidgen.contract import Attends, stream
from vidgen.evaluation import ClipSet
from vidgen.evaluation.arrays import parse_arrays, write_arrays
from vidgen.text import TextEncoder
from vidgen.types import Condition, Params, Task, to_float

_GLOW = np.array([255.0, 150.0, 30.0])
"""Where a word is looked at most."""

_DIM = 0.45
"""Of the clip's own light, so that what glows stands out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Word:
    """What looked at a word.

    Attributes:
        word: as the encoder cuts the caption.
        share: of all looks of the clip's places, which look elsewhere as well.
        strip: data URI of the frames in a row, brighter where a place looks at it.
    """

    word: str
    share: float
    strip: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Looks:
    """One generator's answer to a prompt, and what looked at each of its words.

    Attributes:
        column: the generator.
        most: the share of a place's looks that glows fully, the highest of this answer.
        grid: (t, h, w) of the places.
        words: in the order of the caption.
    """

    column: str
    most: float
    grid: tuple[int, int, int]
    words: tuple[Word, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Looked:
    """A prompt, and every answer of a generator whose places look at words."""

    caption: str
    answers: tuple[Looks, ...]


def look(
    generator: Attends,
    params: dict[str, Params],
    answers: ClipSet,
    encoder: TextEncoder,
    task: Task,
    path: epath.Path,
    *,
    prompts: int,
    compiled: Any = jax.jit,
) -> None:
    """Compute and keep what the first answers from a sentence alone looked at.

    Args:
        generator: who drew them.
        params: what each phase exported.
        answers: to all prompts.
        encoder: of their sentences.
        task: that the generator was built for.
        path: where it is kept.
        prompts: how many.
        compiled: makes a function a program.
    """
    rows = np.flatnonzero(~answers.context_mask)[:prompts]
    rows = rows if len(rows) else np.arange(min(prompts, len(answers)))
    chosen = answers[rows]
    text, mask = encoder(chosen.captions)
    condition = Condition.of(
        text,
        mask,
        to_float(jnp.asarray(chosen.video[:, : task.context_frames])),
        np.repeat(chosen.context_mask[:, None], task.context_frames, axis=1),
    )
    keys = jax.random.split(stream(0, "attention"), len(rows))
    maps = compiled(generator.attention)(
        params, to_float(jnp.asarray(chosen.video)), condition, keys
    )
    pieces = [encoder.pieces(caption) for caption in chosen.captions]
    arrays = {"maps": np.asarray(maps, np.float16), "rows": rows.astype(np.int64)}
    write_arrays(path, arrays, header={"words": pieces}, compressed=True)


def looked(
    folder: ComparisonFolder, protocol: str, columns: Sequence[tuple[str, RunFolder]]
) -> list[Looked]:
    """The pictures of a report, prompt by prompt; nothing where no generator's places look.

    Args:
        folder: of the comparison.
        protocol: name of the list of prompts.
        columns: (title, run) of each generator.
    """
    found: dict[int, list[Looks]] = {}
    captions: dict[int, str] = {}
    for name, run in columns:
        path, samples = run.attention(protocol), run.samples(protocol)
        if not (path.exists() and samples.exists()):
            continue
        header, arrays = parse_arrays(path.read_bytes())
        answers = ClipSet.load(samples)
        for place, row in enumerate(arrays["rows"].tolist()):
            maps = arrays["maps"][place].astype(np.float32)
            drawn = _looks(name, answers.video[row], maps, header["words"][place])
            found.setdefault(row, []).append(drawn)
            captions[row] = answers.captions[row]
    return [Looked(caption=captions[row], answers=tuple(found[row])) for row in sorted(found)]


def _looks(
    name: str,
    clip: UInt8[np.ndarray, "T H W C"],
    maps: Float[np.ndarray, "L t h w"],
    words: Sequence[str],
) -> Looks:
    most = float(maps[: len(words)].max(initial=0.0))
    return Looks(
        column=name,
        most=most,
        grid=maps.shape[1:],
        words=tuple(
            Word(word=word, share=float(part.mean()), strip=strip(glowing(clip, part, most)))
            for word, part in zip(words, maps, strict=False)
        ),
    )


def glowing(
    clip: UInt8[np.ndarray, "T H W C"], part: Float[np.ndarray, "t h w"], most: float
) -> UInt8[np.ndarray, "T H W 3"]:
    """The clip, dimmed, with a glow on each place as strong as it looks.

    Args:
        clip: uint8 [T H W C].
        part: shares of the places; a place stands for as many frames, rows and columns as come to
            it.
        most: the share that glows fully.
    """
    grid = [
        np.arange(size) * count // size
        for size, count in zip(clip.shape[:3], part.shape, strict=True)
    ]
    glow = part[np.ix_(*grid)][..., None] / max(most, 1e-6)
    grey = clip.mean(axis=-1, keepdims=True) * _DIM
    return np.rint(np.clip(grey + (1.0 - _DIM) * glow * _GLOW, 0, 255)).astype(np.uint8)
