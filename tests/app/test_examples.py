"""Pictures to begin with, for whoever brings none."""

import numpy as np
import pytest

from vidgen.app.examples import CAMERA, example, examples
from vidgen.data import camera_photographs, source
from vidgen.registry import UnknownNameError


def test_an_example_is_a_photograph_of_an_installed_package_that_no_model_saw():
    parts = camera_photographs.photographs(camera_photographs.SHIPPED)
    unseen = {p.name: p.path for part in ("validation", "test") for p in parts[part]}
    found = examples(CAMERA, {"size": 64})
    assert {one.name: one.picture for one in found} == unseen
    assert {one.idea for one in found} == {""}
    assert example("flower", CAMERA, {}).picture == unseen["flower"]
    with pytest.raises(UnknownNameError, match=r"example photograph.*flower"):
        example("flowr", CAMERA, {})
    with pytest.raises(UnknownNameError, match="example photograph"):
        example("china", CAMERA, {})  # of training


def test_an_example_that_is_not_installed_says_what_to_install(monkeypatch):
    found = camera_photographs.importlib.util.find_spec
    monkeypatch.setattr(
        camera_photographs.importlib.util,
        "find_spec",
        lambda name: None if name == "skimage" else found(name),
    )
    assert [one.name for one in examples(CAMERA, {})] == ["flower"]
    with pytest.raises(ImportError, match=r"vidgen\[camera\]"):
        example("coffee", CAMERA, {})


@pytest.mark.parametrize(("of", "options"), [("digits", {"motion": "diagonal"}), ("shapes", {})])
def test_another_source_shows_first_frames_of_its_test_part_and_what_comes_of_them(of, options):
    clips = source(of, split="test", **options)
    found = examples(of, options)
    assert len(found) > 3
    for number, one in enumerate(found):
        np.testing.assert_array_equal(one.picture, clips[number].video[0])
        assert one.idea == clips[number].caption
    with pytest.raises(UnknownNameError, match="example"):
        example(str(len(found)), of, options)


def test_recordings_are_nobody_s_examples():
    assert examples("folder:clips", {}) == []
    with pytest.raises(ValueError, match="'folder:clips' are recordings"):
        example("0", "folder:clips", {})


@pytest.mark.parametrize(
    ("of", "options", "count"),
    [("shapes", {"clips": 4}, 4), ("shapes", {"of_another_version": 1}, 0), ("gone", {}, 0)],
)
def test_a_source_that_gives_few_clips_or_none_stops_no_page(of, options, count):
    assert len(examples(of, options)) == count
    with pytest.raises((UnknownNameError, ValueError)):
        example(str(count), of, options)
