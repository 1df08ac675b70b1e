"""Faults that strike a run from outside: a thread that dies, memory that ends, a folder in use."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import json
import os
import platform
import re
import resource
import subprocess
import time

import grain
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from rich.console import Console

from vidgen.training import (
    LockError,
    OutOfMemoryError,
    fingerprint,
    read_metrics,
    room,
    train,
)
from vidgen.training.checkpoint import steps_in
from vidgen.training.fingerprint import differences, of_code
from vidgen.training.lock import _start_time
from vidgen.training.step import blueprint, compile_programs
from vidgen.training.writers import FILE, MetricsLog

ONE = toy.Toy(toy.Linear(name="only", share=1.0))


def dying(batch_size, seed, *, error):
    """Clips that threads read ahead, one of which meets its end at the 30th row."""

    def read(row):
        if row == 30:
            raise error
        return row

    rows = grain.MapDataset.source(np.arange(64)).map(read).repeat()
    options = grain.ReadOptions(num_threads=4, prefetch_buffer_size=8)
    return iter(rows.batch(batch_size).map(toy._host_batch).to_iter_dataset(options))


@pytest.mark.fault(11)
@pytest.mark.parametrize("error", [OSError(5, "Input/output error", "clip-30.mp4"), SystemExit(3)])
def test_a_reading_thread_that_dies_is_named_within_seconds(error):
    iterator = dying(4, 0, error=error)
    start = time.monotonic()
    with pytest.raises(type(error), match=re.escape(str(error))):
        list(itertools.islice(iterator, 64))
    assert time.monotonic() - start < 10


@pytest.mark.fault(11)
def test_a_run_whose_reading_thread_dies_fails_by_its_name_and_keeps_what_was_saved(tmp_path):
    error = OSError(5, "Input/output error", "clip-30.mp4")
    setting = toy.setting(folder=tmp_path, data=lambda size, seed: dying(size, seed, error=error))
    with pytest.raises(OSError, match=r"clip-30\.mp4"):
        train(ONE, **setting)
    assert steps_in(tmp_path / "checkpoints" / "only") == [6]  # a quarter of 24 steps
    assert not (tmp_path / "lock").exists()


class Hungry(toy.Linear):
    """Sorts a TiB a clip along two axes, for which XLA has to hold it."""

    def step(self, state, batch, key, progress):
        new, metrics = super().step(state, batch, key, progress)
        pixels = batch.video.reshape(batch.video.shape[0], -1)[:, :1, None]
        wide = jnp.broadcast_to(pixels, (len(pixels), 2**20, 2**18))
        last = jnp.sort(wide, axis=1)[0, 3, 3] + jnp.sort(wide, axis=2)[0, 5, 5]
        return new, {**metrics, "last": last}


@pytest.fixture(scope="module")
def hungry():
    """What a step takes with two clips and with four."""

    def needs(clips):
        phase = Hungry(name="hungry", share=1.0, batch_size=clips)
        shapes = blueprint(phase, toy.validation(clips)[0], {})
        return room.Needs.of_step(shapes, compile_programs(shapes, begin=False).buffers)

    return {clips: needs(clips) for clips in (2, 4)}


@pytest.mark.fault(18)
def test_the_batch_that_is_advised_fits_and_the_next_one_does_not(hungry, monkeypatch):
    between = (hungry[2].total + hungry[4].total) // 2
    monkeypatch.setattr(room, "available", lambda: between)
    with pytest.raises(OutOfMemoryError) as refused:
        room.check(hungry[4])
    said = str(refused.value)
    assert "a step of phase 'hungry' with 4 clips needs" in said
    assert f"{hungry[4].total / 2**30:,.2f} GiB" in said
    assert f"{between / 2**30:,.2f} GiB are there" in said
    assert "a batch_size of 2 fits" in said
    room.check(hungry[2])
    monkeypatch.setattr(room, "available", lambda: 2**30)
    with pytest.raises(OutOfMemoryError, match=r"1\.00 GiB are there; not even one clip"):
        room.check(hungry[2])
    state = dataclasses.replace(hungry[2], state=2**31, working=0)
    with pytest.raises(OutOfMemoryError, match=r"the state of phase 'hungry' alone needs 2\.00"):
        room.check(state)


@pytest.mark.fault(18)
def test_what_does_not_fit_is_refused_before_it_trains_and_a_device_that_ends_is_explained(
    tmp_path, monkeypatch
):
    generator = toy.Toy(Hungry(name="hungry", share=1.0))
    with pytest.raises(OutOfMemoryError, match=r"with 4 clips needs .* not even one clip"):
        train(generator, **toy.setting(folder=tmp_path))
    assert not any(row["split"] == "train" for row in read_metrics(tmp_path))
    # Where nobody tells what there is, XLA itself refuses.
    monkeypatch.setattr(room, "available", lambda: None)
    with pytest.raises(OutOfMemoryError, match=r"RESOURCE_EXHAUSTED.*needs .*a batch_size of 2"):
        train(generator, **toy.setting(folder=tmp_path))
    assert steps_in(tmp_path / "checkpoints" / "hungry") == []


def test_what_is_there_is_less_than_the_machine_has():
    there = room.available()
    if there is None:
        pytest.skip("this system does not tell")
    assert 2**24 < there <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 4


@pytest.mark.fault(14)
def test_a_second_process_is_refused_while_the_first_lives_and_no_longer(tmp_path):
    holder = subprocess.Popen(["sleep", "60"])
    try:
        lock = {"pid": holder.pid, "started": _start_time(holder.pid), "host": platform.node()}
        (tmp_path / "lock").write_text(json.dumps(lock))
        with pytest.raises(LockError, match=f"held by process {holder.pid}"):
            train(toy.Baseline(), **toy.setting(folder=tmp_path))
    finally:
        holder.kill()
        holder.wait()
    console = Console(file=io.StringIO(), width=200)
    train(toy.Baseline(), **toy.setting(folder=tmp_path, console=console))
    assert f"left by process {holder.pid}" in console.file.getvalue()
    assert not (tmp_path / "lock").exists()


@pytest.mark.fault(13)
def test_a_row_that_the_disk_takes_half_of_is_an_error_and_is_cut_off_at_the_resume(tmp_path):
    log = MetricsLog(tmp_path)
    log.write("only", 1, "train", {"loss": 0.5})
    whole = log.offset
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 20, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            log.write("only", 2, "train", {"loss": 0.25})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        log.close()
    assert (tmp_path / FILE).stat().st_size == whole + 20
    with contextlib.closing(MetricsLog(tmp_path, offset=whole)) as log:
        log.write("only", 2, "train", {"loss": 0.25})
    assert [row["loss"] for row in read_metrics(tmp_path)] == [0.5, 0.25]


@pytest.mark.fault(9)
def test_a_generator_whose_code_changed_is_another_one(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("import toy\nclass Mine(toy.Baseline): width = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import mine

    before = of_code(mine.Mine())
    (tmp_path / "mine.py").write_text("import toy\nclass Mine(toy.Baseline): width = 2\n")
    fingerprint._digest.cache_clear()  # as in the next process
    (found,) = differences(before, of_code(mine.Mine()))
    assert found.startswith("generator: ")
