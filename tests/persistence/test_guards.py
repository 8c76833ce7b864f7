"""The database itself refuses what must not change: each kind of guard, on both kinds of database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from incident_app.domain.vocabulary import BuildStatus
from incident_app.persistence.customers import Import, ImportRefusal, ItemSet
from incident_app.persistence.tables import Base
from incident_app.persistence.timeline import TextRow
from incident_app.persistence.triggers import append_only, expected_guards, sealed_child, sealed_parent, set_once
from tests import builders

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
GUARDED = {table.name: table for table in Base.metadata.sorted_tables if "guard" in table.info}
KINDS = {"append_only", "set_once", "sealed_parent", "sealed_child"}
ERASE = "UPDATE texts SET erased_at = '2026-11-20 08:20:00', salt = NULL, body = NULL"


def an_item_set(engine: Engine) -> int:
    with Session(engine) as session, session.begin():
        row = ItemSet(digest="d" * 64, item_codes=["name"])
        session.add(row)
        session.flush()
        return row.id


def a_text(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(TextRow(salt="s", body="free text", digest="t" * 64))


def an_import(engine: Engine, status: BuildStatus) -> int:
    """Store an import with one refused line, in this status."""
    with Session(engine) as session, session.begin():
        parent = Import(
            kind="customers",
            file_digest="f" * 64,
            status=BuildStatus.BUILDING,
            rows_read=0,
            rows_kept=0,
            rows_refused=0,
            at=NOW,
            actor="system:test",
        )
        session.add(parent)
        session.flush()
        session.add(ImportRefusal(import_id=parent.id, line_number=2, reason="why", person_kept=False))
        session.flush()
        parent.status = status
        session.flush()
        return parent.id


def refuses(engine: Engine, statement: str) -> str:
    with pytest.raises(DatabaseError) as refusal, engine.begin() as connection:
        connection.exec_driver_sql(statement)
    return str(refusal.value.orig)


def accepts(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount == 1


def test_an_append_only_row_is_neither_changed_nor_removed(engine: Engine) -> None:
    number = an_item_set(engine)
    assert "never changed" in refuses(engine, f"UPDATE item_sets SET digest = 'x' WHERE id = {number}")
    assert "never changed" in refuses(engine, f"UPDATE item_sets SET digest = digest WHERE id = {number}")
    assert "never removed" in refuses(engine, f"DELETE FROM item_sets WHERE id = {number}")


def test_an_append_only_row_is_not_replaced_or_truncated(engine: Engine) -> None:
    number = an_item_set(engine)
    if engine.dialect.name == "sqlite":
        statement = f"INSERT OR REPLACE INTO item_sets (id, digest, item_codes) VALUES ({number}, 'y', '[]')"
    else:
        statement = "TRUNCATE item_sets CASCADE"
    assert "never removed" in refuses(engine, statement)


def test_an_append_only_row_is_not_changed_by_an_upsert(engine: Engine) -> None:
    number = an_item_set(engine)
    values = f"INSERT INTO item_sets (id, digest, item_codes) VALUES ({number}, 'y', '[]')"
    assert "never changed" in refuses(engine, f"{values} ON CONFLICT (id) DO UPDATE SET digest = 'y'")


def test_a_set_once_column_goes_from_empty_to_a_value_once(engine: Engine) -> None:
    a_text(engine)
    accepts(engine, ERASE)
    assert "named columns" in refuses(engine, "UPDATE texts SET erased_at = '2026-11-21 08:20:00'")
    assert "named columns" in refuses(engine, "UPDATE texts SET erased_at = NULL")


def test_an_erasable_column_goes_to_nothing_and_never_to_another_value(engine: Engine) -> None:
    a_text(engine)
    assert "named columns" in refuses(engine, "UPDATE texts SET body = 'another text'")
    accepts(engine, ERASE)
    assert "named columns" in refuses(engine, "UPDATE texts SET body = 'written anew'")


def test_the_other_columns_of_a_set_once_row_stay(engine: Engine) -> None:
    a_text(engine)
    assert "named columns" in refuses(engine, "UPDATE texts SET digest = 'other'")
    assert "named columns" in refuses(engine, f"{ERASE}, digest = 'other'")
    assert "never removed" in refuses(engine, "DELETE FROM texts")


def test_a_row_and_what_is_below_it_are_free_while_it_is_building(engine: Engine) -> None:
    number = an_import(engine, BuildStatus.BUILDING)
    accepts(engine, f"UPDATE imports SET rows_kept = 5 WHERE id = {number}")
    accepts(
        engine,
        f"INSERT INTO import_refusals (import_id, line_number, reason, person_kept) VALUES ({number}, 3, 'w', false)",
    )
    accepts(engine, "DELETE FROM import_refusals WHERE line_number = 3")
    assert "never changed" in refuses(engine, "UPDATE import_refusals SET reason = 'other'")
    accepts(engine, "DELETE FROM import_refusals")
    accepts(engine, f"DELETE FROM imports WHERE id = {number}")


def test_a_sealed_row_is_fixed_and_stays_sealed(engine: Engine) -> None:
    an_import(engine, BuildStatus.SEALED)
    assert "sealed" in refuses(engine, "UPDATE imports SET rows_kept = 5")
    assert "sealed" in refuses(engine, "UPDATE imports SET status = 'building'")
    assert "sealed" in refuses(engine, "DELETE FROM imports")


def test_rows_below_a_sealed_parent_neither_come_nor_go(engine: Engine) -> None:
    number = an_import(engine, BuildStatus.SEALED)
    values = f"({number}, 3, 'why', false)"
    assert "sealed" in refuses(
        engine, f"INSERT INTO import_refusals (import_id, line_number, reason, person_kept) VALUES {values}"
    )
    assert "sealed" in refuses(engine, "DELETE FROM import_refusals")
    assert "never changed" in refuses(engine, "UPDATE import_refusals SET reason = 'other'")


def test_every_guarded_table_refuses_on_real_rows(instance: Engine) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance)
    builders.determined(instance, incident.id, builders.a_scope("member-db", "billing-db"))
    builders.a_wave(instance, incident.id, builders.a_notice(instance, incident.id))
    with instance.connect() as connection:
        filled = {
            name: table
            for name, table in GUARDED.items()
            if connection.scalar(sa.select(sa.func.count()).select_from(table))
        }
    assert {table.info["guard"] for table in filled.values()} == KINDS
    assert len(filled) > 20
    for name, table in filled.items():
        assert name in refuses(instance, f"DELETE FROM {name}")
        if instance.dialect.name == "postgresql":
            # The cascade reaches other guarded tables; whichever speaks first refuses.
            assert "never removed" in refuses(instance, f"TRUNCATE {name} CASCADE")
        if table.info["guard"] == "append_only":
            column = table.columns.keys()[-1]
            assert name in refuses(instance, f'UPDATE {name} SET "{column}" = "{column}"')
        if table.info["guard"] == "set_once":
            free = {*table.info["settable"], *table.info["erasable"]}
            for column in table.columns:
                if column.name not in free and not column.nullable and not column.primary_key:
                    assert "named columns" in refuses(instance, f'UPDATE {name} SET "{column.name}" = NULL')


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_plain_connection_replaces_no_guarded_row_by_its_number_or_any_other_key(instance: Engine) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance)
    builders.determined(instance, incident.id, builders.a_scope("member-db"))
    builders.a_wave(instance, incident.id, builders.a_notice(instance, incident.id))
    a_text(instance)
    with closing(sqlite3.connect(str(instance.url.database))) as plain:
        plain.isolation_level = None
        assert plain.execute("PRAGMA recursive_triggers").fetchone() == (0,)
        tried = 0
        for name in sorted(GUARDED):
            before = plain.execute(f"SELECT * FROM {name}").fetchall()
            if before:
                with pytest.raises(sqlite3.IntegrityError, match=f"{name}: "):
                    plain.execute(f"INSERT OR REPLACE INTO {name} SELECT * FROM {name} LIMIT 1")
                assert plain.execute(f"SELECT * FROM {name}").fetchall() == before
                tried += 1
        with pytest.raises(sqlite3.IntegrityError, match="texts: rows are never replaced"):
            plain.execute(
                "INSERT OR REPLACE INTO texts (id, body, digest) SELECT id + 1000, 'other', digest FROM texts"
            )
        plain.execute("INSERT INTO texts (body, digest) VALUES ('one more', 'x')")
    assert tried > 20


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_plain_connection_moves_no_sealed_row_below_a_parent_that_is_building(instance: Engine) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance)
    builders.determined(instance, incident.id, builders.a_scope("member-db"))
    names = Base.metadata.tables["impact_determinations"].columns.keys()
    other = {"id": "99", "version": "99", "status": "'building'", "inputs_digest": "'other'"}
    copied = ", ".join(other.get(name, f'"{name}"') for name in names)
    patterns = Base.metadata.tables["impact_patterns"].columns.keys()
    moved = ", ".join({"determination_id": "99"}.get(name, f'"{name}"') for name in patterns)
    with closing(sqlite3.connect(str(instance.url.database))) as plain:
        plain.execute(f"INSERT INTO impact_determinations SELECT {copied} FROM impact_determinations LIMIT 1")
        with pytest.raises(sqlite3.IntegrityError, match="impact_patterns"):
            plain.execute(f"INSERT OR REPLACE INTO impact_patterns SELECT {moved} FROM impact_patterns")


def test_every_named_column_and_parent_of_a_guard_exists() -> None:
    for table in GUARDED.values():
        for name in (*table.info.get("settable", ()), *table.info.get("erasable", ())):
            assert table.columns[name].nullable, f"{table.name}.{name}"
        if table.info["guard"] == "sealed_child":
            parent = GUARDED[table.info["parent"]]
            assert parent.info["guard"] == "sealed_parent"
            assert table.columns[table.info["key"]].references(parent.columns["id"])


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_every_guarded_table_has_a_trigger_for_each_way_to_change_it(dialect: str) -> None:
    actions = {"UPDATE", "DELETE"} | ({"TRUNCATE"} if dialect == "postgresql" else {"INSERT"})
    found: dict[str, set[str]] = {}
    for guard in expected_guards(dialect).values():
        found.setdefault(guard.table, set()).add(guard.action)
    for name, table in GUARDED.items():
        more = {refusal.action for refusal in table.info.get("refusals", ())}
        at_insertion = table.info["guard"] == "sealed_child" or "references_in_bulk" in table.info
        assert found[name] == actions | more | ({"INSERT"} if at_insertion else set()), name


def test_the_marks_of_a_table_name_their_kind() -> None:
    kinds = [mark["guard"] for mark in (append_only(), set_once("a"), sealed_parent(), sealed_child("p", "k"))]
    assert set(kinds) == KINDS == {table.info["guard"] for table in GUARDED.values()}
