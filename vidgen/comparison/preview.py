"""A sheet or a page of a source's clips, so that a person can look before training."""

from __future__ import annotations

import base64
import dataclasses
import html
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vidgen.atomic import replacing
from vidgen.comparison import video
from vidgen.comparison.overlay import coloured, overlaid, told
from vidgen.comparison.sheet import SheetRow, chosen, selection, sheet
from vidgen.data import CorruptFileError, Recorded, Source
from vidgen.types import Clip

_SIDE = 128
"""Pixels that the shorter side of a shown frame is enlarged to, about, by whole factors."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Entry:
    """One clip of the sheet, or why it cannot be read."""

    title: str
    notes: tuple[str, ...]
    clip: Clip | None


def preview(source: Source, out: Path | str, *, count: int = 12) -> Path:
    """Write clips of a source with their captions, truth, lengths and sizes into one file.

    Clips are taken evenly from the first to the last. Where the source knows the truth, it is drawn
    and told, see `overlay`. A clip that cannot be read says why in its place. On a sheet, letters
    that Pillow's own font lacks show as boxes; a page has them all.

    Args:
        source: the clips.
        out: ending in .png (a row of frames a clip) or .html (a page that moves and needs no other
            file).
        count: how many clips, at most.

    Returns:
        The path.

    Raises:
        ValueError: for another extension, a folder that does not exist, or a source without clips.
    """
    path = Path(out)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise ValueError(f"{path.name!r}: the extension must be one of {', '.join(_WRITERS)}")
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist")
    if count < 1 or len(source) < 1:
        raise ValueError(f"{count} of the {len(source)} clips of {source.name!r} are wanted")
    rows = np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).round().astype(int))
    content = writer(source, [_entry(source, row) for row in rows.tolist()])
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path


def _entry(source: Source, index: int) -> _Entry:
    notes: list[str] = []
    try:
        if isinstance(source, Recorded):
            name, facts = source.origin(index)
            length = f"{facts.frames} frame{'s' * (facts.frames != 1)}, {facts.seconds:.2f} s"
            notes.append(f"{name}: {length}, {facts.width}x{facts.height}")
        clip = source[index]
    except CorruptFileError as error:
        return _Entry(title=f"{index}", notes=(*notes, str(error)), clip=None)
    if clip.truth is not None:
        notes += told(clip.truth)
    said = f'"{clip.caption}"' if clip.caption else "no caption"
    return _Entry(title=f"{index}  {said}", notes=tuple(notes), clip=clip)


def _headline(source: Source) -> str:
    shape = f"{source.frames} frames of {source.width}x{source.height}"
    colour = "grey" if source.channels == 1 else "RGB"
    return (
        f"{source.name}, {source.split}: {len(source):,} clips of {shape}, {colour}, "
        f"{source.fps} fps ({source.frames / source.fps:.2f} s)"
    )


def _scale(source: Source) -> int:
    return max(1, round(_SIDE / min(source.height, source.width)))


def _sheet(source: Source, entries: list[_Entry]) -> bytes:
    scale, shown = _scale(source), chosen(source.frames)
    rows = [
        SheetRow(
            title=entry.title,
            notes=entry.notes,
            frames=None if entry.clip is None else _shown(entry.clip, scale)[shown],
        )
        for entry in entries
    ]
    return video.png(sheet(_headline(source) + selection(source.frames), rows))


def _shown(clip: Clip, scale: int) -> np.ndarray:
    if clip.truth is None:
        return coloured(clip.video, scale)
    return overlaid(clip.video, clip.truth, scale)


def _page(source: Source, entries: list[_Entry]) -> bytes:
    scale = _scale(source)
    headline = html.escape(_headline(source))
    figures = []
    for entry in entries:
        words = [f"<b>{html.escape(entry.title)}</b>"]
        words += [html.escape(note) for note in entry.notes]
        pictures = ""
        if entry.clip is not None:
            moving = [entry.clip.video]
            if entry.clip.truth is not None:
                moving.append(overlaid(entry.clip.video, entry.clip.truth, scale))
            size = f'width="{source.width * scale}" height="{source.height * scale}"'
            attributes = f'alt="{html.escape(entry.title)}" {size}'
            pictures = "".join(_moving(frames, source.fps, attributes) for frames in moving)
        kind = "" if entry.clip is not None else ' class="broken"'
        figures.append(
            f"<figure{kind}><div>{pictures}</div><figcaption>{'<br>'.join(words)}</figcaption></figure>"
        )
    return _PAGE.format(headline=headline, figures="\n".join(figures)).encode()


def _moving(frames: np.ndarray, fps: int, attributes: str) -> str:
    """A moving picture, or the frame in its middle for whoever wants no motion and for paper."""
    still, moving = (
        f"data:image/webp;base64,{base64.b64encode(content).decode()}"
        for content in (video.still_webp(frames[len(frames) // 2]), video.webp(frames, fps))
    )
    return (
        f'<picture><source media="(prefers-reduced-motion: reduce), print" srcset="{still}">'
        f'<img {attributes} src="{moving}"></picture>'
    )


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{headline}</title>
<style>
body {{ margin: 1.5rem; background: #18181b; color: #e4e4e7; font: 15px/1.4 system-ui, sans-serif }}
h1 {{ font-size: 1.1rem; font-weight: 600 }}
main {{ display: flex; flex-wrap: wrap; gap: 1.2rem }}
figure {{ margin: 0; padding: .7rem; background: #27272a; border-radius: 8px;
          width: min-content; min-width: 17rem }}
figure div {{ white-space: nowrap }}
img {{ image-rendering: pixelated; margin-right: .4rem; border-radius: 3px }}
figcaption {{ margin-top: .4rem; color: #a1a1aa; overflow-wrap: anywhere }}
figcaption b {{ color: #f4f4f5; font-weight: 500 }}
.broken figcaption {{ color: #f87171 }}
@media print {{
  body, figure {{ background: #fff; color: #000 }}
  figure {{ break-inside: avoid; border: 1px solid #bbb }}
  figcaption, figcaption b {{ color: #000 }}
}}
</style>
<h1>{headline}</h1>
<main>
{figures}
</main>
</html>
"""

_WRITERS: dict[str, Callable[[Source, list[_Entry]], bytes]] = {".png": _sheet, ".html": _page}
