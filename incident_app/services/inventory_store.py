"""Bringing the tables of the inventory in step with an inventory: what is gone is retired, never removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from graphlib import TopologicalSorter

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.inventory import DataCategory, Disclosure, Inventory, JointUseGroup, Party, Store, StoreItem
from incident_app.domain.inventory_rows import canonical
from incident_app.persistence import inventory as tables
from incident_app.services.transaction import Transaction


def store_inventory(act: Transaction, inventory: Inventory) -> None:
    """Write an inventory inside a larger act, whole."""
    whole = canonical(inventory)
    _store_categories(act, whole.categories)
    _store_items(act, whole)
    parties = _store_parties(act, whole.parties)
    _store_stores(act, whole.stores, parties)
    _store_disclosures(act, whole.disclosures, parties)
    _store_joint_use(act, whole.joint_use, parties)


def mark_source(session: Session, stores: Sequence[str], source: str) -> None:
    """Remember where these stores were named, so that the next such file can retire what it no longer names."""
    session.execute(sa.update(tables.DataStore).where(tables.DataStore.code.in_(stores)).values(loaded_from=source))


def stores_from(session: Session, source: str) -> frozenset[str]:
    """Return the stores in use that were last named by this source."""
    found = sa.select(tables.DataStore.code).where(
        tables.DataStore.loaded_from == source, tables.DataStore.retired_at.is_(None)
    )
    return frozenset(session.scalars(found))


def _store_categories(act: Transaction, categories: Sequence[DataCategory]) -> None:
    positions = {category.code: position for position, category in enumerate(categories)}
    known = {row.code: row for row in act.session.scalars(sa.select(tables.DataCategory))}
    for category in _parents_first(categories):
        row = known.pop(category.code, None) or tables.DataCategory(code=category.code)
        row.parent_code, row.section = category.parent, category.section
        row.name_ja, row.name_en = category.name_ja, category.name_en
        row.position, row.retired_at = positions[category.code], None
        act.session.add(row)
        act.session.flush()
    for gone in known.values():
        gone.retired_at = gone.retired_at or act.now


def _parents_first(categories: Sequence[DataCategory]) -> Iterator[DataCategory]:
    """Yield the categories so that each stands behind its parent, in whatever order the file names them."""
    by_code = {category.code: category for category in categories}
    above = {category.code: {category.parent} if category.parent else set() for category in categories}
    for code in TopologicalSorter(above).static_order():
        yield by_code[code]


def _store_items(act: Transaction, inventory: Inventory) -> None:
    known = {row.code: row for row in act.session.scalars(sa.select(tables.DataItem))}
    for position, item in enumerate(inventory.items):
        row = known.pop(item.code, None) or tables.DataItem(code=item.code)
        row.category_code, row.section, row.flags = item.category, item.section, sorted(item.flags)
        row.name_ja, row.name_en, row.position, row.retired_at = item.name_ja, item.name_en, position, None
        act.session.add(row)
    for gone in known.values():
        gone.retired_at = gone.retired_at or act.now
    act.session.flush()


def _store_parties(act: Transaction, parties: Sequence[Party]) -> dict[str, int]:
    known = {row.code: row for row in act.session.scalars(sa.select(tables.ThirdParty))}
    ids: dict[str, tables.ThirdParty] = {}
    for party in sorted(parties, key=lambda party: party.is_ourselves):  # one row at a time may be ourselves
        row = known.pop(party.code, None) or tables.ThirdParty(code=party.code)
        row.name_ja, row.name_en, row.country = party.name_ja, party.name_en, party.country
        row.section, row.incident_contact = party.section, party.incident_contact
        row.contract_reference, row.contract_notice_hours = party.contract_reference, party.contract_notice_hours
        row.audited_on, row.retired_at, row.is_ourselves = party.audited_on, None, False
        act.session.add(row)
        ids[party.code] = row
    for gone in known.values():
        gone.retired_at, gone.is_ourselves = gone.retired_at or act.now, False
    act.session.flush()
    for party in parties:
        ids[party.code].is_ourselves = party.is_ourselves
    act.session.flush()
    return {code: row.id for code, row in ids.items()}


def _store_stores(act: Transaction, stores: Sequence[Store], parties: dict[str, int]) -> None:
    known = {row.code: row for row in act.session.scalars(sa.select(tables.DataStore))}
    for store in stores:
        row = known.pop(store.code, None) or tables.DataStore(code=store.code, loaded_from="")
        row.name_ja, row.name_en, row.medium, row.country = store.name_ja, store.name_en, store.medium, store.country
        row.our_role, row.operator_id, row.business_line = store.our_role, parties[store.operator], store.business_line
        row.owner, row.reviewed_on, row.retired_at = store.owner, store.reviewed_on, None
        act.session.add(row)
        act.session.flush()
        _store_held(act, row.id, store.items)
    for gone in known.values():
        if gone.retired_at is None:
            gone.retired_at = act.now
            _store_held(act, gone.id, ())


def _store_held(act: Transaction, store_id: int, items: Sequence[StoreItem]) -> None:
    live = act.session.scalars(
        sa.select(tables.StoreItem).where(
            tables.StoreItem.store_id == store_id, tables.StoreItem.retracted_at.is_(None)
        ),
    )
    wanted = set(items)
    kept = set()
    for row in live:
        entry = held_item(row)
        if entry in wanted:
            kept.add(entry)
        else:
            row.retracted_at = act.now
    act.session.flush()
    for item in items:
        if item not in kept:
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
    act.session.flush()


def held_item(row: tables.StoreItem) -> StoreItem:
    """Return a row of a store's items as the rules see it."""
    return StoreItem(
        item=row.item_code,
        purpose=row.purpose,
        protection=row.protection,
        keep_for_days=row.keep_for_days,
        held_from=row.held_from,
        held_until=row.held_until,
    )


