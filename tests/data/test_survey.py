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
    assert found.duplicates == (("test test/twin.mp4", "train train/a.mp4"),)
    assert not found.sound
    assert len(ticks) == 8
    said = str(found)
    for word in (
        *("bad.mp4", "48x32 (1)", "1 clip without (train/b.mp4)"),
        "test test/twin.mp4 is train train/a.mp4",
    ):
        assert word in said
    # It is in no part, and is said once.
    assert said.count("stray.mp4") == 1


def test_a_copy_is_found_where_its_windows_are_others(tmp_path, write_clip, rising):
    steps, _ = rising
    file = write_clip(tmp_path / "train" / "a.mp4", steps(24))
    write_clip(tmp_path / "validation" / "b.mp4", steps(24)[::-1])
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "other name.mp4").write_bytes(file.read_bytes())
    # Starts are drawn by the name, so that a copy gives other clips of the same scene.
    found = survey(f"folder:{tmp_path}", frames=2, size=8, window="random", windows=2)
    assert found.duplicates == (("test test/other name.mp4", "train train/a.mp4"),)
    assert not found.sound


def test_equal_pixels_of_unequal_files_are_found(tmp_path, write_clip, rising):
    steps, _ = rising
    for part, name in (("train", "a.avi"), ("test", "b.avi")):
        # The tail that only one has lies behind the clip.
        write_clip(tmp_path / part / name, steps(8 if part == "train" else 9), g="1")
    found = survey(f"folder:{tmp_path}", frames=2, size=8)
    assert found.duplicates == (("test 0", "train 0"),)


def test_frames_in_folders_are_known_again(tmp_path, rising):
    from PIL import Image

    for part in ("train", "test"):
        (tmp_path / part / "walk").mkdir(parents=True)
        for n, frame in enumerate(rising[0](3)):
            Image.fromarray(frame).save(tmp_path / part / "walk" / f"{n}.png")
    found = survey(f"folder:{tmp_path}", frames=2, size=8)
    assert found.duplicates == (("test test/walk", "train train/walk"),)


def test_a_row_of_captions_without_a_clip_is_reported(tmp_path, write_clip, rising):
    write_clip(tmp_path / "train" / "a.mp4", rising[0](4))
    (tmp_path / "captions.csv").write_bytes(
        '\ufefffile,caption,extra\r\ntrain\\a.mp4,"one, two",x,more\r\n'
        'train/a.mp4,"one, two",y\r\ntrain/b.mp4,a slip\r\n\r\n'.encode()
    )
    found = survey(f"folder:{tmp_path}", frames=2, size=8)
    assert found.parts[0].clips == 1
    assert found.parts[0].silent == ()
    assert found.parts[0].left_out == {
        "train/b.mp4": "a table has its caption, and it is no clip here"
    }
    assert "1 left out:" in str(found)


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
