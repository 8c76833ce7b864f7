"""Many rows at once: inserting, skipping what is already there, and finding by long lists of keys."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from incident_app.persistence.database import Base

Row = Mapping[str, Any]  # column name -> value of that column's type
Entry = TypeVar("Entry")

CHUNK = 5_000


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


def insert_many(session: Session, table: type[Base], columns: Sequence[str], rows: Collection[Sequence[Any]]) -> None:
    """Insert rows by the driver's fastest way: COPY on PostgreSQL, `executemany` on SQLite.

    Values are those of the driver: times as `stored_moment` gives them, words as text. Keys, checks, foreign keys and
    guards apply as ever.
    """
    if not rows:
        return
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    names = ", ".join(columns)
    try:
        if connection.dialect.name == "postgresql":
            with driver.cursor() as cursor, cursor.copy(f"COPY {table.__tablename__} ({names}) FROM STDIN") as copy:
                copy.write(_copy_text(rows))
        else:
            marks = ", ".join("?" * len(columns))
            driver.executemany(f"INSERT INTO {table.__tablename__} ({names}) VALUES ({marks})", rows)  # noqa: S608
    except connection.dialect.loaded_dbapi.Error as fault:
        raise sa.exc.DBAPIError(f"bulk insert into {table.__tablename__}", None, fault) from None


_SPECIAL = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


def _copy_text(rows: Iterable[Sequence[Any]]) -> bytes:
    """Write rows in the text form of COPY: quicker than handing each value to the driver."""
    return "".join(["\t".join([_copy_value(value) for value in row]) + "\n" for row in rows]).encode()


def _copy_value(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value if value.isalnum() else value.translate(_SPECIAL)
    return str(value)


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
