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
            CorruptFileError: if it is refused, as without the permission, or gone by now.
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
        ValueError: for a protocol that fsspec does not know.
    """
    address = os.fspath(address)
    return _Remote(address) if "://" in address or "::" in address else _Local(address)


class _Listed:
    """What both have in common: names are looked up, not followed, and refusals name the file."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.strays: dict[str, str] = {}

    def open(self, name: str) -> Any:  # a BinaryIO, a remote one in all but its class
        if name not in self.sizes:
            raise KeyError(name)
        try:
            return self._opened(name)
        except OSError as error:
            raise CorruptFileError(f"{name} cannot be read: {error.strerror or error}") from error

    def _opened(self, name: str) -> Any:
        raise NotImplementedError

    def _stray(self, name: str, why: str) -> None:
        self.strays[_printable(name)] = why


class _Local(_Listed):
    def __init__(self, address: str) -> None:
        super().__init__()
        if not Path(address).expanduser().is_dir():
            raise FileNotFoundError(f"there is no folder {address!r}")
        self._root = Path(address).expanduser().resolve()
        # Links to folders are not followed: they may lead out, or round in a circle.
        for folder, folders, names in os.walk(self._root, onerror=self._closed):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith("."):
                    self._add(Path(folder, name))

    def _add(self, path: Path) -> None:
        name = path.relative_to(self._root).as_posix()
        if name != _printable(name):
            # Neither a table nor a report could name it.
            self._stray(name, "its name is not UTF-8: rename it")
        elif not path.is_file():
            self._stray(name, "it is no file, or a link to nothing")
        elif path.resolve().is_relative_to(self._root):
            self.sizes[name] = path.stat().st_size
        else:
            self._stray(name, "it leads out of the folder")

    def _closed(self, error: OSError) -> None:
        folder = Path(os.fsdecode(error.filename or self._root))
        name = folder.relative_to(self._root).as_posix()
        self._stray(name, f"it cannot be listed: {error.strerror or error}")

    def _opened(self, name: str) -> BinaryIO:
        return (self._root / name).open("rb")


class _Remote(_Listed):
    def __init__(self, address: str) -> None:
        super().__init__()
        try:
            import fsspec
        except ImportError as error:
            raise ImportError(f"{address!r} needs fsspec: pip install fsspec") from error
        self._system: Any
        try:
            self._system, root = fsspec.core.url_to_fs(address)
        except ImportError as error:
            raise ImportError(f"{address!r} cannot be opened: {error}") from error
        except ValueError as error:
            raise ValueError(f"{address!r} cannot be opened: {error}") from error
        self._root = root.rstrip("/")
        if not self._system.isdir(self._root):
            raise FileNotFoundError(f"there is no folder {address!r}")
        for path, info in sorted(self._system.find(self._root, detail=True).items()):
            name = path[len(self._root) :].lstrip("/")
            parts = name.split("/")
            if ".." in parts or not path.startswith(f"{self._root}/"):
                self._stray(path, "it leads out of the folder")
            elif not any(part.startswith(".") for part in parts):
                self.sizes[name] = int(info.get("size") or 0)

    def _opened(self, name: str) -> Any:
        return self._system.open(f"{self._root}/{name}", "rb")


def _printable(name: str) -> str:
    """The name, where what is not UTF-8 in it is escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
