"""Clips cut out of recordings: what `folder` and `tfds` have in common."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import operator
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import UInt8

from vidgen.data.errors import CorruptFileError
from vidgen.data.framing import check_fit, fitted, sides
from vidgen.data.recording import Facts, Recording
from vidgen.data.source import check_size
from vidgen.data.windows import Windows
from vidgen.text import words
from vidgen.types import Clip

_RENDERING = 1
"""Part of the fingerprint: to be raised whenever the same options give other clips."""


FASTEST = 1000
"""Frames a second above which `fps` is a slip: a recording would fall into windows without end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """How the frames of a clip are made from those of a recording.

    Attributes:
        height: H, pixels.
        width: W, pixels.
        channels: C, 1 or 3.
        fit: a name in `framing.FITS`.
        crops: under "crop", how many clips are cut side by side out of each window, spread evenly
            along the longer side; 1 is the centre.
        fps: frames a second: of the clip, and of the recording as the windows count them.
    """

    height: int
    width: int
    channels: int
    fit: str
    crops: int
    fps: int

    @classmethod
    def of(
        cls, *, size: int | tuple[int, int], channels: int, fit: str, crops: int, fps: int
    ) -> Look:
        """A look by the options of a source: `size` is a side or (height, width).

        Raises:
            UnknownNameError: for another fit, with the near misses.
            ValueError: for a number out of range.
        """
        check_fit(fit, channels)
        height, width = sides(size)
        if crops < 1 or fps < 1:
            raise ValueError(f"crops and fps must be at least 1, got {crops} and {fps}")
        if fps > FASTEST:
            raise ValueError(f"fps must be at most {FASTEST}, got {fps}")
        crops = crops if fit == "crop" else 1
        return cls(height=height, width=width, channels=channels, fit=fit, crops=crops, fps=fps)

    def places(self) -> tuple[float, ...]:
        """Where each crop lies, from 0 to 1."""
        return (0.5,) if self.crops == 1 else tuple(np.linspace(0.0, 1.0, self.crops).tolist())


