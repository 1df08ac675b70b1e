import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vidgen.data import CorruptFileError, Source, camera_photographs, source
from vidgen.data.camera_motion import (
    AXES,
    HOLD,
    MOVES,
    RATES,
    SPEEDS,
    camera_path,
    onward,
    scripts,
)
from vidgen.data.camera_photographs import Photograph, photographs
from vidgen.data.camera_render import picture, render
from vidgen.data.camera_texture import Texture
from vidgen.registry import UnknownNameError
from vidgen.text import WordVectors, words


@pytest.fixture(scope="module")
def world():
    return source("camera")


@pytest.fixture(scope="module")
def clips(world):
    return [world[i] for i in range(120)]


def write_pictures(folder, count, side=96):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


def scene(tmp_path, pixels):
    """A photograph of some pixels."""
    path = tmp_path / "scene.png"
    Image.fromarray(pixels).save(path)
    return Photograph("scene", path, str(hash(pixels.tobytes())))


def test_it_is_a_source_of_its_declared_shape(world, clips):
    assert isinstance(world, Source)
    assert len(world) == 65_536
    assert world.physics is None
    assert world.exemplars() is None
    for clip in clips[:5]:
        assert clip.video.shape == (world.frames, world.height, world.width, world.channels)
        assert clip.video.shape == (16, 64, 64, 3)
        assert clip.video.dtype == np.uint8
        assert clip.truth.boxes.shape == (16, 0, 4)
        assert clip.truth.camera.shape == (16, 2, 3)
        assert clip.truth.camera.dtype == np.float64


def test_an_index_is_always_the_same_clip(clips):
    again = source("camera")[7]
    np.testing.assert_array_equal(again.video, clips[7].video)
    np.testing.assert_array_equal(again.truth.camera, clips[7].truth.camera)
    assert again.caption == clips[7].caption
    assert (source("camera", seed=1)[7].video != again.video).any()


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_outside_raises(index):
    with pytest.raises(IndexError):
        source("camera", clips=10)[index]


def test_no_photograph_is_in_two_parts_and_every_file_is_there():
    parts = photographs(camera_photographs.SHIPPED)
    digests = [p.digest for part in parts.values() for p in part]
    assert len(set(digests)) == len(digests) == 14
    shown = {s: set(source("camera", split=s).photographs) for s in parts}
    assert {s: len(names) for s, names in shown.items()} == {"train": 9, "validation": 2, "test": 3}
    test = source("camera", split="test")
    assert {test[i].truth.identity[0] for i in range(40)} == shown["test"]


def test_every_photograph_states_its_terms():
    table = camera_photographs.__doc__
    for part, found in photographs(camera_photographs.SHIPPED).items():
        for photograph in found:
            (row,) = [r for r in table.splitlines() if r.startswith(f"{photograph.name} ")]
            assert f" {part} " in row
            assert any(t in row for t in ("CC0", "CC BY", "public domain", "no known copyright"))


def test_captions_are_made_of_the_vocabulary_and_say_what_is_true(world, clips):
    assert world.vocabulary == tuple(sorted(set(world.vocabulary)))
    found = scripts(two_part=True)
    encoder = WordVectors(world.vocabulary, length=world.max_words, width=4)
    encoder([caption for script in found.values() for caption in script.captions()])
    for clip in clips:
        assert clip.caption in found[clip.truth.motion[0]].captions()
    assert len({clip.caption for clip in clips}) > 60


def test_no_sentence_asks_for_two_things():
    owner = {}
    for name, script in scripts(two_part=True).items():
        assert len(script.captions()) >= 2
        for caption in script.captions():
            assert owner.setdefault(caption, name) == name
            assert caption == " ".join(caption.split())
    assert owner["slowly zoom in"] == "slow zoom in"
    assert owner["pan to the left, fast"] == "fast pan left"
    assert owner["roll clockwise"] == "medium roll clockwise"
    assert owner["hold still"] == HOLD
    assert owner["zoom in, then pan right"] == "zoom in then pan right"


