"""Where returned mail lies: a file, a folder with everything below it, a Maildir, an mbox, standard input."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

LARGEST_KEPT = 64 * 1024 * 1024
"""Octets of one mail; what comes after them is left out."""
_ESCAPED = re.compile(rb">+From ")
_BEGINS = re.compile(rb"From (?:[^\r\n]*\s)?\d{1,2}:\d\d")
_READ_AT_ONCE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FoundMail:
    """One mail, and where it was found."""

    file: str
    """Relative to the folder that was named; a mail among several of one file by its number too."""
    raw: bytes = field(repr=False)


def mails_in(path: Path) -> Iterator[FoundMail]:
    """Yield every mail of a file or of a folder, in the order of their names."""
    if not path.is_dir():
        with path.open("rb") as file:
            yield from mails_of(file, path.name)
        return
    for found in _files_below(path):
        with found.open("rb") as file:
            yield from mails_of(file, found.relative_to(path).as_posix())


def mails_of(stream: BinaryIO, name: str) -> Iterator[FoundMail]:
    """Yield the mail of a stream, or all of them when it is an mbox."""
    first = stream.readline(_READ_AT_ONCE)
    if not _BEGINS.match(first):
        yield FoundMail(file=name, raw=_whole([first], stream))
        return
    waiting: FoundMail | None = None
    for number, raw in enumerate(_letters(stream), start=1):
        if waiting is not None:
            yield waiting if waiting.file != name else FoundMail(file=f"{name}#1", raw=waiting.raw)
        waiting = FoundMail(file=name if number == 1 else f"{name}#{number}", raw=raw)
    if waiting is not None:
        yield waiting


def _whole(begun: Iterable[bytes], stream: BinaryIO) -> bytes:
    pieces = list(begun)
    pieces.append(stream.read(LARGEST_KEPT - sum(map(len, pieces))))
    return b"".join(pieces)


def _letters(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the mails of an mbox whose first line was read; each begins after an empty line and `From `."""
    lines: list[bytes] = []
    size, after_empty = 0, False
    while line := stream.readline(_READ_AT_ONCE):
        if after_empty and _BEGINS.match(line):
            yield b"".join(lines)
            lines, size, after_empty = [], 0, False
            continue
        after_empty = line in {b"\n", b"\r\n"}
        size += len(line)
        if size <= LARGEST_KEPT:
            lines.append(line[1:] if _ESCAPED.match(line) else line)
    yield b"".join(lines)


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; of a Maildir those that were delivered, and its folders."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    names = {entry.name for entry in entries}
    is_maildir = {"cur", "new"} <= names
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if _is_read(path, is_maildir=is_maildir):
                yield from _files_below(path)
        elif not is_maildir and not entry.name.startswith(".") and stat.S_ISREG(path.lstat().st_mode):
            yield path


def _is_read(folder: Path, *, is_maildir: bool) -> bool:
    if is_maildir and folder.name == "tmp":
        return False  # what is there is still being written
    return not folder.name.startswith(".") or (folder / "cur").is_dir()
