"""Bringing the schema up to date, and naming everything about it that is not as it must be."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.engine import Engine

from incident_app.persistence import schema
from incident_app.persistence.database import make_engine
from incident_app.persistence.tables import Base
from incident_app.persistence.timeline import ChainHead
from incident_app.persistence.triggers import refresh_guards

VERSIONS = "alembic_version"
DECISIONS, FOUR_EYES = "ALTER TABLE approval_decisions", "ck_approval_decisions_four_eyes"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database that holds nothing at all."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    base: sa.URL = request.getfixturevalue("postgres_base")
    administrator = sa.create_engine(base, isolation_level="AUTOCOMMIT")
    name = "empty_" + uuid.uuid4().hex[:8]
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    yield base.set(database=name).render_as_string(hide_password=False)
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administrator.dispose()


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    engine = make_engine(empty_url)
    yield engine
    engine.dispose()


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def drop_guard(engine: Engine, name: str, table: str) -> str:
    return f"DROP TRIGGER {name}" + (f" ON {table}" if engine.dialect.name == "postgresql" else "")


def test_a_fresh_database_has_no_faults(engine: Engine) -> None:
    assert schema.schema_faults(engine) == []


def test_an_empty_database_is_told_to_upgrade(empty: Engine) -> None:
    (fault,) = schema.schema_faults(empty)
    assert "db upgrade" in fault


def test_an_old_revision_is_named_with_the_one_that_is_needed(engine: Engine) -> None:
    run(engine, "UPDATE alembic_version SET version_num = '0000'")
    (fault,) = schema.schema_faults(engine)
    assert "0000" in fault
    assert str(schema.newest_revision()) in fault


def test_a_missing_column_is_named(engine: Engine) -> None:
    run(engine, "ALTER TABLE mail_domains DROP COLUMN per_minute")
    (fault,) = schema.schema_faults(engine)
    assert "per_minute" in fault


def test_a_missing_index_is_named(engine: Engine) -> None:
    run(engine, "DROP INDEX uq_obligations_live")
    (fault,) = schema.schema_faults(engine)
    assert "uq_obligations_live" in fault


def test_a_missing_guard_is_named_and_refreshing_brings_it_back(engine: Engine) -> None:
    run(engine, drop_guard(engine, "guard_item_sets_update", "item_sets"))
    assert schema.schema_faults(engine) == ["item_sets: trigger guard_item_sets_update is missing"]
    with engine.begin() as connection:
        refresh_guards(connection)
    assert schema.schema_faults(engine) == []


def test_a_guard_that_was_emptied_is_named(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        statements = [
            "DROP TRIGGER guard_item_sets_update",
            "CREATE TRIGGER guard_item_sets_update BEFORE UPDATE ON item_sets WHEN 1 = 0 BEGIN SELECT 1; END",
        ]
    else:
        function = "CREATE OR REPLACE FUNCTION guard_item_sets_update() RETURNS trigger LANGUAGE plpgsql"
        statements = [f"{function} AS $$ BEGIN RETURN NEW; END $$"]
    run(engine, *statements)
    (fault,) = schema.schema_faults(engine)
    assert fault.startswith("item_sets: trigger guard_item_sets_update was changed")


@pytest.mark.parametrize(
    "header",
    [
        "BEFORE UPDATE ON item_sets FOR EACH ROW WHEN (false)",
        "BEFORE UPDATE OF digest ON item_sets FOR EACH ROW",
        "AFTER UPDATE ON item_sets FOR EACH STATEMENT",
        "BEFORE INSERT ON item_sets FOR EACH ROW",
        "BEFORE UPDATE ON mail_domains FOR EACH ROW",
    ],
)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_guard_that_fires_at_another_time_or_place_is_named(engine: Engine, header: str) -> None:
    run(
        engine,
        drop_guard(engine, "guard_item_sets_update", "item_sets"),
        f"CREATE TRIGGER guard_item_sets_update {header} EXECUTE FUNCTION guard_item_sets_update()",
    )
    fault, *others = schema.schema_faults(engine)
    elsewhere = "mail_domains: trigger guard_item_sets_update is not of this program"
    assert others == ([] if "item_sets" in header else [elsewhere])
    what = "was changed" if "item_sets" in header else "is missing"
    assert fault.startswith(f"item_sets: trigger guard_item_sets_update {what}")
    with engine.begin() as connection:
        refresh_guards(connection)
    assert schema.schema_faults(engine) == []


@pytest.mark.parametrize("how", ["DISABLE", "ENABLE REPLICA"])
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_guard_that_was_switched_off_is_named(engine: Engine, how: str) -> None:
    run(engine, f"ALTER TABLE item_sets {how} TRIGGER guard_item_sets_update")
    (fault,) = schema.schema_faults(engine)
    assert "switched off" in fault


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_batch_migration_drops_guards_and_refreshing_brings_them_back(engine: Engine) -> None:
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("item_sets", recreate="always"):
            pass
    assert {fault.split(":")[0] for fault in schema.schema_faults(engine)} == {"item_sets"}
    with engine.begin() as connection:
        refresh_guards(connection)
    assert schema.schema_faults(engine) == []


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(ChainHead).values(sequence=7, hash="a" * 64))
    before = everything_declared(engine)
    schema.upgrade(engine)
    assert schema.schema_faults(engine) == []
    assert everything_declared(engine) == before
    with engine.connect() as connection:
        assert connection.execute(sa.select(ChainHead.sequence, ChainHead.hash)).one() == (7, "a" * 64)


def test_the_migrations_go_down_with_data_in_the_tables_and_up_again(instance: Engine) -> None:
    with instance.begin() as connection:
        command.downgrade(schema.alembic_config(connection), "base")
    assert set(sa.inspect(instance).get_table_names()) == {"alembic_version"}
    schema.upgrade(instance)
    assert schema.schema_faults(instance) == []


def test_migrations_are_numbered_without_a_gap_and_have_one_head() -> None:
    folder = Path(schema.__file__).parent.parent / "migrations" / "versions"
    numbers = sorted(path.name.split("_")[0] for path in folder.glob("[0-9]*.py"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert schema.newest_revision() == numbers[-1]


def everything_declared(engine: Engine) -> set[tuple[str, ...]]:
    """Return columns, keys, constraints and indexes with their texts: more than Alembic compares."""
    inspector = sa.inspect(engine)
    found: set[tuple[str, ...]] = set()
    for table in inspector.get_table_names():
        if table == VERSIONS:
            continue
        parts = [
            *(
                ("column", column["name"], column["type"], column["nullable"])
                for column in inspector.get_columns(table)
            ),
            *(("check", check["name"], check["sqltext"]) for check in inspector.get_check_constraints(table)),
            *(("unique", key["name"], key["column_names"]) for key in inspector.get_unique_constraints(table)),
            *(("foreign key", sorted(key.items(), key=str)) for key in inspector.get_foreign_keys(table)),
            ("primary key", sorted(inspector.get_pk_constraint(table).items(), key=str)),
        ]
        found |= {(table, *map(str, part)) for part in parts}
    texts = {
        "sqlite": "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    }[engine.dialect.name]
    with engine.connect() as connection:
        return found | {("index", *map(str, row)) for row in connection.exec_driver_sql(texts) if row[0] != VERSIONS}


def test_the_migrations_build_what_is_declared_with_every_check_and_its_name(empty: Engine) -> None:
    with empty.begin() as connection:
        Base.metadata.create_all(connection)
    declared = everything_declared(empty)
    with empty.begin() as connection:
        Base.metadata.drop_all(connection)
    schema.upgrade(empty)
    assert everything_declared(empty) == declared
    checks = [(table, name) for table, kind, name, *_ in declared if kind == "check"]
    assert len(checks) > 30
    assert [name for table, name in checks if not name.startswith(f"ck_{table}_")] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (
            "ALTER TABLE approval_decisions DROP CONSTRAINT ck_approval_decisions_four_eyes",
            "approval_decisions: ck_approval_decisions_four_eyes is missing",
        ),
        (
            "ALTER TABLE campaigns DROP CONSTRAINT ck_campaigns_sending_needs_approval",
            "campaigns: ck_campaigns_sending_needs_approval is missing",
        ),
        (
            f"{DECISIONS} DROP CONSTRAINT {FOUR_EYES}, ADD CONSTRAINT {FOUR_EYES} CHECK (true)",
            "approval_decisions: ck_approval_decisions_four_eyes was changed",
        ),
        (
            "CREATE RULE swallow AS ON INSERT TO events DO INSTEAD NOTHING",
            "events: rule swallow is not of this program",
        ),
        ("ALTER TABLE deliveries DISABLE TRIGGER ALL", "deliveries: its foreign keys are switched off"),
    ],
)
def test_a_constraint_that_was_taken_away_or_emptied_is_named(engine: Engine, statement: str, fault: str) -> None:
    run(engine, statement)
    assert fault in schema.schema_faults(engine)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_check_that_was_edited_in_the_file_is_named(engine: Engine) -> None:
    run(
        engine,
        "PRAGMA writable_schema=on",
        "UPDATE sqlite_master SET sql = replace(sql, 'decided_by <> requested_by', '1') "
        "WHERE name = 'approval_decisions'",
        "PRAGMA writable_schema=reset",
    )
    assert "approval_decisions: ck_approval_decisions_four_eyes was changed" in schema.schema_faults(engine)


def test_an_index_that_holds_for_no_row_is_named(engine: Engine) -> None:
    run(
        engine,
        "DROP INDEX uq_delivery_people_open",
        "CREATE UNIQUE INDEX uq_delivery_people_open ON delivery_people (person_id) WHERE 1 = 0",
    )
    assert "delivery_people: uq_delivery_people_open was changed" in schema.schema_faults(engine)


def test_a_trigger_that_swallows_events_is_named(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        statements = ["CREATE TRIGGER aaa BEFORE INSERT ON events BEGIN SELECT RAISE(IGNORE); END"]
    else:
        statements = [
            "CREATE FUNCTION aaa() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            "CREATE TRIGGER aaa BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION aaa()",
        ]
    run(engine, *statements)
    assert schema.schema_faults(engine) == ["events: trigger aaa is not of this program"]


def test_looking_whether_everything_is_whole_leaves_nothing_behind(engine: Engine) -> None:
    before = everything_declared(engine)
    assert schema.schema_faults(engine) == []
    assert everything_declared(engine) == before


def _upgrade(url: str) -> None:
    fresh = make_engine(url)
    schema.upgrade(fresh)
    fresh.dispose()


def test_processes_that_upgrade_a_fresh_database_at_once_all_succeed(empty_url: str, empty: Engine) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=_upgrade, args=(empty_url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert schema.schema_faults(empty) == []
    with empty.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(ChainHead)) == 1


def test_a_database_of_the_first_version_keeps_its_imports_and_what_refers_to_them(empty: Engine) -> None:
    with empty.begin() as connection:
        command.upgrade(schema.alembic_config(connection), "0001")
    moment = "'2026-01-01 00:00:00.000000'"
    run(
        empty,
        "INSERT INTO imports (id, kind, file_digest, status, rows_read, rows_kept, rows_refused, at, actor) "
        f"VALUES (1, 'customers', 'd', 'building', 1, 1, 1, {moment}, 'user:1')",
        "INSERT INTO import_refusals (import_id, line_number, reason, person_kept) VALUES (1, 2, 'r', '0')",
    )
    schema.upgrade(empty)
    assert schema.schema_faults(empty) == []
    with empty.connect() as connection:
        assert connection.exec_driver_sql("SELECT id, profile_digest FROM imports").all() == [(1, "")]
        assert connection.exec_driver_sql("SELECT import_id FROM import_refusals").all() == [(1,)]


def test_determinations_of_an_earlier_version_stay_and_their_question_may_be_asked_again(empty: Engine) -> None:
    with empty.begin() as connection:
        command.upgrade(schema.alembic_config(connection), "0008")
    at = "'2026-01-01 00:00:00.000000'"
    determined = (
        "INSERT INTO impact_determinations (id, incident_id, version, scope_id, inventory_digest, known_at, "
        f"rules_version, inputs_digest, status, at, by) VALUES ({{0}}, 1, {{0}}, 1, 'd', {at}, 2, 'q', 'building', "
        f"{at}, 'u')"
    )
    run(
        empty,
        "INSERT INTO incidents (id, public_id, reference, kind, title, phase, exercise, detected_at, opened_at) "
        f"VALUES (1, 'p', 'INC-1', 'general', 't', 'open', '0', {at}, {at})",
        "INSERT INTO incident_scopes (id, incident_id, version, harms, cause, set_at, set_by) "
        f"VALUES (1, 1, 1, '[]', 'unknown', {at}, 'u')",
        f"INSERT INTO inventory_snapshots (digest, content, taken_at) VALUES ('d', '{{}}', {at})",
        "INSERT INTO item_sets (id, digest, item_codes) VALUES (1, 's', '[]')",
        determined.format(1),
        "INSERT INTO impact_patterns (id, determination_id, pairs, item_set_id, confirmed_item_set_id, people, "
        "certainty, mitigated, because) VALUES (1, 1, '[]', 1, 1, 5, 'confirmed', '{}', '{}')",
    )
    schema.upgrade(empty)
    assert schema.schema_faults(empty) == []
    run(empty, determined.format(2))
    with empty.connect() as connection:
        assert connection.exec_driver_sql("SELECT version FROM impact_determinations ORDER BY id").all() == [(1,), (2,)]
        assert connection.exec_driver_sql("SELECT people FROM impact_patterns").all() == [(5,)]
    with pytest.raises(sa.exc.IntegrityError), empty.begin() as connection:
        command.downgrade(schema.alembic_config(connection), "0008")
    assert schema.schema_faults(empty) == []
