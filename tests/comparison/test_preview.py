import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from vidgen.comparison.overlay import overlaid
from vidgen.comparison.preview import preview
from vidgen.comparison.sheet import selection
from vidgen.data import CorruptFileError, source


@pytest.fixture(scope="module")
def shapes():
    return source("shapes", size=32, frames=4, clips=9)


def test_boxes_lie_on_the_outermost_pixels_of_the_ink(shapes):
    clip = shapes[0]
    shown = overlaid(clip.video, clip.truth, 4)
    assert shown.shape == (4, 128, 128, 3)
    for frame, (box,) in zip(shown, clip.truth.boxes, strict=True):
        rows, columns = np.nonzero((frame == (255, 170, 0)).all(axis=-1))
        top, left, bottom, right = box * 4
        assert (rows.min(), columns.min()) == (top, left)
        assert (rows.max() + 1, columns.max() + 1) == (bottom, right)
    outline = (shown == (255, 0, 255)).all(axis=-1)
    mask = clip.truth.masks.repeat(4, axis=1).repeat(4, axis=2)
    assert outline.any(axis=(1, 2)).all()
    assert not (outline & ~mask).any()
    assert outline.sum() < 0.5 * mask.sum()


def test_a_sheet_shows_clips_from_the_first_to_the_last(shapes, tmp_path):
    path = preview(shapes, tmp_path / "sheet.png", count=3)
    with Image.open(path) as image:
        sheet = np.asarray(image.convert("RGB"))
    # Rows of four frames of 128 pixels, four pixels apart, under the heads of each clip.
    assert sheet.shape[1] >= 4 * 132
    assert sheet.shape[0] > 3 * 128
    for index in (0, 4, 8):
        shown = overlaid(shapes[index].video, shapes[index].truth, 4)[0]
        rows = [
            y
            for y in range(sheet.shape[0] - 127)
            if np.array_equal(sheet[y : y + 128, 12:140], shown)
        ]
        assert len(rows) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["sheet.png"]


def test_a_sheet_says_which_frames_it_shows():
    assert selection(10) == "; frames 0, 1, 3, 4, 5, 6, 8, 9 are shown"
    assert selection(2) == ""


def test_a_page_needs_no_other_file_and_trusts_no_caption(tmp_path, write_clip, rising):
    write_clip(tmp_path / "train" / "a.mp4", rising[0](8))
    (tmp_path / "train" / "a.txt").write_text("<script>alert('x')</script> 两只小猫", "utf-8")
    (tmp_path / "train" / "bad.mp4").write_bytes(b"")
    found = source(f"folder:{tmp_path}", frames=4, size=16)
    text = preview(found, tmp_path / "page.html").read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "两只小猫" in text
    assert "bad.mp4 is empty" in text
    assert "8 frames, 1.00 s, 48x32" in text
    assert not re.search(r'(src|srcset|href)="(?!data:image/webp;base64,)', text)
    assert text.count("<img") == 1


def test_a_page_stands_still_for_whoever_wants_no_motion(shapes, tmp_path):
    text = preview(shapes, tmp_path / "page.html", count=1).read_text("utf-8")
    still = re.findall(
        r'media="\(prefers-reduced-motion: reduce\), print" srcset="[^,]*,([^"]*)"', text
    )
    moving = re.findall(r'<img [^>]*src="[^,]*,([^"]*)"', text)
    frames = [Image.open(io.BytesIO(base64.b64decode(uri))).n_frames for uri in still + moving]
    assert frames == [1, 1, shapes.frames, shapes.frames]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(still[0]))).convert("RGB"))
    np.testing.assert_array_equal(shown, shapes[0].video[shapes.frames // 2])


def test_a_page_of_a_simulated_source_moves_with_and_without_its_truth(shapes, tmp_path):
    text = preview(shapes, tmp_path / "page.html", count=2).read_text("utf-8")
    assert text.count("<img") == 4
    assert shapes[0].caption in text


def test_a_clip_that_cannot_be_read_says_so_on_a_sheet(shapes, stand_in, tmp_path):
    def read(index):
        if index == 1:
            raise CorruptFileError("clip-1.mp4 is truncated")
        return shapes[index]

    whole = preview(shapes, tmp_path / "whole.png", count=2)
    torn = preview(stand_in(shapes, read, clips=2), tmp_path / "torn.png", count=2)
    with Image.open(whole) as a, Image.open(torn) as b:
        assert b.height == a.height - 128


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("sheet.jpg", {}, r"must be one of \.png, \.html"),
        ("nowhere/sheet.png", {}, "does not exist"),
        ("sheet.png", {"count": 0}, "are wanted"),
    ],
)
def test_what_cannot_be_written_is_refused(shapes, tmp_path, out, options, message):
    with pytest.raises(ValueError, match=message):
        preview(shapes, tmp_path / out, **options)
    assert not list(tmp_path.iterdir())
