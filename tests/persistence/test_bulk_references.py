"""Rows that come by the million refer only to what is there, and what they refer to stays."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from incident_app.domain.vocabulary import ImportStatus
from incident_app.persistence.bulk import insert_many, stored_moment
from incident_app.persistence.customers import Customer, CustomerContact, Holding, Import
from incident_app.persistence.inventory import DataStore
from incident_app.persistence.item_sets import item_set_id
from incident_app.services.transaction import building
from tests import builders

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
MISSING = 987_654
_CUSTOMER = ("id", "public_id", "customer_number", "kind", "relation", "language", "jurisdiction")
_CONTACT = ("customer_id", "channel", "name", "address", "address_digest", "valid_from", "import_id")
_HOLDING = ("store_id", "customer_id", "item_set_id", "recorded_at", "import_id")


@pytest.fixture
def keys(instance: Engine) -> dict[str, int]:
    """Keys of one import, store, item set and of people 1 to 100."""
    with building(instance) as session:
        batch = Import(
            kind="holdings",
            file_digest="f" * 64,
            status=ImportStatus.BUILDING,
            rows_read=0,
            rows_kept=0,
            rows_refused=0,
            at=NOW,
            actor=builders.SYSTEM,
        )
        session.add(batch)
        session.flush()
        people = [(i, f"p{i}", f"C{i}", "person", "customer", "ja", "JP") for i in range(1, 101)]
        insert_many(session, Customer, _CUSTOMER, people)
        store = session.scalars(sa.select(DataStore.id).where(DataStore.code == "member-db")).one()
        return {"import_id": batch.id, "store_id": store, "item_set_id": item_set_id(session, ["name"])}


def insert_holdings(session: Session, keys: dict[str, int], **wrong: int) -> None:
    """Insert a hundred holdings of which the fiftieth is wrong in one column."""
    at = stored_moment(session, NOW)
    rows = []
    for number in range(1, 101):
        row = {**keys, "customer_id": number, "recorded_at": at} | (wrong if number == 50 else {})
        rows.append(tuple(row[name] for name in _HOLDING))
    insert_many(session, Holding, _HOLDING, rows)


@pytest.mark.parametrize("column", ["store_id", "customer_id", "item_set_id", "import_id"])
def test_one_holding_among_many_that_refers_to_nothing_refuses_them_all(
    instance: Engine, keys: dict[str, int], column: str
) -> None:
    with pytest.raises(DBAPIError), building(instance) as session:
        insert_holdings(session, keys, **{column: MISSING})
    with Session(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Holding)) == 0


def test_holdings_that_refer_to_what_is_there_are_taken(instance: Engine, keys: dict[str, int]) -> None:
    with building(instance) as session:
        insert_holdings(session, keys)
    with Session(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Holding)) == 100


@pytest.mark.parametrize("column", ["customer_id", "import_id"])
def test_a_contact_that_refers_to_nothing_is_refused(instance: Engine, keys: dict[str, int], column: str) -> None:
    row = {
        "customer_id": 1,
        "channel": "email",
        "name": "n",
        "address": "a@example.jp",
        "address_digest": "d",
        "import_id": keys["import_id"],
    }
    with pytest.raises(DBAPIError), building(instance) as session:
        wrong = row | {column: MISSING, "valid_from": stored_moment(session, NOW)}
        insert_many(session, CustomerContact, _CONTACT, [tuple(wrong[name] for name in _CONTACT)])


def test_a_contact_of_no_import_is_taken(instance: Engine, keys: dict[str, int]) -> None:
    assert keys
    with building(instance) as session:
        row = (1, "email", "n", "a@example.jp", "d", stored_moment(session, NOW), None)
        insert_many(session, CustomerContact, _CONTACT, [row])


@pytest.mark.parametrize("table", ["customers", "data_stores"])
def test_what_rows_refer_to_is_neither_removed_nor_given_another_key(
    instance: Engine, keys: dict[str, int], table: str
) -> None:
    assert keys
    for statement in (f"DELETE FROM {table} WHERE id = 7", f"UPDATE {table} SET id = {MISSING} WHERE id = 7"):
        with pytest.raises(IntegrityError), instance.begin() as connection:
            connection.exec_driver_sql(statement)
    if instance.dialect.name == "postgresql":
        with pytest.raises(IntegrityError), instance.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {table} CASCADE")


def test_an_import_whose_rows_stand_is_not_removed(instance: Engine, keys: dict[str, int]) -> None:
    with building(instance) as session:
        insert_holdings(session, keys)
    with pytest.raises(IntegrityError), instance.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM imports WHERE id = {keys['import_id']}")
