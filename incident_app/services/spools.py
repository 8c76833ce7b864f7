"""Rows that wait on disk in sorted order, so that a file of any length is checked and loaded in little memory.

The files have no name (they vanish with the process) and belong to the owner alone.
"""

from __future__ import annotations

import heapq
import marshal
import tempfile
from collections.abc import Callable, Collection, Iterator
from itertools import chain, islice
from operator import eq
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

Row = TypeVar("Row", bound=tuple[Any, ...])

RUN = 40_000
"""Rows that are sorted in memory at once."""
BLOCK = 200
"""Rows that are read back at once: every run that is merged holds one block in memory."""


class Spool(Generic[Row]):
    """Rows in sorted order on disk. Rows that come sorted are only written and read; others are merged.

    `key` takes from a row what must not stand twice.
    """

    def __init__(self, folder: Path | None, *, key: Callable[[Row], object], run: int = RUN) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._key = key
        self._run = run
        self._waiting: list[Row] = []
        self._sequences: list[_Sequence[Row]] = []
        self._doubled = False
        self.count = 0

    def __enter__(self) -> Spool[Row]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        """Put one row in."""
        self._waiting.append(row)
        if len(self._waiting) >= self._run:
            self._write()

    def add_all(self, rows: Collection[Row]) -> None:
        """Put many rows in."""
        self._waiting += rows
        if len(self._waiting) >= self._run:
            self._write()

    @property
    def may_hold_doubles(self) -> bool:
        """Tell whether two rows may have the same key; False is certain."""
        self._write(finally_=True)
        return self._doubled or len(self._sequences) > 1

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order."""
        self._write(finally_=True)
        if len(self._sequences) == 1:
            return self._read(self._sequences[0])
        return heapq.merge(*(self._read(sequence) for sequence in self._sequences))

    def _write(self, *, finally_: bool = False) -> None:
        if not self._waiting:
            return
        rows = self._waiting
        rows.sort()
        self._waiting = [] if finally_ else self._begun(rows)
        if self._waiting:
            del rows[-len(self._waiting) :]
        self.count += len(rows)
        keys = list(map(self._key, rows))
        self._doubled = self._doubled or any(map(eq, keys, islice(keys, 1, None)))
        sequence = next((found for found in reversed(self._sequences) if found.last <= rows[0]), None)
        if sequence is None:
            self._sequences.append(sequence := _Sequence(rows[0]))
        elif self._key(sequence.last) == keys[0]:
            self._doubled = True
        sequence.last = rows[-1]
        self._file.seek(0, 2)
        for start in range(0, len(rows), BLOCK):
            content = marshal.dumps(rows[start : start + BLOCK])
            sequence.blocks.append((self._file.tell(), len(content)))
            self._file.write(content)

    def _begun(self, rows: list[Row]) -> list[Row]:
        """Return the last rows that begin alike: more of them may come, and together they stay in order."""
        first = len(rows) - 1
        while first and rows[first - 1][0] == rows[-1][0]:
            first -= 1
        return rows[first:] if first else []

    def _read(self, sequence: _Sequence[Row]) -> Iterator[Row]:
        return chain.from_iterable(self._blocks(sequence))

    def _blocks(self, sequence: _Sequence[Row]) -> Iterator[list[Row]]:
        for offset, length in sequence.blocks:
            self._file.seek(offset)
            yield marshal.loads(self._file.read(length))  # noqa: S302 - written by this process a moment ago


class _Sequence(Generic[Row]):
    """Blocks of the file that follow each other in sorted order."""

    def __init__(self, first: Row) -> None:
        self.last = first
        self.blocks: list[tuple[int, int]] = []
