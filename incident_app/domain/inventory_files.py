"""Inventory files: one JSON document, or one CSV file per table. What is written is read back exactly."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from incident_app.domain.errors import FaultyFile
from incident_app.domain.inventory import Inventory
from incident_app.domain.inventory_rows import TABLES, Column, Row, Value, canonical, inventory_of_rows, rows_of
from incident_app.domain.policy_stores import main_line, with_stores_of
from incident_app.domain.tables import Document, Table

FORMAT = "incident-app inventory"
VERSION = 1
_ACTIVE = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""What a spreadsheet would run as a formula (a Japanese one also the wide signs), behind any number of apostrophes."""
_EMPTY_TEXT = "''"
"""A cell for text that is there and empty; an empty cell says nothing at all."""
_BLANKS = re.compile(r"[ \t\r\n]*")
_APOSTROPHES = re.compile(r"'{2,}")


def json_text(inventory: Inventory) -> str:
    """Write an inventory as one JSON document, one row a line, always in the same order."""
    parts = [f'"format": {json.dumps(FORMAT)}', f'"version": {VERSION}']
    for name, rows in rows_of(inventory).items():
        lines = ",\n".join(json.dumps(_json_row(row), ensure_ascii=False) for row in rows)
        parts.append(f'"{name}": [\n{lines}\n]' if rows else f'"{name}": []')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json_row(row: Row) -> dict[str, Any]:
    return {column: value.isoformat() if isinstance(value, date) else value for column, value in row.items()}


def csv_files(inventory: Inventory) -> dict[str, bytes]:
    """Write an inventory as one CSV file per table: UTF-8 with a byte order mark, lines ended by CR and LF."""
    return {f"{name}.csv": _csv_table(TABLES[name], rows) for name, rows in rows_of(inventory).items()}


def _csv_table(columns: Mapping[str, Column], rows: Sequence[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell_of(kind, row[column]) for column, kind in columns.items()])
    return out.getvalue().encode("utf-8-sig")


