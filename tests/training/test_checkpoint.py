"""Checkpoints: whole, verified, or not used at all."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import resource
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from vidgen.training import CheckpointError, checkpoint, manifest
from vidgen.training.checkpoint import Checkpoints, load_export
from vidgen.training.manifest import MANIFEST, Record, verify
from vidgen.training.step import abstract

# Coroutines and threads of orbax that outlive what failed in it, in this test or the one before.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def notices():
    return []


@pytest.fixture
def opened(tmp_path, notices):
    """Opens the folder's checkpoints anew; all are closed at the end."""
    folders = []

    def open_():
        if folders:
            folders[-1].close()
        folders.append(Checkpoints(tmp_path / "only", keep=2, say=notices.append))
        return folders[-1]

    yield open_
    folders[-1].close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with one checkpoint, which most tests of damage take a copy of."""
    folder = tmp_path_factory.mktemp("saved")
    with contextlib.closing(Checkpoints(folder, keep=2, say=print)) as checkpoints:
        _save(checkpoints, 1)
    return folder


@pytest.fixture
def one(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "only")


def _state(step):
    return {"w": jnp.full((300, 3), float(step)), "count": jnp.int32(step), "none": {}}


def _save(checkpoints, *steps, export=True):
    iterator = toy.data(4, seed=0)
    for step in steps:
        next(iterator)
        checkpoints.save(
            Record(
                phase="only",
                step=step,
                complete=step == 3,
                metrics_bytes=10 * step,
                fingerprint={"seed": 0},
                cost={"steps": step},
            ),
            state=_state(step),
            export={"w": jnp.full((2,), 0.5 + step)} if export else {},
            data=iterator,
        )
    checkpoints.wait()
    return iterator


def _file(tmp_path, step, part):
    """The largest file of a part: the one with the arrays in it."""
    files = (tmp_path / "only" / str(step) / part).rglob("*")
    return max((file for file in files if file.is_file()), key=lambda file: file.stat().st_size)


@pytest.mark.fault(7)
def test_what_is_saved_comes_back_with_the_iterator_and_two_stay(opened, tmp_path):
    checkpoints = opened()
    assert checkpoints.newest is None
    left = _save(checkpoints, 1, 2, 3)
    checkpoints = opened()
    assert sorted(p.name for p in (tmp_path / "only").iterdir()) == ["2", "3"]
    assert checkpoints.newest.step == 3
    assert checkpoints.newest.metrics_bytes == 30
    iterator = toy.data(4, seed=0)
    state = checkpoints.load(3, iterator, state=abstract(_state(0)))["state"]
    assert jax.tree.structure(state) == jax.tree.structure(_state(3))
    jax.tree.map(np.testing.assert_array_equal, state, _state(3))
    np.testing.assert_array_equal(next(iterator).video, next(left).video)
    export = load_export(tmp_path / "only", abstract({"w": jnp.zeros((2,))}))
    np.testing.assert_array_equal(export["w"], [3.5, 3.5])


@pytest.mark.fault(4)
def test_a_flipped_byte_is_found_and_the_previous_checkpoint_used(opened, tmp_path, notices):
    _save(opened(), 1, 2)
    file = _file(tmp_path, 2, "state")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    checkpoints = opened()
    assert checkpoints.newest.step == 1
    assert f"{file} differs from its checksum" in notices[0]
    assert "Going back to the checkpoint at step 1" in notices[0]
    assert (tmp_path / "only" / "2.damaged").exists()
    _save(checkpoints, 2)
    assert opened().newest.step == 2


@pytest.mark.fault(3)
@pytest.mark.parametrize("fault", ["truncated", "missing", "manifest"])
@pytest.mark.usefixtures("one")
def test_where_none_is_whole_the_error_names_the_file(tmp_path, fault):
    file = _file(tmp_path, 1, "export")
    if fault == "manifest":
        file = tmp_path / "only" / "1" / "manifest.json"
    if fault == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:10])
    words = {"truncated": "differs", "missing": "is missing", "manifest": "is damaged"}
    with pytest.raises(CheckpointError, match=f"no checkpoint in .* {file} {words[fault]}"):
        Checkpoints(tmp_path / "only", keep=2, say=print)
    with pytest.raises(CheckpointError, match=str(file)):
        load_export(tmp_path / "only", {})


class CrashImages:
    """What a SIGKILL would leave of a folder: a copy of it before everything that Python has the
    system do there, in any thread. A killed process takes nothing back that the system has done.
    """

    def __init__(self, folder, into):
        self.taken, self._folder, self._into, self._seen = [], folder, into, set()
        self._lock, self._own = threading.RLock(), threading.local()

    def __call__(self, event, arguments):
        changes = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link") or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        )
        if changes and not getattr(self._own, "copying", False):
            self._own.copying = True
            try:
                self._take()
            finally:
                self._own.copying = False

    def _take(self):
        with self._lock:
            found = tuple(sorted(str(path) for path in self._folder.rglob("*")))
            if found not in self._seen:
                self._seen.add(found)
                image = self._into / str(len(self.taken))
                with contextlib.suppress(shutil.Error):  # of a file that another thread took away
                    shutil.copytree(self._folder, image)
                self.taken.append(image)


watching = []  # an audit hook cannot be taken out again: it calls whoever is in here


@pytest.fixture(scope="module", autouse=True)
def _hook():
    sys.addaudithook(lambda event, arguments: [watch(event, arguments) for watch in watching])


@pytest.mark.fault(1)
@pytest.mark.usefixtures("one")
def test_killed_at_any_moment_of_a_save_one_of_the_two_checkpoints_is_whole(tmp_path, opened):
    images = CrashImages(tmp_path / "only", tmp_path / "images")
    watching.append(images)
    try:
        _save(opened(), 2)
    finally:
        watching.remove(images)
    newest = []
    for image in images.taken:
        with contextlib.closing(Checkpoints(image, keep=2, say=lambda _: None)) as checkpoints:
            newest.append(checkpoints.newest.step)
        # Of the same bytes, since its files agree with the same manifest.
        mine, whole = (folder / str(newest[-1]) / MANIFEST for folder in (image, tmp_path / "only"))
        assert mine.read_bytes() == whole.read_bytes()
        deadline = time.monotonic() + 10
        while debris := [path for path in image.iterdir() if not (path / MANIFEST).exists()]:
            assert time.monotonic() < deadline, debris  # orbax removes its own in a thread
            time.sleep(0.01)
    # From orbax's folder of another name to a manifest that is not yet in its place.
    assert len(newest) > 8
    assert newest == sorted(newest)


@pytest.mark.fault(1)
def test_the_debris_of_a_killed_save_is_removed(opened, tmp_path, notices):
    _save(opened(), 1, 2)
    (tmp_path / "only" / "2" / "manifest.json").unlink()
    (tmp_path / "only" / "3.orbax-checkpoint-tmp").mkdir()
    checkpoints = opened()
    assert checkpoints.newest.step == 1
    assert "cut off" in notices[0]
    # orbax removes its own debris in a thread, for which the next save waits.
    _save(checkpoints, 2)
    assert sorted(p.name for p in (tmp_path / "only").iterdir()) == ["1", "2"]


@contextlib.contextmanager
def largest_file(size):
    """The system writes no file beyond so many bytes, for this process and all of its threads."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.fault(2)
