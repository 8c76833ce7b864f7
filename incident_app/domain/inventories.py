"""Inventory files: the company's own stores and what lies in them."""

from __future__ import annotations

from incident_app.domain.inventory import Store, StoreItem
from incident_app.domain.policies import Policy
from incident_app.domain.tables import Document, Table, unique_codes
from incident_app.domain.vocabulary import BusinessLine, Medium, OurRole, Protection


def read_inventory(text: str, *, file: str, policy: Policy) -> tuple[Store, ...]:
    """Read an inventory file against the items and parties of a policy; FaultyFile names every fault."""
    document = Document(text, file=file)
    root = document.root
    tables = root.tables("stores")
    unique_codes(tables)
    items = frozenset(item.code for item in policy.items)
    parties = frozenset(party.code for party in policy.parties)
    stores = tuple(_store(table, items, parties, policy.ourselves.code) for table in tables)
    root.text("title", "")
    root.finish()
    document.finish()
    return stores


def _store(table: Table, items: frozenset[str], parties: frozenset[str], ourselves: str) -> Store:
    operator = table.text("operator", ourselves)
    if operator not in parties:
        table.fault("operator", f"party {operator!r} is not defined in the policy")
    item_tables = table.tables("items")
    unique_codes(item_tables, "item")
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
        items=tuple(_item(entry, items) for entry in item_tables),
    )
    table.finish()
    return store


def _item(table: Table, items: frozenset[str]) -> StoreItem:
    code = table.text("item")
    if code and code not in items:
        table.fault("item", f"item {code!r} is not defined in the policy")
    entry = StoreItem(
        item=code,
        purpose=table.text("purpose", ""),
        protection=table.word("protection", Protection, Protection.NONE),
        keep_for_days=table.find_number("keep_for_days"),
        held_from=table.day("held_from"),
        held_until=table.day("held_until"),
    )
    table.finish()
    return entry
