import dataclasses
import pickle

import numpy as np
import pytest

from vidgen.evaluation import ClipSet, TruthSet
from vidgen.types import Clip, Episode, Truth


def clip_set(n=3, frames=4):
    rng = np.random.default_rng(0)
    return ClipSet(
        video=rng.integers(256, size=(n, frames, 6, 5, 1), dtype=np.uint8),
        captions=tuple(f"clip {i}, “quoted”" for i in range(n)),
        context_frames=1,
        context_mask=np.arange(n) % 2 == 0,
        keys=np.arange(n, dtype=np.uint32) + 7,
        truth=TruthSet(
            identity=tuple((str(i),) for i in range(n)),
            motion=(("up",),) * n,
            boxes=rng.random((n, frames, 1, 4)).astype(np.float32),
            masks=rng.random((n, frames, 6, 5)) > 0.5,
        ),
        source="digits/test",
        fps=5,
    )


def assert_equal(a, b):
    for field in dataclasses.fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            np.testing.assert_array_equal(x, y)
        elif isinstance(x, TruthSet):
            assert_equal(x, y)
        else:
            assert x == y, field.name


def test_a_saved_set_comes_back_whole(tmp_path):
    clips = clip_set()
    path = tmp_path / "samples" / "test.npz"
    clips.save(path)
    back = ClipSet.load(path)
    assert_equal(clips, back)
    assert back.digest == clips.digest
    assert [p.name for p in path.parent.iterdir()] == ["test.npz"]


def test_a_set_without_truth_comes_back_without_truth(tmp_path):
    clips = clip_set().replace(truth=None)
    clips.save(tmp_path / "a.npz")
    assert ClipSet.load(tmp_path / "a.npz").truth is None


