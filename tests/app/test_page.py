"""What the page keeps on the disk, and what it takes."""

import inspect
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from vidgen.app import page
from vidgen.cli import Serve


def test_what_was_sent_goes_after_some_time_and_what_is_the_page_s_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "_CLEANING", 0.01)
    monkeypatch.setattr(page, "_KEPT_FOR", 0.05)
    ours, theirs = tmp_path / "a" / "example.png", tmp_path / "b" / "c" / "sent.png"
    for file in (ours, theirs):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"pixels")
    kept, over = frozenset((ours.parent, ours)), threading.Event()
    cleaner = threading.Thread(target=page._clean, args=(tmp_path, kept, over))
    cleaner.start()
    try:
        until = time.monotonic() + 20
        while (tmp_path / "b").exists() and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        over.set()
        cleaner.join()
    assert ours.exists()
    assert not (tmp_path / "b").exists()


def test_beyond_a_bound_the_oldest_go(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MOST_KEPT", 100)
    files = [tmp_path / name for name in ("old", "older", "new")]
    for file, age in zip(files, (20, 30, 10), strict=True):
        file.write_bytes(bytes(60))
        os.utime(file, (time.time() - age,) * 2)
    page._remove_old(tmp_path, frozenset())
    assert [file.name for file in tmp_path.iterdir()] == ["new"]


def test_the_folder_of_a_page_that_was_killed_goes_and_of_one_that_runs_stays(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(page.tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / "vidgen-page-killed"
    killed.mkdir()
    (killed / "sent.png").write_bytes(b"pixels")
    script = (
        "import os; from pathlib import Path; from vidgen.training.lock import held\n"
        f"lock = held(Path({str(killed.with_suffix('.lock'))!r}), advice='', say=print)\n"
        "lock.__enter__(); os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.with_suffix(".lock").exists()
    with page._folder() as one:
        (one / "sent.png").write_bytes(b"pixels")
        assert not killed.exists()
        with page._folder() as other:
            assert {path.name for path in tmp_path.iterdir()} == {
                name for folder in (one, other) for name in (folder.name, f"{folder.name}.lock")
            }
        assert (one / "sent.png").exists()
    assert not list(tmp_path.iterdir())


def test_a_lock_that_may_not_be_read_stops_no_page(tmp_path, monkeypatch):
    monkeypatch.setattr(page.tempfile, "tempdir", str(tmp_path))
    theirs = tmp_path / "vidgen-page-theirs.lock"
    theirs.mkdir()  # reading it fails for everybody
    with page._folder() as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == [theirs]


def test_the_cleaner_outlives_what_it_cannot_remove(tmp_path, monkeypatch):
    (tmp_path / "sent.png").write_bytes(b"pixels")

    def busy(*_, **__):
        raise OSError("device or resource busy")

    monkeypatch.setattr(page, "_KEPT_FOR", -1.0)
    monkeypatch.setattr(page.Path, "unlink", busy)
    page._remove_old(tmp_path, frozenset())
    assert (tmp_path / "sent.png").exists()


def test_the_page_is_shown_to_this_machine_alone_unless_asked():
    assert Serve().host == "127.0.0.1"
    assert inspect.signature(page.served).parameters["host"].default == "127.0.0.1"


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"idea": ["up"]}, "an idea is a sentence"),
        ({"fit": None}, "a fit is a word"),
        ({"families": "gan"}, "by their names"),
        ({"families": [3]}, "by their names"),
        ({"families": ["gan"] * 10_000}, "asked once"),
        ({"seconds": float("inf")}, "number of seconds"),
        ({"seconds": None}, "number of seconds"),
        ({"seconds": float("nan")}, "number of seconds"),
        ({"seed": 10**30}, "from 0 to"),
        ({"seed": -1}, "from 0 to"),
        ({"seed": 10**400}, "from 0 to"),
        ({"seed": 0.5}, "from 0 to"),
        ({"seed": float("nan")}, "from 0 to"),
        ({"seed": []}, "from 0 to"),
    ],
)
def test_what_no_browser_sends_is_refused(change, message):
    told = {"idea": "up", "seconds": 1.0, "families": ["gan"], "fit": "crop", "seed": 3}
    page._check_told(**told)
    page._check_told(**{**told, "seed": None})
    with pytest.raises(ValueError, match=message):
        page._check_told(**{**told, **change})


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_however_a_page_is_ended_nothing_stays(tmp_path, end):
    pytest.importorskip("gradio")
    command = [sys.executable, "-m", "vidgen", "serve"]
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        said = [serving.stdout.readline()]
        while said[-1] and not said[-1].startswith("Page: http://127.0.0.1:"):
            said.append(serving.stdout.readline())
        assert said[0].startswith("Ideas are read by")
        (folder,) = (path for path in tmp_path.glob("vidgen-page-*") if path.is_dir())
        for number in range(300):
            (folder / str(number)).mkdir()
            (folder / str(number) / "sent.png").write_bytes(b"pixels")
        serving.send_signal(end)
        while serving.poll() is None:  # as a terminal does that is closed by somebody in a hurry
            time.sleep(0.1)
            serving.send_signal(end)
        assert serving.returncode == 0, said
    assert not list(tmp_path.glob("vidgen-page-*"))
