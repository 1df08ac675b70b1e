"""Clips into files that people watch: mp4, gif, webp, or a sheet of frames as png."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vidgen.atomic import replacing

WIDEST_WEBP = 16383
"""Pixels a side that the format can hold."""

SHOWN_SIDE = 256
"""Pixels that the shorter side of a small clip is enlarged to, about, by whole factors."""

_LONGEST_SIDE = 1024
"""Pixels beyond which the longer side is not enlarged for that: of a panorama, say."""


def write(
    path: Path | str,
    clips: UInt8[np.ndarray, "N T H W C"],
    *,
    fps: int,
    scale: int | None = None,
    smooth: bool = False,
    note: str = "",
) -> Path:
    """Write clips into one file, whose extension chooses the format.

    Args:
        path: ending in .mp4 (H.264), .gif, .webp (lossless), in which the clips play side by side,
            or .png (a sheet with a row of frames a clip).
        clips: C is 1 or 3.
        fps: frames a second.
        scale: factor of enlargement; by default one that makes small clips visible.
        smooth: whether what is enlarged is resampled, as suits photographs, instead of each pixel
            becoming a square.
        note: kept in the file's metadata: the comment of mp4, gif and png, the image description of
            webp.

    Returns:
        The path.

    Raises:
        ValueError: for another extension, or a folder that does not exist.
        ImportError: for mp4 where PyAV is not installed.
    """
    path = check(path)
    clips = np.asarray(clips)
    count, _, height, width, _ = clips.shape
    fitting = min(round(SHOWN_SIDE / min(height, width)), _LONGEST_SIDE // max(height, width))
    if path.suffix.lower() == ".webp":
        fitting = min(fitting, WIDEST_WEBP // max(height, count * width))
    scale = scale or max(1, fitting)
    shown = resampled(clips, scale) if smooth else enlarge(clips, scale)
    content = encoded(shown, path.suffix.lower(), fps=fps, note=note)
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path


def encoded(clips: UInt8[np.ndarray, "N T H W C"], kind: str, *, fps: int, note: str = "") -> bytes:
    """What `write` writes of clips that are as large as they are to be shown; `kind` is the
    extension.
    """
    return _WRITERS[kind](clips, fps, note)


def check(path: Path | str) -> Path:
    """The path, if clips can be written there: to be asked before they are drawn.

    Raises:
        ValueError: for an unknown extension, or a folder that does not exist.
        ImportError: for mp4 where PyAV is not installed.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in _WRITERS:
        raise ValueError(f"{path.name!r}: the extension must be one of {', '.join(_WRITERS)}")
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist")
    if kind == ".mp4" and importlib.util.find_spec("av") is None:
        raise ImportError("mp4 needs PyAV: pip install 'vidgen[video]'")
    return path


def enlarge(clips: UInt8[np.ndarray, "*N H W C"], scale: int) -> UInt8[np.ndarray, "*N H2 W2 C"]:
    """Each pixel as a square of `scale` pixels a side."""
    return clips.repeat(scale, axis=-3).repeat(scale, axis=-2)


def resampled(clips: UInt8[np.ndarray, "*N H W C"], scale: int) -> UInt8[np.ndarray, "*N H2 W2 C"]:
    """Frames enlarged by bicubic resampling."""
    from PIL import Image

    if scale == 1:
        return clips
    *outer, height, width, channels = clips.shape
    frames = clips.reshape(-1, height, width, channels)
    size = (width * scale, height * scale)
    larger = [
        np.asarray(Image.fromarray(frame.squeeze(-1) if channels == 1 else frame).resize(size))
        for frame in frames
    ]
    return np.stack(larger).reshape(*outer, height * scale, width * scale, channels)


def webp(frames: UInt8[np.ndarray, "T H W C"], fps: int) -> bytes:
    """One clip as an animated lossless WebP."""
    return _webp(frames[None], fps)


def still_webp(frame: UInt8[np.ndarray, "H W C"]) -> bytes:
    """One frame as lossless WebP, at most `WIDEST_WEBP` pixels a side."""
    from PIL import Image

    buffer = io.BytesIO()
    colour = np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3)))
    Image.fromarray(colour).save(buffer, "WEBP", lossless=True, quality=80, method=4)
    return buffer.getvalue()


def png(frame: UInt8[np.ndarray, "H W C"], note: str = "") -> bytes:
    """One frame as PNG, with a comment if there is a note."""
    from PIL import Image, PngImagePlugin

    about = PngImagePlugin.PngInfo()
    if note:
        about.add_itxt("comment", note)
    buffer = io.BytesIO()
    image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
    image.save(buffer, "PNG", pnginfo=about)
    return buffer.getvalue()


def read(path: Path | str) -> UInt8[np.ndarray, "T H W 3"]:
    """The frames of a video or moving picture, RGB.

    Raises:
        ValueError: if the file holds no frames that can be read.
    """
    import av
    import av.error

    try:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.error.FFmpegError, IndexError) as error:
        raise ValueError(f"{path} is no video that can be read: {error}") from error
    if not frames:
        raise ValueError(f"{path} holds no frames")
    return np.stack(frames)


def _side_by_side(clips: np.ndarray) -> np.ndarray:
    """N clips as one in colour: uint8 [T H N*W 3]."""
    wall = np.concatenate(list(clips), axis=2)
    return np.ascontiguousarray(np.broadcast_to(wall, (*wall.shape[:-1], 3)))


def _pillow(images: list[Any], fps: int, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        kind,
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / fps),
        loop=0,
        **options,
    )
    return buffer.getvalue()


def _images(clips: np.ndarray) -> list[Any]:
    from PIL import Image

    return [Image.fromarray(frame) for frame in _side_by_side(clips)]


def _in_256_colours(image: Any) -> Any:
    from PIL import Image

    # Median cut keeps few colours as they are, and of many it is nearer than an octree and takes
    # longer (benchmarks/optimisations.py).
    few = image.getcolors(256) is not None
    return image.quantize(
        256, method=Image.Quantize.MEDIANCUT if few else Image.Quantize.FASTOCTREE
    )


def _gif(clips: np.ndarray, fps: int, note: str) -> bytes:
    # A comment's characters are bytes; what is not ASCII is escaped, as JSON does.
    comment = {"comment": note.encode("ascii", "backslashreplace")} if note else {}
    return _pillow([_in_256_colours(image) for image in _images(clips)], fps, "GIF", **comment)


def _webp(clips: np.ndarray, fps: int, note: str = "") -> bytes:
    from PIL import ExifTags, Image

    about = {}
    if note:
        exif = Image.Exif()
        exif[ExifTags.Base.ImageDescription] = note.encode("ascii", "backslashreplace").decode()
        about["exif"] = exif
    return _pillow(_images(clips), fps, "WEBP", lossless=True, quality=80, method=4, **about)


def _sheet(clips: np.ndarray, fps: int, note: str) -> bytes:
    rows = [np.concatenate(list(clip), axis=1) for clip in clips]
    return png(np.concatenate(rows, axis=0), note)


def _mp4(clips: np.ndarray, fps: int, note: str) -> bytes:
    import av

    frames = _side_by_side(clips)
    # H.264 with halved chroma takes even sides only.
    height, width = frames.shape[1:3]
    frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        if note:
            container.metadata["comment"] = note
        stream: Any = container.add_stream("libx264", rate=Fraction(fps))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.options = {"crf": "12"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


_WRITERS: dict[str, Callable[[np.ndarray, int, str], bytes]] = {
    ".mp4": _mp4,
    ".gif": _gif,
    ".webp": _webp,
    ".png": _sheet,
}

EXTENSIONS = tuple(_WRITERS)