def test_a_clip_goes_on_with_the_last_of_what_was_asked():
    found = scripts(two_part=True)
    owner = {caption: script for script in found.values() for caption in script.captions()}
    for caption, script in owner.items():
        after = owner[onward(caption)]
        assert after.moves == script.moves[-1:]
        assert after.speed == script.speed
    assert onward("first zoom in, then pan to the right") == "pan right"
    assert onward("slowly zoom in") == "slowly zoom in"
    assert onward("the digit 3 is moving up") == "the digit 3 is moving up"


def test_every_word_of_a_sentence_is_needed(world):
    spoken = {w for s in scripts(two_part=True).values() for c in s.captions() for w in words(c)}
    assert set(world.vocabulary) == spoken | {"."}
    assert world.max_words == 11


def test_kinds_come_in_their_shares(world):
    rows = [world._script(draws_of(world, i)) for i in range(3000)]
    parts = np.array([len(script.moves) for script in rows])
    for count, share in ((0, 0.1), (1, 0.6), (2, 0.3)):
        assert abs((parts == count).mean() - share) < 5 * np.sqrt(share * (1 - share) / 3000)
    assert {s.name for s in rows} == set(scripts(two_part=True))
    plain = source("camera", two_part=False)
    assert all(len(plain._script(draws_of(plain, i)).moves) < 2 for i in range(200))


def draws_of(world, index):
    from vidgen.data.camera import _Draws

    return _Draws(world._salt, index)


def test_the_maps_are_what_the_script_says(clips):
    for clip in clips:
        maps = clip.truth.camera
        steps = measured(maps, 64, 64)
        want = scripts(two_part=True)[clip.truth.motion[0]].steps(frames=16, fps=8)
        moving = np.abs(want) > 0
        np.testing.assert_allclose(steps[~moving], 0.0, atol=1e-9)
        octaves = np.log2(steps[moving] / want[moving])
        assert (np.abs(octaves) <= 0.2 + 1e-9).all()
        assert octaves.size == 0 or np.ptp(octaves) < 1e-9


def measured(maps, height, width):
    """Steps along AXES, read from the maps by a route of its own."""
    whole = np.concatenate([maps, np.tile([[[0.0, 0.0, 1.0]]], (len(maps), 1, 1))], axis=1)
    steps = np.linalg.inv(whole[:-1]) @ whole[1:]
    middle = np.array([width / 2, height / 2, 1.0])
    pan = (steps @ middle - middle)[:, :2] / [width, height]
    zoom = -np.log(np.hypot(steps[:, 0, 0], steps[:, 1, 0]))
    roll = np.arctan2(steps[:, 1, 0], steps[:, 0, 0])
    return np.column_stack([pan, zoom, roll])


def test_speeds_are_an_octave_apart_and_mean_the_same_a_second():
    found = scripts(two_part=False)
    for name, move in MOVES.items():
        rates = [np.abs(found[f"{s} {name}"].steps(frames=5, fps=8)).max() for s in SPEEDS]
        np.testing.assert_allclose(np.diff(np.log2(rates)), 1.0)
        assert rates[1] * 8 == pytest.approx(RATES[move.axis])
        twice = found[f"slow {name}"].steps(frames=5, fps=16)
        np.testing.assert_allclose(2 * twice, found[f"slow {name}"].steps(frames=5, fps=8))


def test_no_view_leaves_its_photograph_nor_magnifies_it(world, clips):
    sizes = {p.name: picture(p, 3).shape for p in world._photographs}
    corners = np.array([[0, 0, 1], [64, 0, 1], [0, 64, 1], [64, 64, 1]]).T
    for clip in clips:
        height, width, _ = sizes[clip.truth.identity[0]]
        seen = clip.truth.camera @ corners
        assert seen.min() >= -1e-6
        assert (seen.max(axis=(0, 2)) <= np.array([width, height]) + 1e-6).all()
        linear = clip.truth.camera[:, :, :2]
        assert np.sqrt(np.linalg.det(linear)).min() >= 1 - 1e-9


