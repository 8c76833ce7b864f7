"""What a scope touches, customer by customer: the pairs of store entry and item set, and places on lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.impact import Listing, Pattern, TouchedPair
from incident_app.domain.inventory import Inventory
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import BuildStatus, Relation
from incident_app.persistence.customers import Customer, Holding, Import
from incident_app.persistence.incidents import CustomerListMember
from incident_app.persistence.inventory import DataStore, ThirdParty
from incident_app.persistence.item_sets import item_codes

RANGE = 20_000
"""Customers looked at in one go: memory does not grow with the scope."""


def customer_ranges(session: Session) -> Iterator[tuple[int, int]]:
    """Yield ranges of customer keys, low to high, that together hold every customer."""
    lowest = session.scalar(sa.select(sa.func.min(Customer.id)))
    highest = session.scalar(sa.select(sa.func.max(Customer.id)))
    if lowest is None or highest is None:
        return
    for low in range(lowest, highest + 1, RANGE):
        yield low, min(low + RANGE - 1, highest)


def touched_patterns(
    session: Session, scope: Scope, inventory: Inventory, low: int, high: int, known_at: datetime
) -> Iterator[tuple[int, Pattern]]:
    """Yield each customer of a key range whom the scope touches, with their pattern, in order of their key."""
    pairs: dict[int, set[TouchedPair]] = defaultdict(set)
    for number, entry in enumerate(scope.stores):
        for customer_id, pair in _pairs(session, inventory, number, entry, low, high, known_at):
            pairs[customer_id].add(pair)
    listings: dict[int, set[Listing]] = defaultdict(set)
    for number, listed in enumerate(scope.lists):
        for customer_id, listing in _listings(session, number, listed.list_id, low, high):
            listings[customer_id].add(listing)
    for customer_id in sorted(pairs.keys() | listings.keys()):
        yield (
            customer_id,
            Pattern(
                pairs=frozenset(pairs.get(customer_id, ())),
                listings=frozenset(listings.get(customer_id, ())),
            ),
        )


def _pairs(
    session: Session, inventory: Inventory, number: int, entry: TouchedStore, low: int, high: int, known_at: datetime
) -> Iterator[tuple[int, TouchedPair]]:
    store_id = session.scalars(sa.select(DataStore.id).where(DataStore.code == entry.store)).one()
    upper_bound = _list_is_missing(session, store_id, known_at)
    stores = _own_stores(session) if upper_bound else [store_id]
    held = _held(stores, entry, low, high, known_at)
    if upper_bound:  # the published table of recipients speaks of customers only
        held = held.join(Customer, Customer.id == Holding.customer_id).where(Customer.relation == Relation.CUSTOMER)
    rows = session.execute(held).all()
    sets = item_codes(session, {set_id for _, set_id in rows})
    there = frozenset(item.item for item in inventory.store(entry.store).items)
    for customer_id, set_id in rows:
        items = tuple(code for code in sets[set_id] if not upper_bound or code in there)
        if items:
            yield customer_id, TouchedPair(entry=number, items=items, upper_bound=upper_bound)


def _held(stores: list[int], entry: TouchedStore, low: int, high: int, known_at: datetime) -> sa.Select[int, int]:
    """Select what was held in the window, as far as we knew it at `known_at`."""
    unfinished = sa.select(Import.id).where(Import.status == BuildStatus.BUILDING)
    query = sa.select(Holding.customer_id, Holding.item_set_id).where(
        Holding.store_id.in_(stores),
        Holding.customer_id.between(low, high),
        Holding.recorded_at <= known_at,
        sa.or_(Holding.retracted_at.is_(None), Holding.retracted_at > known_at),
        sa.or_(Holding.import_id.is_(None), Holding.import_id.not_in(unfinished)),
    )
    if entry.touched_until is not None:
        query = query.where(sa.or_(Holding.held_from.is_(None), Holding.held_from <= entry.touched_until))
    if entry.touched_from is not None:
        query = query.where(sa.or_(Holding.held_until.is_(None), Holding.held_until >= entry.touched_from))
    return query.distinct()


def _list_is_missing(session: Session, store_id: int, known_at: datetime) -> bool:
    """Tell whether a third party operates the store and had not yet said whose data lies there."""
    theirs = sa.select(ThirdParty.is_ourselves).join(DataStore, DataStore.operator_id == ThirdParty.id)
    if session.scalar(theirs.where(DataStore.id == store_id)):
        return False
    listed = sa.select(Holding.store_id).where(Holding.store_id == store_id, Holding.recorded_at <= known_at)
    return session.scalar(listed.limit(1)) is None


def _own_stores(session: Session) -> list[int]:
    query = sa.select(DataStore.id).join(ThirdParty, ThirdParty.id == DataStore.operator_id)
    return list(session.scalars(query.where(ThirdParty.is_ourselves)))


def _listings(session: Session, number: int, list_id: int, low: int, high: int) -> Iterator[tuple[int, Listing]]:
    rows = session.execute(
        sa.select(CustomerListMember.customer_id, CustomerListMember.item_set_id).where(
            CustomerListMember.list_id == list_id,
            CustomerListMember.customer_id.between(low, high),
        ),
    ).all()
    sets = item_codes(session, {set_id for _, set_id in rows if set_id is not None})
    for customer_id, set_id in rows:
        yield customer_id, Listing(entry=number, items=sets[set_id] if set_id is not None else None)
