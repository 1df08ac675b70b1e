"""Photographs of every kind, in and out of a model's frame."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from vidgen.app.photo import photo
from vidgen.comparison.picture import PictureError
from vidgen.registry import UnknownNameError
from vidgen.types import Task

TASK = Task(frames=2, height=16, width=16, channels=3, context_frames=1)


def gradient(height, width):
    """Red grows downwards, green to the right."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = rows * 255 // max(height - 1, 1), columns * 255 // max(width - 1, 1)
    return np.stack([red, green, np.zeros_like(red)], axis=-1).astype(np.uint8)


def test_a_crop_is_the_middle():
    shown = photo(gradient(16, 48), TASK)
    assert shown.frame.shape == (16, 16, 3)
    assert shown.box == (0, 0, 16, 16)
    assert 85 <= shown.frame[:, 0, 1].mean() <= 95
    assert 160 <= shown.frame[:, -1, 1].mean() <= 170
    assert str(shown) == "the middle of the photograph, 48x16 pixels brought to 16x16"


@pytest.mark.parametrize(("height", "width"), [(8, 16), (16, 8), (100, 7), (3, 1), (1, 1)])
def test_a_letterbox_keeps_the_whole_and_gives_it_back(height, width):
    shown = photo(gradient(height, width), TASK, "letterbox")
    top, left, bottom, right = shown.box
    aspect = (bottom - top) / (right - left)
    assert max(bottom - top, right - left) == 16
    assert abs(aspect - height / width) <= max(aspect, 1 / aspect) / 2
    clip = np.stack([shown.frame] * 3)
    assert shown.restored(clip).shape == (3, bottom - top, right - left, 3)
    inner = shown.restored(shown.frame)
    if min(inner.shape[:2]) > 1 and min(height, width) > 1:
        assert inner[0, :, 0].mean() < 64 < 192 < inner[-1, :, 0].mean()
        assert inner[:, 0, 1].mean() < 64 < 192 < inner[:, -1, 1].mean()


def test_beside_a_letterbox_stands_its_mirror_image():
    shown = photo(gradient(8, 16), TASK, "letterbox")
    assert shown.box == (4, 0, 12, 16)
    np.testing.assert_array_equal(shown.frame[3], shown.frame[4])
    np.testing.assert_array_equal(shown.frame[0], shown.frame[7])


def orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side: to be turned clockwise by a quarter
    path = tmp_path / "phone.jpg"
    Image.fromarray(gradient(32, 32)).save(path, exif=exif, quality=95)
    return path


def test_a_phones_picture_is_turned_upright(tmp_path):
    frame = photo(orientation(tmp_path), TASK).frame.astype(int)
    # Turned clockwise, what was at the bottom is at the left.
    assert frame[8, 0, 0] > 200 > 50 > frame[8, -1, 0]


@pytest.mark.parametrize(
    ("mode", "ending"),
    [
        ("L", "png"),
        ("LA", "png"),
        ("I;16", "png"),
        ("1", "png"),
        ("P", "gif"),
        ("RGBA", "webp"),
        ("CMYK", "jpg"),
        ("RGB", "bmp"),
        ("RGB", "tiff"),
    ],
)
def test_every_common_kind_of_picture_is_read(tmp_path, mode, ending):
    bright = Image.fromarray(np.full((20, 30), 255, np.uint8))
    if mode == "I;16":
        bright = Image.fromarray(np.full((20, 30), 65535, np.uint16))
    image = bright if mode == "I;16" else bright.convert(mode)
    path = tmp_path / f"picture.{ending}"
    image.save(path)
    for picture in (path, path.read_bytes()):
        assert photo(picture, TASK).frame.min() >= 254


def test_sixteen_bits_are_scaled_and_not_clipped():
    deep = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    frame = photo(encoded(Image.fromarray(deep), "PNG"), TASK).frame
    np.testing.assert_array_equal(frame[..., 0], deep >> 8)
    # One level of grey may be transparent, which shows black.
    frame = photo(encoded(Image.fromarray(deep), "PNG", transparency=int(deep[4, 4])), TASK).frame
    np.testing.assert_array_equal(frame[..., 0], np.where(deep == deep[4, 4], 0, deep >> 8))
    with pytest.raises(PictureError, match="floating-point pixels"):
        photo(encoded(Image.fromarray(deep.astype(np.float32)), "TIFF"), TASK)


def encoded(image, kind, **how):
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_pillow_turns_them(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(gradient(16, 16)), "PNG", exif=exif)
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(photo(content, TASK).frame, wanted)


def test_odd_exif_data_costs_no_picture(tmp_path):
    """A value that lies beyond the end of the data, which Pillow cannot write back."""
    content = orientation(tmp_path).read_bytes()
    place = content.index(b"Exif\0\0") + 6 + 8 + 2  # of the one entry, after the count of entries
    for kind in range(256):
        odd = content[: place + 2] + bytes([0, kind]) + content[place + 4 :]
        assert photo(odd, TASK).frame.max() > 200


@pytest.mark.fault(19)
def test_a_jpeg_that_is_decoded_over_and_over_is_refused():
    content = encoded(Image.fromarray(gradient(16, 16)), "JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    assert photo(content[:-2] + 50 * scan + content[-2:], TASK).frame.max() > 200
    with pytest.raises(PictureError, match="JPEG of over 100 scans"):
        photo(content[:-2] + 1000 * scan + content[-2:], TASK)


def test_what_a_phone_keeps_behind_its_picture_is_not_counted():
    content = encoded(Image.fromarray(gradient(16, 16)), "JPEG", progressive=True)
    video = np.random.default_rng(0).bytes(20 * 2**20)
    assert video.count(b"\xff\xda") > 100
    assert photo(content + video, TASK).frame.max() > 200
    # Nor is what stands in a segment, such as a preview.
    note = b"\xff\xda" * 200
    segment = b"\xff\xee" + (len(note) + 2).to_bytes(2) + note
    assert photo(content[:2] + segment + content[2:], TASK).frame.max() > 200


@pytest.mark.fault(19)
def test_what_is_no_picture_is_refused_by_name(tmp_path):
    with pytest.raises(PictureError, match="the picture is empty"):
        photo(b"", TASK)
    with pytest.raises(PictureError, match="no picture that can be read"):
        photo(b"%PDF-1.7 and more", TASK)
    heic = tmp_path / "phone.heic"
    heic.write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(64))
    with pytest.raises(PictureError, match="HEIC, which is not read: save it as JPEG"):
        photo(heic, TASK)
    with pytest.raises(UnknownNameError, match="did you mean 'crop'"):
        photo(gradient(4, 4), TASK, "corp")
