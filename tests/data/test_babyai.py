import concurrent.futures
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from vidgen.data import CorruptFileError, Source, babyai_episode, source
from vidgen.data.babyai_cache import SHARD, RecordCache
from vidgen.data.babyai_episode import initial_hash, replay, start
from vidgen.registry import UnknownNameError
from vidgen.text import WordVectors, words
from vidgen.types import Clip

THREE = ("BabyAI-GoToLocal-v0", "BabyAI-PickupLoc-v0", "BabyAI-PutNextLocal-v0")
SMALL = "BabyAI-GoToObjS4-v0"
AGENT_RED = (255, 0, 0)


@pytest.fixture(scope="module")
def world():
    return source("babyai", levels=THREE)


@pytest.fixture(scope="module")
def clips(world):
    return [world[i] for i in range(45)]


def test_it_is_a_source_of_its_declared_shape(world, clips):
    assert isinstance(world, Source)
    assert len(world) == 65_536
    assert world.physics is None
    assert world.exemplars() is None
    for clip in clips:
        assert isinstance(clip, Clip)
        assert clip.video.shape == (world.frames, world.height, world.width, world.channels)
        assert clip.video.shape == (16, 64, 64, 3)
        assert clip.video.dtype == np.uint8


def test_the_truth_replayed_through_minigrid_gives_the_same_frames(clips):
    assert {clip.truth.episode.level for clip in clips} == set(THREE)
    for clip in clips:
        np.testing.assert_array_equal(replay(clip.truth.episode, tile=8), clip.video)


def test_other_actions_give_other_frames(clips):
    """The replay above could not pass by drawing what is stored."""
    import dataclasses

    episode = clips[0].truth.episode
    turned = episode.actions.copy()
    turned[0] = 0 if turned[0] != 0 else 1
    other = dataclasses.replace(episode, actions=turned)
    assert (replay(other, tile=8) != clips[0].video).any()


def test_the_mission_is_fulfilled_where_the_truth_says_so(clips):
    """By the states alone: at the end of "go to", the agent faces such an object."""
    from minigrid.core.constants import COLOR_TO_IDX, DIR_TO_VEC, OBJECT_TO_IDX

    checked = 0
    for clip in clips:
        episode = clip.truth.episode
        assert episode.fulfilled
        assert clip.truth.motion == (clip.caption,)
        verb, *_, colour, kind = clip.caption.split()
        if verb == "go" and colour in COLOR_TO_IDX:
            x, y, direction = episode.agent[-1, :3]
            ahead = episode.grid[-1][tuple(np.array([x, y]) + DIR_TO_VEC[direction])]
            assert ahead[:2].tolist() == [OBJECT_TO_IDX[kind], COLOR_TO_IDX[colour]]
            checked += 1
    assert checked >= 5


def test_the_agent_carries_what_it_has_picked_up(clips):
    from minigrid.core.constants import IDX_TO_OBJECT

    picked = [clip for clip in clips if clip.caption.startswith("pick up")]
    assert picked
    for clip in picked:
        carried = clip.truth.episode.agent[-1, 3]
        assert IDX_TO_OBJECT[int(carried)] in clip.caption.split() or "object" in clip.caption


def test_the_last_frame_is_held_once_the_mission_is_fulfilled(clips):
    for clip in clips:
        episode = clip.truth.episode
        played = int((episode.actions >= 0).sum())
        assert (episode.actions[:played] >= 0).all()
        assert (clip.video[played:] == clip.video[played]).all()
        assert (episode.grid[played:] == episode.grid[played]).all()
        assert (episode.agent[played:] == episode.agent[played]).all()
    assert any((clip.truth.episode.actions < 0).any() for clip in clips)