@pytest.mark.usefixtures("one")
def test_a_commit_that_the_system_refuses_is_raised_and_never_listed(opened):
    checkpoints = opened()
    with largest_file(64), pytest.raises(CheckpointError, match="before it are intact"):
        _save(checkpoints, 2)
    checkpoints = opened()
    assert checkpoints.newest.step == 1
    state = checkpoints.load(1, state=abstract(_state(0)))["state"]
    jax.tree.map(np.testing.assert_array_equal, state, _state(1))


@contextlib.contextmanager
def small_disk(size):
    """A file system of so many bytes, which only root can make."""
    with tempfile.TemporaryDirectory() as folder:
        if os.system(f"mount -t tmpfs -o size={size} tmpfs {folder} 2>/dev/null"):
            pytest.skip("no file system can be mounted here")
        try:
            yield Path(folder)
        finally:
            os.system(f"umount {folder}")


@pytest.mark.fault(13)
def test_on_a_full_disk_the_last_checkpoint_is_intact(saved, notices):
    with small_disk(200_000) as folder:
        shutil.copytree(saved, folder / "a")
        with contextlib.closing(Checkpoints(folder / "a", keep=2, say=notices.append)) as opened:
            (folder / "b").write_bytes(bytes(os.statvfs(folder).f_bavail * 4096))
            with pytest.raises(CheckpointError, match=r"(?i)no space left.*before it are intact"):
                _save(opened, 2)
            (folder / "b").unlink()
        with contextlib.closing(Checkpoints(folder / "a", keep=2, say=notices.append)) as opened:
            assert opened.newest.step == 1
            state = opened.load(1, state=abstract(_state(0)))["state"]
            jax.tree.map(np.testing.assert_array_equal, state, _state(1))


