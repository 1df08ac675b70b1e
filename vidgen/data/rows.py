"""A source as the pipeline reads it: every clip checked, and corrupt ones dealt with."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import sys
import threading
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np

from vidgen.data.augment import Augment
from vidgen.data.errors import CorruptFileError
from vidgen.data.source import Source
from vidgen.types import Clip, Plan, Task

Corrupt = Literal["skip", "fail"]
"""What happens to a corrupt clip: it is skipped and counted (training), or it ends the run."""

MOST_CORRUPT = 0.01
"""The share of a source's clips above which skipping is given up."""

_log = logging.getLogger("vidgen.data")


class DataMismatchError(ValueError):
    """Clips that are not what the task asks for."""


class Rows:
    """A source without its truth, but for where things are if the task has layouts, by index.

    A corrupt clip is replaced by the next one that can be read, so that what an index gives is a
    function of the index alone: it depends neither on who met the clip first nor on where a run
    was resumed. Each corrupt clip is logged once, as a warning of the logger ``vidgen.data``.

    Args:
        source: the clips.
        task: what each must look like.
        corrupt: "skip" or "fail".
    """

    def __init__(self, source: Source, task: Task, corrupt: Corrupt) -> None:
        self._source, self._task, self._corrupt = source, task, corrupt
        self._bad: dict[int, str] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        """The ``video`` and ``caption`` of a clip, and its ``plan`` if the task has layouts.

        Raises:
            DataMismatchError: for a clip of another shape or type than the task's.
            CorruptFileError: for a corrupt clip under "fail"; under "skip", once more than
                `MOST_CORRUPT` of the source's clips are.
        """
        at, clip = self.readable(int(index))
        wrong = faults(clip, self._task)
        if wrong:
            raise DataMismatchError(f"clip {at} of {self._source.name!r}: {'; '.join(wrong)}")
        row = {"video": clip.video, "caption": clip.caption}
        if self._task.objects:
            assert clip.truth is not None  # or it would be at fault
            row["plan"] = Plan.of(clip.truth.identity, clip.truth.boxes)
        return row

    def readable(self, index: int) -> tuple[int, Clip]:
        """The first clip from `index` on, round the end, that can be read; and its index."""
        for at in itertools.chain(range(index, len(self)), range(index)):
            if at in self._bad:
                continue
            try:
                return at, self._source[at]
            except CorruptFileError as error:
                self._skip(at, error)
            except Exception as error:  # a fault of the code, or of the disk: which clip met it?
                error.add_note(f"while reading clip {at} of {self._source.name!r}")
                raise
        raise CorruptFileError(f"no clip of {self._source.name!r} can be read")

    def _skip(self, index: int, error: CorruptFileError) -> None:
        if self._corrupt == "fail":
            raise error
        with self._lock:
            if index in self._bad:
                return
            self._bad[index] = str(error)
            count, total = len(self._bad), len(self)
        _log.warning(
            "clip %d of %r is corrupt and skipped (%d of %d so far): %s",
            *(index, self._source.name, count, total, error),
        )
        if count > MOST_CORRUPT * total:
            raise CorruptFileError(
                f"{count} of the {total} clips of {self._source.name!r} are corrupt, more than "
                f"{MOST_CORRUPT:.0%}; `vidgen data check` lists all. The last one: {error}"
            ) from error


class Draw:
    """What chance adds to a row: who is given context, how it is changed, single frames, and who is
    given a layout.

    In this order, so that none depends on whether those after it are asked for.

    Args:
        rows: where single frames are taken from.
        task: how many frames of context, and how many single ones.
        context_rate: the share of clips that are given their context.
        augment: how clips are changed.
        layout_rate: the share of clips that are given their layout, where the task has any.
    """

    def __init__(
        self,
        rows: Rows,
        task: Task,
        context_rate: float,
        augment: Augment,
        layout_rate: float = 0.0,
    ) -> None:
        self._rows, self._task, self._rate, self._augment = rows, task, context_rate, augment
        self._layout_rate = layout_rate

    def __call__(self, row: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """The row with its ``context_mask``; ``images`` and ``image_captions`` if asked for; and
        its ``plan``, None where it is not told, if the task has layouts.
        """
        given = rng.random() < self._rate
        change = self._augment.draw(row["caption"], rng)
        drawn = {
            "video": change.video(row["video"]),
            "caption": row["caption"],
            "context_mask": np.full(self._task.context_frames, given, bool),
        }
        if self._task.images:
            stills = [self._still(rng) for _ in range(self._task.images)]
            drawn["images"] = np.concatenate([pixels for pixels, _ in stills])
            drawn["image_captions"] = [caption for _, caption in stills]
        if self._task.objects:
            plan = row["plan"]
            sides = (self._task.height, self._task.width)
            boxes = change.boxes(plan.boxes, *sides)
            told = rng.random() < self._layout_rate
            drawn["plan"] = dataclasses.replace(plan, boxes=boxes) if told else None
        return drawn

    def _still(self, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """A frame [1 H W C] of any clip, and its caption."""
        row = self._rows[int(rng.integers(len(self._rows)))]
        at = int(rng.integers(self._task.frames))
        return self._augment(row["video"][at : at + 1], row["caption"], rng), row["caption"]


class Shard:
    """The contiguous rows of every global batch that belong to one process."""

    def __init__(self, rows: Any, batch_size: int, first: int, local: int) -> None:
        self._rows, self._batch_size, self._first, self._local = rows, batch_size, first, local

    def __len__(self) -> int:
        return sys.maxsize // self._batch_size * self._local

    def __getitem__(self, index: SupportsIndex) -> Any:
        step, row = divmod(int(index), self._local)
        return self._rows[step * self._batch_size + self._first + row]


def faults(clip: Clip, task: Task) -> Sequence[str]:
    """In what a clip differs from the task, in words."""
    found, video = [], clip.video
    if getattr(video, "dtype", None) != np.uint8:
        found.append(f"pixels are {getattr(video, 'dtype', type(video).__name__)}, not uint8")
    if np.shape(video) != task.video_shape:
        found.append(f"the shape is {np.shape(video)}, not [T H W C] = {task.video_shape}")
    truth = clip.truth
    if task.objects and (truth is None or truth.boxes.shape[1] < len(truth.identity)):
        found.append(
            "nobody knows where things are in it, and the task has layouts: set task.objects=0"
        )
    elif task.objects and truth is not None and len(truth.identity) > task.objects:
        count = len(truth.identity)
        found.append(
            f"it has {count} objects, and layouts room for {task.objects}: set task.objects={count}"
        )
    return found
