"""The inventory as a scope needs it: what is in use, and what was retired since but was live when it was touched."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.inventory import DataCategory, Inventory
from incident_app.domain.inventory_rows import canonical
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.persistence.customers import ItemSet
from incident_app.persistence.inventory import DataCategory as CategoryRow
from incident_app.persistence.inventory import DataItem, DataStore, StoreItem, ThirdParty
from incident_app.services.inventory import category_of, current_inventory, item_of, party_of, store_of
from incident_app.services.inventory_store import held_item


class RetiredBefore(BadInput):
    """{field}: {what} was retired on {day}, before the time that is said to be touched."""

    ja = "{field}：{what}は、触れられたとする期間より前の {day}に廃止されています。"


class WindowNeeded(BadInput):
    """{field}: {what} was retired on {day}. Say from when it was touched, so that it is clear that it was in use."""

    ja = "{field}：{what}は {day}に廃止されています。使われていた間だと分かるように、触れられた始まりを書いてください。"


def inventory_of(session: Session, scope: Scope) -> Inventory:
    """Return the inventory by which a scope is judged."""
    return inventory_with(session, stores_named(scope))


def stores_named(scope: Scope) -> frozenset[str]:
    """Return the stores that a scope names."""
    listed = {listed.store for listed in scope.lists if listed.store is not None}
    return frozenset(listed | {entry.store for entry in scope.stores})


def inventory_with(session: Session, stores: Collection[str]) -> Inventory:
    """Return the inventory with these stores as they were when they were retired, and with items still on record.

    Holdings and lists may name an item that was retired since: it was held, so it can have leaked. Without any of
    these the inventory is exactly what it is now, and so is its digest.
    """
    current = current_inventory(session)
    retired = _retired_stores(session, set(stores) - {store.code for store in current.stores})
    items = _retired_items(session, (code for _, held in retired for code in (row.item_code for row in held)))
    if not retired and not items:
        return current
    parties = _operators(session, current, [row for row, _ in retired])
    codes = {row.id: row.code for row in session.scalars(sa.select(ThirdParty))}
    stores_then = [store_of(row, codes[row.operator_id], [held_item(one) for one in held]) for row, held in retired]
    return canonical(
        replace(
            current,
            categories=(*current.categories, *_categories_above(session, current, items)),
            items=(*current.items, *(item_of(row) for row in items)),
            parties=(*current.parties, *(party_of(row) for row in parties)),
            stores=(*current.stores, *stores_then),
        ),
    )


def _retired_stores(session: Session, codes: Collection[str]) -> list[tuple[DataStore, list[StoreItem]]]:
    """Return retired stores with what they held at last."""
    found = []
    query = sa.select(DataStore).where(DataStore.code.in_(codes), DataStore.retired_at.is_not(None))
    for row in session.scalars(query.order_by(DataStore.code)):
        held = sa.select(StoreItem).where(StoreItem.store_id == row.id, StoreItem.retracted_at == row.retired_at)
        found.append((row, list(session.scalars(held.order_by(StoreItem.item_code)))))
    return found


def _retired_items(session: Session, more: Iterable[str]) -> list[DataItem]:
    """Return the retired items that are still on record of somebody, or among `more`."""
    retired = session.scalars(
        sa.select(DataItem).where(DataItem.retired_at.is_not(None)).order_by(DataItem.position, DataItem.code)
    ).all()
    if not retired:
        return []
    recorded = {code for codes in session.scalars(sa.select(ItemSet.item_codes)) for code in codes} | set(more)
    return [row for row in retired if row.code in recorded]


def _operators(session: Session, current: Inventory, stores: Iterable[DataStore]) -> list[ThirdParty]:
    known = {party.code for party in current.parties}
    operators = {row.operator_id for row in stores}
    rows = session.scalars(sa.select(ThirdParty).where(ThirdParty.id.in_(operators)).order_by(ThirdParty.code))
    return [row for row in rows if row.code not in known]


def _categories_above(session: Session, current: Inventory, items: Iterable[DataItem]) -> list[DataCategory]:
    """Return the retired categories of these items, and those above."""
    rows = {row.code: row for row in session.scalars(sa.select(CategoryRow).order_by(CategoryRow.position))}
    known = {category.code for category in current.categories}
    wanted: set[str] = set()
    for item in items:
        code: str | None = item.category_code
        while code is not None and code not in known | wanted:
            wanted.add(code)
            code = rows[code].parent_code
    return [category_of(row) for code, row in rows.items() if code in wanted]


def items_by_store(inventory: Inventory) -> dict[str, frozenset[str]]:
    """Return the items of each store."""
    return {store.code: frozenset(item.item for item in store.items) for store in inventory.stores}


def check_in_use(session: Session, scope: Scope) -> None:
    """Refuse a store, a party or an item that was retired before it is said to have been touched."""
    stores = _retired(session, DataStore, {entry.store for entry in scope.stores})
    parties = _retired(session, ThirdParty, {entry.via_party for entry in scope.stores if entry.via_party})
    items = _retired(session, DataItem, {code for entry in scope.stores for code in entry.items or ()})
    for entry in scope.stores:
        _check("store", entry.store, stores, entry)
        if entry.via_party is not None:
            _check("party", entry.via_party, parties, entry)
        for code in sorted(entry.items or ()):
            _check("items", code, items, entry)
    named = {entry.store for entry in scope.stores}
    lists = {listed.store for listed in scope.lists if listed.store is not None and listed.store not in named}
    if gone := sorted(_retired(session, DataStore, lists)):
        raise NotFound(what="store", name=gone[0])


def _retired(
    session: Session, table: type[DataStore | ThirdParty | DataItem], codes: Collection[str]
) -> Mapping[str, datetime]:
    rows = sa.select(table.code, table.retired_at).where(table.code.in_(codes), table.retired_at.is_not(None))
    return {code: at for code, at in session.execute(rows) if at is not None}


def _check(field: str, code: str, retired: Mapping[str, datetime], entry: TouchedStore) -> None:
    at = retired.get(code)
    if at is not None and entry.touched_from is not None and at < entry.touched_from:
        raise RetiredBefore(field=field, what=code, day=at.date().isoformat())
    if at is not None and entry.touched_from is None:
        raise WindowNeeded(field="touched_from", what=code, day=at.date().isoformat())
