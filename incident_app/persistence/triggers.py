"""Append-only, set-once and sealed tables: the triggers that make the database refuse what must not change.

Whoever owns the database file can still drop a trigger or a table: triggers prevent mistakes and ordinary misuse,
the chain and its anchors detect the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from incident_app.persistence.database import Base

PREFIX = "guard_"


def append_only() -> dict[str, Any]:
    """Mark a table whose rows are never changed or removed."""
    return {"guard": "append_only"}


def set_once(*settable: str, erasable: tuple[str, ...] = ()) -> dict[str, Any]:
    """Mark a table whose `settable` columns go from NULL to a value once, and `erasable` ones to NULL."""
    return {"guard": "set_once", "settable": settable, "erasable": erasable}


def sealed_parent(*settable: str) -> dict[str, Any]:
    """Mark a table whose rows are free while their status is building and fixed afterwards.

    Columns in `settable` may still go from NULL to a value after sealing.
    """
    return {"guard": "sealed_parent", "settable": settable}


def sealed_child(parent: str, key: str) -> dict[str, Any]:
    """Mark a table whose rows may come and go only while their parent is building."""
    return {"guard": "sealed_child", "parent": parent, "key": key}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One thing that a table refuses beyond its kind: `action` where `condition` holds.

    A condition speaks both dialects; `{differs}` in it stands for the comparison that takes NULL for a value.
    """

    name: str
    action: str
    condition: str
    reason: str
    in_bulk: str = ""
    """The same of all rows of one insertion, which stand in `added`: PostgreSQL asks it once, not row by row."""


def refusing(*refusals: Refusal) -> dict[str, Any]:
    """Mark a table that refuses these things; may be joined with the mark of a kind."""
    return {"refusals": refusals}


def references_in_bulk(*, differing: tuple[str, ...] = (), guarded: tuple[str, ...] = ()) -> dict[str, Any]:
    """Mark a table that is filled by the million: PostgreSQL checks what a statement's rows refer to all at once.

    Its foreign keys are declared for SQLite only, where they cost little. See decision 0031. Columns that are
    `differing` hold another value in nearly every row, so that looking for alike ones would be in vain; a refusal of
    the table asks for those that are `guarded`.
    """
    return {"references_in_bulk": True, "differing": differing, "guarded": guarded}


def refers(column: str, to: str) -> sa.ForeignKeyConstraint:
    """Declare a reference of a table that is filled by the million: on PostgreSQL a guard checks it in bulk."""
    return sa.ForeignKeyConstraint([column], [to]).ddl_if(dialect="sqlite")


def never_removed() -> tuple[Refusal, ...]:
    """Refuse to remove a row or give it another key: tables refer to it whose references are checked in bulk."""
    removal, identity = "rows are never removed", "a key is never changed"
    return (
        Refusal(name="removal", action="DELETE", condition="1 = 1", reason=removal),
        Refusal(name="emptying", action="TRUNCATE", condition="TRUE", reason=removal),
        Refusal(name="identity", action="UPDATE", condition=changed("id"), reason=identity),
    )


