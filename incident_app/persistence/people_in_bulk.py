"""People and holdings by the thousand: finding them by long lists, and giving out keys."""

from __future__ import annotations

from collections.abc import Collection
from operator import itemgetter
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.holding_changes import Held
from incident_app.domain.import_rows import microseconds
from incident_app.domain.vocabulary import Channel
from incident_app.persistence.bulk import key_list, one_of, rows_with
from incident_app.persistence.customers import CustomerContact, Holding


class Known(NamedTuple):
    """A stored customer."""

    id: int
    attributes: tuple[str, ...]
    """Kind, relation, language and jurisdiction."""


class LiveContact(NamedTuple):
    """A way to reach a person that is valid."""

    id: int
    customer_id: int
    channel: str
    address_digest: str
    name: str | None


def ids_by_number(session: Session, numbers: Collection[str]) -> dict[str, int]:
    """Return the ids of those customers that are stored."""
    return dict(rows_with(session, "SELECT customer_number, id FROM customers", "customer_number", numbers))


def known_customers(session: Session, numbers: Collection[str]) -> dict[str, Known]:
    """Return those customers that are stored, with their attributes as words."""
    query = "SELECT customer_number, id, kind, relation, language, jurisdiction FROM customers"
    rows = rows_with(session, query, "customer_number", numbers)
    return {number: Known(key, tuple(attributes)) for number, key, *attributes in rows}


def live_contacts(session: Session, customer_ids: Collection[int]) -> list[LiveContact]:
    """Return the valid contacts of these customers."""
    query = "SELECT id, customer_id, channel, address_digest, name, valid_until FROM customer_contacts"
    rows = rows_with(session, query, "customer_id", customer_ids)
    return [LiveContact(*row[:-1]) for row in rows if row[-1] is None]


def owners_of_mail(session: Session, digests: Collection[str]) -> dict[str, int]:
    """Return for each mail address that somebody has now one customer who has it: who had it first."""
    query = "SELECT address_digest, customer_id, id, channel, valid_until FROM customer_contacts"
    rows = rows_with(session, query, "address_digest", digests)
    mail = Channel.EMAIL.value
    live = sorted((row for row in rows if row[3] == mail and row[4] is None), key=itemgetter(2), reverse=True)
    return {row[0]: row[1] for row in live}


def close_contacts(session: Session, ids: Collection[int], *, at: object) -> None:
    """End contacts; `at` is a moment as the driver wants it."""
    _stamp(session, CustomerContact.__tablename__, "valid_until", ids, at)


def _stamp(session: Session, table: str, column: str, ids: Collection[int], at: object) -> None:
    if ids:
        query = sa.text(f"UPDATE {table} SET {column} = :at WHERE {one_of(session, 'id', 'ids')}")  # noqa: S608
        session.execute(query, {"at": at, "ids": key_list(session, ids)})


def known_holdings(session: Session, customer_ids: Collection[int], *, at: object) -> dict[tuple[int, int], list[Held]]:
    """Return what was known of these customers before `at`, by customer and store."""
    condition = one_of(session, "customer_id", "ids")
    query = sa.text(
        f"SELECT customer_id, store_id, item_set_id, period, held_until FROM holdings "  # noqa: S608
        f"WHERE {condition} AND retracted_at IS NULL AND recorded_at < :at"
    ).columns(Holding.customer_id, Holding.store_id, Holding.item_set_id, Holding.period, Holding.held_until)
    found: dict[tuple[int, int], list[Held]] = {}
    for customer_id, store_id, item_set, period, until in session.execute(
        query, {"ids": key_list(session, customer_ids), "at": at}
    ):
        held = Held(item_set, period, microseconds(until) if until else 0)
        found.setdefault((customer_id, store_id), []).append(held)
    return found
