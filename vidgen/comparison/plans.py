"""Plans in files: where things are to be, from key frame to key frame.

::

    {"objects": [{"identity": "3", "boxes": {"0": [4, 4, 18, 14], "7": [14, 11, 28, 21]}}]}

The numbers of a box are (top, left, bottom, right) in pixels of the model's frames. Between two key
frames a box moves straight and evenly; before the first and after the last nothing is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from etils import epath

from vidgen.types import Plan

LARGEST = 1_000_000
"""Bytes beyond which a file is refused unread."""


def read(path: epath.PathLike, frames: int) -> Plan:
    """The plan in a file, for a clip of so many frames.

    Raises:
        ValueError: if the file is absent, too large, no plan, or speaks of a frame that the clip
            does not have; the message says what to mend.
    """
    file = epath.Path(path)
    if not file.exists() or file.is_dir():
        raise ValueError(f"{path} {'is a folder' if file.exists() else 'does not exist'}")
    if file.stat().length > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes: that is no plan")
    try:
        data = json.loads(file.read_text())
        _only(data, "objects")
        for one in data["objects"]:
            _only(one, "identity", "boxes")
        given = [(one["identity"], one["boxes"].items()) for one in data["objects"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f'{path} is no plan ({error}); write {{"objects": [{{"identity": "3", "boxes": '
            '{"0": [top, left, bottom, right], ...}}]}'
        ) from error
    boxes = [_path(f"{path}, object {n}", keys, frames) for n, (_, keys) in enumerate(given)]
    if not boxes:
        raise ValueError(f"{path} places no object")
    identity = tuple(name for name, _ in given)
    for n, name in enumerate(identity):
        if not (isinstance(name, str) and name.strip()):
            raise ValueError(f"{path}, object {n}: say in words what it is, not {name!r}")
    try:
        return Plan(identity=identity, boxes=np.stack(boxes, axis=1))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _only(given: dict[str, Any], *keys: str) -> None:
    """Refuse whatever says more than these keys, which would be passed over."""
    others = sorted(set(given) - set(keys))
    if others:
        raise ValueError(f"{others[0]!r} is none of {', '.join(map(repr, keys))}")


def _path(where: str, keys: Iterable[tuple[str, Any]], frames: int) -> np.ndarray:
    """float32 [T 4], NaN outside of the key frames."""
    known: dict[int, np.ndarray] = {}
    try:
        for frame, box in keys:
            if int(frame) in known:
                raise ValueError(f"frame {int(frame)} is told twice")
            known[int(frame)] = np.asarray(box, np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"{where}: frames are whole numbers, each once, and boxes four numbers ({error})"
        ) from error
    for frame, box in known.items():
        if not 0 <= frame < frames:
            raise ValueError(
                f"{where}: there is no frame {frame} in a clip of {frames}, which are 0 to "
                f"{frames - 1}"
            )
        if box.shape != (4,) or not np.isfinite(box).all():
            raise ValueError(f"{where}: the box of frame {frame} must be four finite numbers")
    if not known:
        raise ValueError(f"{where}: has no boxes")
    at = sorted(known)
    every = np.arange(frames)
    sides = [
        np.interp(every, at, [known[frame][side] for frame in at], left=np.nan, right=np.nan)
        for side in range(4)
    ]
    return np.stack(sides, axis=-1).astype(np.float32)
