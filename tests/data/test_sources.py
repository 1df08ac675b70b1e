import subprocess
import sys

import numpy as np
import pytest

from vidgen.data import FAMILIES, SPLITS, Source, kinds, source, sources, starts, trajectory
from vidgen.data.objects import INK
from vidgen.registry import UnknownNameError
from vidgen.text import WordVectors, words
from vidgen.types import Clip

WORLDS = [(name, motion) for name in ("digits", "shapes") for motion in FAMILIES]


@pytest.fixture(params=WORLDS, ids=lambda w: "-".join(w), scope="module")
def world(request):
    name, motion = request.param
    return source(name, motion=motion)


def test_every_source_is_listed():
    assert sources() == ["babyai", "camera", "digits", "shapes", "stories"]
    assert kinds() == {
        "folder": "folder:PATH",
        "stand-in": "stand-in:SOURCE",
        "tfds": "tfds:NAME",
    }


def test_a_world_is_a_source_of_its_declared_shape(world):
    assert isinstance(world, Source)
    assert len(world) == 65_536
    clip = world[17]
    assert isinstance(clip, Clip)
    assert clip.video.shape == (world.frames, world.height, world.width, world.channels)
    assert clip.video.dtype == np.uint8


def test_defaults_are_the_papers_and_the_presets():
    mage = source("digits", motion="mage")
    assert (mage.frames, mage.height, mage.physics.size) == (20, 64, 28)
    assert mage.physics.speed == pytest.approx(3.6)
    diagonal = source("digits").physics
    assert (diagonal.frames, diagonal.height, diagonal.size, diagonal.speed) == (8, 32, 14, 2.0)


def test_an_index_is_always_the_same_clip(world):
    first, again = world[3], source(world.name, motion=motion_of(world))[3]
    np.testing.assert_array_equal(first.video, again.video)
    assert first.caption == again.caption
    assert any(world[i].caption != first.caption for i in range(4, 20))


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_outside_raises(index):
    with pytest.raises(IndexError):
        source("digits", clips=10)[index]


def test_captions_are_made_of_the_vocabulary(world):
    assert world.vocabulary == tuple(sorted(set(world.vocabulary)))
    assert "." in world.vocabulary
    encoder = WordVectors(world.vocabulary, length=world.max_words, width=4)
    captions = [world[i].caption for i in range(200)]
    encoder(captions)
    assert set(world.vocabulary) - {"."} <= {w for c in captions for w in words(c)}
    assert max(len(words(c.rstrip(" .") + " .")) for c in captions) == world.max_words


def test_captions_say_what_is_true():
    clip = source("digits")[5]
    assert clip.caption == f"the digit {clip.truth.identity[0]} is moving {clip.truth.motion[0]}"
    clip = source("digits", motion="mage")[5]
    assert clip.caption.endswith(f"is moving {clip.truth.motion[0]} .")
    clip = source("shapes")[5]
    assert clip.caption == f"a {clip.truth.identity[0]} is moving {clip.truth.motion[0]}"


def test_boxes_and_masks_are_the_visible_ink(world):
    for index in range(20):
        clip = world[index]
        ink = clip.video.max(axis=-1) >= INK
        np.testing.assert_array_equal(clip.truth.masks, ink)
        assert clip.truth.boxes.shape == (world.frames, 1, 4)
        assert clip.truth.boxes.dtype == np.float32
        for frame, box in zip(ink, clip.truth.boxes[:, 0], strict=True):
            rows, columns = np.flatnonzero(frame.any(1)), np.flatnonzero(frame.any(0))
            assert box.tolist() == [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


def test_objects_follow_the_published_trajectory(world):
    for index in range(20):
        clip = world[index]
        (motion,) = clip.truth.motion
        # The ink keeps its shape, so that its box travels as the cell does.
        travelled = clip.truth.boxes[:, 0, :2] - clip.truth.boxes[:1, 0, :2]
        low, high = starts(world.physics, motion)
        grid = np.stack(
            np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True))), -1
        ).reshape(-1, 2)
        paths = trajectory(world.physics, motion, grid)
        assert (paths - paths[:, :1] == travelled[None]).all(axis=(1, 2)).any()


def test_nothing_else_is_on_the_canvas(world):
    images, identities = world.exemplars()
    clip = world[2]
    (top, left), size = clip.truth.boxes[0, 0, :2].astype(int), world.physics.size
    assert (clip.video > 0).any(axis=(0, 3)).sum() < world.height * world.width
    found = [
        identity
        for image, identity in zip(images, identities, strict=True)
        if int(image.sum()) == int(clip.video[0].sum())
    ]
    assert clip.truth.identity[0] in found
    assert top + size // 4 < world.height
    assert left + size // 4 < world.width


def test_draws_are_balanced():
    digits = source("digits")
    clips = [digits[i].truth for i in range(4000)]
    for values, chance in (
        ([c.identity[0] for c in clips], 1 / 10),
        ([c.motion[0] for c in clips], 1 / 8),
    ):
        counts = np.unique(values, return_counts=True)[1]
        assert len(counts) == round(1 / chance)
        # Five standard errors of a share.
        assert np.abs(counts / 4000 - chance).max() < 5 * np.sqrt(chance / 4000) + 0.005


