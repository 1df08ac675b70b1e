"""A run folder in a bucket: worked on in a folder of this machine, and published save by save.

What a store cannot do (append, rename, write by halves) happens here; what training has saved is
uploaded in the background: the logs, then the files of the checkpoint, and its manifest last. So a
checkpoint of the bucket is whole, or has no manifest and is debris, as in a local folder. Whatever
goes is without its manifest first. Another machine goes on from what was published.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from vidgen.bucket import BucketError, BucketPath
from vidgen.training import candidates, cost, profiler, writers
from vidgen.training.lock import LockError
from vidgen.training.manifest import MANIFEST

_LOGS = (cost.FILE, writers.FILE)
_FURTHER = (writers.BOARD, profiler.FOLDER)


class Mirror:
    """Keeps a run folder of a bucket like that of this machine, for the holder of its lock.

    Args:
        bucket: the run folder.
        local: where it is worked on, an empty folder.
        say: called with each notice that the user must see.
        still: raises where the lock of the run folder is held no more.

    Attributes:
        local: the folder.
        say: the same, with the bucket in place of the folder.
        failed: whether something that was saved could not be uploaded.
    """

    def __init__(
        self,
        bucket: BucketPath,
        local: Path,
        say: Callable[[str], None],
        still: Callable[[], None],
    ) -> None:
        self._bucket, self.local, self._still = bucket, local, still
        self.say: Callable[[str], None] = lambda notice: say(self.named(notice))
        self._sizes: dict[str, int] = {}
        self._known: set[str] = set()
        self._one_at_a_time = threading.Lock()  # two threads save checkpoints and candidates
        self.failed = False

    def named(self, text: str) -> str:
        """A text with the bucket in place of the folder."""
        return text.replace(str(self.local), str(self._bucket))

    def fetch(self) -> None:
        """Take what an earlier process published, and remove the debris of its last upload.

        Raises:
            BucketError: if the store refuses, or cannot be reached.
        """
        there = self._bucket.below()
        wanted = [name for name in _LOGS if name in there]
        for folder, names in _checkpoints(there).items():
            if f"{folder}/{MANIFEST}" in names:
                wanted += names
                self._known.add(folder)
            else:
                where = self._bucket / folder
                self.say(f"removing {where}: its upload was cut off before it was whole")
                where.rmtree()
        self._bucket.download({name: self.local / name for name in wanted})

    def publish(self, checkpoint: Path) -> None:
        """Upload a checkpoint that is whole, and remove from the bucket those that went here.

        Raises:
            BucketError: if the store refuses, or cannot be reached; what it had is intact.
            LockError: if another process holds the run folder by now, which this one leaves alone.
        """
        with self._uploading():
            self._upload_logs()
            self._upload_damaged(checkpoint.parent)
            self._upload(checkpoint)
            self._follow(checkpoint.parent)

    def finish(self) -> None:
        """Upload what was written since the last save, such as its cost.

        Raises:
            BucketError: if the store refuses, or cannot be reached.
            LockError: if another process holds the run folder by now.
        """
        with self._uploading():
            self._upload_logs()

    @contextlib.contextmanager
    def _uploading(self) -> Iterator[None]:
        with self._one_at_a_time:
            try:
                self._still()
                yield
            except BaseException:
                self.failed = True
                raise

    def _upload_logs(self) -> None:
        for name in _LOGS:
            if (self.local / name).exists():  # as much as there is of what grows meanwhile
                (self._bucket / name).write_bytes((self.local / name).read_bytes())
        files = (path for top in _FURTHER for path in (self.local / top).rglob("*"))
        for path in files:
            name, size = path.relative_to(self.local).as_posix(), path.stat().st_size
            if path.is_file() and self._sizes.get(name) != size:
                content = path.read_bytes()
                (self._bucket / name).write_bytes(content)
                self._sizes[name] = len(content)

    def _upload(self, folder: Path) -> None:
        name = folder.relative_to(self.local).as_posix()
        where = self._bucket / name
        _remove(where)  # what a save of the same step left, that proved bad
        files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        last = {name: files.pop(name) for name in (MANIFEST,) if name in files}
        where.upload(files)
        where.upload(last)
        self._known.add(name)

    def _upload_damaged(self, folder: Path) -> None:
        """What was put aside here: the bucket still has it under the name that it had."""
        for aside in folder.glob("*.damaged"):
            there = self._bucket / aside.relative_to(self.local).as_posix()
            if not (there / MANIFEST).exists():
                self._upload(aside)

    def _follow(self, folder: Path) -> None:
        """Remove from the bucket what was of a folder of checkpoints, and is no more."""
        around = folder.relative_to(self.local).as_posix()
        for name in sorted(self._known):
            if _parent(name) == around and not (self.local / name).exists():
                _remove(self._bucket / name)
                self._known.remove(name)


@contextlib.contextmanager
def mirrored(
    bucket: BucketPath, say: Callable[[str], None], still: Callable[[], None]
) -> Iterator[Mirror]:
    """A folder of this machine with what was published of a run, kept like the bucket.

    It is removed in the end, unless it holds what could not be uploaded, or the process is killed.
    In notices and errors the bucket stands for it.

    Args:
        bucket: the run folder, whose lock is held.
        say: called with each notice that the user must see.
        still: raises where the lock is held no more.
    """
    mirror = Mirror(bucket, Path(tempfile.mkdtemp(prefix="vidgen-run-")), say, still)
    try:
        with _in_the_name_of(mirror.named):
            mirror.fetch()
            try:
                yield mirror
            except BaseException:  # the logs of a run that is interrupted, or fails of itself, too
                if not mirror.failed:
                    with contextlib.suppress(BucketError, LockError):
                        mirror.finish()
                raise
            mirror.finish()
    except BaseException:
        if mirror.failed:
            say(f"what {bucket} did not take is kept in {mirror.local}")
        raise
    finally:
        if not mirror.failed:
            shutil.rmtree(mirror.local, ignore_errors=True)


@contextlib.contextmanager
def copied(bucket: BucketPath, step: int | None = None) -> Iterator[Path]:
    """A folder of this machine with the newest checkpoint of each phase of a run, for reading.

    Args:
        bucket: the run folder.
        step: of a candidate, or of another checkpoint, that is wanted too.
    """
    found = _checkpoints(bucket.below())
    whole = {folder: names for folder, names in found.items() if f"{folder}/{MANIFEST}" in names}
    wanted: list[str] = []
    for folder, names in whole.items():
        around, _, name = folder.rpartition("/")
        steps = [int(other.rpartition("/")[2]) for other in whole if _parent(other) == around]
        if int(name) == step or (around != candidates.FOLDER and int(name) == max(steps)):
            wanted += names
    with (
        tempfile.TemporaryDirectory(prefix="vidgen-run-") as local,
        _in_the_name_of(lambda text: text.replace(local, str(bucket))),
    ):
        bucket.download({name: Path(local, name) for name in wanted})
        yield Path(local)


@contextlib.contextmanager
def _in_the_name_of(named: Callable[[str], str]) -> Iterator[None]:
    """Errors whose texts are what `named` makes of them."""
    try:
        yield
    except Exception as error:
        error.args = tuple(named(a) if isinstance(a, str) else a for a in error.args)
        if isinstance(error, OSError) and isinstance(error.filename, str):
            error.filename = named(error.filename)
        raise


def _checkpoints(names: dict[str, int]) -> dict[str, list[str]]:
    """The files of each checkpoint and candidate, by its folder; whole or not."""
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("/")
        depth = {"checkpoints": 3, candidates.FOLDER: 2}.get(parts[0], 0)
        if depth and len(parts) > depth and parts[depth - 1].isdigit():
            found.setdefault("/".join(parts[:depth]), []).append(name)
    return found


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _remove(where: BucketPath) -> None:
    """Remove a checkpoint; its manifest first, so that none is there by halves."""
    (where / MANIFEST).unlink(missing_ok=True)
    if where.exists():
        where.rmtree()
