"""A look at every clip of a source before anything is trained on it."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

from vidgen.data.audit import SplitReport, check_splits
from vidgen.data.catalogue import source
from vidgen.data.errors import CorruptFileError
from vidgen.data.recording import Recorded
from vidgen.data.source import Source
from vidgen.data.splits import PARTS
from vidgen.text import words

_SIMULATED = 1024
"""Clips of a part that are read of a source which draws them without end."""

_NAMED = 10
"""Files or clips that a report names before it only counts them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartSurvey:
    """What was found in one part of a source.

    Attributes:
        split: its name.
        clips: how many it has.
        read: how many of them were looked at.
        shape: [T H W C] of a clip, and its frames a second.
        corrupt: what is wrong with each recording or clip that cannot be read, by name.
        left_out: why what lies at the address is no clip of any split, by name.
        silent: clips without a caption, by index.
        silent_recordings: what the first of them are cut out of, by name.
        words: the most words of a caption among those read.
        recordings: how many were looked at; 0 where clips are simulated.
        seconds: of the shortest, the median and the longest recording.
        sizes: how many recordings have each (height, width).
    """

    split: str
    clips: int
    read: int
    shape: str
    corrupt: dict[str, str]
    left_out: dict[str, str]
    silent: tuple[int, ...]
    silent_recordings: tuple[str, ...]
    words: int
    recordings: int
    seconds: tuple[float, float, float] | None
    sizes: dict[tuple[int, int], int]

    def __str__(self) -> str:
        lines = [
            f"{self.split}: {_many(self.clips, 'clip')} of {self.shape}, {self.read:,} read; "
            f"captions of up to {_many(self.words, 'word')}, {_many(len(self.silent), 'clip')} "
            f"without"
        ]
        if self.silent:
            named = self.silent_recordings or tuple(map(str, self.silent[:_NAMED]))
            more = max(0, len(self.silent) - _NAMED)
            # Several clips may be of one recording.
            lines[0] += f" ({_some(list(dict.fromkeys(named)), more)})"
        if self.seconds is not None:
            low, middle, high = self.seconds
            sizes = [f"{w}x{h} ({n:,})" for (h, w), n in sorted(self.sizes.items())]
            lines.append(
                f"{_many(self.recordings, 'recording')} of {low:.2f} to {high:.2f} s, median "
                f"{middle:.2f} s, of {_some(sizes)} pixels"
            )
        return "\n  ".join(lines + _reasons("corrupt", self.corrupt))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found in a source.

    Attributes:
        name: of the source.
        parts: one for each of train, validation and test.
        duplicates: recordings of two parts that are equal to the byte, and clips of two parts that
            are equal to the pixel and not cut out of such recordings. What was encoded anew is
            another recording.
        proof: that objects of the parts are disjoint, for sources that know their objects.
    """

    name: str
    parts: tuple[PartSurvey, ...]
    duplicates: tuple[tuple[str, str], ...]
    proof: SplitReport | None

    @property
    def sound(self) -> bool:
        """Whether nothing is corrupt and no clip is in two parts."""
        return not self.duplicates and not any(part.corrupt for part in self.parts)

    def __str__(self) -> str:
        lines = [self.name, *(f"  {part}".replace("\n", "\n  ") for part in self.parts)]
        left_out = {name: why for part in self.parts for name, why in part.left_out.items()}
        lines += [f"  {line}" for line in _reasons("left out", left_out)]
        if self.proof is not None:
            lines.append(f"  {self.proof}")
        else:
            count = len(self.duplicates)
            colon = ":" if count else ""
            lines.append(f"  clips of one part that are in another: {count or 'none'}{colon}")
            lines += [f"    {a} is {b}" for a, b in self.duplicates[:_NAMED]]
            if count > _NAMED:
                lines.append(f"    and {count - _NAMED:,} more")
        return "\n".join(lines)


def survey(
    name: str,
    *,
    most: int | None = None,
    tick: Callable[[], Any] = lambda: None,
    **options: Any,
) -> Survey:
    """Read every clip of a source once and report what a person should know.

    Recordings are read whole, so that one which is torn behind its last window is found as well.
    There is no end of simulated clips, so only some are read. Those of sources that know their
    objects repeat by chance, and the parts are proved disjoint instead (`check_splits`), which
    raises where they are not.

    Args:
        name: one of `vidgen.data.sources()` or `kinds()` with its argument.
        most: clips and recordings of a part that are read; None for all that were recorded, and for
            1,024 of those that are simulated.
        tick: called after each.
        **options: of the source, without ``split``.

    Raises:
        LeakageError: as `check_splits`.
        ValueError: if `most` is below 1.
    """
    if most is not None and most < 1:
        raise ValueError(f"at least one clip must be read, got {most}")
    sources = {part: source(name, split=part, **options) for part in PARTS}
    known = all(found.exemplars() is not None for found in sources.values())
    if most is None and not any(isinstance(found, Recorded) for found in sources.values()):
        most = _SIMULATED
    recordings, clips, parts = _Owners(), _Owners(), []
    for found in sources.values():
        parts.append(_part(found, most, recordings, clips, tick))
    return Survey(
        name=name,
        parts=tuple(parts),
        duplicates=() if known else (*recordings.twins, *clips.twins),
        proof=check_splits(name, **options) if known else None,
    )


class _Owners:
    """Which part has what, by its hash.

    Attributes:
        twins: what is in two parts, by name: the one met later first.
    """

    def __init__(self) -> None:
        self.twins: list[tuple[str, str]] = []
        self._owner: dict[bytes, tuple[str, str]] = {}
        self._met: set[tuple[str, bytes]] = set()

    def add(self, part: str, name: str, content: bytes) -> bool:
        """Whether another part has it; within a part it counts once."""
        owner, theirs = self._owner.setdefault(content, (part, name))
        if owner != part and (part, content) not in self._met:
            self.twins.append((name, theirs))
        self._met.add((part, content))
        return owner != part


def _part(
    found: Source,
    most: int | None,
    recordings: _Owners,
    clips: _Owners,
    tick: Callable[[], Any],
) -> PartSurvey:
    corrupt: dict[str, str] = {}
    seconds: list[float] = []
    sizes: collections.Counter[tuple[int, int]] = collections.Counter()
    copies: set[str] = set()
    count = 0
    for name, facts in found.recordings() if isinstance(found, Recorded) else ():
        if most is not None and count >= most:
            break
        count += 1
        if isinstance(facts, CorruptFileError):
            corrupt[name] = str(facts)
        else:
            seconds.append(facts.seconds)
            sizes[facts.height, facts.width] += 1
            if facts.digest and recordings.add(found.split, f"{found.split} {name}", facts.digest):
                copies.add(name)
        tick()
    silent, longest = [], 0
    read = len(found) if most is None else min(most, len(found))
    for index in range(read):
        try:
            clip = found[index]
        except CorruptFileError as error:
            if str(error) not in corrupt.values():
                corrupt[f"clip {index}"] = str(error)
            continue
        finally:
            tick()
        if not clip.caption:
            silent.append(index)
        longest = max(longest, len(words(clip.caption)))
        # What is cut out of a copy is a copy, and was reported as such.
        if not (copies and isinstance(found, Recorded) and found.origin(index)[0] in copies):
            content = hashlib.sha256(clip.video.tobytes()).digest()
            clips.add(found.split, f"{found.split} {index}", content)
    ranked = sorted(seconds)
    return PartSurvey(
        split=found.split,
        clips=len(found),
        read=read,
        shape=f"{found.frames}x{found.height}x{found.width}x{found.channels} at {found.fps} fps",
        corrupt=corrupt,
        left_out=dict(found.left_out) if isinstance(found, Recorded) else {},
        silent=tuple(silent),
        silent_recordings=tuple(found.origin(index)[0] for index in silent[:_NAMED])
        if isinstance(found, Recorded)
        else (),
        words=longest,
        recordings=count,
        seconds=(ranked[0], ranked[len(ranked) // 2], ranked[-1]) if ranked else None,
        sizes=dict(sizes),
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _some(names: list[str], unnamed: int = 0) -> str:
    more = len(names[_NAMED:]) + unnamed
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more else "")


def _reasons(what: str, found: dict[str, str]) -> list[str]:
    """A heading and a line for each of the first names, with the reason."""
    if not found:
        return []
    lines = [f"{len(found):,} {what}:"]
    lines += [f"  {name}: {why}" for name, why in list(found.items())[:_NAMED]]
    more = len(found) - _NAMED
    return lines + ([f"  and {more:,} more"] if more > 0 else [])
