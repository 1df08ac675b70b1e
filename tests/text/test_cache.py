import logging
import multiprocessing
import sqlite3

import numpy as np
import pytest

from vidgen.text import Remembered, TextEncoder, WordVectors

VOCABULARY = ["up", "down", "left"]


class Counting:
    """An encoder that remembers what it was asked."""

    name, length, width = "counting", 4, 8

    def __init__(self, fingerprint="a" * 64):
        self.fingerprint, self.asked = fingerprint, []
        self._inner = WordVectors(VOCABULARY, length=self.length, width=self.width)

    def tokens(self, caption):
        return self._inner.tokens(caption)

    def pieces(self, caption):
        return self._inner.pieces(caption)

    def __call__(self, captions):
        self.asked += captions
        return self._inner(captions)


@pytest.fixture
def counting():
    return Counting()


def test_what_was_computed_once_is_read_ever_after(counting, tmp_path):
    captions = ["up", "down left", "up", ""]
    expected = counting(captions)
    counting.asked.clear()
    for _ in range(2):
        encoder = Remembered(counting, tmp_path)
        assert isinstance(encoder, TextEncoder)
        for found, wanted in zip(encoder(captions), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert counting.asked == ["up", "down left", ""]
    assert (encoder.tokens("up down"), encoder.fingerprint) == (2, counting.fingerprint)
    assert encoder.pieces("Up  down") == ["up", "down"]


def test_no_captions_give_an_empty_batch(counting, tmp_path):
    features, mask = Remembered(counting, tmp_path)([])
    assert (features.shape, mask.shape) == ((0, 4, 8), (0, 4))


def test_another_encoder_never_answers(counting, tmp_path):
    Remembered(counting, tmp_path)(["up"])
    other = Counting("b" * 64)
    Remembered(other, tmp_path)(["up"])
    assert other.asked == ["up"]


def test_more_captions_than_a_question_may_have(counting, tmp_path):
    captions = [f"{'up ' * (n % 4)}".strip() for n in range(4)]
    encoder = Remembered(counting, tmp_path)
    many = [f"up{' ' * n}" for n in range(1200)]  # as many texts of one meaning
    features, _ = encoder([*captions, *many])
    again, _ = Remembered(Counting(), tmp_path)([*captions, *many])
    np.testing.assert_array_equal(features, again)


def test_a_damaged_row_is_computed_again(counting, tmp_path):
    encoder = Remembered(counting, tmp_path)
    expected, _ = encoder(["up", "down"])
    with sqlite3.connect(encoder.path) as base:
        rows = base.execute("SELECT rows FROM features WHERE caption = 'up'").fetchone()[0]
        base.execute("UPDATE features SET rows = ? WHERE caption = 'up'", (rows[:-1] + b"\7",))
    base.close()
    counting.asked.clear()
    np.testing.assert_array_equal(encoder(["up", "down"])[0], expected)
    assert counting.asked == ["up"]
    np.testing.assert_array_equal(encoder(["up"])[0], expected[:1])
    assert counting.asked == ["up"]


def test_a_file_that_is_no_database_is_put_aside(counting, tmp_path, caplog):
    encoder = Remembered(counting, tmp_path)
    encoder.path.write_bytes(b"no database" * 100)
    with caplog.at_level(logging.WARNING, "vidgen.text"):
        encoder(["up"])
    assert "put aside" in caplog.text
    assert [p.read_bytes()[:11] for p in tmp_path.glob("*.damaged-*")] == [b"no database"]
    counting.asked.clear()
    encoder(["up"])
    assert counting.asked == []


def test_where_nothing_can_be_written_everything_is_computed(counting, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    encoder = Remembered(counting, tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING, "vidgen.text"):
        encoder(["up"])
        encoder(["up"])
    assert counting.asked == ["up", "up"]
    assert caplog.text.count("VIDGEN_CACHE") == 1


def test_what_the_encoder_refuses_is_not_kept(counting, tmp_path):
    encoder = Remembered(counting, tmp_path)
    for _ in range(2):
        with pytest.raises(ValueError, match="'zebra'"):
            encoder(["up", "zebra"])


def test_the_folder_is_named_by_the_environment(counting, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDGEN_CACHE", str(tmp_path))
    encoder = Remembered(counting)
    encoder(["up"])
    assert encoder.path.parent == tmp_path / "text"
    assert encoder.path.is_file()


def _write(folder, start, captions):
    start.wait()
    for caption in captions:
        Remembered(Counting(), folder)([caption])


def test_processes_that_write_at_once_lose_nothing(counting, tmp_path):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    captions = [f"up{' ' * n}" for n in range(40)]
    workers = [
        context.Process(target=_write, args=(tmp_path, start, captions[n::2])) for n in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    Remembered(counting, tmp_path)(captions)
    assert counting.asked == []