def test_boxes_and_masks_are_the_cell_of_the_agent(clips):
    for clip in clips[:10]:
        truth = clip.truth
        assert truth.boxes.shape == (16, 1, 4)
        for frame, box, mask in zip(clip.video, truth.boxes[:, 0], truth.masks, strict=True):
            top, left, bottom, right = box.astype(int)
            assert (bottom - top, right - left) == (8, 8)
            assert mask.sum() == 64
            assert mask[top:bottom, left:right].all()
            # Its red is nowhere as full as in the middle of its triangle.
            assert tuple(frame[top + 4, left + 4]) == AGENT_RED


def test_an_index_is_always_the_same_clip(clips):
    again = source("babyai", levels=",".join(THREE))[7]
    np.testing.assert_array_equal(again.video, clips[7].video)
    assert again.caption == clips[7].caption
    assert again.truth.episode.seed == clips[7].truth.episode.seed
    assert source("babyai", levels=THREE, seed=1)[7].truth.episode.seed != again.truth.episode.seed
    assert len({clip.truth.episode.seed for clip in clips}) == len(clips)


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_outside_raises(index):
    with pytest.raises(IndexError):
        source("babyai", clips=10)[index]


def test_no_beginning_is_in_two_splits():
    """In a room of 2x2 cells beginnings repeat, so that disjoint seeds alone would not do."""
    beginnings, seeds = {}, {}
    for split in ("train", "validation", "test"):
        chosen = source("babyai", levels=SMALL, split=split, frames=4, tile=3)
        episodes = [chosen[i].truth.episode for i in range(60)]
        seeds[split] = {episode.seed for episode in episodes}
        beginnings[split] = {initial_hash(start(e.level, e.seed)) for e in episodes}
    assert len(beginnings["test"]) < 60
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not beginnings[a] & beginnings[b]
        assert not seeds[a] & seeds[b]


def test_long_episodes_are_redrawn_or_cut():
    level = "BabyAI-PutNextLocal-v0"
    redrawn = source("babyai", levels=level, frames=11)
    assert all(redrawn[i].truth.episode.fulfilled for i in range(6))
    cut = [source("babyai", levels=level, frames=6, long="cut")[i].truth.episode for i in range(12)]
    assert not all(episode.fulfilled for episode in cut)
    assert all((e.actions >= 0).all() for e in cut if not e.fulfilled)


def test_too_few_frames_for_any_episode_are_refused(monkeypatch):
    monkeypatch.setattr("vidgen.data.babyai._EPISODES", 5)
    with pytest.raises(
        ValueError, match=r"solves none in 2 frames; give more frames, or long='cut'"
    ):
        source("babyai", levels="BabyAI-PutNextLocal-v0", frames=2)[0]


def test_the_vocabulary_is_the_grammars_and_holds_every_caption(world, clips):
    assert world.vocabulary == tuple(sorted(set(world.vocabulary)))
    assert source("babyai", levels=SMALL).vocabulary == world.vocabulary
    assert {"purple", "key", "behind", "after", "object", "."} <= set(world.vocabulary)
    encoder = WordVectors(world.vocabulary, length=world.max_words, width=4)
    encoder([clip.caption for clip in clips])
    assert max(len(words(clip.caption)) for clip in clips) <= world.max_words - 1 == 9


@pytest.mark.parametrize(
    ("level", "longest"),
    [
        ("BabyAI-GoToRedBallGrey-v0", "go to the red ball ."),
        ("BabyAI-OpenDoorColor-v0", "open the grey door ."),
        (
            "BabyAI-GoToSeq-v0",
            "go to the red box and go to a red box , then go to a red key and go to the red box .",
        ),
    ],
)
def test_the_longest_mission_follows_from_the_grammar(level, longest):
    assert source("babyai", levels=level).max_words == len(longest.split())


def test_missions_of_the_whole_grammar_keep_to_their_bound():
    chosen = source("babyai", levels="BabyAI-MiniBossLevel-v0")
    known, bound = set(chosen.vocabulary), chosen.max_words - 1
    for seed in range(60):
        spoken = words(start("BabyAI-MiniBossLevel-v0", seed).mission)
        assert set(spoken) <= known
        assert len(spoken) <= bound


