import dataclasses

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import ClipSet, Judge, UnjudgeableError, oracle_success
from vidgen.evaluation.babyai_oracle import BabyAIOracle
from vidgen.evaluation.babyai_tiles import NO_TILE, Tiles

LEVELS = ("BabyAI-GoToLocal-v0", "BabyAI-PickupLoc-v0", "BabyAI-PutNextLocal-v0")


@pytest.fixture(scope="module")
def world():
    return source("babyai", split="test", levels=LEVELS)


@pytest.fixture(scope="module")
def real(world):
    return ClipSet.of(
        [world[i] for i in range(36)],
        context_frames=1,
        context_mask=np.arange(36) % 2 == 0,
        keys=np.arange(36, dtype=np.uint32),
        source="babyai/test",
    )


@pytest.fixture(scope="module")
def oracle():
    return BabyAIOracle()


@pytest.fixture(scope="module")
def tiles():
    return Tiles(8)


def redrawn(real, states, tiles):
    """Clips of int [N T X Y] tiles, drawn here and not by MiniGrid."""
    pixels = tiles.pixels.astype(np.uint8)[states.swapaxes(2, 3)]
    n, frames, rows, columns = pixels.shape[:4]
    video = pixels.transpose(0, 1, 2, 4, 3, 5, 6).reshape(n, frames, rows * 8, columns * 8, 3)
    return real.replace(video=np.ascontiguousarray(video))


def clips_of(level, real):
    return real[np.array([e.level == level for e in real.truth.episodes])]


def test_frames_are_read_back_into_the_grid_that_was_drawn(real, tiles):
    true = np.stack([tiles.number(e.grid, e.agent) for e in real.truth.episodes])
    np.testing.assert_array_equal(tiles.read(real.video), true)
    assert len(np.unique(true)) > 20
    np.testing.assert_array_equal(redrawn(real, true, tiles).video, real.video)


def test_noise_is_forgiven_and_a_smear_is_unknown(real, tiles):
    rng = np.random.default_rng(0)
    noisy = np.clip(real.video + rng.normal(0, 5, real.video.shape), 0, 255).astype(np.uint8)
    true = tiles.read(real.video)
    assert (tiles.read(noisy) == true).mean() > 0.9999
    smear = np.full_like(real.video[:1], 160)
    assert (tiles.read(smear) == NO_TILE).all()


@pytest.fixture(scope="module")
def broken(oracle, real):
    """The verdicts of every kind."""
    return {kind: oracle.examine(*pair) for kind, pair in oracle.broken(real, seed=0).items()}


def test_real_clips_succeed_and_broken_ones_do_not(oracle, real, broken):
    assert oracle.examine(real, real).success.all()
    assert set(broken) == {
        "vanishes",
        "second-object",
        "swapped",
        "freezes",
        "reversed",
        "skips",
        "shuffled-frames",
        "wrong-caption",
    }
    assert {kind for kind, seen in broken.items() if seen.success.mean() > 0.02} == set()
    assert len(broken["skips"].success) >= 24


def test_broken_clips_fail_for_what_is_broken(real, broken):
    for kind in ("vanishes", "second-object", "swapped"):
        assert broken[kind].begins.all()
        # What vanishes before the agent's eyes may have been picked up.
        assert broken[kind].conserved.all(1).mean() <= (0.2 if kind == "vanishes" else 0.0)
    assert broken["freezes"].legal.all()
    assert broken["freezes"].conserved.all()
    assert not broken["freezes"].fulfilled.any()
    for kind in ("skips", "shuffled-frames"):
        assert not broken[kind].legal.all(1).any()
        assert broken[kind].readable.all()
    # Half of the prompts gave a first frame, and another clip begins elsewhere.
    given = real.context_mask
    assert not broken["wrong-caption"].begins[given].any()
    assert broken["wrong-caption"].begins[~given].all()


def test_an_agent_may_find_its_own_way(oracle, real, tiles):
    """Not the expert's steps: a full turn on the spot first, and then what the expert did."""
    short = real[np.array([(e.actions >= 0).sum() <= 11 for e in real.truth.episodes])]
    goto = clips_of("BabyAI-PutNextLocal-v0", short)
    states = tiles.read(goto.video)
    for clip, episode in enumerate(goto.truth.episodes):
        x, y = episode.agent[0, :2]
        turn = np.repeat(states[clip, :1], 4, axis=0)
        for step in range(4):
            facing = (episode.agent[0, 2] + step) % 4
            turn[step, x, y] = tiles.names.index(
                f"agent facing {('right', 'down', 'left', 'up')[facing]}"
            )
        states[clip] = np.concatenate([turn, states[clip, :-4]])
    assert len(goto) >= 3
    verdicts = oracle.examine(redrawn(goto, states, tiles), goto)
    assert verdicts.success.all()
    assert not (verdicts.tiles == verdicts.expert).all((1, 2, 3)).any()


