"""Features of captions that were computed once, kept on disk by their content."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from vidgen.text.encoder import TextEncoder
from vidgen.types import Captions

DIRECTORY_VARIABLE = "VIDGEN_CACHE"
"""Names the directory of caches; ``~/.cache/vidgen`` if it is not set."""

_log = logging.getLogger("vidgen.text")

_TABLE = "CREATE TABLE IF NOT EXISTS features (caption TEXT PRIMARY KEY, digest BLOB, rows BLOB)"
_WAIT = 60.0
"""Seconds for another process to end its writing."""

_ASKED = 500
"""Captions a question; SQLite admits 999 variables at least."""


class Remembered:
    """A text encoder whose features are computed once a machine.

    One SQLite file an encoder, named by its fingerprint, so that those of other weights, another
    tokenizer or another length never answer. Any number of threads and processes may read and write
    at once. Rows carry a digest: a damaged one is computed again, and a file that is no database is
    put aside. Where the directory cannot be written, everything is computed, which is logged once.

    Attributes:
        reader: the encoder itself, which forgets.

    Args:
        encoder: whose features they are.
        folder: of the files; made when first needed. By default ``text`` in the directory that the
            environment variable ``VIDGEN_CACHE`` names, or in ``~/.cache/vidgen``.
    """

    def __init__(self, encoder: TextEncoder, folder: Path | None = None) -> None:
        self.reader = encoder
        self.name, self.length, self.width = encoder.name, encoder.length, encoder.width
        self.fingerprint = encoder.fingerprint
        self.path = (folder or directory() / "text") / f"{self.fingerprint[:32]}.sqlite"
        self._usable = True

    def tokens(self, caption: str) -> int:
        """As the encoder says."""
        return self.reader.tokens(caption)

    def pieces(self, caption: str) -> list[str]:
        """As the encoder says."""
        return self.reader.pieces(caption)

    def __call__(
        self, captions: Captions
    ) -> tuple[Float[np.ndarray, "N L D"], Bool[np.ndarray, "N L"]]:
        """Features and mask of N captions; raises what the encoder does, and then keeps nothing."""
        if isinstance(captions, str):
            raise ValueError("pass a list of captions, not a single string")
        wanted = list(dict.fromkeys(captions))
        known = self._read(wanted)
        if new := [caption for caption in wanted if caption not in known]:
            features, mask = self.reader(new)
            found = {c: rows[seen] for c, rows, seen in zip(new, features, mask, strict=True)}
            self._write(found)
            known |= found
        features = np.zeros((len(captions), self.length, self.width), np.float32)
        mask = np.zeros(features.shape[:2], bool)
        for n, caption in enumerate(captions):
            rows = known[caption]
            features[n, : len(rows)], mask[n, : len(rows)] = rows, True
        return features, mask

    def _read(self, captions: list[str]) -> dict[str, Float[np.ndarray, "l D"]]:
        found = {}

        def select(base: sqlite3.Connection) -> None:
            for start in range(0, len(captions), _ASKED):
                asked = captions[start : start + _ASKED]
                marks = ", ".join("?" * len(asked))
                for caption, digest, rows in base.execute(
                    f"SELECT caption, digest, rows FROM features WHERE caption IN ({marks})", asked
                ):
                    if _digest(caption, rows) == digest:
                        found[caption] = np.frombuffer(rows, "<f4").reshape(-1, self.width)

        self._use(select)
        return found

    def _write(self, found: dict[str, Float[np.ndarray, "l D"]]) -> None:
        packed = [(c, np.ascontiguousarray(rows, "<f4").tobytes()) for c, rows in found.items()]
        new = [(caption, _digest(caption, rows), rows) for caption, rows in packed]
        self._use(
            lambda base: base.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", new)
        )

    def _use(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do something with the file; what cannot be done is left, since all can be computed."""
        if not self._usable:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Closed at once: a connection belongs to one thread.
            with contextlib.closing(sqlite3.connect(self.path, timeout=_WAIT)) as base, base:
                base.execute(_TABLE)
                work(base)
        except (OSError, sqlite3.OperationalError) as error:
            self._usable = False
            _log.warning(
                "features of captions are computed and not kept, since %s cannot be written: %s "
                "(%s names another directory)",
                self.path,
                error,
                DIRECTORY_VARIABLE,
            )
        except sqlite3.DatabaseError as error:
            aside = self.path.with_suffix(f".damaged-{os.getpid()}")
            with contextlib.suppress(OSError):
                self.path.replace(aside)
            _log.warning("%s: %s; it was put aside as %s", self.path, error, aside.name)


def directory() -> Path:
    """Where caches lie; it need not exist."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "vidgen"


def _digest(caption: str, rows: bytes) -> bytes:
    return hashlib.sha256(caption.encode() + b"\0" + rows).digest()
