"""Checkpoints of one phase that are whole, verified and exact, or are not used at all.

``<folder>/<step>/`` holds what orbax wrote (``state``, ``export`` and ``data`` apart, so that each
loads without the others), then ``record.json`` (what it is), then ``manifest.json`` (the sha256 of
every other file), in this order: a folder without a manifest is the debris of a killed save. orbax
has no checksum of its own; a flipped byte would load in silence.
"""

from __future__ import annotations

import dataclasses
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from etils import epath

from vidgen.bucket import BucketPath
from vidgen.training import processes
from vidgen.training.manifest import (
    MANIFEST,
    RECORD,
    CheckpointError,
    Record,
    read_json,
    seal,
    standing_of,
    verify,
)
from vidgen.training.retention import Retention

PROBE = ".probe"

_ONE_AT_A_TIME = threading.Lock()
"""orbax tells the saves of a process apart by a counter. Begun at once by two threads, as those of
a checkpoint and a candidate may be, one takes the other's folders for its own."""


class Checkpoints:
    """The checkpoints of one phase, for the one process that holds the run folder's lock, or for
    all that train together with it.

    Opening removes the debris of killed saves. Saving is asynchronous: whoever trains waits until
    the arrays are copied to the host, and all else happens in the background (of several processes,
    which meet at barriers, orbax begins at once). A save that fails raises at the next call of
    `check`, `save` or `wait`, and its step is never listed.

    Args:
        folder: absolute, made if missing.
        keep: how many of the newest checkpoints stay, at least 2, since the newest may prove bad.
        best: how many of those with the lowest validation loss stay besides; see `Retention`.
        say: called with each notice that the user must see.
        publish: called in the background with the folder of each checkpoint that is whole, before
            it counts as saved; None for a run folder of this machine.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep: int,
        best: int = 0,
        say: Callable[[str], None],
        publish: Callable[[Path], None] | None = None,
    ) -> None:
        from orbax.checkpoint import v1 as ocp

        if keep < 2:
            raise ValueError(f"keep at least 2 checkpoints, the newest may prove bad; got {keep}")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._say, self._publish = folder, say, publish
        newest = processes.agreed(self._tidied)
        self._newest = None if newest is None else Record.of_json(newest)
        self._standings = {step: standing_of(folder / str(step)) for step in steps_in(folder)}
        retention = Retention(newest=keep, best=best, standings=self._standings)
        self._checkpointer = ocp.training.Checkpointer(
            epath.Path(folder),
            cleanup_tmp_directories=True,
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),  # type: ignore[arg-type]
            preservation_policy=retention,  # type: ignore[arg-type]
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._failed = False

    @property
    def newest(self) -> Record | None:
        """The newest checkpoint that verified when the folder was opened; None if it is empty."""
        return self._newest

    def load(self, step: int, data: Any | None = None, **trees: Any) -> dict[str, Any]:
        """Load some of a checkpoint's parts; `data`, an iterator, is moved on in place.

        Args:
            step: of a verified checkpoint.
            data: a fresh iterator of the same making, or None.
            trees: ``state`` or ``export``, as abstract pytrees.

        Raises:
            CheckpointError: if an array is missing, or of another type or shape.
        """
        return _load(self._folder / str(step), data, trees)

    def save(self, record: Record, *, data: Any | None = None, **trees: Any) -> None:
        """Start to save. Returns once the arrays are copied, so that the state can be donated.

        Args:
            record: what this checkpoint is.
            data: an iterator with ``get_state``, whose position now is what is saved, or None.
            trees: ``state`` and ``export``, as pytrees of arrays; a candidate has no state.

        Raises:
            CheckpointError: if this save, or the one before it, failed.
        """
        self.wait()
        parts = {name: _flat(tree) for name, tree in trees.items()}
        record = dataclasses.replace(record, arrays={name: _types(parts[name]) for name in parts})
        self._standings[record.step] = record.standing
        alone = processes.count() == 1
        # orbax refuses an empty part, such as the export of a phase that leaves nothing.
        saved: dict[str, Any] = {
            name: _on_host(part) if alone else part for name, part in parts.items() if part
        }
        if data is not None:
            saved["data"] = processes.Moment(data)
        if alone:
            self._pending = self._thread.submit(self._commit, saved, record)
            return
        try:
            response = self._begin(saved, record)
        except Exception as error:
            raise self._unsaved(error) from error
        self._pending = self._thread.submit(self._finish, response, record)

    def check(self) -> None:
        """Raise if a save that ended in the background has failed; never waits. Several processes,
        which would not find it ended at the same step, learn of it at the next save.
        """
        if self._pending is not None and self._pending.done() and processes.count() == 1:
            self.wait()

    def wait(self) -> None:
        """Wait until nothing is being saved. Several processes call it at the same points.

        Raises:
            CheckpointError: if the save failed, in any process; the checkpoints before it are
                intact.
        """
        if self._pending is None:
            return
        error = self._ended()
        everywhere = processes.everywhere(error is None)
        if error is not None:
            raise self._unsaved(error) from error
        if not everywhere:
            raise self._unsaved(RuntimeError("another process has said why"))

    def _ended(self) -> Exception | None:
        """What the save that is waited for failed of, in this process."""
        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.result()
        except Exception as error:
            return error
        return None

    def close(self) -> None:
        """Wait for what is being saved and let go of the folder.

        Raises:
            CheckpointError: if that failed, and was not told before.
        """
        try:
            # Not `wait`: who unwinds may be the only process that does.
            error = self._ended()
            if error is not None:
                raise self._unsaved(error) from error
        finally:
            self._thread.shutdown()
            try:
                self._checkpointer.close()
            except Exception:  # orbax tells of a failed save once more
                if not self._failed:
                    raise

    def _probe(self) -> None:
        """Raise where the system refuses to write: orbax would wait for minutes to say so."""
        probe = self._folder / f"{PROBE}-{jax.process_index()}"  # of each process its own
        try:
            probe.mkdir(exist_ok=True)
            (probe / "byte").write_bytes(b"0")
        finally:
            shutil.rmtree(probe, ignore_errors=True)

    def _unsaved(self, error: Exception) -> CheckpointError:
        self._failed = True
        return CheckpointError(
            f"a checkpoint in {self._folder} could not be saved ({error}); those before it are "
            "intact: see to free space and permissions, then resume"
        )

    def _commit(self, saved: dict[str, Any], record: Record) -> None:
        with _ONE_AT_A_TIME:
            response = self._begin(saved, record)
            response.result()
        self._finish(response, record)

    def _begin(self, saved: dict[str, Any], record: Record) -> Any:
        self._probe()
        response = self._checkpointer.save_checkpointables_async(record.step, saved, force=True)
        assert response is not None
        return response

    def _finish(self, response: Any, record: Record) -> None:
        response.result()  # of all processes
        if processes.first():
            seal(self._folder / str(record.step), record)
            if self._publish is not None:
                self._publish(self._folder / str(record.step))

    def _tidied(self) -> dict[str, Any] | None:
        """Remove the debris of killed saves; the newest good checkpoint's record, as plain JSON."""
        for step in steps_in(self._folder):
            folder = self._folder / str(step)
            if not (folder / MANIFEST).exists():
                self._say(f"removing {folder}: its save was cut off before it was whole")
                shutil.rmtree(folder)
        for probe in self._folder.glob(f"{PROBE}-*"):
            shutil.rmtree(probe, ignore_errors=True)
        newest = self._newest_good()
        return None if newest is None else dataclasses.asdict(newest)

    def _newest_good(self) -> Record | None:
        bad: list[str] = []
        for step in reversed(steps_in(self._folder)):
            try:
                record = verify(self._folder / str(step))
            except CheckpointError as error:
                bad.append(str(error))
                continue
            for later in steps_in(self._folder):
                if later > step:
                    _put_aside(self._folder / str(later))
            for problem in bad:
                self._say(f"{problem}. Going back to the checkpoint at step {step}")
            return record
        if bad:
            raise CheckpointError(
                f"no checkpoint in {self._folder} can be used: {'; '.join(bad)}. "
                "Remove that folder to train the phase anew"
            )
        return None