@pytest.mark.parametrize(
    ("move", "where"),
    [
        ("pan left", "right"),
        ("pan right", "left"),
        ("tilt up", "down"),
        ("tilt down", "up"),
        ("zoom in", "outwards"),
        ("zoom out", "inwards"),
        ("roll clockwise", "anticlockwise"),
        ("roll counterclockwise", "clockwise"),
    ],
)
def test_moves_are_named_for_the_camera(tmp_path, move, where):
    """A white spot above the middle goes the other way, in the pixels."""
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[96:104, 124:132] = 255
    steps = scripts(two_part=False)[f"medium {move}"].steps(frames=5, fps=8)
    maps = camera_path(steps, 128, 128)
    maps[:, :, 2] += 64
    video = render(scene(tmp_path, pixels), maps, height=128, width=128, channels=3)
    grid = np.indices((128, 128)) + 0.5
    spots = [(grid * f[..., 0]).sum((1, 2)) / f[..., 0].astype(int).sum() - 64 for f in video]
    (y0, x0), (y1, x1) = spots[0], spots[-1]
    moved = {
        "right": x1 - x0,
        "left": x0 - x1,
        "down": y1 - y0,
        "up": y0 - y1,
        "outwards": y0 - y1,
        "inwards": y1 - y0,
        "anticlockwise": x0 - x1,
        "clockwise": x1 - x0,
    }
    assert moved[where] > 2


def test_views_lie_where_the_truth_says_to_a_tenth_of_a_pixel(tmp_path):
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[196:204, 236:244] = 255  # its centre is at (240, 200)
    for name in ("fast roll clockwise", "fast zoom in", "zoom out then pan left"):
        maps = 2.7 * camera_path(scripts(two_part=True)[name].steps(frames=9, fps=8), 64, 64)
        maps[:, :, 2] += 200 - 2.7 * 32
        video = render(scene(tmp_path, pixels), maps, height=64, width=64, channels=3)
        grid = np.indices((64, 64)) + 0.5
        for frame, matrix in zip(video, maps, strict=True):
            light = frame[..., 0].astype(float)
            y, x = (grid * light).sum((1, 2)) / light.sum()
            np.testing.assert_allclose(matrix @ [x, y, 1.0], [240.0, 200.0], atol=0.27)


def test_views_are_antialiased(tmp_path):
    """Against areas by brute force: where bilinear samples alone alias, plates do not."""
    rng = np.random.default_rng(1)
    fine = np.repeat(rng.integers(0, 2, (256, 256), np.uint8)[..., None] * 255, 3, axis=-1)
    photograph = scene(tmp_path, fine)
    maps = 4.0 * camera_path(
        scripts(two_part=False)["slow roll clockwise"].steps(frames=3, fps=8), 32, 32
    )
    maps[:, :, 2] += 128 - 4.0 * 16
    maps[:, :, 2] += [0.3, 0.7]
    video = render(photograph, maps, height=32, width=32, channels=3)[..., 0].astype(float)
    offsets = (np.arange(8) + 0.5) / 8 - 0.5
    truth, single = np.zeros_like(video), np.zeros_like(video)
    ys, xs = np.indices((32, 32)) + 0.5
    for view, matrix in enumerate(maps):
        samples = []
        for dy in offsets:
            for dx in offsets:
                x, y = matrix @ np.stack([xs + dx, ys + dy, np.ones_like(xs)]).reshape(3, -1)
                samples.append(fine[y.astype(int), x.astype(int), 0].reshape(32, 32))
        truth[view] = np.mean(samples, axis=0)
        x, y = matrix @ np.stack([xs, ys, np.ones_like(xs)]).reshape(3, -1)
        single[view] = fine[y.astype(int), x.astype(int), 0].reshape(32, 32)
    error = np.sqrt(((video - truth) ** 2).mean())
    assert error < 20
    assert error < np.sqrt(((single - truth) ** 2).mean()) / 5


