"""The inventory as it is now, as pages show it, and as it was: snapshots and reading them back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import canonical_text
from incident_app.domain.errors import NotFound
from incident_app.domain.inventory import (
    DataCategory,
    DataItem,
    Disclosure,
    Inventory,
    JointUseGroup,
    JointUseMember,
    Party,
    Store,
    StoreItem,
)
from incident_app.domain.inventory_content import inventory_of_content
from incident_app.domain.inventory_rows import canonical
from incident_app.domain.vocabulary import ItemFlag, Medium
from incident_app.persistence import inventory as tables
from incident_app.persistence.bulk import insert_new
from incident_app.services.inventory_store import held_item
from incident_app.services.transaction import building, reading


@dataclass(frozen=True, kw_only=True)
class StoreView:
    """A store as pages show it."""

    code: str
    name_ja: str
    name_en: str
    operator_ja: str
    operator_en: str
    is_ours: bool
    is_input_page: bool
    """What is typed there can leak before any store holds it: chosen for a scope, its data counts as being acquired."""
    items: tuple[tuple[str, str, str], ...]


def current_inventory(session: Session) -> Inventory:
    """Return the inventory as it is now, in a fixed order."""
    parties = {row.id: row for row in _in_use(session, tables.ThirdParty, tables.ThirdParty.code)}
    items = _in_use(session, tables.DataItem, tables.DataItem.position)
    categories = _in_use(session, tables.DataCategory, tables.DataCategory.position)
    stores = _in_use(session, tables.DataStore, tables.DataStore.code)
    held: dict[int, list[StoreItem]] = {}
    for row in session.scalars(
        sa.select(tables.StoreItem).where(tables.StoreItem.retracted_at.is_(None)).order_by(tables.StoreItem.item_code),
    ):
        held.setdefault(row.store_id, []).append(held_item(row))
    inventory = Inventory(
        categories=tuple(category_of(row) for row in categories),
        items=tuple(item_of(row) for row in items),
        parties=tuple(party_of(row) for row in parties.values()),
        stores=tuple(store_of(row, parties[row.operator_id].code, held.get(row.id, [])) for row in stores),
        disclosures=tuple(_disclosures(session, parties)),
        joint_use=tuple(_joint_use(session, parties)),
    )
    return canonical(inventory)


Table = TypeVar("Table", bound=tables.DataCategory | tables.DataItem | tables.ThirdParty | tables.DataStore)


def _in_use(session: Session, table: type[Table], order: sa.ColumnElement[Any] | Any) -> list[Table]:  # noqa: ANN401
    return list(session.scalars(sa.select(table).where(table.retired_at.is_(None)).order_by(order)))


def category_of(row: tables.DataCategory) -> DataCategory:
    """Return a category as the rules see it."""
    return DataCategory(
        code=row.code, name_ja=row.name_ja, name_en=row.name_en, parent=row.parent_code, section=row.section
    )


def item_of(row: tables.DataItem) -> DataItem:
    """Return a data item as the rules see it."""
    return DataItem(
        code=row.code,
        category=row.category_code,
        name_ja=row.name_ja,
        name_en=row.name_en,
        flags=frozenset(ItemFlag(flag) for flag in row.flags),
        section=row.section,
    )


def party_of(row: tables.ThirdParty) -> Party:
    """Return a party as the rules see it."""
    return Party(
        code=row.code,
        name_ja=row.name_ja,
        name_en=row.name_en,
        country=row.country,
        is_ourselves=row.is_ourselves,
        incident_contact=row.incident_contact,
        section=row.section,
        contract_reference=row.contract_reference,
        contract_notice_hours=row.contract_notice_hours,
        audited_on=row.audited_on,
    )


def store_of(row: tables.DataStore, operator: str, items: Sequence[StoreItem]) -> Store:
    """Return a store as the rules see it."""
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
        key = (row.party_id, row.role, row.basis, row.purpose_ja, row.purpose_en, row.legal_basis, row.section)
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
            section=section,
        )
        for (party_id, role, basis, purpose_ja, purpose_en, legal_basis, section), items in groups.items()
    ]


def _joint_use(session: Session, parties: Mapping[int, tables.ThirdParty]) -> Iterator[JointUseGroup]:
    members: dict[int, list[JointUseMember]] = {}
    for member in session.scalars(sa.select(tables.JointUseMember).where(tables.JointUseMember.until.is_(None))):
        entry = JointUseMember(party=parties[member.party_id].code, since=member.since)
        members.setdefault(member.group_id, []).append(entry)
    shared: dict[int, dict[str, bool]] = {}
    for item in session.scalars(sa.select(tables.JointUseItem).where(tables.JointUseItem.retracted_at.is_(None))):
        shared.setdefault(item.group_id, {})[item.item_code] = item.uncertain
    for row in session.scalars(sa.select(tables.JointUseGroup).where(tables.JointUseGroup.retired_at.is_(None))):
        items = shared.get(row.id, {})
        yield JointUseGroup(
            code=row.code,
            name_ja=row.name_ja,
            name_en=row.name_en,
            purpose_ja=row.purpose_ja,
            purpose_en=row.purpose_en,
            responsible=parties[row.responsible_party_id].code,
            members=tuple(members.get(row.id, ())),
            items=frozenset(code for code, uncertain in items.items() if not uncertain),
            uncertain=frozenset(code for code, uncertain in items.items() if uncertain),
            published_url=row.published_url,
        )


def keep_snapshot(engine: Engine, *, of: Callable[[Session], Inventory] = current_inventory, now: datetime) -> str:
    """Store an inventory (as it is now, unless told otherwise), once per content; return its digest."""
    with building(engine) as session:
        inventory = of(session)
        digest = inventory.digest
        content = json_of(inventory)
        insert_new(session, tables.InventorySnapshot, [{"digest": digest, "content": content, "taken_at": now}])
        return digest


def json_of(inventory: Inventory) -> Any:  # noqa: ANN401 - JSON content
    """Return the inventory as JSON content, from which the same inventory is read back."""
    return json.loads(canonical_text(inventory.content))


def read_inventory_snapshot(session: Session, digest: str) -> Inventory:
    """Return the inventory of a snapshot, exactly as it was."""
    row = session.get(tables.InventorySnapshot, digest)
    if row is None or not isinstance(row.content, dict):
        raise NotFound(what="inventory snapshot", name=digest[:12])
    return inventory_of_content(row.content)


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
                is_input_page=store.medium is Medium.INPUT_PAGE,
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
    """Return the name of each store, party, item and category in Japanese and English, retired ones too.

    A code that stands for several things means a store before a party, a party before a category, that before an item;
    and what is in use before what was retired.
    """
    named = (tables.DataItem, tables.DataCategory, tables.ThirdParty, tables.DataStore)
    found: dict[str, tuple[str, str]] = {}
    with reading(engine) as session:
        for in_use in (False, True):
            for table in named:
                wanted = table.retired_at.is_(None) if in_use else table.retired_at.is_not(None)
                rows = session.execute(sa.select(table.code, table.name_ja, table.name_en).where(wanted))
                found |= {code: (ja, en) for code, ja, en in rows}
    return found
