"""Rows of a text file by the thousand, each with the line it begins in.

Nearly every file has one row per line. Such a run of lines is parsed at once; where a quoted value holds line breaks, a
line is empty or quotes are broken, the rows of that run are read one by one. Both ways give the same rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Values = list[str]
LINES_AT_ONCE = 1_000
"""Lines that are parsed together; a fault among them makes all of them be read one by one."""
LONGEST_FIELD = 100_000


class Batch(NamedTuple):
    """Rows that follow each other: the line of each, and its values or what is wrong with it."""

    lines: Sequence[int]
    rows: Sequence[Values | str]
    plain: Sequence[Values] | None
    """The same rows when none of them is faulty and none is empty."""


class Lines:
    """The lines of a file: taken one by one, or as many as are at hand."""

    def __init__(self, lists: Iterable[list[str]]) -> None:
        self._lists = iter(lists)
        self._here: list[str] = []
        self._place = 0
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._fill():
            raise StopIteration
        self._place += 1
        self.read += 1
        return self._here[self._place - 1]

    def ahead(self) -> list[str]:
        """Return the next lines without taking them; none at the end."""
        return self._here[self._place : self._place + LINES_AT_ONCE] if self._fill() else []

    def skip(self, count: int) -> None:
        """Take lines that `ahead` has shown."""
        self._place += count
        self.read += count

    def _fill(self) -> bool:
        while self._place >= len(self._here):
            found = next(self._lists, None)
            if found is None:
                return False
            self._here, self._place = found, 0
        return True


def first_row(lists: Iterable[list[str]], delimiter: str) -> Values:
    """Return the values of the header, none for an empty file; csv.Error when its quotes are broken."""
    return next(_reader(Lines(lists), delimiter), [])


def batches_of(lists: Iterable[list[str]], delimiter: str) -> Iterator[Batch]:
    """Yield the rows behind the header. Empty lines are left out."""
    lines = Lines(lists)
    next(_reader(lines, delimiter), None)
    while ahead := lines.ahead():
        rows = _one_per_line(ahead, delimiter)
        if rows is None:
            yield _one_by_one(lines, lines.read + len(ahead), delimiter)
        else:
            start = lines.read + 1
            lines.skip(len(ahead))
            yield Batch(range(start, start + len(rows)), rows, rows)


def _reader(lines: Iterable[str], delimiter: str) -> Iterator[Values]:
    csv.field_size_limit(LONGEST_FIELD)
    return csv.reader(lines, strict=True, delimiter=delimiter)


def _one_per_line(lines: Sequence[str], delimiter: str) -> list[Values] | None:
    """Return the rows when each line is one row of several values, else nothing."""
    try:
        rows = list(_reader(lines, delimiter))
    except csv.Error:
        return None
    return rows if len(rows) == len(lines) and min(map(len, rows)) > 1 else None


def _one_by_one(lines: Lines, until: int, delimiter: str) -> Batch:
    """Read rows at least until this line; the last one may go beyond it."""
    numbers: list[int] = []
    found: list[Values | str] = []
    reader = _reader(lines, delimiter)
    while lines.read < until:
        start = lines.read + 1
        try:
            values: Values | str | None = next(reader, None)
        except csv.Error as fault:
            values = _in_words(fault, start, lines.read)
            reader = _reader(lines, delimiter)
        if values is None:
            break
        if isinstance(values, str) or len(values) > 1 or (values and values[0].strip()):
            numbers.append(start)
            found.append(values)
    return Batch(numbers, found, None)


def _in_words(fault: csv.Error, start: int, last: int) -> str:
    if "field limit" in str(fault):
        return f"a value has more than {LONGEST_FIELD} characters"
    if last > start:
        return f"lines {start} to {last} have broken quotes"
    return "broken quotes: one is opened and not closed, or text follows a closing one"
