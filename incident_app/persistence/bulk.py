"""Many rows at once: inserting, skipping what is already there, and finding by long lists of keys."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from incident_app.persistence.database import Base, ValueDoesNotFit, leave_out_values

Row = Mapping[str, Any]  # column name -> value of that column's type
Entry = TypeVar("Entry")

CHUNK = 5_000
_ROOMY = {"cache_size": -32_768, "wal_autocheckpoint": 8_000}
"""For a connection that loads by the million: 32 MiB of pages (the parts of the indexes that grow stay at hand), and
the log is written back every 32 MiB instead of every 4."""


def insert_new(session: Session, table: type[Base], rows: Sequence[Row]) -> None:
    """Insert `rows`; a row whose key is already there is left as it is."""
    if not rows:
        return
    dialect_insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    session.execute(dialect_insert(table).on_conflict_do_nothing(), list(rows))


def chunks(entries: Sequence[Entry], size: int = CHUNK) -> Iterator[Sequence[Entry]]:
    """Cut a long sequence into pieces."""
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def make_room(session: Session) -> None:
    """Let SQLite keep more pages at hand on this connection."""
    if session.get_bind().dialect.name == "sqlite":
        for name, value in _ROOMY.items():
            session.connection().exec_driver_sql(f"PRAGMA {name}={value}")


class Packed(NamedTuple):
    """Rows as the driver takes them fastest; they are packed before a transaction is begun."""

    table: str
    columns: Sequence[str]
    rows: Collection[Sequence[Any]]
    text: bytes | None
    """The rows as COPY reads them, on PostgreSQL."""


def pack(dialect: str, table: type[Base], columns: Sequence[str], rows: Collection[Sequence[Any]]) -> Packed:
    """Bring rows into the form for `insert_packed`."""
    text = _copy_text(rows) if dialect == "postgresql" and rows else None
    return Packed(table.__tablename__, columns, rows if text is None else (), text)


def insert_many(session: Session, table: type[Base], columns: Sequence[str], rows: Collection[Sequence[Any]]) -> None:
    """Insert rows by the driver's fastest way: COPY on PostgreSQL, `executemany` on SQLite.

    Values are those of the driver: times as `stored_moment` gives them, words as text. Keys, checks, foreign keys and
    guards apply as ever.
    """
    insert_packed(session, pack(session.get_bind().dialect.name, table, columns, rows))


def insert_packed(session: Session, packed: Packed) -> None:
    """Insert rows that were packed before, as `insert_many` does."""
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    names = ", ".join(packed.columns)
    try:
        if packed.text is not None:
            with driver.cursor() as cursor, cursor.copy(f"COPY {packed.table} ({names}) FROM STDIN") as copy:
                copy.write(packed.text)
        elif packed.rows:
            marks = ", ".join("?" * len(packed.columns))
            driver.executemany(f"INSERT INTO {packed.table} ({names}) VALUES ({marks})", packed.rows)  # noqa: S608
    except connection.dialect.loaded_dbapi.Error as fault:
        leave_out_values(fault)
        if isinstance(fault, connection.dialect.loaded_dbapi.DataError):
            raise ValueDoesNotFit from None
        raise sa.exc.DBAPIError(f"bulk insert into {packed.table}", None, fault) from None


_BETWEEN = "\x1f"
"""Between two keys: customer numbers and digests hold no control character."""
_SPECIAL = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}
_is_special = re.compile(r"[\\\t\n\r]").search


def _copy_text(rows: Collection[Sequence[Any]]) -> bytes:
    """Write rows in the text form of COPY: quicker than handing each value to the driver."""
    columns = [_copy_column(column) for column in zip(*rows, strict=True)]
    return ("\n".join(map("\t".join, zip(*columns, strict=True))) + "\n").encode()


def _copy_column(column: Sequence[Any]) -> Sequence[str]:
    kinds = set(map(type, column))
    if kinds == {int}:
        return list(map(str, column))
    if kinds == {str} and not _is_special("".join(column)):
        return column
    written = {value: _copy_value(value) for value in set(column)}  # times and words come again and again
    return list(map(written.__getitem__, column))


def _copy_value(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return f"\\\\x{value.hex()}"
    return value.translate(_SPECIAL) if isinstance(value, str) else str(value)


def rows_with(session: Session, query: str, column: str, keys: Iterable[int | str]) -> list[tuple[Any, ...]]:
    """Return the rows of `query`, which ends before its conditions, in which `column` is one of `keys`.

    They come as the driver gives them: by the hundred thousand a row object for each costs more than finding it.
    """
    keys = list(keys)
    if not keys:
        return []
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    try:
        if connection.dialect.name == "postgresql":
            condition, value = _any_of(keys)
            found = driver.execute(f"{query} WHERE {column} = {condition}", [value])
        else:
            found = driver.execute(
                f"{query} WHERE {column} IN (SELECT value FROM json_each(?))",  # noqa: S608 - names of ours
                [key_list(session, keys)],
            )
        return list(found.fetchall())
    except connection.dialect.loaded_dbapi.Error as fault:
        leave_out_values(fault)
        if isinstance(fault, connection.dialect.loaded_dbapi.DataError):
            raise ValueDoesNotFit from None
        raise sa.exc.DBAPIError(query, None, fault) from None


def _any_of(keys: Sequence[int | str]) -> tuple[str, str]:
    """Return a long list of keys as one text: the driver would write an array value by value."""
    if keys and isinstance(keys[0], int):
        return "ANY(%s::bigint[])", "{" + ",".join(map(str, keys)) + "}"
    return f"ANY(string_to_array(%s, '{_BETWEEN}'))", _BETWEEN.join(map(str, keys))


def stored_moment(session: Session, moment: datetime | None) -> datetime | str | None:
    """Return a moment as the driver wants it when SQLAlchemy does not stand between."""
    if moment is None or session.get_bind().dialect.name == "postgresql":
        return moment
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def one_of(session: Session, column: str, name: str) -> str:
    """Return the condition that `column` is one of a long list that is bound as `name` by `key_list`."""
    if session.get_bind().dialect.name == "postgresql":
        return f"{column} = ANY(:{name})"
    return f"{column} IN (SELECT value FROM json_each(:{name}))"  # noqa: S608 - names of ours


def key_list(session: Session, keys: Iterable[int | str]) -> object:
    """Return a long list of keys as one bound value."""
    listed = list(keys)
    return listed if session.get_bind().dialect.name == "postgresql" else json.dumps(listed)
