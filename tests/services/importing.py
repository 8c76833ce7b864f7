"""What tests of imports share: importing, cutting off, and looking at what is known."""

import itertools
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.vocabulary import ImportStatus
from incident_app.persistence.customers import (
    Customer,
    CustomerContact,
    Holding,
    Import,
    ItemSet,
)
from incident_app.persistence.inventory import DataStore
from incident_app.services import customers
from incident_app.services.customers import import_file
from incident_app.services.transaction import reading
from tests.builders import KEY, NOW, SYSTEM

HEAD = "customer_number,name,email\n"


def visible(engine: Engine) -> set[tuple[object, ...]]:
    """What is known now of everybody: attributes, contacts, holdings, without keys and times of recording."""
    with reading(engine) as session:
        people = session.execute(
            sa.select(Customer.customer_number, Customer.kind, Customer.language).where(Customer.erased_at.is_(None))
        )
        contacts = session.execute(
            sa.select(Customer.customer_number, CustomerContact.channel, CustomerContact.name, CustomerContact.address)
            .join(Customer, Customer.id == CustomerContact.customer_id)
            .where(CustomerContact.valid_until.is_(None))
        )
        held = session.execute(
            sa.select(
                Customer.customer_number, DataStore.code, ItemSet.item_codes, Holding.held_from, Holding.held_until
            )
            .join(Customer, Customer.id == Holding.customer_id)
            .join(DataStore, DataStore.id == Holding.store_id)
            .join(ItemSet, ItemSet.id == Holding.item_set_id)
            .where(Holding.retracted_at.is_(None))
        )
        return {tuple(map(str, row)) for rows in (people, contacts, held) for row in rows}


def imported(engine: Engine, content: bytes | Path, **named: object) -> customers.ImportResult:
    given_names = {"address_key": KEY, "keep_good": False, "actor": SYSTEM, "now": NOW, **named}
    return import_file(engine, content, **given_names)


def cut_off(engine: Engine, text: str, monkeypatch: pytest.MonkeyPatch, *, after: int, **named: object) -> int:
    """Import a file in chunks of two rows and break after some of them; return the import's number."""
    monkeypatch.setattr(customers, "PEOPLE_AT_ONCE", 2)
    monkeypatch.setattr(customers, "HOLDINGS_AT_ONCE", 2)
    done = itertools.count(1)

    def watch(done_rows: int, total: int) -> None:
        if next(done) >= after:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        imported(engine, text.encode(), progress=watch, **named)
    monkeypatch.undo()
    with reading(engine) as session:
        return session.scalars(sa.select(Import.id).where(Import.status == ImportStatus.BUILDING)).one()
