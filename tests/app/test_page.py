"""What the page keeps on the disk."""

import threading
import time

from vidgen.app import page


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
