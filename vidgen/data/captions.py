"""Tables that lie beside clips: a sentence, or a split, for each file."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from vidgen.data.errors import CorruptFileError
from vidgen.data.storage import Files

TABLES = ("captions.csv", "captions.jsonl")
SPLIT_TABLES = ("splits.csv", "splits.jsonl")

LONGEST = 4096
"""Characters of a caption above which its file is not believed."""

_LARGEST = 2**30


def captions(
    files: Files, clips: Iterable[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """What each clip is called: the rows of a table, or else the ``.txt`` of the same stem.

    A clip of several rows has several captions; one that no table names and that has no text file
    has none. Line breaks and runs of blanks count as one blank.

    Args:
        files: where clips, tables and text files lie.
        clips: their names.

    Returns:
        The captions of every clip, and what tables name that is no clip, with the reason.

    Raises:
        CorruptFileError: for a table or a text that cannot be read as such, with its line.
    """
    rows: dict[str, list[str]] = {}
    for name, caption in table(files, TABLES, "caption"):
        rows.setdefault(name, []).append(_sentence(caption, name))
    found = {}
    for clip in clips:
        told = [caption for caption in rows.get(same(clip), []) if caption]
        path = PurePosixPath(clip)
        beside = {
            path.with_suffix(".txt").as_posix() if path.suffix else "",
            f"{clip}.txt",
        }
        for name in sorted(beside & files.sizes.keys()):
            if not told:
                sentence = _sentence(_text(files, name), name)
                told = [sentence] if sentence else []
        found[clip] = tuple(dict.fromkeys(told))
    strangers = rows.keys() - {same(clip) for clip in found}
    return found, dict.fromkeys(
        sorted(strangers), "a table has its caption, and it is no clip here"
    )


def table(files: Files, names: Iterable[str], column: str) -> Iterator[tuple[str, str]]:
    """The (file, value) rows of whichever of these tables exist, in their order.

    A ``.csv`` has a header with the columns ``file`` and `column`; a ``.jsonl`` has an object with
    these keys a line.

    Raises:
        CorruptFileError: for anything else, with the name and the line.
    """
    for name in names:
        if name in files.sizes:
            read = _jsonl if name.endswith(".jsonl") else _csv
            for line, row in read(_text(files, name), name, column):
                file, value = row.get("file"), row.get(column)
                if not isinstance(file, str) or not isinstance(value, str):
                    raise CorruptFileError(
                        f"{name}, line {line}: 'file' and {column!r} must both be strings"
                    )
                yield same(file), value


def same(name: str) -> str:
    """One form for all spellings of a path: composed characters, forward slashes, no leading dot.

    Some systems store an accent apart from its letter.
    """
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removeprefix("./")


def _csv(text: str, name: str, column: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        head = reader.fieldnames or []
        if "file" not in head or column not in head:
            raise CorruptFileError(
                f"{name}: the first line must name the columns 'file' and {column!r}, got {head}"
            )
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise CorruptFileError(f"{name}, line {reader.line_num}: {error}") from error


def _jsonl(text: str, name: str, column: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            try:
                row = json.loads(content)
            except (ValueError, RecursionError) as error:
                raise CorruptFileError(f"{name}, line {line}: {error}") from error
            if not isinstance(row, dict):
                raise CorruptFileError(f"{name}, line {line}: no object with 'file' and {column!r}")
            yield line, row


def _text(files: Files, name: str) -> str:
    limit = _LARGEST if name in (*TABLES, *SPLIT_TABLES) else 4 * LONGEST
    if files.sizes[name] > limit:
        raise CorruptFileError(
            f"{name} has {files.sizes[name]:,} bytes; at most {limit:,} are read"
        )
    with files.open(name) as file:
        content = file.read(limit + 1)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{name} is not written in UTF-8: {error}") from error


def _sentence(text: str, name: str) -> str:
    sentence = " ".join(text.split())
    if len(sentence) > LONGEST:
        raise CorruptFileError(
            f"the caption of {name} has {len(sentence):,} characters; at most {LONGEST:,} are read"
        )
    return sentence
