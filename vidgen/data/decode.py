"""Video files, decoded by PyAV: any rate, any rotation, any kind of pixel."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from vidgen.data.errors import CorruptFileError
from vidgen.data.recording import MOST_PIXELS, Facts, Shot
from vidgen.data.storage import Files

SUFFIXES = (".mp4", ".webm", ".avi", ".mov", ".gif")

_SLACK = 0.2
"""Seconds by which a file may end before the time that it claims: containers round."""

_FAR = 2.0
"""Seconds into a file from which on seeking is worth while; it may lead to the wrong place."""

_INSTANT = 1e-4
"""Seconds by which a time stamp may be off: time bases round."""


class VideoFile:
    """A recording that is one file.

    Frames are placed by their time stamps, so that a variable rate is no special case. The
    rotation of the container's display matrix is undone, in quarter turns. Transparency shows
    black; for WebM it is ignored, since FFmpeg's own VP8 and VP9 decoders drop it.

    Args:
        files: where it lies.
        name: its path there.
    """

    def __init__(self, files: Files, name: str) -> None:
        self.name, self._files = name, files
        self._origin: float | None = None

    def facts(self) -> Facts:
        """Length and size, from the packets of the file and its first frame.

        Raises:
            CorruptFileError: if the file is empty, no video, or shorter than its header says.
        """
        with self._container() as (container, stream):
            first = next(self._decoded(container, stream), None)
            if first is None:
                raise CorruptFileError(f"{self.name} holds no frames")
            self._origin = _time(first, stream)
            turned = first.rotation % 180 != 0
            height, width = first.height, first.width
        with self._container() as (container, stream):
            count, begin, end = 0, None, 0.0
            latest = 0.0  # of every stream: sound may outlast the picture
            for packet in container.demux():
                if packet.size == 0 or packet.time_base is None:
                    continue
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is None:
                    continue
                at = float(stamp * packet.time_base)
                until = at + float((packet.duration or 0) * packet.time_base)
                latest = max(latest, until)
                if packet.stream is stream or packet.stream_index == stream.index:
                    count += 1
                    if not packet.is_discard:
                        begin, end = at if begin is None else min(begin, at), max(end, until)
            self._check_whole(container, stream, count, latest)
        return Facts(
            frames=count,
            seconds=max(0.0, end - (begin or 0.0)),
            height=width if turned else height,
            width=height if turned else width,
        )

    def examine(self) -> Facts:
        """Its facts and digest, after every frame was decoded.

        Raises:
            CorruptFileError: as `facts`, and if a frame cannot be decoded.
        """
        facts = self.facts()
        with self._container() as (container, stream):
            for _ in self._decoded(container, stream):
                pass
        with self._files.open(self.name) as file:
            return dataclasses.replace(
                facts, digest=hashlib.file_digest(cast("Any", file), "sha256").digest()
            )

    def shots(self, times: Float[np.ndarray, "T"]) -> Sequence[Shot]:
        """What is shown at each of these moments, in seconds since the first frame.

        Raises:
            CorruptFileError: if the file is no video, or a frame on the way cannot be decoded.
        """
        waiting = np.argsort(times, kind="stable")[::-1].tolist()
        found: dict[int, Shot] = {}
        soonest, shown = float(times.min()), None
        with self._container() as (container, stream):
            shot = _Developer()
            aspect = float(stream.sample_aspect_ratio or 1) or 1.0
            for begun, frame in self._timed(container, stream, soonest):
                if shown is not None and begun > times[waiting[-1]] + _INSTANT:
                    seen = shot(shown, aspect)
                    while waiting and begun > times[waiting[-1]] + _INSTANT:
                        found[waiting.pop()] = seen
                    if not waiting:
                        break
                shown = frame
            if shown is None:
                raise CorruptFileError(f"{self.name} holds no frames")
            if waiting:
                found |= dict.fromkeys(waiting, shot(shown, aspect))
        return [found[row] for row in range(len(times))]

    def _timed(self, container: Any, stream: Any, soonest: float) -> Iterator[tuple[float, Any]]:
        """Frames with their seconds since the first, from one that has begun at `soonest` on."""
        if self._origin is None:
            self.facts()
        origin = self._origin or 0.0
        frames = self._decoded(container, stream)
        if soonest >= _FAR:
            frames = self._sought(container, stream, origin + soonest)
        for frame in frames:
            yield _time(frame, stream) - origin, frame

    def _sought(self, container: Any, stream: Any, moment: float) -> Iterator[Any]:
        """Frames from a key frame before a moment of the stream's clock, or else from the first."""
        import av.error

        frames: Iterator[Any] = iter(())
        with contextlib.suppress(av.error.FFmpegError):
            container.seek(int(moment / stream.time_base), stream=stream)
            frames = self._decoded(container, stream)
        # What follows a bad jump may be damaged only because what it refers to was jumped over.
        try:
            first = next(frames, None)
        except (av.error.FFmpegError, CorruptFileError):
            first = None
        if first is not None and _time(first, stream) <= moment + _INSTANT:
            yield first
            yield from frames
            return
        with self._container() as (again, same):
            yield from self._decoded(again, same)

    @contextlib.contextmanager
    def _container(self) -> Iterator[tuple[Any, Any]]:
        """The opened file and its first video stream; whatever FFmpeg objects to names the file."""
        try:
            import av
            import av.error
        except ImportError as error:
            raise ImportError("video files need PyAV: pip install 'vidgen[video]'") from error
        if self._files.sizes[self.name] == 0:
            raise CorruptFileError(f"{self.name} is empty")
        try:
            with self._files.open(self.name) as file, av.open(file) as container:
                if not container.streams.video:
                    raise CorruptFileError(f"{self.name} holds no video")
                stream = container.streams.video[0]
                if stream.width * stream.height > MOST_PIXELS:
                    raise CorruptFileError(
                        f"{self.name} claims {stream.width}x{stream.height} pixels a frame; at "
                        f"most {MOST_PIXELS:,} are read"
                    )
                yield container, stream
        except (av.error.FFmpegError, EOFError) as error:
            why = getattr(error, "strerror", None) or error
            raise CorruptFileError(f"{self.name} cannot be decoded: {why}") from error

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise CorruptFileError(f"{self.name} has a damaged frame at {frame.time} s")
            if frame.width * frame.height > MOST_PIXELS:
                raise CorruptFileError(f"{self.name} has a frame of {frame.width}x{frame.height}")
            yield frame

    def _check_whole(self, container: Any, stream: Any, count: int, latest: float) -> None:
        """Compare what was found with what the header promised, where it promises anything."""
        if not count:
            raise CorruptFileError(f"{self.name} holds no frames")
        if "mp4" in container.format.name and count < stream.frames:
            raise CorruptFileError(
                f"{self.name} is truncated: it holds {count} of {stream.frames} frames"
            )
        if container.duration:
            promised = (container.duration + (container.start_time or 0)) / 1e6
            if latest < promised - _SLACK:
                raise CorruptFileError(
                    f"{self.name} is truncated: it ends at {latest:.2f} of {promised:.2f} s"
                )


def _time(frame: Any, stream: Any) -> float:
    """Seconds of a frame on the clock of its stream."""
    if frame.pts is None:
        # Raw streams in old AVI files have no stamps; the nominal rate is all there is.
        return (stream.codec_context.frame_num - 1) / float(stream.average_rate or 1)
    return float(frame.pts * frame.time_base)


class _Developer:
    """Turns decoded frames into upright pictures; the tables for it are made once a clip."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any, pixel_aspect: float) -> Shot:
        """A decoded frame, with its transparency if it has any."""
        from PIL import Image

        clear = any(component.is_alpha for component in frame.format.components)
        shown = self._reformatter.reformat(frame, format="rgba" if clear else "rgb24")
        pixels = shown.to_ndarray()
        quarters = round(frame.rotation / 90) % 4
        if quarters:
            pixels = np.ascontiguousarray(np.rot90(pixels, quarters))
        if quarters % 2:
            pixel_aspect = 1.0 / pixel_aspect
        return Shot(Image.fromarray(pixels), pixel_aspect)
