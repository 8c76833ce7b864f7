"""The inventory: loading stores, taking snapshots, reading them back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import canonical_text, digest_of
from incident_app.domain.errors import NotFound
from incident_app.domain.events import InventoryLoaded
from incident_app.domain.ids import Actor
from incident_app.domain.inventory import DataCategory, DataItem, Disclosure, Inventory, Party, Store, StoreItem
from incident_app.domain.vocabulary import (
    BusinessLine,
    DisclosureBasis,
    ItemFlag,
    Medium,
    OurRole,
    PartyRole,
    Protection,
)
from incident_app.persistence import inventory as tables
from incident_app.persistence.bulk import insert_new
from incident_app.services.transaction import Transaction, building, reading, transaction


@dataclass(frozen=True, kw_only=True)
class StoreView:
    """A store as pages show it."""

    code: str
    name_ja: str
    name_en: str
    operator_ja: str
    operator_en: str
    is_ours: bool
    items: tuple[tuple[str, str, str], ...]


def load_stores(engine: Engine, stores: Sequence[Store], *, actor: Actor, now: datetime) -> int:
    """Bring the stores in the database in step with a list of stores; return how many were new or changed.

    An item that a store no longer holds is retracted, never removed: old determinations can still be repeated.
    """
    with transaction(engine, actor=actor, now=now) as act:
        changed = store_stores(act, stores)
        act.record(InventoryLoaded(stores=len(stores), digest=digest_of(sorted(stores, key=lambda store: store.code))))
        return changed


def store_stores(act: Transaction, stores: Sequence[Store]) -> int:
    """Write stores inside a larger act."""
    parties = dict(act.session.execute(sa.select(tables.ThirdParty.code, tables.ThirdParty.id)).all())
    known = {row.code: row for row in act.session.scalars(sa.select(tables.DataStore))}
    changed = 0
    for store in stores:
        row = known.get(store.code) or tables.DataStore(code=store.code)
        row.name_ja, row.name_en, row.medium, row.country = store.name_ja, store.name_en, store.medium, store.country
        row.our_role, row.operator_id, row.business_line = store.our_role, parties[store.operator], store.business_line
        row.owner, row.reviewed_on = store.owner, store.reviewed_on
        act.session.add(row)
        act.session.flush()
        changed += _store_items(act, row.id, store.items)
    return changed


def _store_items(act: Transaction, store_id: int, items: Sequence[StoreItem]) -> bool:
    live = {
        row.item_code: row
        for row in act.session.scalars(
            sa.select(tables.StoreItem).where(
                tables.StoreItem.store_id == store_id, tables.StoreItem.retracted_at.is_(None)
            ),
        )
    }
    changed = False
    for item in items:
        row = live.pop(item.item, None)
        if row is not None and _same(row, item):
            continue
        changed = True
        if row is not None:
            row.retracted_at = act.now
        act.session.add(
            tables.StoreItem(
                store_id=store_id,
                item_code=item.item,
                purpose=item.purpose,
                protection=item.protection,
                keep_for_days=item.keep_for_days,
                held_from=item.held_from,
                held_until=item.held_until,
                recorded_at=act.now,
            ),
        )
    for row in live.values():
        row.retracted_at = act.now
    act.session.flush()
    return changed or bool(live)


def _same(row: tables.StoreItem, item: StoreItem) -> bool:
    return (row.purpose, row.protection, row.keep_for_days, row.held_from, row.held_until) == (
        item.purpose,
        item.protection,
        item.keep_for_days,
        item.held_from,
        item.held_until,
    )


def current_inventory(session: Session) -> Inventory:
    """Return the inventory as it is now, in a fixed order."""
    parties = {row.id: row for row in session.scalars(sa.select(tables.ThirdParty).order_by(tables.ThirdParty.id))}
    items = list(session.scalars(sa.select(tables.DataItem).order_by(tables.DataItem.position)))
    categories = session.scalars(sa.select(tables.DataCategory).order_by(tables.DataCategory.position))
    stores = session.scalars(
        sa.select(tables.DataStore).where(tables.DataStore.retired_at.is_(None)).order_by(tables.DataStore.code),
    )
    held: dict[int, list[StoreItem]] = {}
    for row in session.scalars(
        sa.select(tables.StoreItem).where(tables.StoreItem.retracted_at.is_(None)).order_by(tables.StoreItem.item_code),
    ):
        held.setdefault(row.store_id, []).append(_item(row))
    return Inventory(
        categories=tuple(
            DataCategory(
                code=row.code, name_ja=row.name_ja, name_en=row.name_en, parent=row.parent_code, section=row.section
            )
            for row in categories
        ),
        items=tuple(
            DataItem(
                code=row.code,
                category=row.category_code,
                name_ja=row.name_ja,
                name_en=row.name_en,
                flags=frozenset(ItemFlag(flag) for flag in row.flags),
                section=row.section,
            )
            for row in items
        ),
        parties=tuple(_party(row) for row in parties.values()),
        stores=tuple(_store(row, parties[row.operator_id].code, held.get(row.id, [])) for row in stores),
        disclosures=tuple(_disclosures(session, parties)),
    )


def _item(row: tables.StoreItem) -> StoreItem:
    return StoreItem(
        item=row.item_code,
        purpose=row.purpose,
        protection=row.protection,
        keep_for_days=row.keep_for_days,
        held_from=row.held_from,
        held_until=row.held_until,
    )


def _party(row: tables.ThirdParty) -> Party:
    return Party(
        code=row.code,
        name_ja=row.name_ja,
        name_en=row.name_en,
        country=row.country,
        is_ourselves=row.is_ourselves,
        incident_contact=row.incident_contact,
        section=row.section,
    )


def _store(row: tables.DataStore, operator: str, items: Sequence[StoreItem]) -> Store:
    return Store(
        code=row.code,
        name_ja=row.name_ja,
        name_en=row.name_en,
        medium=row.medium,
        country=row.country,
        our_role=row.our_role,
        operator=operator,
        business_line=row.business_line,
        owner=row.owner,
        reviewed_on=row.reviewed_on,
        items=tuple(items),
    )


def _disclosures(session: Session, parties: Mapping[int, tables.ThirdParty]) -> list[Disclosure]:
    groups: dict[tuple[Any, ...], set[str]] = {}
    rows = session.scalars(
        sa.select(tables.Disclosure).where(tables.Disclosure.until.is_(None)).order_by(tables.Disclosure.id),
    )
    for row in rows:
        key = (row.party_id, row.role, row.basis, row.purpose_ja, row.purpose_en, row.legal_basis)
        groups.setdefault(key, set()).add(row.item_code)
    return [
        Disclosure(
            party=parties[party_id].code,
            items=frozenset(items),
            role=role,
            basis=basis,
            purpose_ja=purpose_ja,
            purpose_en=purpose_en,
            legal_basis=legal_basis,
        )
        for (party_id, role, basis, purpose_ja, purpose_en, legal_basis), items in groups.items()
    ]


def keep_snapshot(engine: Engine, *, now: datetime) -> str:
    """Store the inventory as it is now, once per content; return its digest."""
    with building(engine) as session:
        inventory = current_inventory(session)
        digest = inventory.digest
        content = json_of(inventory)
        insert_new(session, tables.InventorySnapshot, [{"digest": digest, "content": content, "taken_at": now}])
        return digest


def json_of(inventory: Inventory) -> Any:  # noqa: ANN401 - JSON content
    """Return the inventory as JSON content, from which the same inventory is read back."""
    return json.loads(canonical_text(inventory))


def read_inventory_snapshot(session: Session, digest: str) -> Inventory:
    """Return the inventory of a snapshot, exactly as it was."""
    row = session.get(tables.InventorySnapshot, digest)
    if row is None or not isinstance(row.content, dict):
        raise NotFound(what="inventory snapshot", name=digest[:12])
    content: Mapping[str, Any] = row.content
    return Inventory(
        categories=tuple(DataCategory(**entry) for entry in content["categories"]),
        items=tuple(
            DataItem(**{**entry, "flags": frozenset(ItemFlag(flag) for flag in entry["flags"])})
            for entry in content["items"]
        ),
        parties=tuple(Party(**entry) for entry in content["parties"]),
        stores=tuple(_store_of(entry) for entry in content["stores"]),
        disclosures=tuple(
            Disclosure(
                **{
                    **entry,
                    "items": frozenset(entry["items"]),
                    "role": PartyRole(entry["role"]),
                    "basis": DisclosureBasis(entry["basis"]),
                },
            )
            for entry in content["disclosures"]
        ),
    )


def _store_of(entry: Mapping[str, Any]) -> Store:
    return Store(
        **{
            **entry,
            "medium": Medium(entry["medium"]),
            "our_role": OurRole(entry["our_role"]),
            "business_line": BusinessLine(entry["business_line"]),
            "reviewed_on": _day(entry["reviewed_on"]),
            "items": tuple(
                StoreItem(
                    **{
                        **item,
                        "protection": Protection(item["protection"]),
                        "held_from": _day(item["held_from"]),
                        "held_until": _day(item["held_until"]),
                    },
                )
                for item in entry["items"]
            ),
        },
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def list_stores(engine: Engine) -> list[StoreView]:
    """Return the stores of the inventory, ours first."""
    with reading(engine) as session:
        inventory = current_inventory(session)
    views = []
    for store in inventory.stores:
        operator = inventory.party(store.operator)
        held = {item.item for item in store.items}
        views.append(
            StoreView(
                code=store.code,
                name_ja=store.name_ja,
                name_en=store.name_en,
                operator_ja=operator.name_ja,
                operator_en=operator.name_en,
                is_ours=operator.is_ourselves,
                items=tuple((item.code, item.name_ja, item.name_en) for item in inventory.items if item.code in held),
            ),
        )
    return sorted(views, key=lambda view: (not view.is_ours, view.code))


def list_parties(engine: Engine) -> list[Party]:
    """Return the third parties that operate stores: those that can be named in a scope."""
    with reading(engine) as session:
        inventory = current_inventory(session)
    operators = {store.operator for store in inventory.stores}
    return [party for party in inventory.parties if party.code in operators and not party.is_ourselves]


def names(engine: Engine) -> dict[str, tuple[str, str]]:
    """Return the name of each store, party, item and category in Japanese and English."""
    with reading(engine) as session:
        inventory = current_inventory(session)
    found = {item.code: (item.name_ja, item.name_en) for item in inventory.items}
    for named in (inventory.categories, inventory.parties, inventory.stores):
        found |= {entry.code: (entry.name_ja, entry.name_en) for entry in named}
    return found