class CutClips:
    """A source whose clips are windows of recordings.

    A recording gives a clip for every window, crop and caption of its own; one without a caption
    counts as having the empty one. Truth and physics are not known.

    Args:
        name: as `vidgen.data.source` knows it.
        split: one of train, validation and test.
        recordings: those of the split, in a fixed order.
        captions: of each of them, none is fine; or what reads the one of a recording by its place,
            where reading all in advance would be a pass over the data.
        spoken: gives every caption of every split, from which the vocabulary is made.
        windows: which frames become clips.
        look: how frames become those of a clip.
        identity: gives a hash of the recordings, whatever their address.
        left_out: why what lies at the address is no clip of any split.

    Raises:
        ValueError: if `windows` refuses every recording as too short, or a clip is too large.
    """

    def __init__(
        self,
        name: str,
        split: str,
        recordings: Sequence[Recording],
        captions: Sequence[tuple[str, ...]] | Callable[[int], str],
        *,
        spoken: Callable[[], Sequence[str]],
        windows: Windows,
        look: Look,
        identity: Callable[[], str],
        left_out: dict[str, str],
    ) -> None:
        check_size(windows.frames, look.height, look.width, look.channels)
        self.name, self.split, self.physics, self.fps = name, split, None, look.fps
        self.frames, self.height, self.width = windows.frames, look.height, look.width
        self.channels = look.channels
        self.left_out = dict(left_out)
        self._recordings, self._windows, self._look = recordings, windows, look
        self._spoken, self._identity = spoken, identity
        self._available: dict[int, int] = {}
        # One line a clip: its recording, which of the windows, where the crop lies, its caption.
        self._clips: list[tuple[int, int, float, str]] = []
        self._told = captions if callable(captions) else None
        for row in range(len(recordings)):
            told = ("",) if callable(captions) else captions[row] or ("",)
            self._clips += [
                (row, which, place, caption)
                for which in range(self._count(row))
                for place in look.places()
                for caption in told
            ]
        if recordings and not self._clips:
            raise ValueError(
                f"every recording of {name!r} is shorter than {windows.span} frames at "
                f"{look.fps} a second; ask for fewer frames, or for short='hold' or 'loop'"
            )

    @functools.cached_property
    def _everything(self) -> Sequence[str]:
        return self._spoken()

    def sentences(self) -> Sequence[str]:
        """Every caption of every split."""
        return self._everything

    def captions(self) -> Sequence[str]:
        """The caption of each clip."""
        if self._told is None:
            return [caption for *_, caption in self._clips]
        told = {row: self._told(row) for row in range(len(self._recordings))}
        return [told[row] for row, *_ in self._clips]

    @functools.cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word of every split's captions and the full stop, sorted."""
        spoken = {word for caption in self._everything for word in words(caption)}
        return tuple(sorted(spoken | {"."}))

    @functools.cached_property
    def max_words(self) -> int:
        """The most words of a caption of any split, a full stop included."""
        counts = [len([word for word in words(c) if word != "."]) + 1 for c in self._everything]
        return max(counts, default=1)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of the options, the captions and the recordings; not of where they lie."""
        options = [
            _RENDERING,
            self.split,
            dataclasses.asdict(self._windows),
            dataclasses.asdict(self._look),
            self._clips,
            self._identity(),
        ]
        return hashlib.sha256(json.dumps(options).encode()).hexdigest()

    def exemplars(self) -> None:
        """None: what is in a recording is not known."""

    def recordings(self) -> Iterator[tuple[str, Facts | CorruptFileError]]:
        """Each recording by name, read whole: its facts, or what is wrong with it."""
        for recording in self._recordings:
            try:
                yield recording.name, recording.examine()
            except CorruptFileError as error:
                yield recording.name, error

    def origin(self, index: int) -> tuple[str, Facts]:
        """The recording that a clip is cut out of, by name.

        Raises:
            CorruptFileError: if it is damaged.
        """
        recording = self._recordings[self._clips[index][0]]
        return recording.name, recording.facts()

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Clip:
        """Clip number `index`.

        Raises:
            IndexError: outside [0, len).
            CorruptFileError: if its recording is damaged.
        """
        index = operator.index(index)
        if not 0 <= index < len(self._clips):
            raise IndexError(f"clip {index} of {len(self._clips)}")
        row, which, place, caption = self._clips[index]
        recording, available = self._recordings[row], self._length(row)
        start = self._windows.starts(available, recording.name)[which]
        times = self._windows.indices(start, available) / self._look.fps
        if self._told is not None:
            caption = self._told(row)
        return Clip(video=self._render(recording, times, place), caption=caption)

    def _render(
        self, recording: Recording, times: np.ndarray, place: float
    ) -> UInt8[np.ndarray, "T H W C"]:
        look = self._look
        shots = recording.shots(times)
        # A held or slow frame comes several times and is resized once.
        made = {
            id(shot): fitted(
                shot.image,
                look.height,
                look.width,
                look.channels,
                fit=look.fit,
                place=place,
                pixel_aspect=shot.pixel_aspect,
            )
            for shot in shots
        }
        return np.stack([made[id(shot)] for shot in shots])

    def _length(self, row: int) -> int:
        """Frames of a recording at the rate in which the windows count."""
        if row not in self._available:
            seconds = self._recordings[row].facts().seconds
            self._available[row] = max(1, int(seconds * self._look.fps + 1e-6))
        return self._available[row]

    def _count(self, row: int) -> int:
        if not self._windows.needs_lengths:
            return self._windows.count(None)
        try:
            count = self._windows.count(self._length(row))
        except CorruptFileError:
            # It keeps one clip, so that whoever reads it meets the error by name.
            return 1
        if not count:
            self.left_out[self._recordings[row].name] = (
                f"{self._length(row)} frames at {self._look.fps} a second, of "
                f"{self._windows.span} that are needed"
            )
        return count
