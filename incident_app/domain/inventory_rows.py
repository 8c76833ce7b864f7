"""The inventory as flat tables: one canonical order, and back again with every fault named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import TypeAlias

from incident_app.domain.inventories import read_store, read_store_item
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
from incident_app.domain.inventory_checks import (
    LENGTHS,
    LONG_TEXT,
    check_codes,
    check_country,
    check_texts,
    refuse_overlaps,
)
from incident_app.domain.policy_checks import refuse_circles, refuse_doubles, within
from incident_app.domain.tables import Table, unique_codes
from incident_app.domain.vocabulary import DisclosureBasis, ItemFlag, PartyRole

Value: TypeAlias = "str | int | bool | date | list[str] | None"
Row: TypeAlias = Mapping[str, Value]

LONGEST_HOURS = 8_784
"""A year: no contract lets a party wait longer before it tells us of an incident."""


class Column(StrEnum):
    """What a column holds. In a CSV file an empty cell means: nothing said, where that is possible."""

    TEXT = "text"
    OPTIONAL_TEXT = "optional_text"
    NUMBER = "number"
    DAY = "day"
    TRUTH = "truth"
    CODES = "codes"


_T, _O = Column.TEXT, Column.OPTIONAL_TEXT
_NAMES = {"name_ja": _T, "name_en": _T}

TABLES: Mapping[str, Mapping[str, Column]] = {
    "categories": {"code": _T, "parent": _O, **_NAMES, "section": _T},
    "items": {"code": _T, "category": _T, **_NAMES, "flags": Column.CODES, "section": _T},
    "parties": {
        "code": _T,
        **_NAMES,
        "country": _T,
        "is_ourselves": Column.TRUTH,
        "incident_contact": _O,
        "contract_reference": _O,
        "contract_notice_hours": Column.NUMBER,
        "audited_on": Column.DAY,
        "section": _T,
    },
    "stores": {
        "code": _T,
        **_NAMES,
        "medium": _T,
        "country": _T,
        "our_role": _T,
        "operator": _T,
        "business_line": _T,
        "owner": _T,
        "reviewed_on": Column.DAY,
    },
    "store_items": {
        "store": _T,
        "item": _T,
        "purpose": _T,
        "protection": _T,
        "keep_for_days": Column.NUMBER,
        "held_from": Column.DAY,
        "held_until": Column.DAY,
    },
    "disclosures": {
        "party": _T,
        "basis": _T,
        "role": _T,
        "items": Column.CODES,
        "purpose_ja": _T,
        "purpose_en": _T,
        "legal_basis": _T,
        "section": _T,
    },
    "joint_use": {"code": _T, **_NAMES, "purpose_ja": _T, "purpose_en": _T, "responsible": _T, "published_url": _O},
    "joint_use_members": {"group": _T, "party": _T, "since": Column.DAY},
    "joint_use_items": {"group": _T, "item": _T, "uncertain": Column.TRUTH},
}
"""Every table of an inventory file with its columns, in the order in which they are written."""


def canonical(inventory: Inventory) -> Inventory:
    """Put an inventory into its one order: categories and items as they stand, everything else by its codes."""
    return Inventory(
        categories=inventory.categories,
        items=inventory.items,
        parties=tuple(sorted(inventory.parties, key=lambda party: party.code)),
        stores=tuple(_ordered(store) for store in sorted(inventory.stores, key=lambda store: store.code)),
        disclosures=_merged(inventory.disclosures),
        joint_use=tuple(
            replace(group, members=tuple(sorted(group.members, key=lambda member: (member.party, member.since))))
            for group in sorted(inventory.joint_use, key=lambda group: group.code)
        ),
    )


def _ordered(store: Store) -> Store:
    return replace(store, items=tuple(sorted(store.items, key=lambda item: (item.item, item.held_from or date.min))))


def _merged(disclosures: Iterable[Disclosure]) -> tuple[Disclosure, ...]:
    """Join what is said in several entries that differ in their items only."""
    found: dict[tuple[str, ...], Disclosure] = {}
    for entry in disclosures:
        key = (
            entry.party,
            entry.basis,
            entry.role,
            entry.purpose_en,
            entry.purpose_ja,
            entry.legal_basis,
            entry.section,
        )
        found[key] = replace(entry, items=entry.items | found[key].items) if key in found else entry
    return tuple(found[key] for key in sorted(found))


def rows_of(inventory: Inventory) -> dict[str, list[Row]]:
    """Return every table of an inventory as flat rows, in the canonical order."""
    whole = canonical(inventory)
    return {
        "categories": _rows("categories", whole.categories),
        "items": [_row("items", entry, flags=[*sorted(entry.flags)]) for entry in whole.items],
        "parties": _rows("parties", whole.parties),
        "stores": _rows("stores", whole.stores),
        "store_items": [
            _row("store_items", entry, store=store.code) for store in whole.stores for entry in store.items
        ],
        "disclosures": [_row("disclosures", entry, items=sorted(entry.items)) for entry in whole.disclosures],
        "joint_use": _rows("joint_use", whole.joint_use),
        "joint_use_members": [
            _row("joint_use_members", member, group=group.code) for group in whole.joint_use for member in group.members
        ],
        "joint_use_items": [
            {"group": group.code, "item": item, "uncertain": item in group.uncertain}
            for group in whole.joint_use
            for item in sorted(group.items | group.uncertain)
        ],
    }


def _row(table: str, entry: object, **known: Value) -> dict[str, Value]:
    return {column: known[column] if column in known else getattr(entry, column) for column in TABLES[table]}


def _rows(table: str, entries: Iterable[object]) -> list[Row]:
    return [_row(table, entry) for entry in entries]


def inventory_of_rows(root: Table) -> Inventory:
    """Read an inventory from its flat tables; whatever is wrong is noted where it stands."""
    tables = {name: root.tables(name, required=False) for name in TABLES}
    for name in ("categories", "items", "parties", "stores", "joint_use"):
        unique_codes(tables[name])
        check_codes(tables[name])
    codes = {name: frozenset(table.text("code") for table in tables[name]) for name in ("categories", "items")}
    codes["parties"] = frozenset(table.text("code") for table in tables["parties"])
    categories = tuple(_category(table, codes["categories"]) for table in tables["categories"])
    refuse_circles(tables["categories"], categories)
    inventory = Inventory(
        categories=categories,
        items=tuple(_item(table, codes["categories"]) for table in tables["items"]),
        parties=_parties(root, tables["parties"]),
        stores=_stores(tables, codes["items"], codes["parties"]),
        disclosures=_disclosures(tables["disclosures"], codes["items"], codes["parties"]),
        joint_use=_joint_use(tables, codes["items"], codes["parties"]),
    )
    for rows in tables.values():
        for table in rows:
            table.finish()
    root.finish()
    return canonical(inventory)


def _category(table: Table, categories: frozenset[str]) -> DataCategory:
    parent = table.find_text("parent")
    if parent is not None and parent not in categories:
        table.fault("parent", f"category {parent!r} is not defined in this file")
    return DataCategory(code=table.text("code"), parent=parent, section=_section(table), **_names(table))


def _item(table: Table, categories: frozenset[str]) -> DataItem:
    return DataItem(
        code=table.text("code"),
        category=table.known("category", categories, "category"),
        flags=table.words("flags", ItemFlag),
        section=_section(table),
        **_names(table),
    )


def _names(table: Table) -> dict[str, str]:
    names = {"name_ja": table.text("name_ja"), "name_en": table.text("name_en")}
    check_texts(table, names)
    return names


def _section(table: Table) -> str:
    section = table.text("section", "")
    check_texts(table, {"section": section})
    return section


def _parties(root: Table, tables: Sequence[Table]) -> tuple[Party, ...]:
    parties = tuple(_party(table) for table in tables)
    if sum(party.is_ourselves for party in parties) != 1:
        root.fault("parties", "exactly one party must have is_ourselves = true")
    return parties


def _party(table: Table) -> Party:
    party = Party(
        code=table.text("code"),
        country=table.text("country"),
        is_ourselves=table.truth("is_ourselves"),
        incident_contact=table.find_text("incident_contact"),
        section=_section(table),
        contract_reference=table.find_text("contract_reference"),
        contract_notice_hours=within(
            table, "contract_notice_hours", table.find_number("contract_notice_hours"), 0, LONGEST_HOURS
        ),
        audited_on=table.day("audited_on"),
        **_names(table),
    )
    check_country(table, party.country)
    texts = {"incident_contact": party.incident_contact, "contract_reference": party.contract_reference}
    check_texts(table, texts)
    return party


def _stores(tables: Mapping[str, Sequence[Table]], items: frozenset[str], parties: frozenset[str]) -> tuple[Store, ...]:
    held: dict[str, tuple[list[Table], list[StoreItem]]] = {table.text("code"): ([], []) for table in tables["stores"]}
    for table in tables["store_items"]:
        store = table.known("store", held.keys(), "store")
        table.known("item", items, "item")
        entry = read_store_item(table)
        if store in held:
            held[store][0].append(table)
            held[store][1].append(entry)
    for code, (lines, entries) in held.items():
        refuse_overlaps(lines, entries, code)
    return tuple(
        read_store(table, table.known("operator", parties, "party"), tuple(held[table.text("code")][1]))
        for table in tables["stores"]
    )


def _disclosures(tables: Sequence[Table], items: frozenset[str], parties: frozenset[str]) -> tuple[Disclosure, ...]:
    found = []
    for table in tables:
        entry = Disclosure(
            party=table.known("party", parties, "party"),
            items=frozenset(table.all_known("items", items, "item", required=True)),
            role=table.word("role", PartyRole),
            basis=table.word("basis", DisclosureBasis),
            purpose_ja=table.text("purpose_ja", ""),
            purpose_en=table.text("purpose_en", ""),
            legal_basis=table.text("legal_basis", ""),
            section=_section(table),
        )
        if not entry.items:
            table.fault("items", "names no item; leave the row out when nothing is passed on")
        texts = {name: getattr(entry, name) for name in ("purpose_ja", "purpose_en", "legal_basis")}
        check_texts(table, texts)
        found.append(entry)
    refuse_doubles(tables, "party", "role", "purpose_ja", "purpose_en", "legal_basis", "section", "basis")
    return tuple(found)


def _joint_use(
    tables: Mapping[str, Sequence[Table]], items: frozenset[str], parties: frozenset[str]
) -> tuple[JointUseGroup, ...]:
    codes = frozenset(table.text("code") for table in tables["joint_use"])
    members: dict[str, list[JointUseMember]] = {code: [] for code in codes}
    for table in tables["joint_use_members"]:
        group, party, since = (
            table.known("group", codes, "group"),
            table.known("party", parties, "party"),
            table.day("since"),
        )
        if since is None:
            table.fault("since", "is missing")
        members.setdefault(group, []).append(JointUseMember(party=party, since=since or date.min))
    refuse_doubles(tables["joint_use_members"], "group", "party")
    shared: dict[str, dict[str, bool]] = {code: {} for code in codes}
    for table in tables["joint_use_items"]:
        group, item = table.known("group", codes, "group"), table.known("item", items, "item")
        shared.setdefault(group, {})[item] = table.truth("uncertain")
    refuse_doubles(tables["joint_use_items"], "group", "item")
    return tuple(
        _group(table, members[table.text("code")], shared[table.text("code")]) for table in tables["joint_use"]
    )


def _group(table: Table, members: Sequence[JointUseMember], shared: Mapping[str, bool]) -> JointUseGroup:
    responsible = table.text("responsible")
    if responsible not in {member.party for member in members}:
        table.fault("responsible", "the responsible party must be a member")
    group = JointUseGroup(
        code=table.text("code"),
        purpose_ja=table.text("purpose_ja", ""),
        purpose_en=table.text("purpose_en", ""),
        responsible=responsible,
        members=tuple(members),
        items=frozenset(item for item, uncertain in shared.items() if not uncertain),
        uncertain=frozenset(item for item, uncertain in shared.items() if uncertain),
        published_url=table.find_text("published_url"),
        **_names(table),
    )
    check_texts(table, {"published_url": group.published_url})
    purposes = {"purpose_ja": group.purpose_ja, "purpose_en": group.purpose_en}
    check_texts(table, purposes, lengths={**LENGTHS, **dict.fromkeys(purposes, LONG_TEXT)})
    return group
