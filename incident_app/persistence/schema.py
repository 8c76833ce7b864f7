"""Bringing the schema up to date, and telling whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator
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
    with _migrating(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(812341)"))
        command.upgrade(alembic_config(connection), "head")
        refresh_guards(connection)
        if connection.scalar(sa.select(ChainHead.id)) is None:
            connection.execute(sa.insert(ChainHead).values(id=1, sequence=0, hash=GENESIS))


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    """Open one transaction in which SQLite may copy a table that others refer to; their references are checked after.

    SQLite heeds this switch outside of transactions only, hence on the driver's own connection.
    """
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            driver.execute("PRAGMA foreign_keys=off")
        try:
            with connection.begin():
                yield connection
                if sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
                    raise BrokenReference(table=broken[0])
        finally:
            if sqlite:
                driver.execute("PRAGMA foreign_keys=on")


class BrokenReference(IncidentAppError):
    """A row of {table} refers to one that does not exist. The schema was not changed; restore a backup."""

    ja = "{table} に、存在しない行を指す行があります。スキーマは変更していません。バックアップから復元してください。"


def newest_revision() -> str | None:
    """Return the revision that this program needs."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def schema_faults(engine: Engine) -> list[str]:
    """Name everything about the schema and its guards that is not as this program needs it."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        current = context.get_current_revision()
        if current is None:
            return ["the database has no tables yet: run `incident-app db upgrade`"]
        faults = []
        if current != newest_revision():
            faults.append(f"schema is at {current}, needed is {newest_revision()}: run `incident-app db upgrade`")
        faults += [f"schema differs: {_in_words(entry)}" for entry in compare_metadata(context, Base.metadata)]
        faults += guard_faults(connection)
        faults += _pragma_faults(connection)
        return faults


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
