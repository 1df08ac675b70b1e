import dataclasses
import functools
import itertools
import logging

import jax
import numpy as np
import pytest

from vidgen.data import (
    BatchIterator,
    CorruptFileError,
    DataMismatchError,
    batches,
    check_task,
    source,
    validation_batches,
)
from vidgen.data.rows import Rows, faults
from vidgen.text import WordVectors
from vidgen.text import words as words_of
from vidgen.training.estimate import _batch
from vidgen.types import Clip, HostBatch, Task

TASK = Task(
    frames=4, height=16, width=16, channels=1, context_frames=2, text_length=9, text_width=8
)


@pytest.fixture(scope="module")
def digits():
    return source("digits", size=16, frames=4, clips=40)


@pytest.fixture(scope="module")
def encoder(digits):
    return WordVectors(digits.vocabulary, length=9, width=8)


@pytest.fixture(scope="module")
def stream(digits, encoder):
    def make(batch_size=8, seed=0, **options):
        return batches(digits, encoder, TASK, batch_size=batch_size, seed=seed, **options)

    return make


def take(iterator, count):
    return list(itertools.islice(iterator, count))


def joined(found):
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_batch_holds_numpy_of_the_tasks_shape(stream):
    iterator = stream()
    assert isinstance(iterator, BatchIterator)
    batch = next(iterator)
    assert isinstance(batch, HostBatch)
    assert {type(leaf) for leaf in jax.tree.leaves(batch)} == {np.ndarray}
    assert (batch.video.shape, batch.video.dtype) == ((8, 4, 16, 16, 1), np.uint8)
    assert (batch.text.shape, batch.text.dtype) == ((8, 9, 8), np.float32)
    assert (batch.text_mask.shape, batch.text_mask.dtype) == ((8, 9), bool)
    assert (batch.context_mask.shape, batch.context_mask.dtype) == ((8, 2), bool)
    device = batch.to_batch()
    assert device.condition.context.shape == (8, 2, 16, 16, 1)


def test_text_and_video_belong_together(stream, digits, encoder):
    batch = next(stream())
    captions = {digits[i].video.tobytes(): digits[i].caption for i in range(40)}
    features, mask = encoder([captions[video.tobytes()] for video in batch.video])
    np.testing.assert_array_equal(batch.text, features)
    np.testing.assert_array_equal(batch.text_mask, mask)


def test_the_seed_alone_decides_and_threads_do_not(stream):
    first = joined(take(stream(), 12))
    for threads in (0, 3):
        assert_same(first, joined(take(stream(threads=threads), 12)))
    other = joined(take(stream(seed=1), 12))
    assert not np.array_equal(first.video, other.video)
    assert not np.array_equal(first.context_mask, other.context_mask)


def test_every_epoch_holds_every_clip_once_in_a_new_order(stream, digits):
    video = joined(take(stream(), 10)).video
    epochs = [[clip.tobytes() for clip in part] for part in (video[:40], video[40:])]
    everything = sorted(digits[i].video.tobytes() for i in range(40))
    assert sorted(epochs[0]) == sorted(epochs[1]) == everything
    assert epochs[0] != epochs[1]


def test_context_is_given_whole_at_the_rate_asked_and_afresh_each_epoch(stream):
    masks = joined(take(stream(context_rate=0.25), 100)).context_mask
    assert (masks[:, 0] == masks[:, 1]).all()
    # Five standard errors of a share over 800 clips.
    assert abs(masks[:, 0].mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 800)
    assert not np.array_equal(masks[:40], masks[40:80])
    assert joined(take(stream(context_rate=1.0), 3)).context_mask.all()
    assert not joined(take(stream(context_rate=0.0), 3)).context_mask.any()


def test_without_context_frames_the_mask_is_empty(digits, encoder):
    task = dataclasses.replace(TASK, context_frames=0)
    batch = next(batches(digits, encoder, task, batch_size=4, seed=0))
    assert batch.context_mask.shape == (4, 0)


@pytest.mark.fault(7)
@pytest.mark.parametrize("at", [0, 1, 5, 7])
def test_a_saved_position_goes_on_exactly(stream, at):
    iterator = stream()
    take(iterator, at)
    state = iterator.get_state()
    expected = take(iterator, 3)
    fresh = stream()
    fresh.set_state(state)
    assert_same(expected, take(fresh, 3))