def test_a_flat_picture_stays_flat_to_the_bit(tmp_path):
    photograph = scene(tmp_path, np.full((200, 200, 3), (0, 200, 255), np.uint8))
    for name in ("medium roll clockwise", "fast zoom out"):
        maps = 1.1 * camera_path(scripts(two_part=False)[name].steps(frames=6, fps=8), 48, 64)
        maps[:, :, 2] += 100 - 1.1 * np.array([32, 24])
        video = render(photograph, maps, height=48, width=64, channels=3)
        assert (video == np.array([0, 200, 255])).all()


def test_rendering_is_the_same_bits_on_every_machine(tmp_path):
    """Integers alone: this hash was made once and must come out everywhere."""
    import hashlib

    y, x = np.indices((160, 160))
    pixels = np.stack([x * 7 + y * y, x * y, x * 3 - y * 5], axis=-1).astype(np.uint8)
    maps = 1.5 * camera_path(
        scripts(two_part=True)["zoom in then roll clockwise"].steps(frames=6, fps=8), 32, 32
    )
    maps[:, :, 2] += 30.25
    video = render(scene(tmp_path, pixels), maps, height=32, width=32, channels=3)
    assert (
        hashlib.sha256(video.tobytes()).hexdigest()
        == "c81e106a4a366cc2e776494df26468a0b951716233bc9560e0586ce3e268d393"
    )


def test_a_view_outside_raises(tmp_path):
    photograph = scene(tmp_path, np.zeros((64, 64, 3), np.uint8))
    for shift in (-40.0, 40.0):
        maps = np.array([[[1.0, 0, shift], [0, 1, 0]]])
        with pytest.raises(IndexError, match="leaves the photograph of 64x64"):
            render(photograph, maps, height=48, width=48, channels=3)


def test_sharpness_does_not_waver_with_the_place_between_pixels(world):
    """A pan by fractions of a pixel: its views are equally sharp, where bilinear ones pulse."""
    maps = 3.3 * camera_path(
        scripts(two_part=False)["slow pan right"].steps(frames=16, fps=8), 64, 64
    )
    maps[:, :, 2] += [40.0, 200.0]
    brick = next(p for p in world._photographs if p.name == "brick")
    video = render(brick, maps, height=64, width=64, channels=3).astype(float)
    # Brick is alike everywhere, so that only interpolation could change its slopes.
    slopes = np.array([(np.diff(v[..., 0], axis=0) ** 2).mean() for v in video])
    assert slopes.max() / slopes.min() < 1.15


def test_views_show_texture(world, clips):
    textures = {p.name: world._textures[p] for p in world._photographs}
    seen = [textures[c.truth.identity[0]].least(c.truth.camera[[0, 8, 15]], 64, 64) for c in clips]
    assert np.mean(np.array(seen) >= Texture.ENOUGH) > 0.8
    assert min(seen) > 4.0