def test_tiles_decide_the_size():
    chosen = source("babyai", levels=SMALL, tile=5, frames=5)
    assert (chosen.height, chosen.width) == (20, 20)
    assert chosen[0].video.shape == (5, 20, 20, 3)
    np.testing.assert_array_equal(replay(chosen[0].truth.episode, tile=5), chosen[0].video)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"levels": "BabyAI-GoToRedBalGrey-v0"}, UnknownNameError, "'BabyAI-GoToRedBallGrey-v0'"),
        ({"levels": "BabyAI-KeyInBox-v0"}, ValueError, "cannot solve BabyAI-KeyInBox-v0"),
        (
            {"levels": ("BabyAI-GoTo-v0", SMALL)},
            ValueError,
            "GoTo-v0 22x22, BabyAI-GoToObjS4-v0 4x4",
        ),
        ({"levels": ()}, ValueError, "do not: none"),
        ({"long": "cutt"}, UnknownNameError, "did you mean 'cut'"),
        ({"frames": 1}, ValueError, "frames must be at least 2"),
        ({"split": "compositional-test"}, ValueError, "no compositional"),
        ({"tiles": 4}, ValueError, "option of the source 'babyai'.*'tile'"),
    ],
)
def test_bad_requests_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        source("babyai", **options)


def test_fingerprints_tell_sources_apart(monkeypatch):
    options = [
        {},
        {"split": "test"},
        {"seed": 1},
        {"tile": 4},
        {"frames": 7},
        {"clips": 9},
        {"long": "cut"},
        {"levels": THREE},
        {"levels": THREE[::-1]},
    ]
    prints = [source("babyai", **o).fingerprint for o in options]
    assert len(set(prints)) == len(prints)
    monkeypatch.setattr("vidgen.data.babyai.metadata.version", lambda _: "0")
    assert source("babyai").fingerprint not in prints


def cached(folder, **options):
    return source(
        "babyai", levels=SMALL, frames=4, tile=4, clips=SHARD + 6, cache=folder, **options
    )


def test_a_cache_gives_the_same_clips_without_playing(tmp_path, monkeypatch):
    plain = source("babyai", levels=SMALL, frames=4, tile=4, clips=SHARD + 6)
    first = [cached(tmp_path)[i] for i in (0, SHARD + 5)]
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    folder = f"babyai-{plain.fingerprint[:32]}"
    assert files == [f"{folder}/000000.array_record", f"{folder}/000001.array_record"]

    def refuse(*_, **__):
        raise AssertionError("an episode was played that lies in the cache")

    monkeypatch.setattr("vidgen.data.babyai.play", refuse)
    again = [cached(tmp_path)[i] for i in (0, SHARD + 5)]
    monkeypatch.undo()
    for index, a, b in zip((0, SHARD + 5), first, again, strict=True):
        for c in (a, b):
            np.testing.assert_array_equal(c.video, plain[index].video)
            assert c.caption == plain[index].caption
            for name in ("level", "seed", "fulfilled"):
                assert getattr(c.truth.episode, name) == getattr(plain[index].truth.episode, name)
            for name in ("grid", "agent", "actions"):
                have, want = (getattr(k.truth.episode, name) for k in (c, plain[index]))
                np.testing.assert_array_equal(have, want)
                assert have.dtype == want.dtype


def test_a_cache_of_other_clips_is_another_folder(tmp_path):
    for seed in (0, 1):
        _ = cached(tmp_path, seed=seed)[SHARD]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_cache_is_named(tmp_path):
    _ = cached(tmp_path)[SHARD]
    (file,) = tmp_path.rglob("*.array_record")
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole.replace(b"\0", b"\1")):
        file.write_bytes(damaged)
        with pytest.raises(CorruptFileError, match=file.name):
            _ = cached(tmp_path)[SHARD]


