import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vidgen.comparison.picture import PictureError, first_frame
from vidgen.types import Task

GREY = Task(frames=2, height=8, width=8, channels=1)
COLOUR = Task(frames=2, height=8, width=8, channels=3)


def saved(tmp_path, image, name="picture.png"):
    image.save(tmp_path / name)
    return tmp_path / name


def test_a_file_becomes_a_frame_of_the_task(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (40, 20), (255, 0, 0)))
    frame = first_frame(path, COLOUR)
    assert (frame.shape, frame.dtype) == ((8, 8, 3), np.uint8)
    assert (frame == np.array([255, 0, 0])[None, None]).all()
    assert first_frame(path, GREY).shape == (8, 8, 1)


def test_a_picture_of_the_right_size_is_taken_as_it_is():
    array = np.random.default_rng(0).integers(0, 255, (8, 8, 1), dtype=np.uint8)
    assert (first_frame(array, GREY) == array).all()


def test_floats_and_flat_arrays_are_taken():
    assert (first_frame(np.ones((8, 8)), GREY) == 255).all()


def test_transparency_is_black(tmp_path):
    path = saved(tmp_path, Image.new("RGBA", (8, 8), (255, 255, 255, 0)))
    assert (first_frame(path, GREY) == 0).all()


def test_the_middle_is_kept_where_the_aspect_differs(tmp_path):
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255
    assert (first_frame(saved(tmp_path, Image.fromarray(wide)), GREY) == 255).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((8, 8, 2), np.uint8), r"\[H W 3\]"),
        (np.zeros(8, np.uint8), r"\[H W 3\]"),
        (np.zeros((0, 8), np.uint8), r"\[H W 3\]"),
        (np.full((8, 8), 2.0), "must lie in"),
        (np.full((8, 8), np.nan), "must lie in"),
        (np.zeros((8, 8), np.int32), "int32"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array, message):
    with pytest.raises(PictureError, match=message):
        first_frame(array, GREY)


def huge_png(side):
    """A valid header of a picture that nobody should decode."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)

    def chunk(kind, body):
        body = kind + body
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def truncated():
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()[:1500]


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"no picture at all", "no picture that can be read"),
        # Pillow would have Ghostscript run it.
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n\n", "no picture that can be read"),
        (truncated(), "is damaged"),
        (huge_png(40_000), "large|at most"),
        (huge_png(9_000), "large|at most"),
    ],
)
def test_hostile_files_end_in_a_clear_error(tmp_path, content, message):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=message) as error:
        first_frame(path, GREY)
    assert "picture.png" in str(error.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(PictureError, match="no picture at"):
        first_frame(tmp_path / "none.png", GREY)
    with pytest.raises(PictureError, match="no picture at"):
        first_frame(tmp_path, GREY)