def test_what_moves_after_the_mission_is_illegal(oracle, real):
    episodes = real.truth.episodes
    steps = np.array([(e.actions >= 0).sum() for e in episodes])
    early = real[steps <= 12]
    ends = steps[steps <= 12]
    video = early.video.copy()
    for clip, end in enumerate(ends):
        video[clip, end + 1 :] = video[clip, end - 1]  # one step back, for good
    verdicts = oracle.examine(early.replace(video=video), early)
    assert verdicts.fulfilled.all()
    assert not verdicts.success.any()


def test_objects_carried_and_dropped_are_conserved(oracle, real, tiles):
    put = clips_of("BabyAI-PutNextLocal-v0", real)
    verdicts = oracle.examine(put, put)
    assert verdicts.conserved.all()
    # The thing in hand never comes back where it was dropped: legal until then, and not done.
    video = put.video.copy()
    steps = [int((e.actions >= 0).sum()) for e in put.truth.episodes]
    for clip, end in enumerate(steps):
        video[clip, end:] = video[clip, end - 1]
    unfinished = oracle.examine(put.replace(video=video), put)
    assert unfinished.legal.all()
    assert unfinished.conserved.all()
    assert not unfinished.fulfilled.any()
    # A step that no agent can make empties no hand: it turns round at once, and carries on.
    states = tiles.read(video)
    for clip, end in enumerate(steps):
        x, y, direction = put.truth.episodes[clip].agent[end - 1, :3]
        behind = ("right", "down", "left", "up")[(direction + 2) % 4]
        states[clip, end:, x, y] = tiles.names.index(f"agent facing {behind}")
    turned = oracle.examine(redrawn(put, states, tiles), put)
    assert not turned.legal.all(1).any()
    assert turned.conserved.all()


def test_a_blank_or_failed_clip_shows_nothing(oracle, real):
    few = real[:6]
    grey = oracle.examine(few.replace(video=np.full_like(few.video, 128)), few)
    assert not grey.readable.any()
    assert not grey.legal.any()
    failed = np.arange(6) == 2
    verdicts = oracle.examine(few.replace(failed=failed), few)
    np.testing.assert_array_equal(verdicts.success, ~failed)
    score = oracle_success(few.replace(failed=failed), few, oracle=oracle)
    assert "1 clips failed" in score.note


def test_the_judge_takes_it_through_the_same_door(real, world):
    found = Judge(world).judge(real, real)
    for metric in ("oracle_success", "mission", "conserved", "legal_rate"):
        assert found[metric, "all"].value == 1.0
    slope = found["drift_legal_rate", "all"]
    assert slope.low <= slope.value == 0 <= slope.high
    assert found["identity", "all"].value is None
    assert "grid world" in found["identity", "all"].note


def test_the_confusion_is_of_tiles(oracle, real):
    confusion = oracle.examine(real, real).confusions()["tile"]
    assert confusion.accuracy == 1.0
    assert confusion.counts.sum() == 36 * 16 * 64
    blurred = real.video.astype(np.float32)
    blurred[:, :, 1:-1] = (blurred[:, :, :-2] + blurred[:, :, 1:-1] + blurred[:, :, 2:]) / 3
    worse = real.replace(video=blurred.astype(np.uint8))
    assert oracle.examine(worse, real).confusions()["tile"].accuracy < 1.0


def test_what_cannot_be_judged_is_refused_by_name(oracle, real):
    few = real[:3]
    with pytest.raises(UnjudgeableError, match="take them from 'babyai'"):
        oracle.examine(few, few.replace(truth=None))
    with pytest.raises(ValueError, match="do not belong together"):
        oracle.examine(real[:4], few)
    episodes = tuple(dataclasses.replace(e, fulfilled=False) for e in few.truth.episodes)
    cut = few.replace(truth=dataclasses.replace(few.truth, episodes=episodes))
    with pytest.raises(UnjudgeableError, match="long='redraw'"):
        oracle.examine(few, cut)
    with pytest.raises(ValueError, match="one mission"):
        oracle.broken(real[:1], seed=0)
