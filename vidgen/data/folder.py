"""Recorded clips: a folder of videos, moving pictures or folders of frames, with captions."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import PurePosixPath

from vidgen.data import decode, stills
from vidgen.data.captions import SPLIT_TABLES, captions, same, table
from vidgen.data.cut import CutClips, Look
from vidgen.data.errors import CorruptFileError
from vidgen.data.recording import Recording
from vidgen.data.splits import PARTS, Part, part_named
from vidgen.data.storage import Files, files
from vidgen.data.windows import Windows

SUBFOLDERS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""Folders at the top that mean a split."""

_VALIDATION, _TEST = 0.1, 0.1
"""Shares of the clips, where neither a table nor sub-folders say which split each is in."""

_SAMPLED = 2**16
"""Bytes at both ends of a file that its identity is made of, with its size."""


def folder(
    split: str = "train",
    path: str | os.PathLike[str] = "",
    *,
    frames: int = 16,
    size: int | tuple[int, int] = 64,
    channels: int = 3,
    fps: int = 8,
    fit: str = "crop",
    crops: int = 1,
    window: str = "first",
    windows: int = 1,
    step: int | None = None,
    short: str = "hold",
    frame_rate: float | int | None = None,
    seed: int = 0,
) -> CutClips:
    """Clips of a folder (`folder:PATH`): mp4, webm, avi, mov, gif, or sub-folders of frames.

    Captions stand in ``captions.csv`` or ``captions.jsonl`` (``file``, ``caption``), or in a
    ``.txt`` beside each clip; a clip without one has the empty caption. The split of a clip stands
    in ``splits.csv`` or ``splits.jsonl`` (``file``, ``split``); without such a table the folders
    `SUBFOLDERS` at the top decide, and without them a hash of the clip's path: 80, 10 and 10%.
    Clips of one scene belong in one split, and a hash cannot know that: write a table for them.

    Every rate is resampled to `fps` by the last frame that has begun; rotation tags and pixels that
    are not square are honoured. Hidden files, links that lead out of the folder and files of other
    kinds are left out.

    Args:
        split: train, validation or test.
        path: of the folder, or an address that fsspec knows, such as ``s3://bucket/clips``.
        frames: T.
        size: of the clip, a side or (height, width).
        channels: 3, or 1 for grey.
        fps: frames a second of the clips, to which every recording is resampled.
        fit: "crop" or "squash", see `framing.FITS`.
        crops: how many crops of each window, spread along the longer side; 1 is the centre.
        window: "first", "random", "uniform" or "all", see `windows.WINDOWS`.
        windows: how many of a recording, for "random" and "uniform".
        step: frames between the starts of "all"; by default clips lie end to end.
        short: "hold", "loop" or "refuse" for recordings that end before the clip does.
        frame_rate: frames a second of the folders of frames; by default `fps`.
        seed: of the random windows.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing in it that could be a clip.
        CorruptFileError: for a table or a text file that cannot be read.
        UnknownNameError: for an option or a split that does not exist, with the near misses.
        ValueError: for numbers that make no sense.
    """
    part = part_named(split, "folder")
    look = Look.of(size=size, channels=channels, fit=fit, crops=crops, fps=fps)
    if frame_rate is not None and frame_rate <= 0:
        raise ValueError(f"frame_rate must be positive, got {frame_rate}")
    cut = Windows(frames=frames, window=window, windows=windows, step=step, short=short, seed=seed)
    found = files(path)
    groups = _recordings(found)
    if not groups:
        kinds = ", ".join(decode.SUFFIXES)
        raise FileNotFoundError(f"{os.fspath(path)!r} holds no {kinds} and no folder of frames")
    told, strangers = captions(found, groups)
    parts, left_out = _parts(found, groups)
    names = sorted(name for name, of in parts.items() if of == part)
    rate = float(frame_rate or fps)
    recordings: list[Recording] = [
        decode.VideoFile(found, name)
        if name in found.sizes
        else stills.FrameFolder(found, name, groups[name], rate)
        for name in names
    ]
    return CutClips(
        f"folder:{os.fspath(path)}",
        part,
        recordings,
        [told[name] for name in names],
        spoken=lambda: sorted({caption for some in told.values() for caption in some}),
        windows=cut,
        look=look,
        identity=lambda: _identity(found, names, groups, rate),
        left_out=strangers | left_out | found.strays,
    )


def _recordings(found: Files) -> dict[str, list[str]]:
    """Each recording by name, and the files it is made of."""
    groups: dict[str, list[str]] = {}
    pictures: dict[str, list[str]] = {}
    for name in found.sizes:
        path = PurePosixPath(name)
        if path.suffix.lower() in decode.SUFFIXES:
            groups[name] = [name]
        elif path.suffix.lower() in stills.SUFFIXES and len(path.parts) > 1:
            pictures.setdefault(path.parent.as_posix(), []).append(name)
    # Pictures beside videos are their posters, and not frames.
    beside = {PurePosixPath(name).parent.as_posix() for name in groups}
    return groups | {name: frames for name, frames in pictures.items() if name not in beside}


def _parts(found: Files, names: Iterable[str]) -> tuple[dict[str, Part], dict[str, str]]:
    """The part of each recording, and why others have none."""
    tables = [name for name in SPLIT_TABLES if name in found.sizes]
    if tables:
        listed: dict[str, str] = {}
        for name, part in table(found, tables, "split"):
            if SUBFOLDERS.get(part) is None:
                raise CorruptFileError(
                    f"{tables[0]}: {name!r} has the split {part!r}, none of {PARTS}"
                )
            if listed.setdefault(name, part) != part:
                raise CorruptFileError(f"{tables[0]}: {name!r} is in two splits")
        told: dict[str, Part] = {
            name: SUBFOLDERS[listed[same(name)]] for name in names if same(name) in listed
        }
        return told, {name: f"{tables[0]} does not name it" for name in names if name not in told}
    tops = {name: PurePosixPath(name).parts[0] for name in names if "/" in name}
    if SUBFOLDERS.keys() & set(tops.values()):
        placed: dict[str, Part] = {
            name: SUBFOLDERS[top] for name, top in tops.items() if top in SUBFOLDERS
        }
        return placed, {
            n: "it lies outside train, validation and test" for n in names if n not in placed
        }
    return {name: _hashed(name) for name in names}, {}


def _hashed(name: str) -> Part:
    """The part of a recording by a hash of its path: it stays when others come or go."""
    digest = hashlib.sha256(same(name).encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return "test" if share < _TEST else "validation" if share < _TEST + _VALIDATION else "train"


def _identity(found: Files, names: Iterable[str], groups: dict[str, list[str]], rate: float) -> str:
    """A hash of the names, sizes and both ends of every file: what is cheap to read and changes."""
    digest = hashlib.sha256(f"{rate}".encode())
    for name in names:
        for part in groups[name]:
            size = found.sizes[part]
            digest.update(f"{same(part)} {size}\n".encode())
            # What cannot be read is the matter of whoever looks at its clip.
            with contextlib.suppress(CorruptFileError), found.open(part) as file:
                digest.update(file.read(_SAMPLED))
                file.seek(max(0, size - _SAMPLED))
                digest.update(file.read(_SAMPLED))
    return digest.hexdigest()
