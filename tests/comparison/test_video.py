"""Files that people watch: what they hold, and what they say of themselves."""

import av
import numpy as np
import pytest
from PIL import Image

from vidgen.comparison import video

NOTE = '{"seed": 3, "idea": "zoom in \\u653e\\u5927"}'


@pytest.fixture(scope="module")
def clips():
    return np.random.default_rng(0).integers(0, 255, (2, 5, 8, 8, 3), dtype=np.uint8)


def test_an_mp4_bears_its_note_and_its_frames(clips, tmp_path):
    path = video.write(tmp_path / "clip.mp4", clips, fps=8, note=NOTE)
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == NOTE
        assert container.streams.video[0].codec_context.name == "h264"
    assert video.read(path).shape == (5, 256, 512, 3)


def test_pictures_bear_their_note(clips, tmp_path):
    for ending in ("gif", "webp", "png"):
        path = video.write(tmp_path / f"clip.{ending}", clips, fps=8, note=NOTE)
        with Image.open(path) as image:
            said = {
                "gif": lambda image=image: image.info["comment"].decode(),
                "webp": lambda image=image: image.getexif()[0x010E],
                "png": lambda image=image: image.text["comment"],
            }[ending]()
        assert said == NOTE


def test_without_a_note_nothing_is_said(clips, tmp_path):
    path = video.write(tmp_path / "clip.webp", clips, fps=8)
    with Image.open(path) as image:
        assert not image.getexif()


def test_smooth_enlargement_resamples_where_the_usual_one_repeats(clips):
    smooth = video.resampled(clips, 4)
    squares = video.enlarge(clips, 4)
    assert smooth.shape == squares.shape == (2, 5, 32, 32, 3)
    assert (squares[..., ::4, ::4, :] == clips).all()
    assert (smooth != squares).mean() > 0.5
    flat = np.full((3, 8, 8, 1), 77, np.uint8)
    assert (video.resampled(flat, 3) == 77).all()
    assert video.resampled(flat, 1) is flat


def test_only_webp_is_enlarged_less_than_others_where_it_has_no_room(tmp_path):
    strip = np.zeros((65, 2, 8, 8, 3), np.uint8)  # to 256 pixels a side they are 16,640 wide
    sizes = {}
    for ending in ("webp", "gif"):
        with Image.open(video.write(tmp_path / f"clip.{ending}", strip, fps=8)) as image:
            sizes[ending] = image.size
    assert sizes == {"webp": (65 * 8 * 31, 8 * 31), "gif": (65 * 8 * 32, 8 * 32)}


def test_the_longer_side_bounds_how_far_a_panorama_is_enlarged(tmp_path):
    panorama = np.zeros((1, 2, 1, 64, 3), np.uint8)
    with Image.open(video.write(tmp_path / "clip.gif", panorama, fps=8)) as image:
        assert image.size == (1024, 16)


@pytest.mark.parametrize(("colours", "error"), [(200, 0.0), (2**24, 9.0)])
def test_a_gif_keeps_few_colours_and_comes_near_to_many(tmp_path, colours, error):
    rng = np.random.default_rng(0)
    if colours <= 256:
        clip = rng.integers(0, 256, (colours, 3), dtype=np.uint8)[
            rng.integers(0, colours, (1, 2, 48, 48))
        ]
    else:  # as in photographs, neighbours are alike
        ramp = np.linspace(0, 255, 48)
        frame = np.stack([*np.meshgrid(ramp, ramp), np.full((48, 48), 90.0)], axis=-1)
        clip = np.stack([frame, frame[::-1]])[None].astype(np.uint8)
    path = video.write(tmp_path / "clip.gif", clip, fps=8, scale=1)
    with Image.open(path) as image:
        assert image.n_frames == 2
        for place, frame in enumerate(clip[0].astype(float)):
            image.seek(place)
            off = np.asarray(image.convert("RGB")) - frame
            assert np.sqrt((off**2).mean()) <= error
