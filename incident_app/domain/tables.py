"""Reading playbook files: takes keys out of TOML tables and collects every fault by key, line and reason."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from enum import Enum
from typing import TypeVar

from incident_app.domain.errors import FaultyFile

Word = TypeVar("Word", bound=Enum)
_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*\"?([A-Za-z0-9_-]+)\"?\s*=")
_AT_LINE = re.compile(r"at line (\d+)")


def read_toml(text: str, *, file: str) -> Mapping[str, object]:
    """Read TOML; FaultyFile for what is none, for numbers beyond reading and for endless nesting."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise FaultyFile(file=file, faults=["lists or tables are nested too deeply"]) from None
    except ValueError as fault:  # TOMLDecodeError is one; a number of thousands of digits raises another
        raise FaultyFile(file=file, faults=[f"{_key_in_line(text, fault)}not readable as TOML: {fault}"]) from None


def _key_in_line(text: str, fault: ValueError) -> str:
    """Name the key in the line that could not be read, such as that of a date which does not exist."""
    where = _AT_LINE.search(str(fault))
    lines = text.split("\n")
    key = _KEY.match(lines[int(where[1]) - 1]) if where and int(where[1]) <= len(lines) else None
    return f"{key[1]}: " if key else ""


class Document:
    """One TOML file and everything found wrong with it."""

    def __init__(self, text: str, *, file: str) -> None:
        self.file = file
        self.faults: list[str] = []
        content = read_toml(text, file=file)
        self._line_of = _lines_of_keys(text)
        self.root = Table(content, path="", document=self)

    def fault(self, path: str, problem: str) -> None:
        """Note what is wrong with one key."""
        found = path
        while found and found not in self._line_of:
            found = found.rpartition(".")[0]
        where = f"{path} (line {self._line_of[found]})" if found else path
        if (fault := f"{where}: {problem}") not in self.faults:
            self.faults.append(fault)

    def finish(self) -> None:
        """Raise FaultyFile with every fault, if there is one."""
        if self.faults:
            raise FaultyFile(file=self.file, faults=self.faults)


