"""What the options of `shapes` add to one shape on black."""

import itertools
import re

import numpy as np
import pytest

from vidgen.data import LeakageError, check_splits, grounds, source
from vidgen.data.shapes import COLOURS, SHAPES, SIZES, WORDINGS
from vidgen.registry import UnknownNameError
from vidgen.text import WordVectors, words

ALL = {"objects": 2, "sizes": True, "ground": "textured", "wordings": 5}


@pytest.fixture(scope="module")
def scene():
    return source("shapes", size=64, frames=16, **ALL)


def test_a_scene_has_all_of_it_at_once(scene):
    clip = scene[3]
    assert clip.video.shape == (16, 64, 64, 3)
    assert clip.video.dtype == np.uint8
    kinds = {f"{s} {c} {k}" for s, c, k in itertools.product(SIZES, COLOURS, SHAPES)}
    assert set(clip.truth.identity) <= kinds
    assert clip.truth.boxes.shape == (16, 2, 4)
    assert clip.truth.object_masks.shape == (16, 2, 64, 64)
    np.testing.assert_array_equal(clip.truth.masks, clip.truth.object_masks.any(axis=1))
    for mask, box in zip(clip.truth.object_masks[5], clip.truth.boxes[5], strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert box.tolist() == [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


def test_captions_are_of_the_grammar_and_true(scene):
    heard = set()
    for index in range(200):
        clip = scene[index]
        said = [w(clip.truth.identity, clip.truth.motion) for w in WORDINGS]
        assert clip.caption in said
        heard.add(said.index(clip.caption))
        assert clip.truth.identity[0] != clip.truth.identity[1]
    assert heard == set(range(5))
    captions = [scene[i].caption for i in range(400)]
    paraphrased = source("shapes", paraphrased=True, **ALL)
    captions += [paraphrased[i].caption for i in range(400)]
    assert {word for c in captions for word in words(c)} | {"."} == set(scene.vocabulary)
    encoder = WordVectors(scene.vocabulary, length=scene.max_words, width=4)
    assert encoder(captions)[1].sum(axis=1).max() == scene.max_words - 1


def test_other_wordings_say_the_same_of_the_same_clips():
    plain, spoken = source("shapes"), source("shapes", wordings=5)
    assert plain.fingerprint != spoken.fingerprint
    differ = 0
    for index in range(40):
        first, second = plain[index], spoken[index]
        np.testing.assert_array_equal(first.video, second.video)
        assert set(words(second.caption)) >= set(words(" ".join(first.truth.motion)))
        differ += first.caption != second.caption
    assert differ > 20


def test_a_ground_changes_nothing_but_what_is_behind():
    plain, textured = source("shapes"), source("shapes", ground="textured")
    looks = set()
    for index in range(12):
        first, second = plain[index], textured[index]
        assert first.caption == second.caption
        np.testing.assert_array_equal(first.truth.masks, second.truth.masks)
        untouched = ~(first.video > 0).any(axis=(0, 3))
        behind = second.video[:, untouched]
        assert (behind == behind[:1]).all()
        assert np.ptp(behind[0].astype(int), axis=0).max() > 10
        looks.add(behind[0].tobytes())
        # Where a shape covers a pixel whole, the ground does not shine through.
        brightest = first.video == first.video.max(axis=(0, 1, 2))
        inside = brightest.all(axis=-1)
        assert inside.any()
        np.testing.assert_array_equal(first.video[inside], second.video[inside])
    assert len(looks) == 12
    assert textured.physics == source("shapes").physics


def test_edges_are_mixed_of_shape_and_ground():
    plain, textured = source("shapes", size=64), source("shapes", size=64, ground="textured")
    first, second = plain[0].video[0].astype(int), textured[0].video[0].astype(int)
    colour = first.max(axis=(0, 1))
    cover = (first / np.maximum(colour, 1)).max(axis=-1, keepdims=True)
    edge = ((cover > 0.2) & (cover < 0.8))[..., 0]
    assert edge.sum() > 10
    ground = (second - first)[edge] / (1 - cover[edge])
    # What is left of the ground there is a colour of the grounds, which end at 112.
    assert ground.min() > -6
    assert ground.max() < 122


def test_the_shape_named_last_lies_in_front():
    scene = source("shapes", objects=2, size=24)
    checked = 0
    for index in range(200):
        clip = scene[index]
        (front,) = (COLOURS[clip.truth.identity[1].split()[0]],)
        both = clip.truth.object_masks.all(axis=1)
        # Well inside the one in front, away from its soft edge.
        inside = clip.truth.object_masks[:, 1].copy()
        for axis, shift in itertools.product((1, 2), (-2, 2)):
            inside &= np.roll(clip.truth.object_masks[:, 1], shift, axis)
        where = both & inside
        checked += where.any()
        assert (clip.video[where] == front).all()
    assert checked > 20


def test_two_shapes_lie_apart_in_half_of_the_frames():
    scene = source("shapes", objects=2, size=64, shape_size=14)
    alike = 0
    for index in range(150):
        truth = scene[index].truth
        alike += truth.motion[0] == truth.motion[1]
        low, high = truth.boxes[:, :, :2].max(1), truth.boxes[:, :, 2:].min(1)
        assert ((low - high).max(1) >= 2).mean() >= 1 / 2
    assert alike > 5


def test_where_there_is_no_room_two_shapes_are_not_long_behind_each_other():
    scene = source("shapes", objects=2)
    for index in range(150):
        masks = scene[index].truth.object_masks
        shared = masks.all(axis=1).sum((1, 2))
        hidden = shared / masks.sum((2, 3)).min(1)
        assert hidden.mean() < 1 / 2


def test_small_and_large_are_told_apart_by_area():
    made = source("shapes", sizes=True, size=64)
    images, identities = made.exemplars()
    assert len(set(identities)) == 48
    area = {}
    for image, identity in zip(images, identities, strict=True):
        size, _, shape = identity.split()
        area.setdefault((size, shape), []).append((image.max(axis=-1) > 96).sum())
    for shape in SHAPES:
        assert max(area["small", shape]) * 1.5 < min(area["large", shape])
    assert made.vocabulary == tuple(sorted({*source("shapes").vocabulary, "small", "large"}))


@pytest.mark.parametrize(
    ("options", "pairs"),
    [
        ({"sizes": True}, (192, 192)),
        ({"motion": "sync-draw"}, (24, 24)),
        ({"objects": 2}, (17_664, 17_664)),
        ({"ground": "textured"}, (96, 96)),
        # So coarse that makes fall together, which must then be of one part.
        ({"shape_size": 7}, (96, 96)),
    ],
)
def test_splits_are_disjoint(options, pairs):
    report = check_splits("shapes", **options)
    assert report.pairs == pairs
    assert bool(report.grounds) == ("ground" in options)
    assert ("texture" in str(report)) == ("ground" in options)


def test_a_shared_texture_is_found(monkeypatch):
    once = grounds._textures("train", 48, 48)
    monkeypatch.setattr(grounds, "_textures", lambda part, height, width: once)
    with pytest.raises(LeakageError, match="texture 0 of the part 'validation' is texture 0 of"):
        check_splits("shapes", ground="textured")


def test_options_tell_fingerprints_apart():
    options = [{}, {"objects": 2}, {"sizes": True}, {"ground": "textured"}, {"wordings": 2}, ALL]
    options += [ALL | {"wordings": 1}, ALL | {"ground": "plain"}]
    prints = [source("shapes", **o).fingerprint for o in options]
    assert len(set(prints)) == len(prints)
    assert source("shapes", **ALL).fingerprint == prints[5]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"objects": 3}, ValueError, "1 or 2 objects, got 3"),
        ({"objects": 0}, ValueError, "1 or 2 objects, got 0"),
        ({"wordings": 0}, ValueError, re.escape("wordings must lie in [1, 5], got 0")),
        ({"wordings": 6}, ValueError, "got 6"),
        ({"ground": "textured?"}, UnknownNameError, "did you mean 'textured'"),
        ({"motion": "mage-double"}, UnknownNameError, "did you mean 'mage'"),
    ],
)
def test_bad_requests_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        source("shapes", **options)
