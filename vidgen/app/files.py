"""What an animation leaves on disk: a clip a family, a sheet of all of them, and what was asked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vidgen.app.studio import Animated, Animation
from vidgen.atomic import replacing
from vidgen.comparison import video
from vidgen.comparison.sheet import SheetRow, chosen, selection
from vidgen.comparison.sheet import sheet as drawn

RECORD = "animation.json"
SHEET = "sheet.png"

_SCALE = 2
"""Of the sheet's frames; clips are enlarged as `video.write` does."""


def check(folder: Path | str, kinds: Sequence[str]) -> Path:
    """The folder, which need not be there, if clips of these kinds can be written into it.

    Args:
        folder: where to.
        kinds: such as "mp4".

    Raises:
        ValueError: for a kind that is not known, none, a file in the folder's place, a folder in
            none, or one that may not be written into.
        ImportError: for mp4 where PyAV is not installed.
    """
    folder = Path(folder)
    if not kinds:
        raise ValueError(f"no format was given; choose of {', '.join(_kinds())}")
    for kind in kinds:
        if kind not in _kinds():
            raise ValueError(f"{kind!r} is no format of clips; choose of {', '.join(_kinds())}")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; clips go to a folder")
    there = folder if folder.exists() else folder.parent
    if there.is_dir() and not os.access(there, os.W_OK):
        raise ValueError(f"nothing may be written into {there}")
    for kind in kinds:
        video.check(folder.parent / f"clip.{kind}")
    return folder


def write_clip(
    made: Animated, animation: Animation, folder: Path, kinds: Sequence[str]
) -> list[Path]:
    """Write a family's clip, if it has one, in every format.

    Args:
        made: the family's.
        animation: of which it is.
        folder: as `check` returned it.
        kinds: formats.

    Returns:
        The files, in the order of the formats.
    """
    folder.mkdir(exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)  # tells of clips that are being replaced
    if made.clip is None:
        return []
    return [
        video.write(
            folder / f"{made.generator}.{kind}",
            made.clip[None],
            fps=animation.fps,
            smooth=True,
            note=animation.note(made.generator),
        )
        for kind in kinds
    ]


def finish(animation: Animation, folder: Path, written: Mapping[str, Sequence[Path]]) -> None:
    """Write ``sheet.png`` and ``animation.json``, which names the clips that belong to them.

    Args:
        animation: whose clips are written.
        folder: as `check` returned it.
        written: the files of each family.
    """
    with replacing(folder / SHEET) as partial:
        partial.write_bytes(video.png(sheet(animation), animation.note("all")))
    about = {
        "schema_version": 1,
        "idea": animation.understood.idea,
        "sentence": animation.understood.sentence,
        "understood_by": animation.understood.by,
        "likeness": round(animation.understood.likeness, 4),
        "photograph": str(animation.photo),
        "seed": animation.seed,
        "fps": animation.fps,
        "clips": [
            {
                "generator": made.generator,
                "files": [path.name for path in written.get(made.generator, ())],
                "frames": None if made.clip is None else len(made.clip),
                "seconds": round(made.seconds, 4),
                "with_compiling": made.is_first,
                "error": made.error,
            }
            for made in animation.clips
        ],
    }
    with replacing(folder / RECORD) as partial:
        partial.write_text(json.dumps(about, indent=1) + "\n")


def sheet(animation: Animation) -> UInt8[np.ndarray, "H W 3"]:
    """All clips as rows of frames, from the first to the last, under what was asked."""
    understood = animation.understood
    longest = max((len(made.clip) for made in animation.clips if made.clip is not None), default=1)
    rows = [_row(made) for made in animation.clips]
    told = f"seed {animation.seed}{selection(longest)}"
    if not _has_letters(understood.idea):
        return drawn(f"{understood.sentence}, as it was understood; {told}", rows)
    asked = f'"{understood.idea}", {told}'
    if understood.by != "sentence":
        asked += f"; understood as: {understood.sentence}"
    return drawn(asked, rows)


def _has_letters(said: str) -> bool:
    """Whether Pillow's own font can show it."""
    try:
        said.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _row(made: Animated) -> SheetRow:
    if made.clip is None:
        return SheetRow(title=made.generator, notes=(made.error,), frames=None)
    larger = video.resampled(made.clip[chosen(len(made.clip))], _SCALE)
    return SheetRow(
        title=made.generator,
        notes=(f"{len(made.clip)} frames in {made.took}",),
        frames=np.ascontiguousarray(np.broadcast_to(larger, (*larger.shape[:-1], 3))),
    )


def _kinds() -> list[str]:
    return [ending[1:] for ending in video.EXTENSIONS if ending != ".png"]