class Table:
    """One table of a document. A key that is wrong is noted and read as something harmless."""

    def __init__(self, content: Mapping[str, object], *, path: str, document: Document) -> None:
        self._content = content
        self._path = path
        self._document = document
        self._read: set[str] = set()

    def fault(self, key: str, problem: str) -> None:
        """Note what is wrong with one of this table's keys."""
        self._document.fault(self._at(key), problem)

    def text(self, key: str, default: str | None = None) -> str:
        """Read text; without a default the key is required and must not be empty."""
        found = self._take(key, str, "text", required=default is None)
        if isinstance(found, str) and (found.strip() or default is not None):
            return found
        if isinstance(found, str):
            self.fault(key, "is empty")
        return default or ""

    def find_text(self, key: str) -> str | None:
        """Read text that may be missing."""
        found = self._take(key, str, "text", required=False)
        return found if isinstance(found, str) else None

    def number(self, key: str, default: int | None = None) -> int:
        """Read a whole number; without a default the key is required."""
        found = self._take(key, int, "a whole number", required=default is None)
        return found if isinstance(found, int) and not isinstance(found, bool) else default or 0

    def find_number(self, key: str) -> int | None:
        """Read a whole number that may be missing."""
        found = self._take(key, int, "a whole number", required=False)
        return found if isinstance(found, int) else None

    def truth(self, key: str, *, default: bool = False) -> bool:
        """Read true or false."""
        found = self._take(key, bool, "true or false", required=False)
        return found if isinstance(found, bool) else default

    def day(self, key: str) -> date | None:
        """Read a date that may be missing."""
        found = self._take(key, date, "a date like 2026-04-01", required=False)
        if isinstance(found, datetime):
            self.fault(key, "must be a date like 2026-04-01, without a time")
            return None
        return found if isinstance(found, date) else None

    def word(self, key: str, words: type[Word], default: Word | None = None) -> Word:
        """Read one word of a closed set; without a default the key is required."""
        allowed = [str(member.value) for member in words]
        found = self._take(key, str, f"one of {', '.join(allowed)}", required=default is None)
        if isinstance(found, str):
            if found in allowed:
                return words(found)
            self.fault(key, f"{found!r} is not one of {', '.join(allowed)}")
        return default if default is not None else next(iter(words))

    def words(self, key: str, words: type[Word]) -> frozenset[Word]:
        """Read a list of words of a closed set; missing means none."""
        allowed = [str(member.value) for member in words]
        found = []
        for entry in self.texts(key):
            if entry in allowed:
                found.append(words(entry))
            else:
                self.fault(key, f"{entry!r} is not one of {', '.join(allowed)}")
        return frozenset(found)

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Read a list of texts."""
        found = self._take(key, list, "a list of texts", required=required)
        if not isinstance(found, list):
            return ()
        if any(not isinstance(entry, str) for entry in found):
            self.fault(key, "must be a list of texts")
            return ()
        return tuple(found)

    def known(self, key: str, codes: AbstractSet[str], what: str) -> str:
        """Read a code that must be defined in the same file."""
        found = self.text(key)
        if found and found not in codes:
            self.fault(key, f"{what} {found!r} is not defined in this file")
        return found

    def all_known(self, key: str, codes: AbstractSet[str], what: str, *, required: bool = False) -> tuple[str, ...]:
        """Read a list of codes that must be defined in the same file."""
        found = self.texts(key, required=required)
        for code in found:
            if code not in codes:
                self.fault(key, f"{what} {code!r} is not defined in this file")
        return found

    def raw(self, key: str) -> object:
        """Read a value of any type; missing means None."""
        self._read.add(key)
        return self._content.get(key)

    def table(self, key: str, *, required: bool = True) -> Table:
        """Read a table inside this one."""
        found = self._take(key, dict, "a table", required=required)
        return Table(found if isinstance(found, dict) else {}, path=self._at(key), document=self._document)

    def tables(self, key: str, *, required: bool = True) -> list[Table]:
        """Read a list of tables."""
        found = self._take(key, list, f"a list of tables, written [[{self._at(key)}]]", required=required)
        entries = found if isinstance(found, list) else []
        made = []
        for position, entry in enumerate(entries):
            if isinstance(entry, dict):
                made.append(Table(entry, path=f"{self._at(key)}[{position}]", document=self._document))
            else:
                self.fault(key, "must be a list of tables")
        return made

    def finish(self) -> None:
        """Note the keys that nobody asked for: a misspelt key must not be ignored."""
        for key in self._content:
            if key not in self._read:
                self.fault(key, f"unknown key; known here: {', '.join(sorted(self._read))}")

    def _take(self, key: str, kind: type, wanted: str, *, required: bool) -> object:
        self._read.add(key)
        if key not in self._content:
            if required:
                self.fault(key, "is missing")
            return None
        found = self._content[key]
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            self.fault(key, f"must be {wanted}")
            return None
        return found

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def unique_codes(tables: Sequence[Table], key: str = "code") -> frozenset[str]:
    """Return the codes of a list of tables; a code that stands twice is a fault."""
    seen: set[str] = set()
    for table in tables:
        code = table.text(key)
        if code in seen:
            table.fault(key, f"{code!r} stands twice")
        seen.add(code)
    return frozenset(seen)


def _lines_of_keys(text: str) -> Mapping[str, int]:
    """Tell the line of every table and key by a light scan; tables in a list are counted within their parent."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    inside, in_text = "", False
    for number, line in enumerate(text.split("\n"), start=1):
        if not in_text and (header := _HEADER.match(line)):
            inside = _resolved(header[2], counts, is_list=header[1] == "[[")
            lines.setdefault(inside, number)
        elif not in_text and (key := _KEY.match(line)):
            lines.setdefault(f"{inside}.{key[1]}" if inside else key[1], number)
        in_text ^= (line.count('"""') + line.count("'''")) % 2 == 1
    return lines


def _resolved(name: str, counts: dict[str, int], *, is_list: bool) -> str:
    path = ""
    steps = name.split(".")
    for position, step in enumerate(steps):
        path = f"{path}.{step}" if path else step
        if is_list and position == len(steps) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return path
