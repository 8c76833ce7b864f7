"""Column types and connections: times are aware UTC, JSON reads back with its digest, SQLite is set to be safe."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.vocabulary import BuildStatus
from incident_app.persistence.accounts import User
from incident_app.persistence.bulk import insert_many, stored_moment
from incident_app.persistence.customers import Import, ItemSet
from incident_app.persistence.database import (
    SQLITE_PRAGMAS,
    MomentDoesNotFit,
    TextDoesNotFit,
    TextNotStorable,
    ValueDoesNotFit,
)
from incident_app.persistence.timeline import ChainAnchor

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)


def an_import(at: datetime) -> Import:
    return Import(
        kind="customers",
        file_digest="f" * 64,
        status=BuildStatus.SEALED,
        rows_read=0,
        rows_kept=0,
        rows_refused=0,
        at=at,
        actor="system:test",
    )


def test_a_naive_time_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="naive datetime"), Session(engine) as session, session.begin():
        session.add(an_import(NOW.replace(tzinfo=None)))


def test_a_naive_time_is_refused_in_a_question_too(engine: Engine) -> None:
    with pytest.raises(StatementError, match="naive datetime"), Session(engine) as session:
        session.scalars(sa.select(Import).where(Import.at < NOW.replace(tzinfo=None))).all()


def test_a_time_with_an_offset_is_kept_in_utc_and_read_back_aware(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(an_import(datetime.fromisoformat("2026-11-20T17:20:00.000001+09:00")))
    with Session(engine) as session:
        found = session.scalars(sa.select(Import.at)).one()
    assert found == NOW.replace(microsecond=1)
    assert found.tzinfo is UTC


def test_times_are_compared_as_moments_and_not_as_texts(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(an_import(NOW))
    later = datetime.fromisoformat("2026-11-20T08:30:00+00:00")
    earlier = datetime.fromisoformat("2026-11-20T17:10:00+09:00")  # a text comparison would call this later
    with Session(engine) as session:
        assert session.scalars(sa.select(Import.id).where(Import.at.between(earlier, later))).all()


def test_json_is_read_back_with_the_digest_that_was_written(engine: Engine) -> None:
    codes = ["メール", "name"]
    with Session(engine) as session, session.begin():
        session.add(ItemSet(digest=digest_of(codes), item_codes=codes))
    with Session(engine) as session:
        row = session.scalars(sa.select(ItemSet)).one()
        assert digest_of(row.item_codes) == row.digest


def test_json_without_a_canonical_form_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="no canonical form"), Session(engine) as session, session.begin():
        session.add(ItemSet(digest="d" * 64, item_codes=[Decimal("0.5")]))


def test_a_word_outside_a_closed_set_is_refused_by_the_database(engine: Engine) -> None:
    statement = (
        "INSERT INTO imports (kind, file_digest, status, rows_read, rows_kept, rows_refused, at, actor) "
        "VALUES ('customers', 'f', 'half', 0, 0, 0, '2026-11-20 08:20:00+00:00', 'system:test')"
    )
    with pytest.raises(sa.exc.IntegrityError, match="importstatus"), engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_every_connection_to_sqlite_has_the_safe_settings(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW server_encoding").scalar() == "UTF8"
        return
    shown = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1, "busy_timeout": 30000}
    assert set(shown) == set(SQLITE_PRAGMAS)
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in shown}
            assert found == shown
            connection.rollback()


@pytest.mark.parametrize("text", ["x" * 301, "a\0b", "\ud800"])
def test_a_text_that_does_not_fit_is_refused_alike_on_both_databases(engine: Engine, text: str) -> None:
    row = ChainAnchor(sequence=1, hash="h" * 64, placed_where=text, at=NOW)
    with pytest.raises((TextDoesNotFit, TextNotStorable)), Session(engine) as session, session.begin():
        session.add(row)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(ChainAnchor)) == 0


def test_a_time_that_no_year_of_utc_holds_is_refused(engine: Engine) -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))
    with pytest.raises(MomentDoesNotFit), Session(engine) as session, session.begin():
        session.add(an_import(first))


def test_a_number_that_the_database_cannot_hold_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueDoesNotFit), Session(engine) as session, session.begin():
        session.add(ChainAnchor(sequence=10**30, hash="h" * 64, placed_where="x", at=NOW))


def test_what_a_database_refuses_is_told_without_the_values(engine: Engine) -> None:
    """PostgreSQL's driver repeats the whole row under DETAIL, and the library lists the parameters."""
    who, where = "山田花子", "secret.person@example.jp"
    statement = sa.text(
        "INSERT INTO users (email, name, password_hash, language, active, failed_logins, sessions_valid_from) "
        "VALUES (:email, :name, 'x', 'ja', :active, 0, '2026-11-20 08:20:00')"
    )
    values = {"email": where, "name": who, "active": True}
    with engine.begin() as connection:
        connection.execute(statement, values)
    for wrong in (values, {**values, "email": where + "2", "active": None}):
        with pytest.raises(sa.exc.IntegrityError) as refusal, engine.begin() as connection:
            connection.execute(statement, wrong)
        told = "".join(traceback.format_exception(refusal.value)) + repr(refusal.value.orig)
        assert who not in told
        assert where not in told
        assert "users" in told


def test_what_a_database_refuses_of_many_rows_is_told_without_the_values(engine: Engine) -> None:
    """COPY tells the refused line under CONTEXT, and the index its key under DETAIL."""
    who, where = "山田花子", "secret.person@example.jp"
    columns = ("email", "name", "password_hash", "language", "active", "failed_logins", "sessions_valid_from")
    with Session(engine) as session:
        row = (where, who, "x", "ja", True, 0, stored_moment(session, NOW))
    for wrong in ([row, row], [(where, who, "x", "ja", None, *row[5:])], [(where, who * 2_000, *row[2:])]):
        if engine.dialect.name == "sqlite" and len(wrong[0][1]) > len(who):
            continue  # it takes a name of any length
        refusals = (sa.exc.DBAPIError, ValueDoesNotFit)
        with pytest.raises(refusals) as refusal, Session(engine) as session, session.begin():
            insert_many(session, User, columns, wrong)
        told = "".join(traceback.format_exception(refusal.value)) + repr(getattr(refusal.value, "orig", ""))
        assert who not in told
        assert where not in told
