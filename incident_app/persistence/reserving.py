"""Keys for rows that are about to be inserted by the thousand, so that their children can be written with them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.persistence.database import Base


def reserve_ids(session: Session, table: type[Base], count: int) -> Sequence[int]:
    """Return ids in ascending order. SQLite writes alone; PostgreSQL gives them out by its sequence."""
    name = table.__tablename__
    if session.get_bind().dialect.name == "postgresql":
        number = f"nextval(pg_get_serial_sequence('{name}', 'id'))"
        query = sa.text(f"SELECT string_agg(CAST({number} AS text), ',') FROM generate_series(1, :wanted)")  # noqa: S608
        return sorted(map(int, session.scalars(query, {"wanted": count}).one().split(","))) if count else []
    first = (session.scalar(sa.text(f"SELECT max(id) FROM {name}")) or 0) + 1  # noqa: S608 - a table of ours
    return range(first, first + count)