def test_a_record_under_a_wrong_checksum_is_named(tmp_path, monkeypatch):
    from vidgen.data import babyai_cache

    pack = babyai_cache._pack
    monkeypatch.setattr(babyai_cache, "_pack", lambda record: b"\0" + pack(record)[1:])

    with pytest.raises(CorruptFileError, match="does not match its checksum"):
        _ = cached(tmp_path)[SHARD]


def test_a_pass_that_is_stopped_leaves_nothing_half_written(tmp_path, monkeypatch):
    play = babyai_episode.play
    played = []

    def stop(*args, **options):
        played.append(1)
        if len(played) > 3:
            raise KeyboardInterrupt
        return play(*args, **options)

    monkeypatch.setattr("vidgen.data.babyai.play", stop)
    with pytest.raises(KeyboardInterrupt):
        _ = cached(tmp_path)[0]
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


_CACHED_READER = f"""
import hashlib, sys
from vidgen.data import source
clips = source("babyai", levels="{SMALL}", frames=4, tile=4, clips=150, cache=sys.argv[1] or None)
digest = hashlib.sha256()
for index in range(len(clips)):
    digest.update(clips[index].video.tobytes() + clips[index].truth.episode.grid.tobytes())
print(digest.hexdigest())
"""


def test_a_killed_process_and_two_at_once_leave_a_whole_cache(tmp_path):
    def start_reading(folder):
        return subprocess.Popen(
            [sys.executable, "-c", _CACHED_READER, str(folder)], stdout=subprocess.PIPE, text=True
        )

    def half_written():
        return list(tmp_path.rglob(".*.partial"))

    killed = start_reading(tmp_path)
    deadline = time.monotonic() + 60
    while not half_written() and time.monotonic() < deadline:
        time.sleep(0.002)
    killed.kill()
    killed.communicate()  # and close the pipe
    (left,) = half_written()
    os.utime(left, (0, 0))
    readers = [start_reading(folder) for folder in (tmp_path, tmp_path, "")]
    said = {reader.communicate(timeout=120)[0] for reader in readers}
    assert [reader.returncode for reader in readers] == [0, 0, 0]
    # Those with a cache read what the one without it plays.
    assert len(said) == 1
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"{shard:06d}.array_record" for shard in range(3)]


def test_a_process_looks_once_for_what_others_left_half_written(tmp_path, monkeypatch):
    listed = []
    monkeypatch.setattr(RecordCache, "_clear", lambda records: listed.append(records))
    records = RecordCache(
        tmp_path,
        name="empty",
        fingerprint="0",
        length=3 * SHARD,
        render=lambda index: ({"index": index}, {}),
    )
    assert [records[shard * SHARD][0]["index"] for shard in range(3)] == [0, SHARD, 2 * SHARD]
    assert listed == [records]


def test_a_missing_package_names_what_to_install(monkeypatch, tmp_path):
    babyai_episode.minigrid.cache_clear()
    monkeypatch.setitem(sys.modules, "minigrid", None)
    with pytest.raises(ImportError, match=r"pip install 'vidgen\[babyai\]'"):
        source("babyai")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "array_record.python", None)
    with pytest.raises(ImportError, match=r"pip install 'vidgen\[babyai\]'"):
        cached(tmp_path)


def test_levels_play_silently_and_are_imported_late():
    script = (
        "import sys, vidgen.data; assert 'minigrid' not in sys.modules; "
        "s = vidgen.data.source('babyai', levels='BabyAI-PickupLoc-v0'); "
        "[s[i] for i in range(12)]"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == done.stderr == ""


def test_threads_play_the_same_clips(world, clips):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        again = list(pool.map(world.__getitem__, range(12)))
    for a, b in zip(again, clips, strict=False):
        np.testing.assert_array_equal(a.video, b.video)
        assert a.truth.episode.seed == b.truth.episode.seed