def changed(*columns: str) -> str:
    """Return the condition that one of these columns gets another value."""
    return " OR ".join(f'OLD."{name}" {{differs}} NEW."{name}"' for name in columns)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One trigger: refuse `action` on `table` when `condition` holds."""

    name: str
    table: str
    action: str
    condition: str
    reason: str
    of_statement: bool = False
    """On PostgreSQL: judge all rows of one insertion together (they stand in `added`), after it."""
    code: str = "restrict_violation"
    """What kind of fault PostgreSQL is told that it is."""

    def create(self, dialect: str) -> list[str]:
        """Return the statements that create this trigger."""
        if dialect == "sqlite":
            return [self.sqlite_text()]
        how = "SET enable_seqscan = off " if self.of_statement else ""  # a plan made while tables were small stays
        function = f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql {how}"
        return [f"{function}AS $${self.function_body()}$$", self.postgresql_text()]

    def text(self, dialect: str) -> str:
        """Return everything about this trigger as the database keeps it: when and where it fires, and what it does."""
        return self.sqlite_text() if dialect == "sqlite" else self.postgresql_text() + self.function_body()

    def postgresql_text(self) -> str:
        """Return the CREATE TRIGGER statement as PostgreSQL shows it."""
        timing = "STATEMENT" if self.action == "TRUNCATE" else "ROW"
        if self.of_statement:
            return (
                f"CREATE TRIGGER {self.name} AFTER {self.action} ON {self.table} "
                f"REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {self.name}()"
            )
        return (
            f"CREATE TRIGGER {self.name} BEFORE {self.action} ON {self.table} "
            f"FOR EACH {timing} EXECUTE FUNCTION {self.name}()"
        )

    def sqlite_text(self) -> str:
        """Return the CREATE TRIGGER statement as SQLite keeps it."""
        return (
            f"CREATE TRIGGER {self.name} BEFORE {self.action} ON {self.table} WHEN {self.condition} "
            f"BEGIN SELECT RAISE(ABORT, '{self.reason}'); END"
        )

    def function_body(self) -> str:
        """Return the body of the PostgreSQL function behind this trigger."""
        result = "NULL" if self.of_statement else {"DELETE": "OLD", "TRUNCATE": "NULL"}.get(self.action, "NEW")
        return (
            f" BEGIN IF {self.condition} THEN RAISE EXCEPTION '{self.reason}' USING ERRCODE = '{self.code}'; "
            f"END IF; RETURN {result}; END "
        )


def expected_guards(dialect: str) -> dict[str, Guard]:
    """Return every trigger that the tables of this program must have, by name."""
    guards = {
        guard.name: guard
        for table in Base.metadata.sorted_tables
        for guard in (
            *_refusals_of(table, dialect),
            *(_guards_of(table, dialect) if "guard" in table.info else ()),
            *_references_of(table, dialect),
        )
    }
    return {name: guard for name, guard in guards.items() if dialect != "sqlite" or guard.action != "TRUNCATE"}


def refresh_guards(connection: Connection) -> None:
    """Create anew the triggers of all tables that exist. Call it after every migration: a batch one drops them."""
    drop_guards(connection)
    dialect = connection.dialect.name
    existing_tables = set(sa.inspect(connection).get_table_names())
    for guard in expected_guards(dialect).values():
        if guard.table in existing_tables:
            for statement in guard.create(dialect):
                connection.exec_driver_sql(statement.replace("%", "%%"))


def drop_guards(connection: Connection) -> None:
    """Take the triggers away for a migration, which may have to move what nobody else may change."""
    for table, name in existing_guards(connection):
        suffix = f" ON {table}" if connection.dialect.name == "postgresql" else ""
        connection.exec_driver_sql(f"DROP TRIGGER {name}{suffix}")


def existing_guards(connection: Connection) -> Mapping[tuple[str, str], str]:
    """Return the definitions of the triggers in the database, by table and name: PostgreSQL has names per table."""
    if connection.dialect.name == "sqlite":
        query = (
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard!_%' ESCAPE '!'"
        )
    else:
        query = (
            "SELECT t.tgname, c.relname, "
            "CASE WHEN t.tgenabled = 'O' THEN pg_get_triggerdef(t.oid, true) || p.prosrc ELSE 'disabled' END "
            "FROM pg_trigger t "
            "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace "
            "AND t.tgname LIKE 'guard!_%' ESCAPE '!'"
        )
    rows = connection.execute(sa.text(query)).all()
    return {(table, name): definition for name, table, definition in rows}


def guard_faults(connection: Connection) -> list[str]:
    """Name each trigger that is missing, switched off or different from what this program needs."""
    dialect = connection.dialect.name
    existing = existing_guards(connection)
    faults = []
    for name, guard in expected_guards(dialect).items():
        if (guard.table, name) not in existing:
            faults.append(f"{guard.table}: trigger {name} is missing")
        elif existing[guard.table, name] != guard.text(dialect):
            faults.append(f"{guard.table}: trigger {name} was changed or switched off")
    return faults


def _guards_of(table: Table, dialect: str) -> Iterator[Guard]:
    kind = table.info["guard"]
    refusals = {
        "append_only": lambda: _append_only(table),
        "set_once": lambda: _set_once(table, dialect),
        "sealed_parent": lambda: _sealed_parent(table, dialect),
        "sealed_child": lambda: _sealed_child(table, dialect),
    }[kind]()
    if dialect == "sqlite" and kind != "sealed_child":
        refusals["INSERT"] = (_overwrites(table), "rows are never replaced")
    for action, (condition, reason) in refusals.items():
        yield Guard(
            name=f"{PREFIX}{table.name}_{action.lower()}",
            table=table.name,
            action=action,
            condition=condition,
            reason=f"{table.name}: {reason}",
        )
    yield Guard(
        name=f"{PREFIX}{table.name}_truncate",
        table=table.name,
        action="TRUNCATE",
        condition="TRUE",
        reason=f"{table.name}: rows are never removed",
    )


def _overwrites(table: Table) -> str:
    """Tell when an insertion on SQLite would replace a row unseen: INSERT OR REPLACE on somebody's plain connection.

    Only with recursive_triggers on, as on every connection of this program, does a replacement run into the guard
    against removal. The keys are asked for first: they are at hand, and nearly always there is no such row.
    """
    same = [_same_key(table.primary_key.columns)]
    same += [_same_key(part.columns) for part in table.constraints if isinstance(part, sa.UniqueConstraint)]
    for index in table.indexes:
        if index.unique:
            rows = index.dialect_options["sqlite"]["where"]  # a partial index: only such rows can be in the way
            same.append(_same_key(index.columns) + (f" AND ({rows})" if rows is not None else ""))
    exists = " OR ".join(f"EXISTS (SELECT 1 FROM {table.name} AS old WHERE {key})" for key in sorted(same))
    return f"({exists}) AND (SELECT recursive_triggers FROM pragma_recursive_triggers) = 0"


def _same_key(columns: Iterable[sa.Column[Any]]) -> str:
    return " AND ".join(f'old."{column.name}" = NEW."{column.name}"' for column in columns)


def _refusals_of(table: Table, dialect: str) -> Iterator[Guard]:
    differs = "IS NOT" if dialect == "sqlite" else "IS DISTINCT FROM"
    for refusal in table.info.get("refusals", ()):
        in_bulk = dialect == "postgresql" and bool(refusal.in_bulk)
        yield Guard(
            name=f"{PREFIX}{table.name}_{refusal.name}",
            table=table.name,
            action=refusal.action,
            condition=refusal.in_bulk if in_bulk else refusal.condition.replace("{differs}", differs),
            reason=f"{table.name}: {refusal.reason}",
            of_statement=in_bulk,
        )


def _references_of(table: Table, dialect: str) -> Iterator[Guard]:
    """Return the guard that stands for the foreign keys of a table filled by the million.

    One lookup per distinct value; a scalar subquery is not turned into a join, so it asks the index of the primary key.
    """
    if dialect == "sqlite" or "references_in_bulk" not in table.info:
        return
    missing = []
    for column in table.columns:
        if column.name in table.info["guarded"]:
            continue
        for reference in column.foreign_keys:
            parent = reference.column.table.name
            there = f'SELECT p."{reference.column.name}" FROM {parent} p WHERE p."{reference.column.name}" = a.k'
            alike = "" if column.name in table.info["differing"] else "DISTINCT "
            distinct = f'SELECT {alike}"{column.name}" AS k FROM added WHERE "{column.name}" IS NOT NULL'
            missing.append(f"EXISTS (SELECT 1 FROM ({distinct}) a WHERE ({there}) IS NULL)")
    yield Guard(
        name=f"{PREFIX}{table.name}_references",
        table=table.name,
        action="INSERT",
        condition=" OR ".join(missing),
        reason=f"{table.name}: a row refers to something that is not there",
        of_statement=True,
        code="foreign_key_violation",
    )


def _append_only(_table: Table) -> dict[str, tuple[str, str]]:
    return {"UPDATE": ("1 = 1", "rows are never changed"), "DELETE": ("1 = 1", "rows are never removed")}


def _set_once(table: Table, dialect: str) -> dict[str, tuple[str, str]]:
    settable, erasable = set(table.info["settable"]), set(table.info["erasable"])
    return {
        "UPDATE": (_changed(table, dialect, settable, erasable), "only named columns may be set, once"),
        "DELETE": ("1 = 1", "rows are never removed"),
    }


def _sealed_parent(table: Table, dialect: str) -> dict[str, tuple[str, str]]:
    changed = _changed(table, dialect, set(table.info["settable"]), set())
    return {
        "UPDATE": (f"OLD.status <> 'building' AND ({changed})", "sealed rows are never changed"),
        "DELETE": ("OLD.status <> 'building'", "sealed rows are never removed"),
    }


def _sealed_child(table: Table, dialect: str) -> dict[str, tuple[str, str]]:
    parent, key = table.info["parent"], table.info["key"]

    def not_building(row: str) -> str:
        return f"NOT EXISTS (SELECT 1 FROM {parent} WHERE {parent}.id = {row}.{key} AND {parent}.status = 'building')"

    inserted = not_building("NEW")
    if dialect == "sqlite" and key not in table.primary_key.columns:  # else a row of the same key has the same parent
        inserted += f" OR ({_overwrites(table)})"
    return {
        "INSERT": (inserted, "the parent is sealed"),
        "UPDATE": ("1 = 1", "rows are never changed"),
        "DELETE": (not_building("OLD"), "the parent is sealed"),
    }


def _changed(table: Table, dialect: str, settable: set[str], erasable: set[str]) -> str:
    differs = "IS NOT" if dialect == "sqlite" else "IS DISTINCT FROM"
    conditions = []
    for name in table.columns.keys():  # noqa: SIM118 - a ColumnCollection iterates columns, not names
        old, new = f'OLD."{name}"', f'NEW."{name}"'  # quoted: a column may bear a word of the language
        differing = f"{old} {differs} {new}"
        if name in settable and name in erasable:
            conditions.append(f"({old} IS NOT NULL AND {new} IS NOT NULL AND {differing})")
        elif name in settable:
            conditions.append(f"({old} IS NOT NULL AND {differing})")
        elif name in erasable:
            conditions.append(f"({new} IS NOT NULL AND {differing})")
        else:
            conditions.append(differing)
    return " OR ".join(conditions)
