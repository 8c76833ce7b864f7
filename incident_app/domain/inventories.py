"""Inventory files: the company's own stores and what lies in them."""

from __future__ import annotations

from incident_app.domain.inventory import Store, StoreItem
from incident_app.domain.policies import Policy
from incident_app.domain.policy_checks import at_least
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
    purposes = frozenset(purpose.code for purpose in policy.purposes)
    stores = tuple(_store(table, items, purposes, parties, policy.ourselves.code) for table in tables)
    root.text("title", "")
    root.finish()
    document.finish()
    return stores


def _store(
    table: Table, items: frozenset[str], purposes: frozenset[str], parties: frozenset[str], ourselves: str
) -> Store:
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
        items=tuple(_item(entry, items, purposes) for entry in item_tables),
    )
    if not (len(store.country) == 2 and store.country.isupper()):  # noqa: PLR2004 - ISO 3166
        table.fault("country", "must be a country code of two capital letters, like JP")
    table.finish()
    return store


def _item(table: Table, items: frozenset[str], purposes: frozenset[str]) -> StoreItem:
    code = table.text("item")
    if code and code not in items:
        table.fault("item", f"item {code!r} is not defined in the policy")
    purpose = table.text("purpose", "")
    if purpose and purpose not in purposes:
        table.fault("purpose", f"purpose {purpose!r} is not defined in the policy")
    entry = StoreItem(
        item=code,
        purpose=purpose,
        protection=table.word("protection", Protection, Protection.NONE),
        keep_for_days=at_least(table, "keep_for_days", table.find_number("keep_for_days"), 1),
        held_from=table.day("held_from"),
        held_until=table.day("held_until"),
    )
    if entry.held_from and entry.held_until and entry.held_until < entry.held_from:
        table.fault("held_until", "must not lie before held_from")
    table.finish()
    return entry