@contextlib.contextmanager
def as_nobody():
    """Without the rights of root, whom no mode of a folder stops."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.fault(13)
def test_in_a_read_only_folder_a_save_is_refused_and_the_last_checkpoint_is_intact(saved, notices):
    with tempfile.TemporaryDirectory() as temporary:  # pytest's own are closed to others
        Path(temporary).chmod(0o755)
        folder = Path(temporary) / "only"
        shutil.copytree(saved, folder)
        with contextlib.closing(Checkpoints(folder, keep=2, say=notices.append)) as opened:
            folder.chmod(0o555)
            with as_nobody(), pytest.raises(CheckpointError, match=r"(?i)permission denied"):
                _save(opened, 2)
            folder.chmod(0o755)
        with contextlib.closing(Checkpoints(folder, keep=2, say=notices.append)) as opened:
            assert opened.newest.step == 1
            state = opened.load(1, state=abstract(_state(0)))["state"]
            jax.tree.map(np.testing.assert_array_equal, state, _state(1))


@pytest.mark.fault(3)
@pytest.mark.usefixtures("one")
def test_a_chunk_that_is_lost_after_it_was_verified_gives_no_fill_values(opened, tmp_path):
    checkpoints = opened()
    file = _file(tmp_path, 1, "state")
    file.write_bytes(file.read_bytes()[:10])
    with pytest.raises(CheckpointError, match=f"{file} differs"):
        checkpoints.load(1, state=abstract(_state(1)))
    file.unlink()
    with pytest.raises(CheckpointError, match=f"{file} is missing"):
        checkpoints.load(1, state=abstract(_state(1)))


class Runs:
    def __reduce__(self):
        return os.mkdir, ("made",)


@pytest.mark.fault(15)
def test_a_checkpoint_of_pickles_is_refused_and_none_is_executed(saved, tmp_path, monkeypatch):
    whole, bad = saved / "1", tmp_path / "1"
    monkeypatch.chdir(tmp_path)
    files = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    for name in (name for name in files if name.parts[0] != "export"):
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(whole, bad)
        (bad / name).write_bytes(pickle.dumps(Runs()))
        if name.name != MANIFEST:  # whoever can write a file can write its checksum
            sealed = json.loads((bad / MANIFEST).read_text())
            sealed["sha256"][str(name)] = manifest._sha256(bad / name)
            (bad / MANIFEST).write_text(json.dumps(sealed))
        try:
            verify(bad)
            wanted = {"state": abstract(_state(1))}
            state = checkpoint._load(bad, toy.data(4, seed=0), wanted)["state"]
        except CheckpointError:
            pass
        else:  # a file that orbax does not read
            jax.tree.map(np.testing.assert_array_equal, state, _state(1))
        assert not (tmp_path / "made").exists()
    gc.collect()  # what orbax left is complained of here


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("record.json", {"schema_version": 1, "phase": "only"}, "record.json is damaged: .*step"),
        ("record.json", [1], "record.json is damaged: it holds a list"),
        ("manifest.json", {"sha256": {"../secret": "0"}}, "'../secret', which lies outside"),
        ("manifest.json", {"sha256": {"/secret": "0"}}, "'/secret', which lies outside"),
    ],
)
def test_a_checkpoint_that_was_made_up_is_refused(tmp_path, file, content, message):
    (tmp_path / file).write_text(json.dumps(content))
    if file != MANIFEST:
        sealed = {"sha256": {file: manifest._sha256(tmp_path / file)}}
        (tmp_path / MANIFEST).write_text(json.dumps(sealed))
    with pytest.raises(CheckpointError, match=message):
        verify(tmp_path)


@pytest.mark.fault(2)
def test_a_manifest_that_the_system_refuses_is_told_of_without_waiting(opened, tmp_path):
    checkpoints = opened()
    iterator = toy.data(4, seed=0)
    record = Record(phase="only", step=1, complete=False, metrics_bytes=0, fingerprint={}, cost={})
    with largest_file(2_000):  # enough for all that comes before
        checkpoints.save(record, state=_state(1), export={"w": jnp.ones(2)}, data=iterator)
        assert checkpoints._pending.exception() is not None
    with pytest.raises(CheckpointError, match="File too large"):
        checkpoints.check()
    checkpoints.check()  # told once
    assert (tmp_path / "only" / "1" / "record.json").exists()
    assert opened().newest is None


@pytest.mark.usefixtures("one")
def test_a_checkpoint_of_another_model_is_refused(opened):
    checkpoints = opened()
    wide = abstract({**_state(1), "w": jnp.zeros((200, 3))})
    with pytest.raises(CheckpointError, match=r"w is float32\[300, 3\] there, float32\[200, 3\]"):
        checkpoints.load(1, state=wide)
    with pytest.raises(CheckpointError, match=r"other is absent there, .*; w is float32.* absent"):
        checkpoints.load(1, export=abstract({"other": jnp.zeros((2,))}))


def test_an_empty_export_is_no_trouble(opened, tmp_path):
    _save(opened(), 3, export=False)
    assert load_export(tmp_path / "only", {}) == {}


def test_only_a_finished_phase_is_given_out(opened, tmp_path):
    with pytest.raises(CheckpointError, match="holds no finished phase"):
        load_export(tmp_path / "only", {})
    _save(opened(), 1)
    with pytest.raises(CheckpointError, match="holds no finished phase"):
        load_export(tmp_path / "only", {})


def test_one_checkpoint_is_too_few(tmp_path):
    with pytest.raises(ValueError, match="keep at least 2"):
        Checkpoints(tmp_path, keep=1, say=print)
