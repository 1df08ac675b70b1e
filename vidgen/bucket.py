"""Addresses in object stores, such as ``s3://bucket/runs/quick``, beside those of this machine.

A store has objects by name and no folders. An object is written whole or not at all, and is
replaced in one go; nothing can be appended, renamed or locked. `etils.epath` brings the ways of a
path; the objects are reached through fsspec. epath's own paths will not do: where TensorFlow is
installed, they go through it, which knows no S3; and they remember what a listing said, so that one
process would not see what another one has written.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etils import epath

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""Which extra brings what a protocol needs."""


class BucketError(OSError):
    """A store refused, or could not be reached; the message says what and where."""


@epath.register_path_cls  # so that `epath.Path` leaves it as it is
class BucketPath(epath.Path):
    """An object, or all whose names begin so, in any store that fsspec knows.

    Raises:
        ImportError: where it is used without what fsspec needs for it; the extra is named.
        BucketError: if the store refuses, or cannot be reached.
    """

    def __str__(self) -> str:
        protocol, *names = self.parts  # "s3:", since two slashes are one to a path
        return f"{protocol}//{'/'.join(names)}"

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"BucketPath({str(self)!r})"

    @property
    def _store(self) -> Any:
        protocol = self.parts[0].removesuffix(":")
        try:
            import fsspec

            # Not to remember listings: other processes write too.
            return fsspec.filesystem(protocol, use_listings_cache=False)
        except ImportError as error:
            extra = _EXTRAS.get(protocol)
            advice = f": pip install 'vidgen[{extra}]'" if extra else ""
            raise ImportError(f"{self} cannot be opened, {error}{advice}") from error
        except ValueError as error:
            raise ValueError(f"{self} cannot be opened: {error}") from error

    def exists(self) -> bool:
        """Whether there is such an object, or one whose name begins so."""
        store = self._store
        with _named(self):
            return store.exists(str(self))

    def is_dir(self) -> bool:
        """Whether the name of any object goes on from here."""
        store = self._store
        with _named(self):
            return store.isdir(str(self))

    def iterdir(self) -> Iterator[BucketPath]:
        """What lies one level below, in order."""
        store = self._store
        with _named(self):
            found = store.ls(str(self), detail=False)
            root = store._strip_protocol(str(self)).strip("/")
        # Some tools make an object of a folder's own name.
        names = {name.strip("/") for name in found} - {root}
        return iter(sorted(self / name.rpartition("/")[2] for name in names))

    def glob(self, pattern: str) -> Iterator[BucketPath]:
        """What lies below and fits, in order."""
        store = self._store
        with _named(self):
            found = store.glob(str(self / pattern))
        return iter(sorted(BucketPath(f"{self.parts[0]}//{name.lstrip('/')}") for name in found))

    def below(self) -> dict[str, int]:
        """Bytes of each object below, by its name from here on, in order."""
        store = self._store
        with _named(self):
            root = store._strip_protocol(str(self)).strip("/")
            found = store.find(str(self), detail=True)
        names = {name.strip("/").removeprefix(root).lstrip("/"): one for name, one in found.items()}
        return {name: int(names[name]["size"] or 0) for name in sorted(names) if name}

    def open(
        self,
        mode: str = "r",
        encoding: str | None = None,
        errors: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open for reading; objects are written whole, see `write_bytes`."""
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"{self} can be opened for reading alone, not {mode!r}")
        content = io.BytesIO(self.read_bytes())
        return content if mode == "rb" else io.TextIOWrapper(content, encoding="utf-8")

    def read_bytes(self) -> bytes:
        """All of an object."""
        store = self._store
        with _named(self):
            return store.cat_file(str(self))

    def read_text(self, encoding: str | None = None) -> str:
        """All of an object, in UTF-8."""
        return self.read_bytes().decode()

    def write_bytes(self, data: bytes) -> int:
        """Make or replace an object, whole or not at all."""
        store = self._store
        with _named(self):
            store.pipe_file(str(self), data)
        return len(data)

    def write_text(self, data: str, encoding: str | None = None, errors: str | None = None) -> int:
        """Make or replace an object, whole or not at all, in UTF-8."""
        self.write_bytes(data.encode())
        return len(data)

    def create(self, data: bytes) -> bool:
        """Make an object, unless there is one; whether it was made. Of many, one alone makes it,
        where the store knows of conditions, as S3 and GCS do.
        """
        store = self._store
        with _named(self):
            if store.exists(str(self)):  # enough for a store that does not, but for a moment
                return False
            try:
                store.pipe_file(str(self), data, mode="create")
            except FileExistsError:
                return False
            except Exception:  # of several kinds where a precondition is refused
                if store.exists(str(self)):
                    return False
                raise
        return True

    def modified(self) -> datetime.datetime:
        """When an object was written, by the clock of the store."""
        store = self._store
        with _named(self):
            return store.modified(str(self))

    def upload(self, files: Mapping[str, Path]) -> None:
        """Copy files of this machine to below here, in any order; each is whole or not at all."""
        if not files:
            return
        store = self._store
        with _named(self):
            store.put([str(f) for f in files.values()], [str(self / name) for name in files])

    def download(self, files: Mapping[str, Path]) -> None:
        """Copy objects below here to files of this machine, whose folders are made."""
        if not files:
            return
        store = self._store
        for file in files.values():
            file.parent.mkdir(parents=True, exist_ok=True)
        with _named(self):
            store.get([str(self / name) for name in files], [str(f) for f in files.values()])

    def mkdir(self, mode: int | None = None, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: a folder is there when something lies in it."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove an object."""
        store = self._store
        with _named(self):
            try:
                store.rm_file(str(self))
            except FileNotFoundError:
                if not missing_ok:
                    raise

    def rmtree(self, missing_ok: bool = False) -> None:
        """Remove all objects below."""
        store = self._store
        with _named(self):
            try:
                store.rm(str(self), recursive=True)
            except FileNotFoundError:
                if not missing_ok:
                    raise

    def expanduser(self) -> BucketPath:
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> BucketPath:
        """Itself."""
        return self


def address(path: str | os.PathLike[str]) -> Path | BucketPath:
    """A path of this machine, made absolute, or one in a bucket."""
    words = os.fspath(path).removeprefix("file://")
    return BucketPath(words) if "://" in words else Path(words).expanduser().absolute()


def anywhere(path: str | os.PathLike[str]) -> epath.Path:
    """The same as epath has it: local paths stay what they are."""
    words = os.fspath(path).removeprefix("file://")
    return BucketPath(words) if "://" in words else epath.Path(words)


@contextlib.contextmanager
def _named(path: BucketPath) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError):
        raise
    except Exception as error:  # of as many kinds as there are stores
        raise BucketError(f"{path}: {type(error).__name__}: {error}") from error
