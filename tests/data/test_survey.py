import sys

import numpy as np
import pytest

from vidgen.data import source, survey


@pytest.fixture
def clips(tmp_path, write_clip, rising):
    """Two good recordings, a bad one, a twin in test, and one that is in no split."""
    steps, _ = rising
    write_clip(tmp_path / "train" / "a.mp4", steps(8))
    write_clip(tmp_path / "train" / "b.mp4", steps(24, height=16), fps=12)
    (tmp_path / "train" / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "train" / "a.txt").write_text("grey that rises")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "twin.mp4").write_bytes((tmp_path / "train" / "a.mp4").read_bytes())
    (tmp_path / "stray.mp4").write_bytes((tmp_path / "train" / "a.mp4").read_bytes())
    return f"folder:{tmp_path}"


def test_a_folder_is_read_whole_and_every_trouble_is_reported(clips):
    ticks = []
    found = survey(clips, frames=4, size=16, tick=lambda: ticks.append(1))
    train, validation, test = found.parts
    assert (train.clips, train.read, train.recordings) == (3, 3, 3)
    assert list(train.corrupt) == ["train/bad.mp4"]
    assert train.silent == (1,)
    assert train.words == 3
    np.testing.assert_allclose(train.seconds, (1.0, 2.0, 2.0), atol=1e-6)
    assert train.sizes == {(32, 48): 1, (16, 48): 1}
    assert train.left_out == {"stray.mp4": "it lies outside train, validation and test"}
    assert (validation.clips, test.clips) == (0, 1)
    assert found.duplicates == (("test 0", "train 0"),)
    assert not found.sound
    assert len(ticks) == 8
    said = str(found)
    for word in ("bad.mp4", "stray.mp4", "48x32 (1)", "1 clip without (1)", "test 0 is train 0"):
        assert word in said


def test_what_is_read_can_be_bounded(clips):
    found = survey(clips, frames=4, size=16, most=1)
    assert [part.read for part in found.parts] == [1, 0, 1]
    assert not found.parts[0].corrupt
    with pytest.raises(ValueError, match="at least one clip"):
        survey(clips, most=0)


def test_a_corrupt_clip_behind_a_sound_header_is_found(tmp_path, rising, write_clip):
    from PIL import Image

    (tmp_path / "train" / "walk").mkdir(parents=True)
    for n, frame in enumerate(rising[0](3)):
        Image.fromarray(frame).save(tmp_path / "train" / "walk" / f"{n}.png")
    last = tmp_path / "train" / "walk" / "2.png"
    last.write_bytes(last.read_bytes()[:60])
    # The clip of two frames never touches the third, which the survey reads all the same.
    source(f"folder:{tmp_path}", frames=2, size=16)[0]
    found = survey(f"folder:{tmp_path}", frames=2, size=16)
    assert "2.png" in found.parts[0].corrupt["train/walk"]


def test_simulated_sources_are_read_in_part_and_proved_disjoint():
    found = survey("shapes", most=20)
    assert [part.read for part in found.parts] == [20, 20, 20]
    assert found.proof is not None
    assert found.sound
    assert "no object is in two parts" in str(found)


@pytest.mark.parametrize(("name", "options"), [("babyai", {}), ("camera", {"frames": 4})])
def test_worlds_without_objects_are_read_in_part_and_compared(name, options, monkeypatch):
    monkeypatch.setattr(sys.modules["vidgen.data.survey"], "_SIMULATED", 3)
    found = survey(name, **options)
    assert [part.read for part in found.parts] == [3, 3, 3]
    assert found.proof is None
    assert found.sound