def cell_of(kind: Column, value: Value) -> str:
    """Write a value as a cell: a text that a spreadsheet would run gets one more apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    text = " ".join(value) if isinstance(value, list) else str(value)
    if kind is Column.OPTIONAL_TEXT and (not text or _APOSTROPHES.fullmatch(text)):
        return f"{text}'" if text else _EMPTY_TEXT
    return f"'{text}" if _ACTIVE.match(text) else text


def value_of(kind: Column, cell: str) -> Value:
    """Read a cell back; what is no number, date or truth stays text, so that the fault can name it."""
    if kind is Column.NUMBER:
        return (int(cell) if re.fullmatch(r"-?[0-9]{1,9}", cell) else cell) if cell else None
    if kind is Column.DAY:
        return _day(cell) if cell else None
    if kind is Column.TRUTH:
        return {"true": True, "false": False, "": False}.get(cell.lower(), cell)
    if kind is Column.OPTIONAL_TEXT and not cell:
        return None
    if kind is Column.OPTIONAL_TEXT and _APOSTROPHES.fullmatch(cell):
        return "" if cell == _EMPTY_TEXT else cell[1:]
    text = cell[1:] if cell.startswith("'") and _ACTIVE.match(cell) else cell
    return text.split() if kind is Column.CODES else text


def _day(text: str) -> date | str:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text
    except ValueError:
        return text


class Rows(Document):
    """The flat tables of a file or of several: each row knows where it stands."""

    def __init__(self, *, file: str) -> None:  # the text was taken apart before
        self.file = file
        self.faults: list[str] = []
        self.tables: dict[str, list[Row]] = {}
        self.places: dict[str, str] = {}

    def add(self, table: str, row: Row, place: str) -> None:
        """Take one row that stands at `place`; a value of None says nothing."""
        rows = self.tables.setdefault(table, [])
        self.places[f"{table}[{len(rows)}]"] = place
        rows.append({column: value for column, value in row.items() if value is not None})

    def fault(self, path: str, problem: str) -> None:
        """Note what is wrong, where it stands and how its column is called."""
        row, _, column = path.rpartition(".")
        place = f"{self.places[row]}, {column}" if row in self.places else self.places.get(path, path)
        if (fault := f"{place}: {problem}") not in self.faults:
            self.faults.append(fault)

    def inventory(self, current: Inventory) -> Inventory:
        """Return the inventory after this file: its tables replace whole tables, the others stay as they are."""
        self.finish()
        if not self.tables:
            self.fault(self.file, f"holds none of the tables of an inventory: {', '.join(TABLES)}")
        given = frozenset(self.tables)
        for name, rows in rows_of(current).items():
            if name not in self.tables:
                self.tables[name] = []
                for row in rows:
                    self.add(name, row, f"the register, {name} {row[next(iter(TABLES[name]))]}")
        read = inventory_of_rows(Table(self.tables, path="", document=self))
        self.finish()
        return read if given & {"stores", "store_items"} else _following(read, current)


def _following(read: Inventory, current: Inventory) -> Inventory:
    """Let the stores of recipients follow from what was disclosed, where a file says nothing about stores."""
    changed = {entry.party for entry in {*read.disclosures} ^ {*current.disclosures}}
    return canonical(with_stores_of(read, changed & {party.code for party in read.parties}, main_line(current)))


def read_json(text: str, *, file: str, current: Inventory) -> Inventory:
    """Read a JSON document; FaultyFile names line, key and reason of every fault."""
    rows = Rows(file=file)
    try:
        for name, value, line in _members(text):
            _take_member(rows, name, value, line)
    except ValueError as fault:
        raise FaultyFile(file=file, faults=[f"not readable as JSON: {fault}"]) from None
    return rows.inventory(current)


def _take_member(rows: Rows, name: str, value: object, line: int) -> None:
    if name == "format" and value != FORMAT:
        rows.fault(f"line {line}", f"format must be {FORMAT!r}")
    elif name == "version" and (value != VERSION or isinstance(value, bool)):
        rows.fault(f"line {line}", f"version must be {VERSION}")
    elif name in TABLES and isinstance(value, list):
        rows.tables.setdefault(name, [])
        for row_line, row in value:
            if isinstance(row, dict):
                days = {key: _day(cell) for key, cell in row.items() if _is_day(name, key) and isinstance(cell, str)}
                rows.add(name, row | days, f"line {row_line}")
            else:
                rows.fault(f"line {row_line}", f"{name} must hold one object per row")
    elif name in TABLES:
        rows.fault(f"line {line}", f"{name} must be a list of rows")
    elif name not in {"format", "version"}:
        rows.fault(f"line {line}", f"unknown key {name!r}; known here: format, version, {', '.join(TABLES)}")


def _is_day(table: str, column: str) -> bool:
    return TABLES[table].get(column) is Column.DAY


class _Reader:
    """Walks over a JSON document one row at a time, so that every row knows its line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line, self._counted = 1, 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_no_doubles, parse_constant=_no_constant)
        self._skip()

    @property
    def line(self) -> int:
        """Return the line of what comes next."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def takes(self, mark: str) -> bool:
        """Step over a mark if it comes next."""
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        self._skip()
        return True

    def expect(self, mark: str) -> None:
        """Step over a mark that must come next."""
        if not self.takes(mark):
            found = self._text[self._at : self._at + 1] or "the end of the file"
            raise ValueError(f"line {self.line}: {mark!r} expected, not {found!r}")

    def value(self) -> object:
        """Read one whole value."""
        value, self._at = self._decoder.raw_decode(self._text, self._at)
        self._skip()
        return value

    def rows(self, end: str) -> Iterator[int]:
        """Yield the line of each entry up to `end`; between two, a comma is needed."""
        if self.takes(end):
            return
        yield self.line
        while not self.takes(end):
            self.expect(",")
            yield self.line

    def finish(self) -> None:
        """Refuse whatever follows the document."""
        if self._at < len(self._text):
            raise ValueError(f"line {self.line}: something follows the end of the document")

    def _skip(self) -> None:
        found = _BLANKS.match(self._text, self._at)
        self._at = found.end() if found else self._at


def _members(text: str) -> Iterator[tuple[str, object, int]]:
    """Yield the members of the outermost object with their lines; the rows of a list come with a line each."""
    reader, seen = _Reader(text), set[object]()
    reader.expect("{")
    for line in reader.rows("}"):
        name = reader.value()
        if not isinstance(name, str) or name in seen:
            raise ValueError(f"line {line}: {name!r} stands twice or is no name")
        seen.add(name)
        reader.expect(":")
        if reader.takes("["):
            yield name, [(row_line, reader.value()) for row_line in reader.rows("]")], line
        else:
            yield name, reader.value(), line
    reader.finish()


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one row")
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no value of an inventory")


def read_csv(files: Mapping[str, bytes], *, file: str, current: Inventory) -> Inventory:
    """Read CSV files by their names, such as stores.csv; FaultyFile names file, line, column and reason."""
    rows = Rows(file=file)
    for name, content in files.items():
        table = name.removesuffix(".csv")
        if table not in TABLES or table == name:
            rows.fault(name, f"unknown file; known here: {', '.join(f'{known}.csv' for known in TABLES)}")
            continue
        try:
            _take_csv(rows, table, content.decode("utf-8-sig"))
        except UnicodeDecodeError as fault:
            rows.fault(name, f"is not UTF-8 (byte {fault.start + 1}); save it as CSV UTF-8")
        except csv.Error as fault:
            rows.fault(name, f"not readable as CSV, is it cut off or a quote missing? ({fault})")
    return rows.inventory(current)


def _take_csv(rows: Rows, table: str, text: str) -> None:
    columns, name = TABLES[table], f"{table}.csv"
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    unknown, missing = (
        [cell for cell in header if cell not in columns],
        [cell for cell in columns if cell not in header],
    )
    if unknown or missing or len(set(header)) < len(header):
        said = f"unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}"
        rows.fault(f"{name} line 1", f"the columns must be {', '.join(columns)}, each once ({said})")
        return
    rows.tables.setdefault(table, [])
    line = reader.line_num + 1
    for cells in reader:
        if cells and len(cells) != len(header):
            rows.fault(
                f"{name} line {line}",
                f"has {len(cells)} cells, the header {len(header)}: is a comma or a quote missing?",
            )
        elif cells:
            values = {column: value_of(columns[column], cell) for column, cell in zip(header, cells, strict=True)}
            rows.add(table, values, f"{name} line {line}")
        line = reader.line_num + 1