def test_texture_is_the_smaller_eigenvalue():
    ramp = np.repeat(np.arange(160, dtype=np.uint8)[None, :, None], 160, axis=0)
    whole = np.array([[[2.0, 0, 0], [0, 2.0, 0]]])
    assert Texture(ramp).least(whole, 80, 80) == pytest.approx(0.0, abs=1e-9)
    both = (ramp // 2 + ramp.swapaxes(0, 1) // 4).astype(np.uint8)
    assert Texture(np.roll(both, 3, axis=1)).least(whole, 80, 80) > 0.01


def test_options_reach_the_clip():
    chosen = source("camera", size=(24, 40), frames=5, channels=1, clips=7, fps=3, split="test")
    assert len(chosen) == 7
    assert chosen.fps == 3
    assert chosen[6].video.shape == (5, 24, 40, 1)
    assert chosen[6].video.std() > 0


def test_a_folder_of_pictures_is_a_source(tmp_path):
    folder = write_pictures(tmp_path / "mine", 10)
    (folder / "sub dir").mkdir()
    write_pictures(folder / "sub dir", 10, side=112)
    (folder / "notes.txt").write_text("not a picture")
    (folder / "copy.png").write_bytes((folder / "3.png").read_bytes())
    parts = photographs(str(folder))
    assert {part: len(found) for part, found in parts.items()} == {
        "train": 14,
        "validation": 3,
        "test": 3,
    }
    names = [p.name for found in parts.values() for p in found]
    assert len(set(names)) == 20
    assert len({p.digest for found in parts.values() for p in found}) == 20
    chosen = source("camera", photographs=folder, size=16, frames=4, split="test")
    assert chosen[0].truth.identity[0] in chosen.photographs
    assert set(chosen.photographs) <= {p.name for p in parts["test"]}


def test_pictures_are_read_upright_and_without_transparency(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (40, 30), (9, 99, 199)).save(tmp_path / "turned.jpg", exif=exif)
    turned = Photograph("t", tmp_path / "turned.jpg", "")
    assert turned.read(3).shape == (40, 30, 3)
    assert turned.read(1).shape == (40, 30, 1)
    Image.new("RGBA", (40, 30), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    assert Photograph("c", tmp_path / "clear.png", "").read(3).max() == 0
    Image.new("L", (3000, 1800), 7).save(tmp_path / "large.png")
    assert Photograph("l", tmp_path / "large.png", "").read(3).shape == (1440, 2400, 3)


@pytest.mark.parametrize("content", [b"", b"no picture", "half"])
def test_a_damaged_picture_is_named(tmp_path, content):
    folder = write_pictures(tmp_path / "mine", 3)
    for file in folder.iterdir():
        whole = file.read_bytes()
        file.write_bytes(
            whole[: len(whole) // 2] + file.name.encode()
            if content == "half"
            else content + file.name.encode()
        )
    with pytest.raises(CorruptFileError, match=r"mine/\d.png is (no picture|damaged)"):
        source("camera", photographs=str(folder), size=16, frames=4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"photographs": "/nowhere"}, FileNotFoundError, "neither 'shipped' nor a folder"),
        ({"size": 800}, ValueError, "no photograph of the split 'train' has the .* smaller size"),
        ({"size": 4}, ValueError, "size must be at least 8"),
        ({"frames": 2}, ValueError, "frames must be at least 3"),
        ({"channels": 2}, ValueError, "channels must be 1"),
        ({"clips": 0}, ValueError, "clips must be at least 1"),
        ({"split": "compositional-train"}, ValueError, "no compositional"),
        ({"photograps": "x"}, ValueError, "option of the source 'camera'.*'photographs'"),
        ({"split": "tset"}, UnknownNameError, "did you mean 'test'"),
    ],
)
def test_bad_requests_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        source("camera", **options)


def test_too_few_pictures_are_refused(tmp_path):
    folder = write_pictures(tmp_path / "two", 2)
    with pytest.raises(ValueError, match="holds 2 different pictures"):
        source("camera", photographs=str(folder))


def test_photographs_too_small_for_every_move_are_left_out():
    assert set(source("camera", size=160).photographs) < set(source("camera").photographs)


def test_a_missing_package_names_what_to_install(monkeypatch):
    photographs.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'vidgen\[camera\]'"):
        source("camera")


def test_fingerprints_tell_sources_apart(tmp_path):
    folder = str(write_pictures(tmp_path / "mine", 4))
    options = [
        {},
        {"split": "test"},
        {"seed": 1},
        {"size": 32},
        {"frames": 7},
        {"channels": 1},
        {"clips": 9},
        {"fps": 9},
        {"two_part": False},
        {"photographs": folder, "size": 16, "frames": 4},
    ]
    prints = [source("camera", **o).fingerprint for o in options]
    assert len(set(prints)) == len(prints)
    assert source("camera").fingerprint == prints[0]


def test_importing_the_source_leaves_the_heavy_packages_alone():
    script = (
        "import sys, vidgen.data; s = vidgen.data.source('camera'); s[0]; "
        "print({'skimage', 'cv2', 'sklearn', 'grain'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "set()"


def test_axes_have_rates():
    assert set(RATES) == set(AXES)
