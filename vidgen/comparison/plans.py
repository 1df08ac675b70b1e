"""Plans in files: where things are to be, from key frame to key frame.

::

    {"objects": [{"identity": "3", "boxes": {"0": [4, 4, 18, 14], "7": [14, 11, 28, 21]}}]}

The numbers of a box are (top, left, bottom, right) in pixels of the model's frames. Between two key
frames a box moves straight and evenly; before the first and after the last nothing is said.
"""

from __future__ import annotations

import json
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
    if not file.exists():
        raise ValueError(f"{path} does not exist")
    if file.stat().length > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes: that is no plan")
    try:
        data = json.loads(file.read_text())
        given = [(one["identity"], dict(one["boxes"])) for one in data["objects"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path} is no plan ({error}); write {{"objects": [{{"identity": "3", "boxes": '
            '{"0": [top, left, bottom, right], ...}}]}'
        ) from error
    boxes = [_path(f"{path}, object {n}", keys, frames) for n, (_, keys) in enumerate(given)]
    if not boxes:
        raise ValueError(f"{path} places no object")
    identity = tuple(str(name) for name, _ in given)
    try:
        return Plan(identity=identity, boxes=np.stack(boxes, axis=1))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _path(where: str, keys: dict[str, Any], frames: int) -> np.ndarray:
    """float32 [T 4], NaN outside of the key frames."""
    try:
        known = {int(frame): np.asarray(box, np.float32) for frame, box in keys.items()}
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: frames are whole numbers and boxes four numbers") from error
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
