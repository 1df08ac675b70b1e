"""From a source to batches: shuffled, repeated, sharded and resumable.

The order of clips is a function of the seed alone. A process of several takes contiguous rows of
each global batch, so the same global batches are seen whatever their number (``dataset[p::n]``
would permute the rows). An iterator's state is a position and nothing else: it is accepted by an
iterator of another seed, source or batch size, so whoever restores one compares fingerprints first.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from vidgen.data.augment import Augment
from vidgen.data.rows import Corrupt, DataMismatchError, Draw, Rows, Shard, faults
from vidgen.data.source import Source, Tells
from vidgen.text import TextEncoder, layout_of
from vidgen.types import HostBatch, Images, Task

_CACHE_BYTES = 64 * 2**20
"""Room for encoded captions, which simulated sources repeat without end."""


@runtime_checkable
class BatchIterator(Protocol):
    """What `batches` returns: a `grain.DatasetIterator`, which orbax knows how to save."""

    def __iter__(self) -> BatchIterator: ...

    def __next__(self) -> HostBatch: ...

    def get_state(self) -> Any:
        """The position, to be saved."""
        ...

    def set_state(self, state: Any) -> None:
        """Go on from a position that `get_state` gave."""
        ...


def check_task(source: Source, encoder: TextEncoder, task: Task) -> None:
    """Refuse a source or an encoder that does not fit the task, before anything is trained.

    Reads the first clip that can be read and encodes its caption.

    Raises:
        DataMismatchError: with every difference.
        CorruptFileError: if no clip can be read, or too many were tried in vain.
    """
    wrong = [
        f"{name} is {getattr(source, name)} in the source {source.name!r} and "
        f"{getattr(task, name)} in the task"
        for name in ("frames", "height", "width", "channels")
        if getattr(source, name) != getattr(task, name)
    ]
    for name, have, need in (
        ("text_length", encoder.length, task.text_length),
        ("text_width", encoder.width, task.text_width),
    ):
        if have != need:
            wrong.append(f"{name} is {have} in the encoder {encoder.name!r} and {need} in the task")
    longest = _longest(source, encoder)
    if longest > task.text_length:
        wrong.append(
            f"captions take up to {longest} places of the encoder {encoder.name!r} and text_length "
            f"is {task.text_length}: set task.text_length={longest}"
        )
    if len(source) < 1:
        wrong.append(f"the source {source.name!r} has no clips")
    if not wrong:
        _, clip = Rows(source, task, "skip").readable(0)
        wrong += faults(clip, task)
        try:
            encoder([clip.caption])
        except ValueError as error:
            wrong.append(f"the encoder {encoder.name!r} refuses the first caption: {error}")
        if task.objects and clip.truth is not None:
            try:
                encoder(list(clip.truth.identity))
            except ValueError as error:
                wrong.append(
                    f"the encoder {encoder.name!r} cannot name what layouts place, so set "
                    f"task.objects=0 or another text encoder: {error}"
                )
    if wrong:
        raise DataMismatchError("the data do not fit the task: " + "; ".join(wrong))


def _longest(source: Source, encoder: TextEncoder) -> int:
    """The most places that a caption takes, or no fewer where the captions cannot be listed."""
    if isinstance(source, Tells):
        return max(map(encoder.tokens, source.sentences()), default=0)
    widest = max(source.vocabulary, key=encoder.tokens, default="")
    return encoder.tokens(" ".join([widest] * source.max_words))


def batches(
    source: Source,
    encoder: TextEncoder,
    task: Task,
    *,
    batch_size: int,
    seed: int,
    context_rate: float = 0.5,
    layout_rate: float = 0.5,
    augment: Augment | None = None,
    corrupt: Corrupt = "skip",
    shard: tuple[int, int] = (0, 1),
    threads: int = 1,
) -> BatchIterator:
    """Batches without end; every epoch is shuffled anew.

    Args:
        source: the clips.
        encoder: what turns captions into features; captions are encoded once.
        task: what the batches must look like.
        batch_size: clips of a global batch; a shard yields its part of them.
        seed: of the order and of who is given context, in [0, 2**32).
        context_rate: the share of clips whose K context frames are all given; the others have none.
            Drawn by seed and position, so it does not depend on the sharding.
        layout_rate: the share of clips that are given their layout, if the task has any, likewise.
        augment: how clips are changed; by default not at all.
        corrupt: "skip" replaces a corrupt clip by the next one that can be read, logs its path
            once, and gives up when more than one in a hundred is corrupt; "fail" raises at once.
        shard: (index, count) of this process.
        threads: that read ahead; the order does not depend on them.

    Returns:
        A `grain.DatasetIterator` of `HostBatch` with numpy leaves; ``get_state`` and ``set_state``
        go on exactly, and orbax saves it beside the model.

    Raises:
        DataMismatchError: if source, encoder and task do not fit; while iterating, for a clip of
            another shape or type than the task's, with its index.
        CorruptFileError: as `corrupt` says, with the file.
        ValueError: for a rate, seed or shard out of range, or a batch that does not divide.
    """
    import grain  # Eight tenths of a second, which only those who train should pay.

    if not 0.0 <= context_rate <= 1.0:
        raise ValueError(f"context_rate must lie in [0, 1], got {context_rate}")
    if not 0.0 <= layout_rate <= 1.0:
        raise ValueError(f"layout_rate must lie in [0, 1], got {layout_rate}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must lie in [0, 2**32), got {seed}")

    check_task(source, encoder, task)
    index, count = shard
    if not 0 <= index < count:
        raise ValueError(f"shard must be (index, count) with 0 <= index < count, got {shard}")
    if batch_size < 1 or batch_size % count:
        raise ValueError(f"a batch of {batch_size} does not divide among {count} shards")
    rows = Rows(source, task, corrupt)
    draw = Draw(rows, task, context_rate, augment or Augment(), layout_rate)
    ordered = grain.MapDataset.source(rows).seed(seed).shuffle().random_map(draw).repeat()
    local = batch_size // count
    if count > 1:
        ordered = grain.MapDataset.source(Shard(ordered, batch_size, index * local, local))
    dataset = ordered.batch(local, drop_remainder=True, batch_fn=_Collate(encoder, task))
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4 if threads else 0)
    return iter(dataset.to_iter_dataset(options))


def check_validation(source: Source, *, batch_size: int, count: int) -> int:
    """How many batches `validation_batches` makes of a source; reads nothing.

    Args:
        source: as there.
        batch_size: as there.
        count: as there.

    Raises:
        ValueError: if the source has fewer clips.
    """
    number = -(-count // batch_size)
    if count < 1 or number * batch_size > len(source):
        raise ValueError(
            f"{number} batches of {batch_size} clips are wanted for validation and the source "
            f"{source.name!r} has {len(source)} clips"
        )
    return number


def validation_batches(
    source: Source,
    encoder: TextEncoder,
    task: Task,
    *,
    batch_size: int,
    count: int,
    seed: int = 0,
    context_rate: float = 0.5,
    layout_rate: float = 0.5,
) -> list[HostBatch]:
    """The same batches every time: the first of a fixed order, held in memory.

    Args:
        source: the clips, of a validation split.
        encoder: as for training.
        task: as for training.
        batch_size: clips a batch.
        count: clips in all, rounded up to whole batches, so that one compiled step serves.
        seed: of the order and of who is given context.
        context_rate: as for training.
        layout_rate: as for training.

    Raises:
        DataMismatchError: as `batches`.
        CorruptFileError: for the first clip that cannot be read: what a run is judged by is whole.
        ValueError: if the source has fewer clips.
    """
    number = check_validation(source, batch_size=batch_size, count=count)
    stream = batches(
        source,
        encoder,
        task,
        batch_size=batch_size,
        seed=seed,
        context_rate=context_rate,
        layout_rate=layout_rate,
        corrupt="fail",
        threads=0,
    )
    return list(itertools.islice(stream, number))


class _Collate:
    """Rows into a batch; a caption or name is encoded when it is first met."""

    def __init__(self, encoder: TextEncoder, task: Task) -> None:
        self._encoder, self._task = encoder, task
        self._room = max(1, _CACHE_BYTES // (5 * encoder.length * encoder.width))
        self._known: dict[str, tuple[Float[np.ndarray, "L D"], Bool[np.ndarray, "L"]]] = {}

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> HostBatch:
        features, masks = self._encode([row["caption"] for row in rows])
        return HostBatch(
            video=np.stack([row["video"] for row in rows]),
            text=features,
            text_mask=masks,
            context_mask=np.stack([row["context_mask"] for row in rows]),
            images=self._images(rows) if "images" in rows[0] else None,
            layout=layout_of([row["plan"] for row in rows], self._encode, self._task)
            if self._task.objects
            else None,
        )

    def _images(self, rows: Sequence[Mapping[str, Any]]) -> Images:
        pixels = np.stack([row["images"] for row in rows])
        features, masks = self._encode([c for row in rows for c in row["image_captions"]])
        lead = pixels.shape[:2]
        return Images(
            pixels=pixels,
            text=features.reshape(*lead, *features.shape[1:]),
            text_mask=masks.reshape(*lead, *masks.shape[1:]),
        )

    def _encode(
        self, captions: Sequence[str]
    ) -> tuple[Float[np.ndarray, "B L D"], Bool[np.ndarray, "B L"]]:
        # A fresh dict a batch instead of an eviction: reading threads share this object.
        known = self._known
        new = [caption for caption in dict.fromkeys(captions) if caption not in known]
        if new:
            rows = zip(*self._encoder(new), strict=True)
            found = dict(zip(new, rows, strict=True))
            known = (
                known | found
                if len(known) + len(new) <= self._room
                else {caption: known[caption] for caption in captions if caption in known} | found
            )
            self._known = known
        features, masks = zip(*(known[caption] for caption in captions), strict=True)
        return np.stack(features), np.stack(masks)
