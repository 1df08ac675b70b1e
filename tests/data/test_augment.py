import dataclasses

import jax
import numpy as np
import pytest

from vidgen.data import Augment, batches, source
from vidgen.data.augment import Change
from vidgen.text import WordVectors
from vidgen.training.estimate import _batch
from vidgen.types import Task

TASK = Task(
    frames=4, height=16, width=16, channels=1, context_frames=1, text_length=9, text_width=4
)


@pytest.fixture
def clip():
    """A ramp along the width that also rises with time and along the height."""
    t, y, x = np.mgrid[:3, :8, :12]
    return (10 * t + 3 * y + 12 * x).astype(np.uint8)[..., None]


def run(augment, clip, caption="a ball rolls", times=400):
    return [augment(clip, caption, np.random.default_rng(n)) for n in range(times)]


def test_nothing_is_done_by_default(clip):
    np.testing.assert_array_equal(Augment()(clip, "x", np.random.default_rng(0)), clip)


def test_every_second_clip_is_mirrored_in_all_its_frames(clip):
    seen = [out.tobytes() for out in run(Augment(flip=True), clip)]
    assert set(seen) == {clip.tobytes(), clip[:, :, ::-1].tobytes()}
    # Five standard errors of a share over 400 draws.
    assert abs(seen.count(clip.tobytes()) / 400 - 0.5) < 5 * 0.5 / 20


@pytest.mark.parametrize(
    ("caption", "survives"),
    [
        ("the digit 3 is moving up and left", False),
        ("Pan to the RIGHT, fast.", False),
        ("roll clockwise", False),
        ("a right-handed player", False),
        # A mirrored 3 is no 3.
        ("the digit 3 is moving up", False),
        ("the digits 3 is moving up and down .", False),
        ("a car drives to the north-west", False),
        ("a red circle is moving up", True),
        ("go to the blue key", True),
        ("slowly zoom in", True),
        ("a bright leftover", True),
        ("", True),
    ],
)
def test_a_caption_that_a_mirror_makes_untrue_keeps_its_clip(clip, caption, survives):
    mirrored = any((out != clip).any() for out in run(Augment(flip=True), clip, caption, 60))
    assert mirrored is survives


def test_crops_are_one_window_for_all_frames_and_stay_inside(clip):
    smallest, starts = 1.0, []
    for out in run(Augment(crop=0.5), clip, times=200):
        assert out.shape == clip.shape
        # The rise of time stays what it is wherever the window lies.
        np.testing.assert_allclose(np.diff(out.astype(int), axis=0), 10, atol=1)
        slope = np.diff(out[0, 4, 3:-3, 0].astype(int)).mean() / 12
        smallest = min(smallest, slope)
        starts.append(int(out[0, 0, 0, 0]))
        assert out.min() >= clip.min()
        assert out.max() <= clip.max()
    assert 0.45 < smallest < 0.6
    assert len(set(starts)) > 20


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_senseless_crops_are_refused(share):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\]"):
        Augment(crop=share)


@pytest.fixture(scope="module")
def stream():
    digits = source("digits", size=16, frames=4, clips=16)
    encoder = WordVectors(digits.vocabulary, length=9, width=4)

    def make(images=0, **options):
        changed = dataclasses.replace(TASK, images=images)
        return batches(digits, encoder, changed, batch_size=8, seed=3, **options), digits, encoder

    return make


def test_a_stream_is_changed_by_seed_and_position_alone(stream):
    plain = next(stream()[0])
    augment = Augment(flip=True, crop=0.7)
    changed, threaded = (next(stream(augment=augment, threads=n)[0]) for n in (0, 3))
    np.testing.assert_array_equal(changed.video, threaded.video)
    assert (changed.video != plain.video).any(axis=(1, 2, 3, 4)).sum() > 4
    # Captions and contexts are those of the unchanged stream.
    np.testing.assert_array_equal(changed.text, plain.text)
    np.testing.assert_array_equal(changed.context_mask, plain.context_mask)
    shards = [next(stream(augment=augment, shard=(n, 2))[0]).video for n in range(2)]
    np.testing.assert_array_equal(np.concatenate(shards), changed.video)
    first = stream(augment=augment)[0]
    epochs = [next(first).video for _ in range(4)]
    assert not np.array_equal(np.sort(epochs[0:2], axis=None), np.sort(epochs[2:4], axis=None))


def test_single_frames_come_from_other_clips_with_their_own_captions(stream):
    plain = next(stream()[0])
    assert plain.images is None
    assert plain.to_batch().images is None
    joint, digits, encoder = stream(images=3)
    batch = next(joint)
    np.testing.assert_array_equal(batch.video, plain.video)
    np.testing.assert_array_equal(batch.context_mask, plain.context_mask)
    assert (batch.images.pixels.shape, batch.images.pixels.dtype) == ((8, 3, 16, 16, 1), np.uint8)
    assert batch.images.text.shape == (8, 3, 9, 4)
    frames = {
        frame.tobytes(): clip.caption
        for clip in map(digits.__getitem__, range(16))
        for frame in clip.video
    }
    seen = set()
    for row in range(8):
        for k in range(3):
            picture = batch.images.pixels[row, k]
            caption = frames[picture.tobytes()]
            text, mask = encoder([caption])
            np.testing.assert_array_equal(batch.images.text[row, k], text[0])
            np.testing.assert_array_equal(batch.images.text_mask[row, k], mask[0])
            seen.add(picture.tobytes())
    assert len(seen) > 12
    planned = _batch(dataclasses.replace(TASK, images=3), 8)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), batch) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), planned
    )
    device = batch.to_batch().images
    assert device.pixels.dtype == np.float32
    np.testing.assert_allclose(device.pixels, batch.images.pixels / 127.5 - 1.0, atol=1e-6)
    shards = [next(stream(images=3, shard=(n, 4))[0]).images.pixels for n in range(4)]
    np.testing.assert_array_equal(np.concatenate(shards), batch.images.pixels)


def test_boxes_are_changed_as_pixels_are():
    """A white rectangle, mirrored and enlarged, lies where its box is said to lie."""
    video = np.zeros((2, 40, 60, 1), np.uint8)
    boxes = np.array([[[10, 5, 22, 30]], [[12, 20, 30, 44]]], np.float32)
    for frame, (top, left, bottom, right) in enumerate(boxes[:, 0].astype(int)):
        video[frame, top:bottom, left:right] = 255
    augment = Augment(flip=True, crop=0.8)
    mirrored = 0
    for n in range(12):
        change = augment.draw("a ball rolls", np.random.default_rng(n))
        mirrored += change.flip
        seen = change.video(video)[..., 0] >= 128
        for frame, box in enumerate(change.boxes(boxes, 40, 60)[:, 0]):
            rows, columns = (np.flatnonzero(seen[frame].any(axis=axis)) for axis in (1, 0))
            found = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
            np.testing.assert_allclose(np.clip(box, 0, [40, 60, 40, 60]), found, atol=1.0)
    assert 0 < mirrored < 12


def test_a_box_that_a_crop_leaves_out_is_not_said():
    change = Change(flip=False, window=(0.0, 0.5, 0.5))
    boxes = np.array([[[0, 0, 4, 4], [0, 4, 4, 8]]], np.float32)
    found = change.boxes(boxes, 8, 8)
    assert np.isnan(found[0, 0]).all()
    np.testing.assert_array_equal(found[0, 1], [0, 0, 8, 8])
