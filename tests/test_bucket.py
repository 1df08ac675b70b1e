"""Paths in a bucket, by fsspec and a store in memory: as in a folder, but for what one has not."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from etils import epath

from vidgen.atomic import replacing
from vidgen.bucket import BucketError, BucketPath, address
from vidgen.leash import Child


def test_a_path_keeps_its_protocol_and_has_the_ways_of_epath():
    path = BucketPath("s3://bucket/runs")
    assert str(path / "quick" / "a.json") == "s3://bucket/runs/quick/a.json"
    assert epath.Path(path / "x") == path / "x"
    assert str((path / "x").parent.with_name("y")) == "s3://bucket/y"
    assert BucketPath(str(path)) == path
    assert (path / "x").relative_to(path).parts == ("x",)
    assert address("s3://bucket/runs") == path
    assert not isinstance(address("runs"), BucketPath)
    assert address("runs").is_absolute()
    assert address("file:///runs/quick") == Path("/runs/quick")


def test_what_is_written_is_found_read_and_removed(bucket):
    assert not bucket.exists()
    (bucket / "a" / "seed-0" / "x.json").write_text("é")
    (bucket / "a" / "y").write_bytes(b"12")
    assert (bucket / "a").is_dir()
    assert list((bucket / "a").iterdir()) == [bucket / "a" / "seed-0", bucket / "a" / "y"]
    assert list(bucket.glob("*/seed-*")) == [bucket / "a" / "seed-0"]
    assert bucket.below() == {"a/seed-0/x.json": 2, "a/y": 2}
    assert (bucket / "a" / "seed-0" / "x.json").read_text() == "é"
    with (bucket / "a" / "y").open("rb") as file:
        assert file.read() == b"12"
    (bucket / "a" / "y").unlink()
    (bucket / "a" / "y").unlink(missing_ok=True)
    bucket.rmtree()
    assert not (bucket / "a").exists()
    with pytest.raises(FileNotFoundError):
        (bucket / "a" / "y").read_bytes()


def test_an_object_of_a_folders_own_name_does_not_lie_in_it(monkeypatch):
    """Some tools make one, which stores list with the others."""

    class Lists:
        _strip_protocol = staticmethod(lambda path: path.removeprefix("s3://"))

        def ls(self, path, detail):
            return ["b/runs/", "b/runs/quick", "b/runs/one/"]

    monkeypatch.setattr(fsspec, "filesystem", lambda *args, **kwargs: Lists())
    runs = BucketPath("s3://b/runs")
    assert list(runs.iterdir()) == [runs / "one", runs / "quick"]


def test_the_log_of_a_job_is_kept_until_the_store_has_it(bucket, monkeypatch):
    child = Child(["-c", "print('said')"], str(bucket / "job.log"), {})
    child._process.wait(timeout=60)
    with monkeypatch.context() as patch:

        def refuse(self, data):
            raise BucketError("no answer")

        patch.setattr(BucketPath, "write_bytes", refuse)
        assert child.code == 0
    assert not bucket.exists()
    assert child.code == 0
    assert (bucket / "job.log").read_text().endswith("said\n")


def test_nothing_is_appended_and_one_alone_creates(bucket):
    assert (bucket / "lock").create(b"mine")
    assert not (bucket / "lock").create(b"theirs")
    assert (bucket / "lock").read_bytes() == b"mine"
    with pytest.raises(ValueError, match="for reading alone"):
        (bucket / "lock").open("a")


def test_replacing_writes_the_object_itself_or_leaves_it(bucket):
    with replacing(bucket / "a") as partial:
        partial.write_text("1")
    with pytest.raises(RuntimeError), replacing(bucket / "a"):
        raise RuntimeError
    assert bucket.below() == {"a": 1}


@pytest.mark.parametrize("bucket", ["memory", "s3", "gs"], indirect=True)
def test_files_go_there_and_back(bucket, tmp_path):
    (tmp_path / "here").write_bytes(b"12\r")
    bucket.upload({"b/c": tmp_path / "here", "d": tmp_path / "here"})
    assert bucket.below() == {"b/c": 3, "d": 3}
    bucket.download({"b/c": tmp_path / "new" / "c"})
    assert (tmp_path / "new" / "c").read_bytes() == b"12\r"


def test_what_is_missing_or_fails_is_named(bucket, monkeypatch):
    with pytest.raises(ValueError, match=r"nowhere://x cannot be opened"):
        BucketPath("nowhere://x").exists()

    def without(*args, **kwargs):
        raise ImportError("Install s3fs")

    monkeypatch.setattr(fsspec, "filesystem", without)
    with pytest.raises(ImportError, match=r"s3://x/y cannot be opened.*vidgen\[s3\]"):
        BucketPath("s3://x/y").exists()

    class Refuses:
        def pipe_file(self, path, data):
            raise TimeoutError("no answer")

    monkeypatch.setattr(fsspec, "filesystem", lambda *args, **kwargs: Refuses())
    with pytest.raises(BucketError, match=r"memory://.*/x: TimeoutError: no answer"):
        (bucket / "x").write_text("1")
