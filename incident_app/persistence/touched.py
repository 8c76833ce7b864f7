"""Whom a scope touches: for each pair of scope entry and item set, and each list, the set of people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.orm import InstrumentedAttribute, Session

from incident_app.domain.impact import Listing, Part, TouchedPair
from incident_app.domain.inventory import Inventory
from incident_app.domain.people import People, people
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import Relation
from incident_app.persistence.customers import Customer, CustomerChange, Holding
from incident_app.persistence.findings import held_in_window, is_listed
from incident_app.persistence.gathering import gather, keys_of
from incident_app.persistence.incidents import CustomerListMember
from incident_app.persistence.inventory import DataStore, ThirdParty
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.segments import first_change_after

RANGE = 100_000
"""Customer keys read in one go: memory does not grow with the scope."""

BySet = Mapping[int, People]
"""Item set -> whose holdings have exactly these items."""
Listed = Mapping[int | None, People]
"""Item set -> whose places on a list name exactly these items; None: no items are named."""
Set = TypeVar("Set", int, int | None)


def customer_ranges(session: Session) -> Iterator[tuple[int, int]]:
    """Yield ranges of customer keys, low to high, that together hold every customer."""
    lowest = session.scalar(sa.select(sa.func.min(Customer.id)))
    highest = session.scalar(sa.select(sa.func.max(Customer.id)))
    if lowest is None or highest is None:
        return
    for low in range(lowest, highest + 1, RANGE):
        yield low, min(low + RANGE - 1, highest)


class Sources:
    """Reads from the database whom stores and lists hold, as far as it was known at one moment."""

    def __init__(self, session: Session, known_at: datetime, inventory: Inventory) -> None:
        self.session = session
        self.known_at = known_at
        self.inventory = inventory

    def holders(self, entry: TouchedStore) -> tuple[bool, BySet]:
        """Return who was held in a touched store in the window, by item set; true when that is an upper bound.

        It is one while a third party operates the store and has not said whose data lies there: then what we hold of
        customers stands in, since the published table of recipients speaks of customers only.
        """
        store_id = self.session.scalars(sa.select(DataStore.id).where(DataStore.code == entry.store)).one()
        is_ours = entry.store in self._stores_of_ours()
        if is_ours or is_listed(self.session, store_id, self.known_at):
            return False, self._held([store_id], entry)
        others = self._not_customers()
        held = self._held(self._own_stores(), entry)
        return True, {set_id: whom - others for set_id, whom in held.items()}

    def listed(self, list_id: int) -> Listed:
        """Return who stands on a list, by item set."""
        whom = CustomerListMember.customer_id
        query = sa.select(CustomerListMember.item_set_id, gather(self.session, whom))
        query = query.where(CustomerListMember.list_id == list_id).group_by(CustomerListMember.item_set_id)
        return self._by_ranges(query, whom)

    def items(self, set_ids: set[int]) -> Mapping[int, tuple[str, ...]]:
        """Return the items of each set."""
        return item_codes(self.session, set_ids)

    def _held(self, stores: list[int], entry: TouchedStore) -> BySet:
        query = (
            sa.select(Holding.item_set_id, gather(self.session, Holding.customer_id))
            .where(Holding.store_id.in_(stores), *held_in_window(entry, self.known_at))
            .group_by(Holding.item_set_id)
        )
        return self._by_ranges(query, Holding.customer_id)

    def _by_ranges(self, query: sa.Select[Set, Any], key: InstrumentedAttribute[int]) -> dict[Set, People]:
        found: dict[Set, BitMap] = defaultdict(BitMap)
        for low, high in customer_ranges(self.session):
            for set_id, keys in self.session.execute(query.where(key.between(low, high))):
                found[set_id].update(keys_of(keys))
        return {set_id: people(whom) for set_id, whom in found.items()}

    def _stores_of_ours(self) -> frozenset[str]:
        """Return the stores that we operate, by the inventory of the question: upkeep of later days changes nothing."""
        ourselves = {party.code for party in self.inventory.parties if party.is_ourselves}
        return frozenset(store.code for store in self.inventory.stores if store.operator in ourselves)

    def _own_stores(self) -> list[int]:
        """Return the keys of the stores that we operate, and of those that we did before they were retired."""
        known = [store.code for store in self.inventory.stores]
        retired = sa.and_(ThirdParty.is_ourselves, DataStore.code.not_in(known))
        query = sa.select(DataStore.id).join(ThirdParty, ThirdParty.id == DataStore.operator_id)
        return list(self.session.scalars(query.where(sa.or_(DataStore.code.in_(self._stores_of_ours()), retired))))

    def _not_customers(self) -> People:
        """Return who was no customer then: where a relation changed later, the old one counts."""
        first = first_change_after(self.known_at)
        then = self.session.execute(
            sa.select(CustomerChange.customer_id, CustomerChange.relation).join(
                first,
                sa.and_(first.c.customer_id == CustomerChange.customer_id, first.c.at == CustomerChange.changed_at),
            ),
        ).all()
        now = people(self.session.scalars(sa.select(Customer.id).where(Customer.relation != Relation.CUSTOMER)))
        changed = people(customer_id for customer_id, _ in then)
        others = people(customer_id for customer_id, relation in then if relation is not Relation.CUSTOMER)
        return (now - changed) | others


def touched_people(scope: Scope, inventory: Inventory, sources: Sources) -> dict[Part, People]:
    """Return the people whom each part of a scope touches."""
    touched: dict[Part, People] = {}
    for number, entry in enumerate(scope.stores):
        if entry.acquiring:  # who was typing there stands on lists; what the store holds says nothing of them
            continue
        upper_bound, held = sources.holders(entry)
        there = frozenset(item.item for item in inventory.store(entry.store).items)
        for set_id, items in sources.items(set(held)).items():
            kept = tuple(code for code in items if not upper_bound or code in there)
            if kept:
                part = TouchedPair(entry=number, items=kept, upper_bound=upper_bound)
                touched[part] = touched.get(part, people(())) | held[set_id]
    for number, listed in enumerate(scope.lists):
        members = sources.listed(listed.list_id)
        sets = sources.items({set_id for set_id in members if set_id is not None})
        for listed_set, whom in members.items():
            named = sets[listed_set] if listed_set is not None else None
            touched[Listing(entry=number, items=named)] = whom
    return touched
