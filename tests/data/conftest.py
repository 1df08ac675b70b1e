"""Small files of handwriting in MNIST's format."""

from __future__ import annotations

import gzip
import struct
from fractions import Fraction

import numpy as np
import pytest


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def write_idx(tmp_path):
    """Writes a pair of files under tmp_path and returns what they hold."""

    def write(prefix, images, labels, *, mark="-", end=""):
        pack = gzip.compress if end else bytes
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            stem = name.replace("-idx", f"{mark}idx")
            (tmp_path / f"{prefix}-{stem}-ubyte{end}").write_bytes(pack(idx_bytes(array)))
        return images, labels

    return write


@pytest.fixture
def mnist_like(tmp_path, write_idx):
    """A folder of 120 train and 40 test images of 12x12 pixels, no two alike."""
    rng = np.random.default_rng(0)

    def draw(count):
        images = np.zeros((count, 12, 12), np.uint8)
        images[:, 2:10, 2:10] = rng.integers(0, 256, (count, 8, 8))
        return images, np.arange(count) % 10

    write_idx("train", *draw(120), end=".gz")
    write_idx("t10k", *draw(40), mark=".")
    return tmp_path


@pytest.fixture(scope="session")
def write_clip():
    """Writes frames uint8 [T H W 3] into a video file, whose suffix chooses the codec."""
    import av

    codecs = {
        ".mp4": ("libx264", "yuv420p"),
        ".mov": ("libx264", "yuv420p"),
        ".webm": ("libvpx-vp9", "yuv420p"),
        ".avi": ("mpeg4", "yuv420p"),
        ".gif": ("gif", "rgb8"),
    }

    def write(path, frames, *, fps=8, times=None, **options):
        """`times`: seconds of each frame, in steps of a thousandth, for a variable rate."""
        codec, pixels = codecs[path.suffix]
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options=options.pop("container", {})) as container:
            stream = container.add_stream(codec, rate=Fraction(1000 if times is not None else fps))
            stream.width, stream.height = frames.shape[2], frames.shape[1]
            stream.pix_fmt = options.pop("pixels", pixels)
            stream.options = options or ({"crf": "8"} if "x264" in codec or "vp9" in codec else {})
            for n, pixels_ in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels_, format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = round(times[n] * 1000), Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


def steps(count, height=32, width=48):
    """Frames [T H W 3] of rising grey, by which a frame is known again: 20, 30, 40 ..."""
    grey = (20 + 10 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (count, height, width, 3)).copy()


def read_steps(video):
    """Which of `steps`' frames each frame of a clip is."""
    return [round((float(frame.mean()) - 20) / 10) for frame in video]


@pytest.fixture(scope="session")
def rising():
    """The pair (steps, read_steps)."""
    return steps, read_steps
