"""A lock file that says who holds it, and is recognised when its holder has died."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from vidgen.bucket import BucketError, BucketPath
from vidgen.types import SCHEMA_VERSION

_BEAT = 15.0
"""Seconds between two signs of life that the holder of a lock gives."""

_SILENCE = 180.0
"""Seconds without one after which a holder on another host is taken for dead: many beats, since
what one host writes others may see a minute later."""

_LOOK = 1.0
"""Seconds between two looks of whoever waits for a lock."""


_Any = TypeVar("_Any", bound=Path | BucketPath)


class LockError(RuntimeError):
    """Another living process holds the lock; the message says which and what to do."""


@contextlib.contextmanager
def held(
    path: Path | BucketPath, *, advice: str, say: Callable[[str], None], patience: float = 0.0
) -> Iterator[Callable[[], None]]:
    """Hold the lock at `path`, a local or shared file or an object in a bucket, until the block
    ends. What it gives raises `LockError` where the lock is held no more.

    A lock left by a process of this host that is no more (same process id, same start time) is
    stale: it is taken over with a notice. So is one of another host that has given no sign of life
    for three minutes, by the clock of the file system or of the store; a process that was stopped
    for longer has lost its lock. Hosts are told apart by when they were started, since two may bear
    one name.

    Args:
        path: the lock file; its folder must exist.
        advice: what the refused user can do, appended to the message.
        say: called with a notice when a stale lock is taken over, or waited for.
        patience: seconds to wait for whoever holds it, before that is an error.

    Raises:
        LockError: if another process, or this one, holds it.
    """
    mine = json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "pid": os.getpid(),
            "started": _start_time(os.getpid()),
            "host": platform.node(),
            "boot": _boot(),
            "beats": True,
            "holding": uuid.uuid4().hex,  # tells it from another thread's of this process
        }
    )

    def still() -> None:
        if _read(path) != mine:
            raise LockError(f"{path} is held no more, as after minutes without a sign of life")

    until, waits = time.monotonic() + patience, False
    while not _create(path, mine):
        theirs = _read(path)
        if theirs is None:
            continue  # released between the two looks
        if _stale(theirs, path):
            if _remove_stale(path, theirs):
                say(f"took over {path}, left by {_who(theirs)}, which is gone")
            continue
        if time.monotonic() >= until:
            raise LockError(f"{path} is held by {_who(theirs)}; {advice}")
        if not waits:
            say(f"waiting for {_who(theirs)}, which holds {path}")
            waits = True
        time.sleep(_LOOK)
    left = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, mine, left), daemon=True)
    beating.start()
    try:
        yield still
    finally:
        left.set()
        beating.join()
        with contextlib.suppress(BucketError):  # out of reach: the lock goes stale by itself
            if _read(path) == mine:
                path.unlink(missing_ok=True)


def run_folder(
    folder: Path | BucketPath, say: Callable[[str], None]
) -> contextlib.AbstractContextManager[Callable[[], None]]:
    """The lock of a run folder: one process at a time writes there."""
    return held(
        folder / "lock",
        advice="wait for it, choose another folder, or stop that process",
        say=say,
    )


def machine(
    say: Callable[[str], None],
) -> contextlib.AbstractContextManager[Callable[[], None]]:
    """The lock of this machine, which a budget in seconds holds: shared cores buy fewer steps."""
    return held(
        Path(tempfile.gettempdir()) / "vidgen-training.lock",
        advice=(
            "a budget in seconds does not share the machine, since what a second buys would "
            "depend on the neighbour: wait, or give the budget in steps, clips or flops"
        ),
        say=say,
    )


def _create(path: Path | BucketPath, content: str) -> bool:
    if isinstance(path, BucketPath):
        path.create(content.encode())
        return _read(path) == content  # whatever was answered: a request may have been repeated
    # Written aside and linked into place, so that nobody ever reads half a lock.
    draft = _aside(path, "draft")
    draft.write_text(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _aside(path: _Any, what: str) -> _Any:
    """A name beside a lock that no other thread of any process or host uses."""
    who = f"{platform.node()}-{os.getpid()}-{threading.get_ident()}"
    return path.with_name(f"{path.name}.{what}.{who}")


def _beat(path: Path | BucketPath, mine: str, left: threading.Event) -> None:
    """Give signs of life until the lock is left, or lost."""
    while not left.wait(_BEAT):
        with contextlib.suppress(OSError):
            if _read(path) != mine:
                return
            if isinstance(path, BucketPath):
                path.write_text(mine)
            else:
                os.utime(path)


def _silent(path: Path | BucketPath) -> float:
    """Seconds since the last sign of life, by a clock that all hosts share: the file system's, or
    that of the store.
    """
    now = _aside(path, "now")
    now.write_text("")
    try:
        return _written(now) - _written(path)
    except FileNotFoundError:
        return 0.0
    finally:
        now.unlink()


def _written(path: Path | BucketPath) -> float:
    bucket = isinstance(path, BucketPath)
    return path.modified().timestamp() if bucket else path.stat().st_mtime


def _read(path: Path | BucketPath) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _stale(content: str, path: Path | BucketPath) -> bool:
    try:
        holder = json.loads(content)
        pid, started, host = int(holder["pid"]), holder["started"], holder["host"]
    except (ValueError, KeyError, TypeError):
        return True  # not a lock that any version of vidgen writes
    if host == platform.node() and holder.get("boot", _boot()) == _boot():
        return _start_time(pid) != started
    # Of a version that gave no signs of life, nothing can be told from another host.
    return bool(holder.get("beats")) and _silent(path) > _SILENCE


def _remove_stale(path: Path | BucketPath, content: str) -> bool:
    """Remove a lock, unless another process is faster; whether it was removed."""
    if isinstance(path, BucketPath):
        return _remove_stale_object(path, content)
    aside = _aside(path, "stale")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise LockError(f"{path} is stale but belongs to another user; have it removed") from error
    taken = aside.read_text() == content
    if not taken:  # between the look and the rename another process took it over
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    aside.unlink()
    return taken


def _remove_stale_object(path: BucketPath, content: str) -> bool:
    # Nothing can be renamed there: whoever makes the claim may look and remove.
    claim = path.with_name(f"{path.name}.claim")
    if not claim.create(b""):
        if _silent(claim) > _SILENCE:  # of a process that died in between
            claim.unlink(missing_ok=True)
        time.sleep(_LOOK)
        return False
    try:
        # A holder that gave a sign of life meanwhile wrote the same content.
        taken = _read(path) == content and _stale(content, path)
        if taken:
            path.unlink(missing_ok=True)
        return taken
    finally:
        claim.unlink(missing_ok=True)


def _who(content: str) -> str:
    try:
        holder = json.loads(content)
        return f"process {holder['pid']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        return "an unknown process"


def _boot() -> str:
    """What two hosts, or containers, of one name do not share: when each was started, and where its
    process ids are counted. Empty where the system does not say.
    """
    boot, ids = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{boot.read_text().strip()} {ids.readlink()}"
    except OSError:
        return ""


def _start_time(pid: int) -> str | None:
    """When a process of this host started, in the system's own words; None if there is none."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The command's name may hold spaces and brackets; the 22nd field counts after it.
            return stat.read_text().rpartition(")")[2].split()[19]
        except (FileNotFoundError, ProcessLookupError):
            return None
    found = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None