def test_orbax_saves_and_restores_the_position(stream, tmp_path):
    from orbax.checkpoint import v1 as ocp

    iterator = stream()
    take(iterator, 6)
    with ocp.training.Checkpointer(tmp_path / "run") as checkpointer:
        checkpointer.save_checkpointables(6, {"data": iterator})
        expected = take(iterator, 3)
        fresh = stream()
        checkpointer.load_checkpointables(6, {"data": fresh})
        assert_same(expected, take(fresh, 3))


@pytest.mark.parametrize("count", [2, 4])
def test_shards_are_contiguous_rows_of_the_same_global_batches(stream, count):
    whole = take(stream(), 7)
    shards = [take(stream(shard=(index, count)), 7) for index in range(count)]
    for step, batch in enumerate(whole):
        assert_same(batch, joined([shard[step] for shard in shards]))


@pytest.mark.fault(7)
@pytest.mark.fault(8)
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 4)])
def test_another_number_of_processes_goes_on_with_the_same_global_batches(stream, before, after):
    old = [stream(shard=(index, before)) for index in range(before)]
    for iterator in old:
        take(iterator, 7)
    # Of any one of them: the position is the same in all.
    state = old[-1].get_state()
    fresh = [stream(shard=(index, after)) for index in range(after)]
    for iterator in fresh:
        iterator.set_state(state)
    for _ in range(3):
        assert_same(*(joined([next(iterator) for iterator in group]) for group in (old, fresh)))


@pytest.mark.fault(11)
@pytest.mark.parametrize("threads", [0, 2])
def test_a_fault_of_reading_says_which_clip_met_it(digits, encoder, stand_in, threads):
    def read(index):
        if index == 7:
            raise OSError(5, "Input/output error")
        return digits[index]

    broken = stand_in(digits, read)
    iterator = batches(broken, encoder, TASK, batch_size=8, seed=0, threads=threads)
    with pytest.raises(OSError, match="Input/output") as died:
        take(iterator, 5)
    assert "while reading clip 7 of 'digits'" in died.value.__notes__


def test_a_shard_resumes_exactly(stream):
    iterator = stream(shard=(1, 2))
    take(iterator, 6)
    state = iterator.get_state()
    fresh = stream(shard=(1, 2))
    fresh.set_state(state)
    assert_same(take(iterator, 2), take(fresh, 2))


def test_captions_are_encoded_once_and_memory_is_bounded(digits, encoder, monkeypatch):
    class Counting:
        name, length, width, fingerprint = "counting", 9, 8, "0"

        def __init__(self):
            self.calls = []

        def tokens(self, caption):
            return encoder.tokens(caption)

        def pieces(self, caption):
            return encoder.pieces(caption)

        def __call__(self, captions):
            self.calls.extend(captions)
            return encoder(captions)

    counting = Counting()
    first = take(batches(digits, counting, TASK, batch_size=8, seed=0, threads=0), 10)
    assert len(counting.calls[1:]) == len(set(counting.calls[1:]))
    monkeypatch.setattr("vidgen.data.pipeline._CACHE_BYTES", 1)
    again = take(batches(digits, counting, TASK, batch_size=8, seed=0, threads=0), 10)
    assert_same(first, again)


def test_validation_batches_are_fixed_and_whole(digits, encoder):
    found = validation_batches(digits, encoder, TASK, batch_size=8, count=20)
    assert [len(batch.video) for batch in found] == [8, 8, 8]
    assert len({clip.tobytes() for batch in found for clip in batch.video}) == 24
    assert_same(found, validation_batches(digits, encoder, TASK, batch_size=8, count=20))
    with pytest.raises(ValueError, match="has 40 clips"):
        validation_batches(digits, encoder, TASK, batch_size=8, count=41)


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 5}, "frames is 4 in the source 'digits' and 5 in the task"),
        ({"height": 32, "width": 32}, "height is 16 .* width is 16"),
        ({"channels": 3}, "channels is 1"),
        ({"text_length": 7}, "text_length is 9 in the encoder.*up to 9 places"),
        ({"text_width": 4}, "text_width is 8 in the encoder"),
    ],
)
def test_a_task_that_does_not_fit_is_refused_before_anything_is_read(
    digits, encoder, change, message
):
    task = dataclasses.replace(TASK, **change)
    with pytest.raises(DataMismatchError, match=message):
        check_task(digits, encoder, task)
    with pytest.raises(DataMismatchError, match=message):
        batches(digits, encoder, task, batch_size=4, seed=0)