def test_equal_sets_are_equal_files(tmp_path):
    clip_set().save(tmp_path / "a.npz")
    clip_set().save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_failed_save_leaves_the_old_file_and_no_debris(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    clip_set().save(path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("etils.epath.gpath.PosixGPath.write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        clip_set(n=5).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_flipped_bit_never_changes_what_is_read(tmp_path):
    clips, path = clip_set(), tmp_path / "a.npz"
    clips.save(path)
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 41):
        content = bytearray(whole)
        content[at] ^= 4
        path.write_bytes(content)
        try:
            # Some bytes of the container, such as its dates, mean nothing.
            assert ClipSet.load(path).digest == clips.digest
        except ValueError as error:
            assert "a.npz is no readable ClipSet" in str(error)  # noqa: PT017
            refused += 1
    assert refused > 20


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    clip_set().save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="no readable ClipSet"):
        ClipSet.load(path)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.fault(15)
def test_pickles_are_never_executed(tmp_path):
    np.savez(tmp_path / "a.npz", header=np.array([Bomb()], dtype=object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(ValueError, match="no readable ClipSet"):
            ClipSet.load(tmp_path / name)


def test_other_pixels_under_an_old_digest_are_refused(tmp_path):
    clip_set().save(tmp_path / "a.npz")
    arrays = dict(np.load(tmp_path / "a.npz"))
    arrays["video"] = arrays["video"] ^ 1
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(ValueError, match="digest"):
        ClipSet.load(tmp_path / "b.npz")


def test_a_newer_schema_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("vidgen.evaluation.clipset.SCHEMA_VERSION", 99)
        clip_set().save(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="schema 99 is newer"):
        ClipSet.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("video", np.zeros((3, 4, 6, 5, 1), np.float32), "video must be"),
        ("video", np.zeros((2, 4, 6, 5, 1), np.uint8), "video must be"),
        ("context_mask", np.zeros(3, np.int32), "context_mask must be"),
        ("keys", np.zeros(3, np.int64), "keys must be"),
        ("context_frames", 4, "context_frames"),
        ("context_frames", 0, "context_frames is 0"),
    ],
)
def test_fields_that_do_not_fit_are_refused(field, value, complaint):
    with pytest.raises(ValueError, match=complaint):
        clip_set().replace(**{field: value})


def test_truth_of_another_length_is_refused():
    truth = clip_set(frames=5).truth
    with pytest.raises(ValueError, match=r"truth\.boxes"):
        clip_set(frames=4).replace(truth=truth)


def test_rows_take_everything_with_them():
    clips = clip_set(n=5)
    part = clips[np.array([3, 0])]
    assert part.captions == (clips.captions[3], clips.captions[0])
    assert part.keys.tolist() == [10, 7]
    assert part.truth.identity == (("3",), ("0",))
    np.testing.assert_array_equal(part.video, clips.video[[3, 0]])
    assert_equal(clips[1:3], clips[np.array([False, True, True, False, False])])
    with pytest.raises(TypeError, match="slice"):
        clips[2]


def test_clips_with_fewer_objects_are_padded_with_nan():
    def clip(objects):
        truth = Truth(
            identity=("3",) * objects,
            motion=("up",) * objects,
            boxes=np.ones((4, objects, 4), np.float32),
            masks=np.zeros((4, 6, 5), bool),
        )
        return Clip(video=np.zeros((4, 6, 5, 1), np.uint8), caption="c", truth=truth)

    clips = ClipSet.of(
        [clip(1), clip(2)],
        context_frames=0,
        context_mask=np.zeros(2, bool),
        keys=np.zeros(2, np.uint32),
    )
    assert clips.truth.boxes.shape == (2, 4, 2, 4)
    assert np.isnan(clips.truth.boxes[0, :, 1]).all()
    assert not np.isnan(clips.truth.boxes[1]).any()


def two_or_fewer(objects):
    masks = np.zeros((4, objects, 6, 5), bool)
    masks[:, -1, 2] = True
    truth = Truth(
        identity=("3",) * objects,
        motion=("up",) * objects,
        boxes=np.ones((4, objects, 4), np.float32),
        masks=masks.any(axis=1),
        object_masks=masks,
    )
    return Clip(video=np.zeros((4, 6, 5, 1), np.uint8), caption="c", truth=truth)


def set_of(*clips):
    return ClipSet.of(
        list(clips),
        context_frames=0,
        context_mask=np.zeros(len(clips), bool),
        keys=np.zeros(len(clips), np.uint32),
    )


def test_masks_of_several_objects_come_back_from_disk_and_are_taken_by_row(tmp_path):
    clips = set_of(two_or_fewer(1), two_or_fewer(2))
    assert clips.truth.object_masks.shape == (2, 4, 2, 6, 5)
    assert clips.truth.object_masks[0, :, 0, 2].all()
    assert not clips.truth.object_masks[0, :, 1].any()
    clips.save(tmp_path / "a.npz")
    back = ClipSet.load(tmp_path / "a.npz")
    assert back.digest == clips.digest
    np.testing.assert_array_equal(back.truth.object_masks, clips.truth.object_masks)
    np.testing.assert_array_equal(back[1:].truth.object_masks, clips.truth.object_masks[1:])
    with pytest.raises(ValueError, match="object_masks must be"):
        dataclasses.replace(clips.truth, object_masks=clips.truth.object_masks[:, :, :1])


def test_the_mask_of_one_object_is_not_said_twice():
    """A set of single objects was digested before truths knew each object's mask."""
    assert set_of(two_or_fewer(1)).truth.object_masks is None


def with_camera_and_episodes(clips):
    n, frames = clips.video.shape[:2]
    rng = np.random.default_rng(1)
    episodes = tuple(
        Episode(
            level=f"level {i}",
            seed=2**62 + i,
            grid=rng.integers(9, size=(frames, 3, 4, 3), dtype=np.uint8),
            agent=rng.integers(-1, 9, size=(frames, 5), dtype=np.int16),
            actions=rng.integers(-1, 7, size=frames - 1, dtype=np.int8),
            fulfilled=i % 2 == 0,
        )
        for i in range(n)
    )
    camera = rng.random((n, frames, 2, 3))
    return clips.replace(truth=dataclasses.replace(clips.truth, camera=camera, episodes=episodes))


def test_cameras_and_episodes_come_back_from_disk_and_are_taken_by_row(tmp_path):
    clips = with_camera_and_episodes(clip_set())
    clips.save(tmp_path / "a.npz")
    back = ClipSet.load(tmp_path / "a.npz")
    assert back.digest == clips.digest
    np.testing.assert_array_equal(back.truth.camera, clips.truth.camera)
    for a, b in zip(back.truth.episodes, clips.truth.episodes, strict=True):
        for field in dataclasses.fields(Episode):
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))
    assert back[1:].truth.episodes[0].seed == 2**62 + 1
    np.testing.assert_array_equal(back[1:].truth.camera, clips.truth.camera[1:])


def test_sets_without_cameras_and_episodes_keep_their_digest():
    """Of a set that was digested before truths could hold them."""
    assert clip_set().digest == "c89e2d7febcc9e20b54f7f9592b2428b8caf310abd29370eff813c66121c0ce7"


def test_truth_that_only_some_clips_know_is_left_out():
    def clip(camera):
        truth = Truth(
            identity=("a",),
            motion=("b",),
            boxes=np.zeros((2, 0, 4), np.float32),
            masks=np.zeros((2, 3, 3), bool),
            camera=camera,
        )
        return Clip(video=np.zeros((2, 3, 3, 1), np.uint8), caption="c", truth=truth)

    rest = {"context_frames": 0, "context_mask": np.zeros(2, bool), "keys": np.zeros(2, np.uint32)}
    both = ClipSet.of([clip(np.zeros((2, 2, 3)))] * 2, **rest)
    assert both.truth.camera.shape == (2, 2, 2, 3)
    assert ClipSet.of([clip(np.zeros((2, 2, 3))), clip(None)], **rest).truth.camera is None
    with pytest.raises(ValueError, match="camera must be"):
        dataclasses.replace(both.truth, camera=np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="2 identities, but 0 episodes"):
        dataclasses.replace(both.truth, episodes=())
