"""From a source to batches: shuffled, repeated, sharded and resumable.

The order of clips is a function of the seed alone. A process of several takes contiguous rows of
each global batch, so the same global batches are seen whatever their number (``dataset[p::n]``
would permute the rows). An iterator's state is a position and nothing else: it is accepted by an
iterator of another seed, source or batch size, so whoever restores one compares fingerprints first.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, SupportsIndex, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from vidgen.data.source import Source
from vidgen.text import TextEncoder
from vidgen.types import HostBatch, Task

_CACHE_BYTES = 64 * 2**20
"""Room for encoded captions, which simulated sources repeat without end."""


class DataMismatchError(ValueError):
    """Clips that are not what the task asks for."""


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

    Reads the first clip and encodes its caption.

    Raises:
        DataMismatchError: with every difference.
    """
    faults = [
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
            faults.append(
                f"{name} is {have} in the encoder {encoder.name!r} and {need} in the task"
            )
    if source.max_words > task.text_length:
        faults.append(
            f"captions have up to {source.max_words} words and text_length is {task.text_length}"
        )
    if len(source) < 1:
        faults.append(f"the source {source.name!r} has no clips")
    if not faults:
        clip = source[0]
        faults += _faults(clip.video, task)
        try:
            encoder([clip.caption])
        except ValueError as error:
            faults.append(f"the encoder {encoder.name!r} refuses the first caption: {error}")
    if faults:
        raise DataMismatchError("the data do not fit the task: " + "; ".join(faults))


def batches(
    source: Source,
    encoder: TextEncoder,
    task: Task,
    *,
    batch_size: int,
    seed: int,
    context_rate: float = 0.5,
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
        shard: (index, count) of this process.
        threads: that read ahead; the order does not depend on them.

    Returns:
        A `grain.DatasetIterator` of `HostBatch` with numpy leaves; ``get_state`` and ``set_state``
        go on exactly, and orbax saves it beside the model.

    Raises:
        DataMismatchError: if source, encoder and task do not fit; while iterating, for a clip of
            another shape or type than the task's, with its index.
        ValueError: for a rate, seed or shard out of range, or a batch that does not divide.
    """
    import grain  # Eight tenths of a second, which only those who train should pay.

    check_task(source, encoder, task)
    index, count = shard
    if not 0 <= index < count:
        raise ValueError(f"shard must be (index, count) with 0 <= index < count, got {shard}")
    if batch_size < 1 or batch_size % count:
        raise ValueError(f"a batch of {batch_size} does not divide among {count} shards")
    rows = _rows(source, task, seed, context_rate)
    local = batch_size // count
    if count > 1:
        rows = grain.MapDataset.source(_Shard(rows, batch_size, index * local, local))
    dataset = rows.batch(local, drop_remainder=True, batch_fn=_Collate(encoder))
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4 if threads else 0)
    return iter(dataset.to_iter_dataset(options))


def validation_batches(
    source: Source,
    encoder: TextEncoder,
    task: Task,
    *,
    batch_size: int,
    count: int,
    seed: int = 0,
    context_rate: float = 0.5,
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

    Raises:
        DataMismatchError: as `batches`.
        ValueError: if the source has fewer clips.
    """
    number = -(-count // batch_size)
    if count < 1 or number * batch_size > len(source):
        raise ValueError(
            f"{number} batches of {batch_size} clips are wanted for validation and the source "
            f"{source.name!r} has {len(source)} clips"
        )
    stream = batches(
        source,
        encoder,
        task,
        batch_size=batch_size,
        seed=seed,
        context_rate=context_rate,
        threads=0,
    )
    return list(itertools.islice(stream, number))


def _rows(source: Source, task: Task, seed: int, context_rate: float) -> Any:
    """The `grain.MapDataset` of clips in global order, without end."""
    import grain

    if not 0.0 <= context_rate <= 1.0:
        raise ValueError(f"context_rate must lie in [0, 1], got {context_rate}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must lie in [0, 2**32), got {seed}")

    def draw_context(row: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        given = rng.random() < context_rate
        return row | {"context_mask": np.full(task.context_frames, given, bool)}

    return (
        grain.MapDataset.source(_Rows(source, task))
        .seed(seed)
        .shuffle()
        .random_map(draw_context)
        .repeat()
    )


class _Rows:
    """A source as grain reads it, without the truth, and with every clip checked."""

    def __init__(self, source: Source, task: Task) -> None:
        self._source, self._task = source, task

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        clip = self._source[int(index)]
        faults = _faults(clip.video, self._task)
        if faults:
            raise DataMismatchError(f"clip {index} of {self._source.name!r}: {'; '.join(faults)}")
        return {"video": clip.video, "caption": clip.caption}


class _Shard:
    """The contiguous rows of every global batch that belong to one process."""

    def __init__(self, rows: Any, batch_size: int, first: int, local: int) -> None:
        self._rows, self._batch_size, self._first, self._local = rows, batch_size, first, local

    def __len__(self) -> int:
        return sys.maxsize // self._batch_size * self._local

    def __getitem__(self, index: SupportsIndex) -> Any:
        step, row = divmod(int(index), self._local)
        return self._rows[step * self._batch_size + self._first + row]


class _Collate:
    """Rows into a batch; a caption is encoded when it is first met."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._room = max(1, _CACHE_BYTES // (5 * encoder.length * encoder.width))
        self._known: dict[str, tuple[Float[np.ndarray, "L D"], Bool[np.ndarray, "L"]]] = {}

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> HostBatch:
        features, masks = self._encode([row["caption"] for row in rows])
        return HostBatch(
            video=np.stack([row["video"] for row in rows]),
            text=features,
            text_mask=masks,
            context_mask=np.stack([row["context_mask"] for row in rows]),
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


def _faults(video: Any, task: Task) -> list[str]:
    faults = []
    if getattr(video, "dtype", None) != np.uint8:
        faults.append(f"pixels are {getattr(video, 'dtype', type(video).__name__)}, not uint8")
    if np.shape(video) != task.video_shape:
        faults.append(f"the shape is {np.shape(video)}, not [T H W C] = {task.video_shape}")
    return faults