def test_an_encoder_without_the_captions_words_is_refused(digits):
    foreign = WordVectors(["cat"], length=9, width=8)
    with pytest.raises(DataMismatchError, match="refuses the first caption: the word 'the'"):
        check_task(digits, foreign, TASK)


@pytest.fixture
def damaged(digits, stand_in):
    """A source whose clip 7 has lost a frame, and clip 0 its type if asked."""

    def read(index, first):
        clip = digits[index]
        if index == 7:
            return dataclasses.replace(clip, video=clip.video[1:])
        if index == 0 and first:
            return Clip(video=clip.video.astype(np.float32), caption=clip.caption)
        return clip

    return lambda first=False: stand_in(digits, functools.partial(read, first=first))


@pytest.mark.parametrize("threads", [0, 2])
def test_a_corrupt_clip_is_named(damaged, encoder, threads):
    iterator = batches(damaged(), encoder, TASK, batch_size=8, seed=0, threads=threads)
    with pytest.raises(DataMismatchError, match=r"clip 7 of 'digits': the shape is \(3, 16"):
        take(iterator, 5)


def test_a_first_clip_of_the_wrong_type_stops_everything(damaged, encoder):
    with pytest.raises(DataMismatchError, match="pixels are float32, not uint8"):
        batches(damaged(first=True), encoder, TASK, batch_size=8, seed=0)


@pytest.fixture
def torn(stand_in):
    """Makes a source some of whose files are corrupt, of more clips than it has if asked."""

    def make(whole, bad, *, clips=None):
        def read(index):
            index %= len(whole)
            if index in bad:
                raise CorruptFileError(f"clip-{index}.mp4 is truncated")
            return whole[index]

        return stand_in(whole, read, clips=clips)

    return make


@pytest.fixture(scope="module")
def many():
    return source("digits", size=16, frames=4, clips=200)


@pytest.mark.fault(10)
def test_a_corrupt_clip_is_replaced_by_the_next_and_logged_once(torn, many, encoder, caplog):
    bad = torn(many, {57, 58})
    with caplog.at_level(logging.WARNING, logger="vidgen.data"):
        iterator = batches(bad, encoder, TASK, batch_size=8, seed=0, threads=2)
        torn_video = joined(take(iterator, 50)).video
    whole = joined(take(batches(many, encoder, TASK, batch_size=8, seed=0), 50)).video
    differs = (torn_video != whole).any(axis=(1, 2, 3, 4))
    # Two epochs, two corrupt clips: all else is where it was, and 59 stands in.
    assert differs.sum() == 4
    assert {video.tobytes() for video in torn_video[differs]} == {many[59].video.tobytes()}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert any("clip-57.mp4 is truncated" in line for line in said)
    assert "(2 of 200 so far)" in said[1]


def test_resuming_among_corrupt_clips_is_exact(torn, many, encoder):
    bad = torn(many, {0, 57})
    iterator = batches(bad, encoder, TASK, batch_size=8, seed=0)
    take(iterator, 11)
    state = iterator.get_state()
    fresh = batches(bad, encoder, TASK, batch_size=8, seed=0)
    fresh.set_state(state)
    assert_same(take(iterator, 20), take(fresh, 20))
    parts = [
        joined(take(batches(bad, encoder, TASK, batch_size=8, seed=0, shard=(n, 2)), 25)).video
        for n in range(2)
    ]
    assert sum(map(len, parts)) == 200


@pytest.mark.fault(10)
@pytest.mark.parametrize("threads", [0, 2])
def test_more_than_one_corrupt_clip_in_a_hundred_ends_the_training(torn, many, encoder, threads):
    bad = torn(many, {5, 90, 160})
    iterator = batches(bad, encoder, TASK, batch_size=8, seed=0, threads=threads)
    with pytest.raises(CorruptFileError, match=r"3 of the 200 clips .* more than 1%.*clip-\d+"):
        take(iterator, 25)


@pytest.mark.fault(10)
def test_evaluation_fails_on_the_first_corrupt_clip_and_names_it(torn, many, encoder):
    bad = torn(many, {57})
    with pytest.raises(CorruptFileError, match=r"^clip-57\.mp4 is truncated"):
        validation_batches(bad, encoder, TASK, batch_size=8, count=200)
    strict = batches(bad, encoder, TASK, batch_size=8, seed=0, corrupt="fail")
    with pytest.raises(CorruptFileError, match=r"^clip-57\.mp4 is truncated"):
        take(strict, 25)


