"""The database itself refuses what must not change, on both kinds of database."""

import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from incident_app.domain.vocabulary import BuildStatus, Subject, Verdict
from incident_app.persistence import schema
from incident_app.persistence.approvals import ApprovalDecision, ApprovalRequest
from incident_app.persistence.customers import Import, ImportRefusal, ItemSet
from incident_app.persistence.database import make_engine
from incident_app.persistence.timeline import TextRow
from incident_app.persistence.triggers import refresh_guards
from tests import builders

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)


def an_item_set(engine: Engine) -> int:
    with Session(engine) as session, session.begin():
        row = ItemSet(digest="d" * 64, item_codes=["name"])
        session.add(row)
        session.flush()
        return row.id


def refuses(engine: Engine, statement: str) -> str:
    with pytest.raises(DatabaseError) as refusal, engine.begin() as connection:
        connection.exec_driver_sql(statement)
    return str(refusal.value.orig)


def test_an_append_only_row_is_neither_changed_nor_removed(engine: Engine) -> None:
    number = an_item_set(engine)
    assert "never changed" in refuses(engine, f"UPDATE item_sets SET digest = 'x' WHERE id = {number}")
    assert "never removed" in refuses(engine, f"DELETE FROM item_sets WHERE id = {number}")


def test_an_append_only_row_is_not_replaced_or_truncated(engine: Engine) -> None:
    number = an_item_set(engine)
    if engine.dialect.name == "sqlite":
        statement = f"INSERT OR REPLACE INTO item_sets (id, digest, item_codes) VALUES ({number}, 'y', '[]')"
    else:
        statement = "TRUNCATE item_sets CASCADE"
    assert "never removed" in refuses(engine, statement)


def test_a_set_once_column_goes_from_empty_to_a_value_once(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(TextRow(salt="s", body="free text", digest="t" * 64))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE texts SET erased_at = '2026-11-20 08:20:00', salt = NULL, body = NULL")
    assert "named columns" in refuses(engine, "UPDATE texts SET erased_at = '2026-11-21 08:20:00'")
    assert "named columns" in refuses(engine, "UPDATE texts SET body = 'written anew'")
    assert "named columns" in refuses(engine, "UPDATE texts SET digest = 'other'")


def test_rows_below_a_sealed_parent_cannot_be_added_or_removed(engine: Engine) -> None:
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
        parent.status = BuildStatus.SEALED
    values = "(1, 3, 'why', false)"
    assert "sealed" in refuses(
        engine, f"INSERT INTO import_refusals (import_id, line_number, reason, person_kept) VALUES {values}"
    )
    assert "sealed" in refuses(engine, "DELETE FROM import_refusals")
    assert "sealed" in refuses(engine, "UPDATE imports SET rows_kept = 5")


def test_four_eyes_hold_even_when_the_author_of_the_request_is_forged(instance: Engine) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance)
    author, other = builders.author(instance).id, builders.approver(instance).id
    with Session(instance) as session, session.begin():
        request = ApprovalRequest(
            incident_id=incident.id,
            subject=Subject.REPORT,
            subject_id=1,
            content_digest="c" * 64,
            requested_by=author,
            requested_at=NOW,
        )
        session.add(request)
        session.flush()
        number = request.id
    for requested_by, decided_by, constraint in (
        (author, author, "four_eyes"),
        (other, author, "decision_copies_its_author|FOREIGN KEY"),
    ):
        decision = ApprovalDecision(
            request_id=number,
            requested_by=requested_by,
            decided_by=decided_by,
            verdict=Verdict.GRANTED,
            content_digest="c" * 64,
            decided_at=NOW,
        )
        with pytest.raises(IntegrityError, match=constraint), Session(instance) as session, session.begin():
            session.add(decision)


def test_a_naive_time_is_refused_and_an_offset_is_converted(engine: Engine) -> None:
    row = Import(
        kind="customers",
        file_digest="f" * 64,
        status=BuildStatus.SEALED,
        rows_read=0,
        rows_kept=0,
        rows_refused=0,
        at=NOW.replace(tzinfo=None),
        actor="system:test",
    )
    with pytest.raises(StatementError, match="naive datetime"), Session(engine) as session, session.begin():
        session.add(row)
    with Session(engine) as session, session.begin():
        row.at = datetime.fromisoformat("2026-11-20T17:20:00+09:00")
        session.add(row)
    with Session(engine) as session:
        assert session.scalars(sa.select(Import.at)).one() == NOW


def test_a_missing_and_a_changed_guard_are_named(engine: Engine) -> None:
    drop = "DROP TRIGGER guard_item_sets_update" + (" ON item_sets" if engine.dialect.name == "postgresql" else "")
    with engine.begin() as connection:
        connection.exec_driver_sql(drop)
    assert any("guard_item_sets_update is missing" in fault for fault in schema.schema_faults(engine))
    with engine.begin() as connection:
        refresh_guards(connection)
    assert schema.schema_faults(engine) == []
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE item_sets DISABLE TRIGGER guard_item_sets_update")
        assert any("switched off" in fault for fault in schema.schema_faults(engine))


def test_a_missing_column_is_named(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE mail_domains DROP COLUMN per_minute")
    assert any("per_minute" in fault for fault in schema.schema_faults(engine))


def test_an_empty_database_is_told_to_upgrade(tmp_path: Path) -> None:
    empty = make_engine(f"sqlite:///{tmp_path}/empty.db")
    assert "db upgrade" in schema.schema_faults(empty)[0]
    empty.dispose()


def test_the_first_migration_goes_down_and_up_again(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(schema.alembic_config(connection), "base")
    tables = set(sa.inspect(engine).get_table_names())
    assert tables <= {"alembic_version"}
    schema.upgrade(engine)
    assert schema.schema_faults(engine) == []


def _upgrade(url: str) -> None:
    fresh = make_engine(url)
    schema.upgrade(fresh)
    fresh.dispose()


def test_four_processes_that_upgrade_a_fresh_database_at_once_all_succeed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/fresh.db"
    processes = [multiprocessing.get_context("spawn").Process(target=_upgrade, args=(url,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    whole = make_engine(url)
    assert schema.schema_faults(whole) == []
    whole.dispose()


def test_a_batch_migration_drops_guards_and_refreshing_brings_them_back(tmp_path: Path) -> None:
    changed = make_engine(f"sqlite:///{tmp_path}/batch.db")
    schema.upgrade(changed)
    with changed.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("item_sets", recreate="always"):
            pass
    assert any("item_sets" in fault for fault in schema.schema_faults(changed))
    with changed.begin() as connection:
        refresh_guards(connection)
    assert schema.schema_faults(changed) == []
    changed.dispose()


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    schema.upgrade(engine)
    assert schema.schema_faults(engine) == []
