"""Whether the constraints and indexes of a database are those that this program declares, to the letter.

Alembic compares columns, types and names. A check that was dropped, an index that holds for no row, or a rule that
swallows rows is seen only by comparing the texts: with those of the declared tables, made beside the real ones.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy import Connection

from incident_app.persistence.tables import Base
from incident_app.persistence.triggers import expected_guards

Definitions = dict[tuple[str, str], str]
"""Table and name of a constraint or an index, and its text."""

_SQLITE_INDEXES = "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
_POSTGRESQL_PARTS = """
    SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE c.relnamespace = {schema} AND k.contype IN ('c', 'f', 'p', 'u')
    UNION ALL
    SELECT c.relname, i.relname, pg_get_indexdef(i.oid)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
    WHERE c.relnamespace = {schema}
"""
_POSTGRESQL_FOREIGN = """
    SELECT c.relname, 'trigger ' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT c.relname, 'rule ' || r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
"""
_POSTGRESQL_SILENCED = """
    SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE t.tgisinternal AND t.tgenabled <> 'O' AND c.relnamespace = current_schema()::regnamespace
"""


def definition_faults(connection: Connection) -> list[str]:
    """Name each constraint and index that is missing or has another text than this program declares."""
    found = _definitions(connection)
    faults = []
    for (table, name), text in sorted(_declared(connection).items()):
        if (table, name) not in found:
            faults.append(f"{table}: {name} is missing")
        elif found[table, name] != text:
            faults.append(f"{table}: {name} was changed")
    return faults


def foreign_faults(connection: Connection) -> list[str]:
    """Name each trigger and rule that is not of this program: it can swallow or change rows unseen."""
    if connection.dialect.name == "sqlite":
        query = "SELECT tbl_name, 'trigger ' || name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = _POSTGRESQL_FOREIGN
    ours = {(guard.table, f"trigger {guard.name}") for guard in expected_guards(connection.dialect.name).values()}
    tables = set(Base.metadata.tables)
    rows = [(table, what) for table, what in connection.execute(sa.text(query)) if table in tables]
    faults = [f"{table}: {what} is not of this program" for table, what in sorted(rows) if (table, what) not in ours]
    if connection.dialect.name == "postgresql":
        silenced = connection.execute(sa.text(_POSTGRESQL_SILENCED)).scalars()
        faults += [f"{table}: its foreign keys are switched off" for table in sorted(silenced)]
    return faults


def _declared(connection: Connection) -> Definitions:
    """Return what a database made from the declared tables holds: one in memory, or tables of one connection.

    Nothing is saved: on PostgreSQL they are temporary tables of a transaction that ends with its connection.
    """
    if connection.dialect.name == "sqlite":
        engine = sa.create_engine("sqlite://")
        try:
            with engine.connect() as beside:
                Base.metadata.create_all(beside)
                return _definitions(beside)
        finally:
            engine.dispose()
    with connection.engine.connect() as beside:
        beside.exec_driver_sql("SET LOCAL search_path TO pg_temp")
        Base.metadata.create_all(beside, checkfirst=False)
        return _definitions(beside, "pg_my_temp_schema()")


def _definitions(connection: Connection, schema: str = "current_schema()::regnamespace") -> Definitions:
    if connection.dialect.name == "sqlite":
        inspector = sa.inspect(connection)
        found: Definitions = {}
        for table in inspector.get_table_names():
            for check in inspector.get_check_constraints(table):
                found[table, str(check["name"])] = str(check["sqltext"])
            for key in inspector.get_unique_constraints(table):
                found[table, str(key["name"])] = str(key["column_names"])
            for reference in inspector.get_foreign_keys(table):
                found[table, str(reference["name"])] = str(sorted(reference.items(), key=str))
        for table, name, text in connection.exec_driver_sql(_SQLITE_INDEXES):
            found[table, name] = text
        return found
    rows = connection.execute(sa.text(_POSTGRESQL_PARTS.format(schema=schema)))
    return {(table, name): _without_schema(text) for table, name, text in rows}


def _without_schema(text: str) -> str:
    return re.sub(r" ON (ONLY )?\S+\.(\S+ USING )", r" ON \1\2", text)