def _store_disclosures(act: Transaction, disclosures: Sequence[Disclosure], parties: dict[str, int]) -> None:
    wanted = {_disclosed(entry, parties[entry.party], item) for entry in disclosures for item in entry.items}
    for row in act.session.scalars(sa.select(tables.Disclosure).where(tables.Disclosure.until.is_(None))):
        key = (row.party_id, row.item_code, row.role, row.basis, row.purpose_ja, row.purpose_en, row.legal_basis)
        if (*key, row.section) in wanted:
            wanted.discard((*key, row.section))
        else:
            row.until = act.now
    act.session.flush()
    for party_id, item, role, basis, purpose_ja, purpose_en, legal_basis, section in sorted(wanted):
        act.session.add(
            tables.Disclosure(
                party_id=party_id,
                item_code=item,
                role=role,
                basis=basis,
                purpose_ja=purpose_ja,
                purpose_en=purpose_en,
                legal_basis=legal_basis,
                section=section,
                recorded_at=act.now,
            ),
        )
    act.session.flush()


def _disclosed(entry: Disclosure, party_id: int, item: str) -> tuple[int, str, str, str, str, str, str, str]:
    said = (entry.purpose_ja, entry.purpose_en, entry.legal_basis, entry.section)
    return (party_id, item, entry.role, entry.basis, *said)


def _store_joint_use(act: Transaction, groups: Sequence[JointUseGroup], parties: dict[str, int]) -> None:
    known = {row.code: row for row in act.session.scalars(sa.select(tables.JointUseGroup))}
    for group in groups:
        row = known.pop(group.code, None) or tables.JointUseGroup(code=group.code)
        row.name_ja, row.name_en, row.retired_at = group.name_ja, group.name_en, None
        row.purpose_ja, row.purpose_en = group.purpose_ja, group.purpose_en
        row.responsible_party_id, row.published_url = parties[group.responsible], group.published_url
        act.session.add(row)
        act.session.flush()
        _store_members(act, row.id, {(parties[member.party], member.since) for member in group.members})
        _store_shared(act, row.id, {item: item in group.uncertain for item in group.items | group.uncertain})
    for gone in known.values():
        if gone.retired_at is None:
            gone.retired_at = act.now
            _store_members(act, gone.id, set())
            _store_shared(act, gone.id, {})
    act.session.flush()


def _store_members(act: Transaction, group_id: int, wanted: set[tuple[int, date]]) -> None:
    live = sa.select(tables.JointUseMember).where(
        tables.JointUseMember.group_id == group_id, tables.JointUseMember.until.is_(None)
    )
    for row in act.session.scalars(live):
        if (row.party_id, row.since) in wanted:
            wanted.discard((row.party_id, row.since))
        else:
            row.until = act.now.date()
    act.session.flush()
    for party_id, since in sorted(wanted):
        act.session.add(tables.JointUseMember(group_id=group_id, party_id=party_id, since=since))
    act.session.flush()


def _store_shared(act: Transaction, group_id: int, wanted: dict[str, bool]) -> None:
    live = sa.select(tables.JointUseItem).where(
        tables.JointUseItem.group_id == group_id, tables.JointUseItem.retracted_at.is_(None)
    )
    for row in act.session.scalars(live):
        if wanted.get(row.item_code) is row.uncertain:
            del wanted[row.item_code]
        else:
            row.retracted_at = act.now
    act.session.flush()
    for item, uncertain in sorted(wanted.items()):
        act.session.add(
            tables.JointUseItem(group_id=group_id, item_code=item, uncertain=uncertain, recorded_at=act.now)
        )
    act.session.flush()