def load_candidate(folder: Path, export: Any) -> Any:
    """An export that was kept by itself. Only reads: needs no lock.

    Args:
        folder: of that one export.
        export: its abstract pytree.

    Raises:
        CheckpointError: if it is absent or damaged.
    """
    verify(folder)
    return _load(folder, None, {"export": export})["export"]


def load_export(folder: Path, export: Any) -> Any:
    """What a finished phase left, without its optimiser. Only reads: needs no lock.

    Args:
        folder: of the phase's checkpoints.
        export: abstract pytree of the export.

    Raises:
        CheckpointError: if the phase is not finished or its last checkpoint is damaged.
    """
    steps = [step for step in steps_in(folder) if (folder / str(step) / MANIFEST).exists()]
    record = verify(folder / str(steps[-1])) if steps else None
    if record is None or not record.complete:
        raise CheckpointError(
            f"{folder} holds no finished phase; the command that trains it goes on where it was"
        )
    return _load(folder / str(record.step), None, {"export": export})["export"]


def _load(folder: Path, data: Any | None, trees: Mapping[str, Any]) -> dict[str, Any]:
    from orbax.checkpoint import v1 as ocp

    wanted: dict[str, Any] = {name: _flat(tree) for name, tree in trees.items()}
    saved = read_json(folder / RECORD)["arrays"]
    for name, part in wanted.items():
        _check_types(folder / name, saved[name], _types(part))
    wanted = {name: part for name, part in wanted.items() if part}
    if data is not None:
        wanted["data"] = data
    try:
        found = ocp.load_checkpointables(epath.Path(folder), wanted) if wanted else {}
    except Exception as error:
        verify(folder)  # names the file, where one was damaged since the folder was opened
        # orbax reports any trouble as an incompatible handler; the reason is further down.
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise CheckpointError(f"{folder} cannot be loaded: {cause}") from error
    loaded = {}
    for name, tree in trees.items():
        leaves = [found[name][path] for path in _flat(tree)]
        loaded[name] = jax.tree.unflatten(jax.tree.structure(tree), leaves)
    return loaded


