"""The database: engines, column types, naming of constraints."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.exc import DataError, DontWrapMixin
from sqlalchemy.orm import DeclarativeBase, mapped_column, registry
from sqlalchemy.pool import ConnectionPoolEntry

from incident_app.domain.digests import canonical_text
from incident_app.domain.errors import IncidentAppError
from incident_app.persistence.writers_line import let_others_in, standing_in_line

Json: TypeAlias = Mapping[str, Any] | list[Any]  # content nobody filters on; its shape belongs to its writer


class TextDoesNotFit(IncidentAppError, DontWrapMixin):
    """A text is longer than the {longest} characters that fit. Shorten it; nothing was saved."""

    ja = "文字数が上限（{longest}文字）を超えています。短くしてください。何も保存していません。"


class TextNotStorable(IncidentAppError, DontWrapMixin):
    """A text holds a character that cannot be stored (NUL or half a character). Remove it; nothing was saved."""

    ja = "保存できない文字（NUL など）が含まれています。取り除いてください。何も保存していません。"


class MomentDoesNotFit(IncidentAppError, DontWrapMixin):
    """A time lies outside the years 1 to 9999 when written in UTC. Correct it; nothing was saved."""

    ja = "協定世界時で西暦1年から9999年の範囲にない時刻があります。直してください。何も保存していません。"


class ValueDoesNotFit(IncidentAppError):
    """A value is outside what the database can hold. Correct it; nothing was saved."""

    ja = "データベースに入らない値があります。直してください。何も保存していません。"


class Text(sa.types.TypeDecorator[str]):
    """Text that fits: SQLite would keep a longer one or a NUL, PostgreSQL fails on either; here both refuse."""

    impl = sa.String
    cache_ok = True

    def __init__(self, longest: int | None = None) -> None:
        super().__init__(longest)
        self.longest = longest

    def process_bind_param(self, value: str | None, _dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        if not value.isascii() or "\0" in value:
            check_storable(value)
        if self.longest is not None and len(value) > self.longest:
            raise TextDoesNotFit(longest=self.longest)
        return value


class LongTextType(Text):
    """Text of any length."""

    impl = sa.Text
    cache_ok = True


def check_storable(text: str) -> None:
    """Refuse a text that no UTF-8 database can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TextNotStorable from None
    if "\0" in text:
        raise TextNotStorable


class UtcMoment(sa.types.TypeDecorator[datetime]):
    """An aware time, kept in UTC. A naive time is refused: read as local it would move a deadline by hours."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime: {value!r}")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise MomentDoesNotFit from None

    def process_result_value(self, value: datetime | None, _dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CanonicalJson(sa.types.TypeDecorator[Json]):
    """JSON content stored as canonical text, so that what is read back has the digest that was written."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Json | None, _dialect: sa.Dialect) -> str | None:
        return None if value is None else canonical_text(value)

    def process_result_value(self, value: str | None, _dialect: sa.Dialect) -> Json | None:
        return None if value is None else json.loads(value)


class AddressKey(sa.types.TypeDecorator[str]):
    """The first eight octets of an address's digest: enough to keep two messages of one wave from one address."""

    impl = sa.LargeBinary(8)
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: sa.Dialect) -> bytes | None:
        return None if value is None else address_key(value)

    def process_result_value(self, value: bytes | None, _dialect: sa.Dialect) -> str | None:
        return None if value is None else bytes(value).hex()


def address_key(digest: str) -> bytes:
    """Return the first eight octets of a digest that is written in hexadecimal."""
    return bytes.fromhex(digest[:16])


BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Key = Annotated[int, mapped_column(BigKey, primary_key=True)]
BigInt = Annotated[int, mapped_column(BigKey)]
Code = Annotated[str, mapped_column(Text(80))]
Digest = Annotated[str, mapped_column(sa.String(64))]
LongText = Annotated[str, mapped_column(LongTextType())]


class Base(DeclarativeBase):
    # Flask-SQLAlchemy 3.1.1 on SQLAlchemy 2.1 keeps these only when they stand on the registry.
    registry = registry(
        metadata=sa.MetaData(naming_convention=NAMING),
        type_annotation_map={
            datetime: UtcMoment(),
            int: sa.Integer(),
            str: Text(300),
            Json: CanonicalJson(),
            enum.Enum: sa.Enum(
                enum.Enum,
                native_enum=False,
                create_constraint=True,
                length=40,
                values_callable=lambda members: [member.value for member in members],
            ),
        },
    )


FOR_READING = {"for_reading": True}
"""Execution options of a session that only reads: on SQLite it must not queue for the write lock."""


def make_engine(url: str, *, for_writing: bool = True) -> Engine:
    """Open the database. A transaction takes SQLite's write lock at its start unless it is marked as reading.

    SQLite loses appends to "database is locked" when a transaction reads first and then writes.
    """
    engine = sa.create_engine(
        url,
        pool_size=10,
        max_overflow=20,
        pool_pre_ping=not url.startswith("sqlite"),
        hide_parameters=True,  # they hold names and addresses, and an error's text ends in logs and on screens
    )
    event.listen(engine, "handle_error", _tell_no_values)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine if for_writing else engine.execution_options(**FOR_READING)


def _tell_no_values(context: ExceptionContext) -> IncidentAppError | None:
    """Take the row out of what a driver says, and answer a value that does not fit with a refusal."""
    found = context.original_exception
    said = leave_out_values(found)
    if said is not None and context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (f"({type(found).__name__}) {said}",)
    if isinstance(found, OverflowError) or isinstance(context.sqlalchemy_exception, DataError):
        return ValueDoesNotFit()
    return None


def leave_out_values(found: BaseException) -> str | None:
    """Take out of what PostgreSQL's driver says what repeats a row, under DETAIL and CONTEXT; return what is left."""
    diagnosis = getattr(found, "diag", None)
    if diagnosis is None or diagnosis.message_primary is None:
        return None
    said = str(diagnosis.message_primary)
    found.args = (said,)
    return said


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("for_reading"):
        connection.exec_driver_sql("BEGIN")
        return
    with standing_in_line(connection.engine.url.database):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def give_way(bind: Engine | Connection) -> None:
    """Let those in who wait to write, between two turns of long work. PostgreSQL lets many write at once."""
    if bind.dialect.name == "sqlite":
        let_others_in(bind.engine.url.database)


SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": "on",
    "recursive_triggers": "on",  # without it INSERT OR REPLACE overwrites an append-only row unseen
    "busy_timeout": "30000",
}


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:  # noqa: ANN401 - a driver's own class
    connection.isolation_level = None  # transactions are begun by the listener above, not by the driver
    for name, value in SQLITE_PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}")
