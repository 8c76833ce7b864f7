"""A worker's journal: which attempts may have been completed, written so that kill -9 cannot erase it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from mmap import ALLOCATIONGRANULARITY, mmap
from pathlib import Path
from typing import Self

from notifications.errors import JournalExists, JournalFailed, JournalInUse

AttemptKey = tuple[int, int]
"""Delivery id and attempt number."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LINE_END = ord("\n")
_UNKNOWN_BOOT = "unknown"
_HEADER = re.compile(rb"mailer-journal 1 ([0-9a-z-]+)")
_MARK = re.compile(rb"(?:B (\d+) (\d+)|E (\d+) (\d+) (\d{1,3}|-))")


_SEGMENT = 64 * 1024
"""So many octets are laid out and mapped at a time: a full disk says so then, not in the middle of a mark."""


class Journal:
    """Append-only marks of one worker, each a whole line in the kernel's hands before the caller goes on.

    The file is mapped into memory: a mark is a copy of a few octets, and what was copied stays when the process is
    killed. A mark counts from its line's end, which is written last; behind the last one stand zeros.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _created(path)
        self._map: mmap | None = None
        self._mapped_from = self._room = self._size = 0
        self._write(_first_line())

    @classmethod
    def fresh(cls, path: Path) -> Self:
        """Begin an empty journal in the place of one that has been replayed."""
        if path.exists() and _is_in_use(path):
            raise JournalInUse
        path.unlink(missing_ok=True)
        return cls(path)

    @property
    def size(self) -> int:
        """Return the octets written so far."""
        return self._size

    def begin(self, delivery_id: int, attempt: int) -> None:
        """Mark that the next bytes may complete this message."""
        self._write(b"B %d %d" % (delivery_id, attempt))

    def end(self, delivery_id: int, attempt: int, code: int | None) -> None:
        """Mark the server's reply; None says that none came and the outcome is unknown."""
        written = b"-" if code is None else b"%d" % code
        self._write(b"E %d %d %b" % (delivery_id, attempt, written))

    def close(self) -> None:
        """Stop writing; the file stays for the replay."""
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _write(self, mark: bytes) -> None:
        size = self._size + len(mark) + 1
        if size > self._room:
            self._make_room()
        if self._map is None:
            raise JournalFailed
        start, end = self._size - self._mapped_from, size - 1 - self._mapped_from
        self._map[start:end] = mark
        self._map[end] = _LINE_END
        self._size = size

    def _make_room(self) -> None:
        """Lay out the next octets and map them in the place of those that are full."""
        if self._file is None:
            raise JournalFailed
        if self._map is not None:
            self._map.close()
            self._map = None
        mapped_from = self._size - self._size % ALLOCATIONGRANULARITY
        room = mapped_from + _SEGMENT
        try:
            written = os.pwrite(self._file, bytes(room - self._size), self._size)
        except OSError as failure:
            self.close()
            raise JournalFailed from failure
        if written != room - self._size:
            self.close()
            raise JournalFailed
        self._map = mmap(self._file, _SEGMENT, offset=mapped_from)
        self._mapped_from, self._room = mapped_from, room


class Fate(StrEnum):
    """What the journal says of an attempt that was leased when the worker died."""

    ENDED = "ended"
    IN_DOUBT = "in_doubt"
    NEVER_BEGUN = "never_begun"


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a journal knows."""

    ended: Mapping[AttemptKey, int | None] = field(default_factory=dict)
    open: AbstractSet[AttemptKey] = frozenset()
    trustworthy: bool = False
    """False: marks may be missing, so every leased delivery is in doubt."""

    def fate_of(self, delivery_id: int, attempt: int) -> Fate:
        """Tell what became of a leased attempt."""
        key = (delivery_id, attempt)
        if not self.trustworthy or key in self.open:
            return Fate.IN_DOUBT
        return Fate.ENDED if key in self.ended else Fate.NEVER_BEGUN


def replay(path: Path) -> Replay:
    """Read the journal of a worker that is no longer alive."""
    if not path.exists():
        return Replay()
    if _is_in_use(path):
        raise JournalInUse
    whole, _, _torn = path.read_bytes().rpartition(b"\n")
    first, *marks = whole.split(b"\n")
    header = _HEADER.fullmatch(first)
    if header is None:
        return Replay()
    ended: dict[AttemptKey, int | None] = {}
    begun: set[AttemptKey] = set()
    sound = True
    for mark in marks:
        sound = _apply(mark, ended, begun) and sound
    boot_id = header[1].decode("ascii")
    return Replay(ended=ended, open=begun, trustworthy=sound and _is_this_boot(boot_id))


def _apply(mark: bytes, ended: dict[AttemptKey, int | None], begun: set[AttemptKey]) -> bool:
    found = _MARK.fullmatch(mark)
    if found is None:
        return False
    if found[1]:
        begun.add((int(found[1]), int(found[2])))
        ended.pop((int(found[1]), int(found[2])), None)
        return True
    key = (int(found[3]), int(found[4]))
    begun.discard(key)
    ended[key] = None if found[5] == b"-" else int(found[5])
    return True


def _created(path: Path) -> int | None:
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise JournalExists from None
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _is_in_use(path: Path) -> bool:
    # A living writer holds the lock; the kernel lets go of it when the process dies.
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def _first_line() -> bytes:
    return f"mailer-journal 1 {_boot_id()}".encode("ascii")


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return _UNKNOWN_BOOT


def _is_this_boot(boot_id: str) -> bool:
    return boot_id != _UNKNOWN_BOOT and boot_id == _boot_id()