def _flat(tree: Any) -> dict[str, Any]:
    # Names instead of containers: a checkpoint does not depend on an optimiser's tuple classes.
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): x for path, x in leaves}


def _on_host(part: Mapping[str, Any]) -> dict[str, np.ndarray]:
    for x in part.values():
        if isinstance(x, jax.Array):
            x.copy_to_host_async()
    # A copy also where the device is the host: the buffers are donated to the next step.
    return {name: np.array(x) for name, x in part.items()}


def _types(part: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{x.dtype}{list(x.shape)}" for name, x in part.items()}


def _check_types(where: Path, saved: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    # Before orbax sees it, whose own complaint about a shape leaves coroutines behind.
    wrong = [
        f"{name} is {saved.get(name, 'absent')} there, {wanted.get(name, 'absent')} here"
        for name in sorted(saved.keys() | wanted.keys())
        if saved.get(name) != wanted.get(name)
    ]
    if wrong:
        raise CheckpointError(f"{where} is of another model: {'; '.join(wrong)}")


def steps_in(folder: Path | BucketPath) -> list[int]:
    """Steps that a folder has something of, whole or not, in order; none where it is absent."""
    if not folder.exists():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def _put_aside(folder: Path) -> None:
    """Keep a bad checkpoint for whoever wants to look at it, under a name that nothing loads."""
    aside = folder.with_name(f"{folder.name}.damaged")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
