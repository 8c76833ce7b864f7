"""Bringing the schema up to date, and telling whether it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.engine import Engine

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.timeline import GENESIS
from incident_app.persistence.database import SQLITE_PRAGMAS
from incident_app.persistence.tables import Base
from incident_app.persistence.timeline import ChainHead
from incident_app.persistence.triggers import guard_faults, refresh_guards
from incident_app.persistence.wholeness import definition_faults, foreign_faults


class BrokenReferences(IncidentAppError):
    """The migration would leave rows of {tables} that refer to nothing. Nothing was changed; restore a backup."""

    ja = "移行すると {tables} の行の参照先がなくなります。何も変更していません。バックアップから戻してください。"


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration: the migrations inside the package, on this connection."""
    config = Config()
    config.set_main_option("script_location", "incident_app:migrations")
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest version, set its guards, and start the chain if it is new.

    Several processes may start at once on a fresh database: on PostgreSQL an advisory lock, on SQLite the write lock
    lets one migrate while the others wait and then find nothing to do.
    """
    with engine.connect() as connection, _references_checked_at_the_end(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(812341)"))
        command.upgrade(alembic_config(connection), "head")
        refresh_guards(connection)
        if connection.scalar(sa.select(ChainHead.id)) is None:
            connection.execute(sa.insert(ChainHead).values(id=1, sequence=0, hash=GENESIS))
        _check_references(connection)


@contextmanager
def _references_checked_at_the_end(connection: Connection) -> Iterator[None]:
    """Let a migration on SQLite make a table anew that others refer to; the references are checked before the end."""
    if connection.dialect.name != "sqlite":
        yield
        return
    bare = connection.connection  # outside any transaction: inside one the switch has no effect
    bare.execute("PRAGMA foreign_keys=off")
    try:
        yield
    finally:
        bare.execute("PRAGMA foreign_keys=on")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise BrokenReferences(tables=", ".join(sorted({row[0] for row in broken})))


def newest_revision() -> str | None:
    """Return the revision that this program needs."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def schema_faults(engine: Engine) -> list[str]:
    """Name everything about the schema and its guards that is not as this program needs it."""
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": _is_declared_here(connection.dialect.name)}
        context = MigrationContext.configure(connection, opts=options)
        current = context.get_current_revision()
        if current is None:
            return ["the database has no tables yet: run `incident-app db upgrade`"]
        faults = []
        if current != newest_revision():
            faults.append(f"schema is at {current}, needed is {newest_revision()}: run `incident-app db upgrade`")
        faults += [f"schema differs: {_in_words(entry)}" for entry in compare_metadata(context, Base.metadata)]
        faults += definition_faults(connection) if not faults else []  # of another version everything differs
        faults += guard_faults(connection)
        faults += foreign_faults(connection)
        faults += _pragma_faults(connection)
        return faults


def _is_declared_here(dialect: str) -> Callable[..., bool]:
    """Leave out of the comparison what a table declares for the other kind of database only."""

    def is_declared(part: Any, *_told: object) -> bool:  # noqa: ANN401 - Alembic hands over parts of any kind
        condition = getattr(part, "_ddl_if", None)
        return condition is None or condition.dialect == dialect

    return is_declared


def _pragma_faults(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    wanted = {"foreign_keys": 1, "recursive_triggers": 1, "synchronous": 2, "journal_mode": "wal"}
    found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted if name in SQLITE_PRAGMAS}
    return [f"SQLite: {name} is {found[name]}, not {value}" for name, value in wanted.items() if found[name] != value]


def _in_words(entry: object) -> str:
    parts = entry if isinstance(entry, (list, tuple)) else (entry,)
    words = [getattr(part, "name", None) or str(part) for part in parts]
    return " ".join(str(word) for word in words)
