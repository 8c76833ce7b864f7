"""Inventory files in TOML: the company's own stores and what lies in them, read against a policy."""

from __future__ import annotations

from dataclasses import dataclass

from incident_app.domain.inventory import Store, StoreItem
from incident_app.domain.inventory_checks import check_codes, check_country, check_texts, refuse_overlaps
from incident_app.domain.policies import Policy
from incident_app.domain.policy_checks import within
from incident_app.domain.tables import Document, Table, unique_codes
from incident_app.domain.vocabulary import BusinessLine, Medium, OurRole, Protection

LONGEST_DAYS = 36_525
"""A hundred years: nothing is kept for longer by a rule that somebody meant."""


@dataclass(frozen=True, kw_only=True)
class StoreFile:
    """A file of stores: its title tells which stores came from it when it is loaded again."""

    title: str
    stores: tuple[Store, ...]


def read_inventory(text: str, *, file: str, policy: Policy) -> tuple[Store, ...]:
    """Read an inventory file against the items and parties of a policy; FaultyFile names every fault."""
    return read_store_file(text, file=file, policy=policy).stores


def read_store_file(text: str, *, file: str, policy: Policy) -> StoreFile:
    """Read an inventory file with its title; without one, the name of the file stands for it."""
    document = Document(text, file=file)
    root = document.root
    tables = root.tables("stores")
    unique_codes(tables)
    items = frozenset(item.code for item in policy.items)
    parties = frozenset(party.code for party in policy.parties)
    purposes = frozenset(purpose.code for purpose in policy.purposes)
    stores = tuple(_store(table, items, purposes, parties, policy.ourselves.code) for table in tables)
    title = root.text("title", "")
    root.finish()
    document.finish()
    return StoreFile(title=title.strip() or file, stores=stores)


def _store(
    table: Table, items: frozenset[str], purposes: frozenset[str], parties: frozenset[str], ourselves: str
) -> Store:
    operator = table.text("operator", ourselves)
    if operator not in parties:
        table.fault("operator", f"party {operator!r} is not defined in the policy")
    item_tables = table.tables("items", required=False)
    for entry in item_tables:
        code = entry.text("item")
        if code and code not in items:
            entry.fault("item", f"item {code!r} is not defined in the policy")
        purpose = entry.text("purpose", "")
        if purpose and purpose not in purposes:
            entry.fault("purpose", f"purpose {purpose!r} is not defined in the policy")
    store = read_store(table, operator, tuple(read_store_item(entry) for entry in item_tables))
    refuse_overlaps(item_tables, store.items, store.code)
    for read in (*item_tables, table):
        read.finish()
    return store


def read_store(table: Table, operator: str, items: tuple[StoreItem, ...]) -> Store:
    """Read what every kind of file says about a store itself."""
    store = Store(
        code=table.text("code"),
        name_ja=table.text("name_ja"),
        name_en=table.text("name_en"),
        medium=table.word("medium", Medium, Medium.SYSTEM),
        country=table.text("country", "JP"),
        our_role=table.word("our_role", OurRole, OurRole.UNDECIDED),
        operator=operator,
        business_line=table.word("business_line", BusinessLine, BusinessLine.TELECOM),
        owner=table.text("owner", ""),
        reviewed_on=table.day("reviewed_on"),
        items=items,
    )
    check_codes((table,))
    check_country(table, store.country)
    check_texts(table, {"name_ja": store.name_ja, "name_en": store.name_en, "owner": store.owner})
    return store


def read_store_item(table: Table) -> StoreItem:
    """Read what every kind of file says about one item in one store."""
    entry = StoreItem(
        item=table.text("item"),
        purpose=table.text("purpose", ""),
        protection=table.word("protection", Protection, Protection.NONE),
        keep_for_days=within(table, "keep_for_days", table.find_number("keep_for_days"), 1, LONGEST_DAYS),
        held_from=table.day("held_from"),
        held_until=table.day("held_until"),
    )
    if entry.held_from and entry.held_until and entry.held_until < entry.held_from:
        table.fault("held_until", "must not lie before held_from")
    check_texts(table, {"purpose": entry.purpose})
    return entry
