"""Locks: refused while the holder lives, taken over when it is gone."""

import json
import os
import platform
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from vidgen.training import LockError, lock
from vidgen.training.lock import _start_time, held


@pytest.fixture
def notices():
    return []


@pytest.fixture
def take(tmp_path, notices):
    return lambda: held(tmp_path / "lock", advice="wait", say=notices.append)


def _write(path, **changes):
    holder = {"pid": os.getpid(), "started": _start_time(os.getpid()), "host": platform.node()}
    (path / "lock").write_text(json.dumps(holder | changes))


def test_a_second_holder_is_refused_and_the_lock_is_freed(take, tmp_path):
    with take():
        with pytest.raises(LockError, match=f"held by process {os.getpid()} on .*; wait"), take():
            pass
        assert (tmp_path / "lock").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(14)
def test_the_lock_of_a_dead_process_is_stale(take, tmp_path, notices):
    gone = subprocess.Popen(["true"])
    gone.wait()
    _write(tmp_path, pid=gone.pid)
    with take():
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    assert f"process {gone.pid}" in notices[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(14)
def test_a_process_id_that_was_given_anew_is_stale(take, tmp_path, notices):
    _write(tmp_path, started="long ago")
    with take():
        pass
    assert len(notices) == 1


def test_a_damaged_lock_is_stale(take, tmp_path, notices):
    (tmp_path / "lock").write_text("{")
    with take():
        pass
    assert "an unknown process" in notices[0]


def test_the_lock_of_another_host_cannot_be_judged(take, tmp_path):
    _write(tmp_path, host="elsewhere", pid=1)
    with pytest.raises(LockError, match="on elsewhere"), take():
        pass


def test_a_holder_on_another_host_that_is_silent_is_gone(take, tmp_path, notices):
    def silent(seconds, **changes):
        _write(tmp_path, host="elsewhere", pid=1, **changes)
        then = (tmp_path / "lock").stat().st_mtime - seconds
        os.utime(tmp_path / "lock", (then, then))

    silent(lock._SILENCE - 5, beats=True)
    with pytest.raises(LockError, match="on elsewhere"), take():
        pass
    silent(10 * lock._SILENCE)  # of a version that gave no signs of life
    with pytest.raises(LockError, match="on elsewhere"), take():
        pass
    silent(lock._SILENCE + 5, beats=True)
    with take():
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    assert "process 1 on elsewhere, which is gone" in notices[0]
    assert list(tmp_path.iterdir()) == []


def test_a_holder_gives_signs_of_life_while_the_lock_is_its_own(take, tmp_path, monkeypatch):
    def seen(after):
        os.utime(tmp_path / "lock", (0, 0))
        time.sleep(after)
        return (tmp_path / "lock").stat().st_mtime > 0

    monkeypatch.setattr(lock, "_BEAT", 0.02)
    with take():
        assert any(seen(0.2) for _ in range(50))
        _write(tmp_path, host="elsewhere")
        time.sleep(0.2)
        assert not seen(0.2)


def test_who_waits_gets_the_lock_when_it_is_free(tmp_path, notices, monkeypatch):
    monkeypatch.setattr(lock, "_LOOK", 0.01)
    _write(tmp_path, host="elsewhere", beats=True)
    timer = threading.Timer(0.1, (tmp_path / "lock").unlink)
    timer.start()
    with held(tmp_path / "lock", advice="wait", say=notices.append, patience=60.0):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    timer.join()
    assert len(notices) == 1
    assert "waiting for process" in notices[0]
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_lost_its_lock_leaves_the_new_one_alone(take, tmp_path):
    with take():
        _write(tmp_path, host="elsewhere")
    assert json.loads((tmp_path / "lock").read_text())["host"] == "elsewhere"


def test_a_stale_lock_that_another_process_takes_first_is_left_to_it(take, tmp_path, monkeypatch):
    rename = Path.rename

    def overtaken(path, target):
        _write(tmp_path, host="elsewhere")
        return rename(path, target)

    (tmp_path / "lock").write_text("{")
    monkeypatch.setattr(Path, "rename", overtaken)
    with pytest.raises(LockError, match="on elsewhere"), take():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert json.loads((tmp_path / "lock").read_text())["host"] == "elsewhere"


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
def test_where_there_is_no_proc_ps_tells_who_lives(monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setattr(Path, "exists", lambda path: False)
    started = _start_time(os.getpid())
    assert started is not None
    assert started == _start_time(os.getpid())
    assert _start_time(gone.pid) is None