def test_every_allowed_start_is_drawn():
    up = [c.truth for c in map(source("shapes", shape_size=20).__getitem__, range(1500))]
    tops = {int(t.boxes[0, 0, 0]) for t in up if t.motion == ("left",)}
    assert len(tops) >= 13


def test_options_reach_the_clip():
    chosen = source(
        "digits", size=(24, 40), frames=5, speed=1.5, digit_size=10, min_moves=2, fps=3, clips=7
    )
    assert (chosen.height, chosen.width, chosen.frames, chosen.fps, len(chosen)) == (
        24,
        40,
        5,
        3,
        7,
    )
    assert chosen[6].video.shape == (5, 24, 40, 1)
    assert chosen.physics.speed == 1.5


def test_small_worlds_have_sensible_defaults():
    tiny = source("digits", size=16, frames=4)
    assert (tiny.physics.size, tiny.physics.speed, tiny.physics.min_moves) == (7, 1.0, 3)
    assert source("shapes", motion="mage", size=16, frames=6).physics.min_moves == 2


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("digit", {}, UnknownNameError, "did you mean 'digits'"),
        ("DIGITS", {}, UnknownNameError, "did you mean 'digits'"),
        ("digits", {"split": "tset"}, UnknownNameError, "did you mean 'test'"),
        ("digits", {"motion": "diagnal"}, UnknownNameError, "did you mean 'diagonal'"),
        ("digits", {"spede": 2}, ValueError, "option of the source 'digits'.*'speed'"),
        ("shapes", {"digit_size": 8}, ValueError, "option of the source 'shapes'"),
        ("digits", {"digit_size": 40}, ValueError, "does not fit a canvas"),
        ("digits", {"speed": 9}, ValueError, "cannot show 3 moves"),
        ("digits", {"frames": 3, "min_moves": 3}, ValueError, "min_moves"),
        ("digits", {"clips": 0}, ValueError, "clips and fps"),
    ],
)
def test_bad_requests_are_refused(name, options, error, message):
    with pytest.raises(error, match=message):
        source(name, **options)


def test_fingerprints_tell_worlds_apart(mnist_like):
    options = [
        {},
        {"split": "test"},
        {"seed": 1},
        {"speed": 1},
        {"frames": 7},
        {"clips": 9},
        {"motion": "mage"},
        {"handwriting": str(mnist_like)},
        {"split": "compositional-train"},
    ]
    prints = [source("digits", **o).fingerprint for o in options]
    assert len(set(prints)) == len(prints)
    assert source("digits").fingerprint == prints[0]


def test_splits_draw_from_their_own_handwriting():
    images = {p: source("digits", split=p).exemplars()[0] for p in ("train", "test")}
    known = {image.tobytes() for image in images["train"]}
    assert not known & {image.tobytes() for image in images["test"]}
    test = source("digits", split="test")
    sums = {int(image.sum()) for image in images["test"]}
    assert all(int(test[i].video[0].sum()) in sums for i in range(50))


@pytest.mark.parametrize(("name", "motion"), WORLDS)
def test_compositional_splits_hold_out_half_of_the_pairs_and_no_word(name, motion):
    made = {s: source(name, motion=motion, split=s) for s in SPLITS if s.startswith("comp")}
    train, test = made["compositional-train"].pairs(), made["compositional-test"].pairs()
    assert made["compositional-validation"].pairs() == train
    assert not train & test
    assert train | test == source(name, motion=motion).pairs()
    assert len(train) == len(test)
    for pairs in (train, test):
        assert {i for i, _ in pairs} == {i for i, _ in train}
        assert {m for _, m in pairs} == set(made["compositional-train"].physics.motions)
    # Every word is heard with every identity, so that only the combination is new.
    if motion == "diagonal":
        heard = {(i, w) for i, m in train for w in words(m)}
        assert len(heard) == len({i for i, _ in train}) * 5
    for name_, chosen in made.items():
        allowed = test if name_ == "compositional-test" else train
        for index in range(40):
            truth = chosen[index].truth
            assert (truth.identity[0], truth.motion[0]) in allowed


def test_shapes_have_their_colours_and_stay_in_their_cells():
    images, identities = source("shapes").exemplars()
    assert len(set(identities)) == 24
    brightest = {
        identity: image.reshape(-1, 3).max(axis=0).tolist()
        for image, identity in zip(images, identities, strict=True)
    }
    assert brightest["red circle"] == [230, 50, 45]
    assert brightest["blue diamond"] == [65, 105, 245]
    # Anti-aliased edges: some pixels lie between black and full.
    red = images[identities.index("red circle")][..., 0]
    assert ((red > 10) & (red < 220)).any()


def motion_of(world):
    return next(name for name, motions in FAMILIES.items() if motions == world.physics.motions)


def test_importing_the_package_leaves_the_heavy_ones_alone():
    heavy = "{'grain', 'sklearn', 'orbax', 'av', 'PIL', 'fsspec', 'tensorflow'}"
    script = f"import sys, vidgen.data; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "set()"