def test_a_source_without_a_readable_clip_is_refused_at_once(torn, digits, encoder):
    with pytest.raises(CorruptFileError, match="1 of the 40 clips"):
        check_task(torn(digits, set(range(40))), encoder, TASK)


def test_a_row_costs_one_clip_however_many_the_source_has(torn, digits):
    rows = Rows(torn(digits, {3}, clips=10**15), TASK, "skip")
    np.testing.assert_array_equal(rows[10**14 + 3]["video"], digits[4].video)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context_rate": 1.5}, r"context_rate must lie in \[0, 1\]"),
        ({"seed": -1}, "seed must lie"),
        ({"shard": (2, 2)}, "shard must be"),
        ({"shard": (0, 3)}, "does not divide among 3"),
        ({"batch_size": 0}, "does not divide"),
    ],
)
def test_senseless_options_are_refused(stream, options, message):
    with pytest.raises(ValueError, match=message):
        stream(**options)


PLACED = dataclasses.replace(TASK, objects=2)


def test_layouts_are_where_things_are_and_change_nothing_else(digits, encoder, stream):
    (plain,) = take(stream(batch_size=16), 1)
    (told,) = take(
        batches(digits, encoder, PLACED, batch_size=16, seed=0, layout_rate=1.0, threads=0), 1
    )
    assert_same(plain, dataclasses.replace(told, layout=None))
    for row in range(16):
        clip = next(c for c in digits if np.array_equal(c.video, told.video[row]))
        np.testing.assert_allclose(told.layout.boxes[row, :, 0] * 16, clip.truth.boxes[:, 0])
        assert told.layout.mask[row, :, 0].all()
        features, mask = encoder([clip.truth.identity[0]])
        np.testing.assert_allclose(told.layout.kind[row, 0], features[0][mask[0]].mean(axis=0))
    planned = _batch(PLACED, 16)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), told) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), planned
    )
    # Nobody is the second object.
    for part in (told.layout.boxes[:, :, 1], told.layout.mask[:, :, 1], told.layout.kind[:, 1]):
        assert not part.any()


def test_a_share_of_the_clips_tells_its_layout(digits, encoder):
    def told(rate):
        stream = batches(
            digits, encoder, PLACED, batch_size=40, seed=0, layout_rate=rate, threads=0
        )
        return joined(take(stream, 5)).layout.mask.any(axis=(1, 2))

    assert not told(0.0).any()
    # Five standard errors of a share over 200 draws.
    assert abs(told(0.3).mean() - 0.3) < 5 * (0.3 * 0.7 / 200) ** 0.5


def test_layouts_are_refused_where_they_cannot_be(digits, encoder, stand_in):
    two = source("shapes", size=32, frames=4, clips=40, objects=2)
    shape = {"height": 32, "width": 32, "channels": 3, "text_length": two.max_words}
    task = dataclasses.replace(TASK, **shape, objects=1)
    reader = WordVectors(two.vocabulary, length=two.max_words, width=8)
    with pytest.raises(DataMismatchError, match=r"it has 2 objects.*set task.objects=2"):
        check_task(two, reader, task)
    moves = source("camera", size=32, frames=4, clips=40)
    heard = WordVectors(moves.vocabulary, length=moves.max_words, width=8)
    asked = dataclasses.replace(task, text_length=moves.max_words)
    with pytest.raises(DataMismatchError, match=r"nobody knows where things are.*task.objects=0"):
        check_task(moves, heard, asked)
    said = {word for n in range(40) for word in words_of(digits[n].caption)}
    nameless = WordVectors(sorted(said), length=9, width=8)

    def read(index):
        clip = digits[index]
        truth = dataclasses.replace(clip.truth, identity=("agent",))
        return dataclasses.replace(clip, truth=truth)

    with pytest.raises(DataMismatchError, match=r"cannot name what layouts place.*'agent'"):
        check_task(stand_in(digits, read), nameless, PLACED)
    with pytest.raises(ValueError, match="layout_rate must lie in"):
        batches(digits, encoder, PLACED, batch_size=4, seed=0, layout_rate=1.5)
    unknown = dataclasses.replace(digits[0], truth=None)
    assert "set task.objects=0" in " ".join(faults(unknown, PLACED))
