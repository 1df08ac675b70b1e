"""A lock file that says who holds it, and is recognised when its holder has died."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from vidgen.types import SCHEMA_VERSION


class LockError(RuntimeError):
    """Another living process holds the lock; the message says which and what to do."""


@contextlib.contextmanager
def held(path: Path, *, advice: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock at `path`, a local file, until the block ends.

    A lock left by a process of this host that is no more (same process id, same start time) is
    stale: it is taken over with a notice. A lock of another host cannot be judged, so it is
    refused.

    Args:
        path: the lock file; its folder must exist.
        advice: what the refused user can do, appended to the message.
        say: called with a notice when a stale lock is taken over.

    Raises:
        LockError: if another process, or this one, holds it.
    """
    mine = json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "pid": os.getpid(),
            "started": _start_time(os.getpid()),
            "host": platform.node(),
        }
    )
    while not _create(path, mine):
        theirs = _read(path)
        if theirs is None:
            continue  # released between the two looks
        if not _stale(theirs):
            raise LockError(f"{path} is held by {_who(theirs)}; {advice}")
        _remove_stale(path, theirs, advice)
        say(f"took over {path}, left by {_who(theirs)}, which is gone")
    try:
        yield
    finally:
        if _read(path) == mine:
            path.unlink(missing_ok=True)


def run_folder(folder: Path, say: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
    """The lock of a run folder: one process at a time writes there."""
    return held(
        folder / "lock",
        advice="wait for it, choose another folder, or stop that process",
        say=say,
    )


def machine(say: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
    """The lock of this machine, which a budget in seconds holds: shared cores buy fewer steps."""
    return held(
        Path(tempfile.gettempdir()) / "vidgen-training.lock",
        advice=(
            "a budget in seconds does not share the machine, since what a second buys would "
            "depend on the neighbour: wait, or give the budget in steps, clips or flops"
        ),
        say=say,
    )


def _create(path: Path, content: str) -> bool:
    # Written aside and linked into place, so that nobody ever reads half a lock.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _stale(content: str) -> bool:
    try:
        holder = json.loads(content)
        pid, started, host = int(holder["pid"]), holder["started"], holder["host"]
    except (ValueError, KeyError, TypeError):
        return True  # not a lock that any version of vidgen writes
    return host == platform.node() and _start_time(pid) != started


def _remove_stale(path: Path, content: str, advice: str) -> None:
    aside = path.with_name(f"{path.name}.stale.{os.getpid()}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return  # another process was faster; look again
    except PermissionError as error:
        raise LockError(f"{path} is stale but belongs to another user; have it removed") from error
    taken = aside.read_text()
    if taken != content:  # between the look and the rename another process took it over
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        aside.unlink()
        raise LockError(f"{path} is held by {_who(taken)}; {advice}")
    aside.unlink()


def _who(content: str) -> str:
    try:
        holder = json.loads(content)
        return f"process {holder['pid']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        return "an unknown process"


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
