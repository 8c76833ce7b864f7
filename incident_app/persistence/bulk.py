"""Inserting many rows at once, skipping those that are already there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

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
