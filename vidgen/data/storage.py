"""Files below one address: a folder of this machine, or whatever fsspec can reach."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from vidgen.data.errors import CorruptFileError


@runtime_checkable
class Files(Protocol):
    """Files by their path below the address, in posix form.

    Attributes:
        sizes: bytes of each file. Hidden files (those with a leading dot anywhere) are left out.
        strays: why what is listed here is never opened, by name.
    """

    sizes: dict[str, int]
    strays: dict[str, str]

    def open(self, name: str) -> BinaryIO:
        """A file of `sizes`, for reading bytes at any position.

        Raises:
            KeyError: for another name, so that no path of a caption or a table is ever followed.
            CorruptFileError: if this machine refuses it, as it does without the permission.
        """
        ...


def files(address: str | os.PathLike[str]) -> Files:
    """Whatever lies below an address.

    Args:
        address: a folder, or an fsspec address such as ``s3://bucket/clips``.

    Raises:
        FileNotFoundError: if there is no folder.
        ImportError: for an fsspec address where fsspec (or what it needs for the protocol) is not
            installed.
    """
    address = os.fspath(address)
    return _Remote(address) if "://" in address or "::" in address else _Local(address)


class _Local:
    def __init__(self, address: str) -> None:
        if not Path(address).expanduser().is_dir():
            raise FileNotFoundError(f"there is no folder {address!r}")
        self._root = Path(address).expanduser().resolve()
        self.sizes: dict[str, int] = {}
        self.strays: dict[str, str] = {}
        # Links to folders are not followed: they may lead out, or round in a circle.
        for folder, folders, names in os.walk(self._root, onerror=self._closed):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith("."):
                    self._add(Path(folder, name))

    def _add(self, path: Path) -> None:
        name = path.relative_to(self._root).as_posix()
        try:
            name.encode()
        except UnicodeEncodeError:
            # Neither a table nor a report could name it.
            self.strays[ascii(name)] = "its name is not UTF-8: rename it"
            return
        if not path.is_file():
            self.strays[name] = "it is no file, or a link to nothing"
        elif path.resolve().is_relative_to(self._root):
            self.sizes[name] = path.stat().st_size
        else:
            self.strays[name] = "it leads out of the folder"

    def _closed(self, error: OSError) -> None:
        folder = Path(os.fsdecode(error.filename or self._root))
        name = folder.relative_to(self._root).as_posix()
        self.strays[ascii(name)[1:-1]] = f"it cannot be listed: {error.strerror or error}"

    def open(self, name: str) -> BinaryIO:
        if name not in self.sizes:
            raise KeyError(name)
        try:
            return (self._root / name).open("rb")
        except OSError as error:
            raise CorruptFileError(f"{name} cannot be read: {error.strerror or error}") from error


class _Remote:
    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise ImportError(f"{address!r} needs fsspec: pip install fsspec") from error
        self._system: Any
        try:
            self._system, root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise type(error)(f"{address!r} cannot be opened: {error}") from error
        self._root = root.rstrip("/")
        if not self._system.isdir(self._root):
            raise FileNotFoundError(f"there is no folder {address!r}")
        self.sizes: dict[str, int] = {}
        self.strays: dict[str, str] = {}
        for path, info in sorted(self._system.find(self._root, detail=True).items()):
            name = path[len(self._root) :].lstrip("/")
            parts = name.split("/")
            if ".." in parts or not path.startswith(f"{self._root}/"):
                self.strays[path] = "it leads out of the folder"
            elif not any(part.startswith(".") for part in parts):
                self.sizes[name] = int(info.get("size") or 0)

    def open(self, name: str) -> Any:  # a BinaryIO in all but its class
        if name not in self.sizes:
            raise KeyError(name)
        return self._system.open(f"{self._root}/{name}", "rb")
