"""Scripts by hand, and stories against their scripts."""

import numpy as np
import pytest

from vidgen.data import Source, source
from vidgen.data.script import LEGS, PLACES, Actor, Script, ScriptError, meet
from vidgen.data.sprites import INK
from vidgen.data.stories import TELLINGS
from vidgen.registry import UnknownNameError
from vidgen.text import words


def actor(start="upper left", legs=("right", "down", "stay"), identity="red square"):
    return Actor(identity=identity, start=start, legs=tuple(legs))


def test_a_script_says_where_everybody_is():
    script = Script(actors=(actor(),))
    corners = script.corners(frames=7, height=32, width=40, size=10)[:, 0]
    np.testing.assert_allclose(corners[:, 0], [0, 0, 0, 5.5, 11, 11, 11])
    np.testing.assert_allclose(corners[:, 1], [0, 7.5, 15, 15, 15, 15, 15])
    boxes = script.boxes(frames=7, height=32, width=40, size=10)
    assert boxes.dtype == np.float32
    np.testing.assert_array_equal(boxes[3, 0], [6, 15, 16, 25])  # half up
    assert actor().motion == "upper left: right, down, stay"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": "uper left"}, "no place is called 'uper left'"),
        ({"legs": ("right", "down")}, "has 2 legs, and needs 3"),
        ({"legs": ("right", "down", "jump")}, "no leg is called 'jump'"),
        ({"legs": ("right", "up", "down")}, "leg 2 of 'red square', 'up', leads off the stage"),
    ],
)
def test_what_cannot_be_played_is_refused_by_name(change, message):
    with pytest.raises(ScriptError, match=message):
        actor(**change)


def test_actors_may_cross_each_others_places_at_other_times_alone():
    first = actor(legs=("right", "stay", "stay"))
    follows = actor("left", ("stay", "up", "stay"), "blue circle")
    assert not meet(first, follows)
    swaps = actor("top", ("left", "stay", "stay"), "blue circle")
    assert meet(first, swaps)
    enters = actor("middle", ("stay", "up", "stay"), "blue circle")
    assert meet(first, enters)
    with pytest.raises(ScriptError, match="'blue circle' comes into the way of 'red square'"):
        Script(actors=(first, enters))
    with pytest.raises(ScriptError, match="needs an actor"):
        Script(actors=())


@pytest.fixture(scope="module", params=[1, 2])
def stories(request):
    return source("stories", objects=request.param, clips=400)


def test_it_is_a_source(stories):
    assert isinstance(stories, Source)
    assert stories.vocabulary == tuple(sorted(set(stories.vocabulary)))
    with pytest.raises(IndexError):
        stories[400]
    np.testing.assert_array_equal(stories[7].video, stories[7].video)


def test_captions_are_made_of_the_vocabulary_and_no_longer_than_they_may_be(stories):
    longest = 0
    for told in TELLINGS:
        other = source("stories", objects=len(stories[0].truth.identity), told=told, clips=400)
        assert other.vocabulary == stories.vocabulary
        said = [words(other[n].caption) for n in range(400)]
        assert {word for caption in said for word in caption} <= set(stories.vocabulary)
        longest = max(longest, *map(len, said))
    assert longest == stories.max_words


def test_pixels_are_where_the_script_and_the_truth_say(stories):
    for n in range(40):
        clip, (script, caption) = stories[n], stories.told(n)
        assert clip.caption == caption
        assert clip.truth.identity == script.identity
        assert clip.truth.motion == tuple(one.motion for one in script.actors)
        cells = script.boxes(16, 32, 32, stories.size)
        assert (clip.truth.boxes[..., :2] >= cells[..., :2]).all()
        assert (clip.truth.boxes[..., 2:] <= cells[..., 2:]).all()
        ink = clip.video.max(axis=-1) >= INK
        np.testing.assert_array_equal(clip.truth.masks, ink)
        # Shapes never touch, so that each has its own ink.
        assert (clip.truth.object_masks.sum(axis=1) <= 1).all()
        for frame, which in np.ndindex(16, len(script.actors)):
            rows, columns = np.nonzero(clip.truth.object_masks[frame, which])
            found = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            np.testing.assert_array_equal(found, clip.truth.boxes[frame, which])


def test_every_place_leg_and_way_is_told(stories):
    scripts = [stories.told(n)[0] for n in range(400)]
    actors = [one for script in scripts for one in script.actors]
    assert {one.start for one in actors} == set(PLACES)
    assert {leg for one in actors for leg in one.legs} == {"up", "down", "left", "right", "stay"}
    assert not any(one.legs == ("stay",) * LEGS for one in actors)
    colours = [{one.identity.split()[0] for one in script.actors} for script in scripts]
    assert {len(found) for found in colours} == {len(scripts[0].actors)}


def test_held_out_tellings_share_all_words_and_no_sentence_with_the_usual():
    usual, held = (set(TELLINGS[told]) for told in ("usual", "held-out"))
    assert not usual & held
    assert len(usual) == 3 * len(held)

    def said(tellings):
        return {w for one in tellings for w in words(one.clause("red square", "top", ["up"] * 3))}

    assert said(held) == said(usual)
    assert not said(TELLINGS["paraphrased"]) <= said(usual)


def test_ways_of_telling_change_no_picture():
    usual, other = (source("stories", told=told) for told in ("usual", "paraphrased"))
    np.testing.assert_array_equal(usual[3].video, other[3].video)
    assert usual[3].caption != other[3].caption
    assert usual.fingerprint != other.fingerprint


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"told": "usually"}, UnknownNameError, "did you mean 'usual'"),
        ({"objects": 3}, ValueError, "1 or 2 objects, got 3"),
        ({"shape_size": 11}, ValueError, r"shape_size must lie in \[4, 10\]"),
        ({"frames": 5}, ValueError, "3 legs take at least 6 frames"),
        ({"split": "compositional-train"}, ValueError, "no compositional splits"),
        ({"clips": 0}, ValueError, "clips and fps must be at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        source("stories", **options)


def test_a_scripts_cells_are_the_mean_of_what_may_stand_there():
    stories = source("stories", clips=200)
    script, _ = stories.told(0)
    images, identities = stories.exemplars()
    cells = stories.cells(script)
    for which, name in enumerate(script.identity):
        own = images[np.array(identities) == name].max(axis=-1) >= INK
        tops = own.any(axis=2).argmax(axis=1)
        top = script.boxes(16, 32, 32, stories.size)[:, which, 0] + tops.mean()
        np.testing.assert_allclose(cells[:, which, 0], top, rtol=1e-6)
