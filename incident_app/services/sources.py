"""Files that come in: opened from disk or memory, told apart by form, and read as rows with their line numbers."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from incident_app.domain.column_profiles import ColumnProfile
from incident_app.domain.encodings import PIECE, Detected, Encoding, decoded, detect, lists_of_lines
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.services.row_batches import Batch, Values, batches_of, first_row

PARQUET_MARK = b"PAR1"
ROWS_AT_ONCE = 1_000


class ParquetMissing(IncidentAppError):
    """Parquet files need the extra package: install `incident-app[parquet]`, or save the file as CSV."""

    ja = "Parquet を読むには追加パッケージが必要です：`incident-app[parquet]` を入れるか、CSV で保存してください。"


class BrokenParquet(IncidentAppError):
    """The Parquet file cannot be read; it may be cut off. Get it again."""

    ja = "Parquet ファイルとして読めません。途中で切れている可能性があります。取り直してください。"


class EmptyFile(IncidentAppError):
    """The file is empty. Get it again: its first line must name the columns."""

    ja = "ファイルが空です。取り直してください。1行目には列の名前が必要です。"


class FileSource:
    """A file on disk or in memory that can be read several times."""

    def __init__(self, content: bytes | Path) -> None:
        self._content = content
        self.size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self.position = 0
        """How far the file was read, for progress."""

    def open(self) -> BinaryIO:
        """Open the file at its beginning."""
        return io.BytesIO(self._content) if isinstance(self._content, bytes) else self._content.open("rb")

    def pieces(self) -> Iterator[bytes]:
        """Yield the file piece by piece."""
        self.position = 0
        with self.open() as file:
            while piece := file.read(PIECE):
                self.position += len(piece)
                yield piece

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        found = hashlib.sha256()
        for piece in self.pieces():
            found.update(piece)
        return found.hexdigest()


@dataclass(frozen=True, kw_only=True)
class OpenedFile:
    """A file whose form is known: its header, and how its rows are read."""

    source: FileSource
    header: tuple[str, ...]
    detected: Detected | None
    """None for Parquet."""
    delimiter: str

    def rows(self) -> Iterator[tuple[int, Values | str]]:
        """Yield line number and values of each row, or what is wrong with it. Empty lines are left out."""
        for batch in self.batches():
            yield from zip(batch.lines, batch.rows, strict=True)

    def batches(self) -> Iterator[Batch]:
        """Yield the rows by the thousand."""
        if self.detected is None:
            return _parquet_batches(self.source)
        return batches_of(_lists(self.source, self.detected), self.delimiter)


def open_file(source: FileSource, profile: ColumnProfile) -> OpenedFile:
    """Find out the form of a file: Parquet by its mark, else text with its encoding and its delimiter."""
    with source.open() as file:
        mark = file.read(len(PARQUET_MARK))
    if mark == PARQUET_MARK:
        return OpenedFile(source=source, header=_parquet_header(source), detected=None, delimiter="")
    detected = detect(source.pieces, profile.encoding)
    first = next((lines[0] for lines in _lists(source, detected) if lines), "")
    delimiter = profile.delimiter or max(",\t;", key=first.count)
    try:
        header = first_row(_lists(source, detected), delimiter)
    except csv.Error:
        raise BadInput(field="header", problem="the first line has broken quotes") from None
    if not any(name.strip() for name in header):
        raise EmptyFile
    return OpenedFile(source=source, header=tuple(header), detected=detected, delimiter=delimiter)


def encoding_of(file: OpenedFile) -> tuple[str, tuple[Encoding, ...]]:
    """Return in which encoding a file was read, and in which others it is valid too."""
    return (file.detected.encoding.value, file.detected.also_valid) if file.detected else ("parquet", ())


def _lists(source: FileSource, detected: Detected) -> Iterator[list[str]]:
    return lists_of_lines(decoded(source.pieces(), detected))


def _parquet(source: FileSource, stack: ExitStack) -> Any:  # noqa: ANN401 - a package without types
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise ParquetMissing from None
    try:
        return parquet.ParquetFile(stack.enter_context(source.open()))
    except (pa.ArrowException, OSError):
        raise BrokenParquet from None


def _parquet_header(source: FileSource) -> tuple[str, ...]:
    with ExitStack() as stack:
        schema = _parquet(source, stack).schema_arrow
        for field in schema:
            if str(field.type) in {"float", "double", "halffloat"}:
                raise BadInput(field=field.name, problem="is a decimal number in the Parquet file; write it as text")
        return tuple(schema.names)


def _parquet_batches(source: FileSource) -> Iterator[Batch]:
    import pyarrow as pa  # noqa: PLC0415 - `open_file` has found it

    line = 1
    with ExitStack() as stack:
        file = _parquet(source, stack)
        total = max(1, file.metadata.num_rows)
        try:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                columns = [column.to_pylist() for column in batch.columns]
                source.position = source.size * (line - 1) // total
                rows = [[_as_text(value) for value in values] for values in zip(*columns, strict=True)]
                yield Batch(range(line + 1, line + 1 + len(rows)), rows, rows)
                line += len(rows)
        except (pa.ArrowException, OSError):
            raise BrokenParquet from None


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return " ".join(str(entry) for entry in value)
    return str(value)
