"""What a recipient holds: the store that follows from everything the policy or a transfer list says it received."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from incident_app.domain.inventory import Disclosure, Inventory, Party, Store, StoreItem
from incident_app.domain.vocabulary import BusinessLine, DisclosureBasis, Medium, OurRole, PartyRole


def counting(disclosures: Iterable[Disclosure], party: str) -> tuple[Disclosure, ...]:
    """Return what counts for a party: an actual transfer list or contract beats the published policy."""
    received = [entry for entry in disclosures if entry.party == party]
    return tuple([entry for entry in received if entry.basis is DisclosureBasis.ACTUAL] or received)


def published_items(disclosures: Iterable[Disclosure], party: str) -> frozenset[str]:
    """Return what the policy says that a party received."""
    return _items(entry for entry in disclosures if entry.basis is DisclosureBasis.PUBLISHED and entry.party == party)


def actual_items(disclosures: Iterable[Disclosure], party: str) -> frozenset[str]:
    """Return what a contract or transfer list says that a party received; empty while there is none."""
    return _items(entry for entry in disclosures if entry.basis is DisclosureBasis.ACTUAL and entry.party == party)


def received_items(disclosures: Iterable[Disclosure], party: str) -> frozenset[str]:
    """Return what a party received, by the better of the two sources."""
    return _items(counting(disclosures, party))


def _items(disclosures: Iterable[Disclosure]) -> frozenset[str]:
    return frozenset().union(*(entry.items for entry in disclosures))


def store_at(party: Party, disclosures: Sequence[Disclosure], business_line: BusinessLine) -> Store:
    """Return the store that a recipient operates; an actual transfer list beats the published policy."""
    received = counting(disclosures, party.code)
    # For a recipient or a joint user it is a reading who reports and who tells: nobody has decided it by the policy.
    entrusted = all(entry.role is PartyRole.PROCESSOR for entry in received)
    purposes: dict[str, dict[str, None]] = {}
    for entry in received:
        for item in entry.items:
            purposes.setdefault(item, {})[entry.purpose_en] = None
    return Store(
        code=f"at-{party.code}",
        name_ja=f"{party.name_ja}に渡したデータ",
        name_en=f"data held by {party.name_en}",
        medium=Medium.DATASET,
        country=party.country,
        our_role=OurRole.OWN_CONTROLLER if entrusted else OurRole.UNDECIDED,
        operator=party.code,
        business_line=business_line,
        owner=party.name_en,
        items=tuple(StoreItem(item=item, purpose="; ".join(purposes[item])) for item in sorted(purposes)),
    )


def kept_up(derived: Store, known: Store | None) -> Store:
    """Return a derived store that keeps what people wrote about the one that is there: owner, review, protection."""
    if known is None:
        return derived
    entries: dict[str, list[StoreItem]] = {}
    for item in known.items:
        entries.setdefault(item.item, []).append(item)
    items = [replace(entry, purpose=item.purpose) for item in derived.items for entry in entries.get(item.item, [item])]
    decided = known.our_role if known.our_role is not OurRole.UNDECIDED else derived.our_role
    return replace(known, our_role=decided, operator=derived.operator, items=tuple(items))


def main_line(inventory: Inventory) -> BusinessLine:
    """Return the business line that most stores belong to: that of a store which is new."""
    lines = [store.business_line for store in inventory.stores]
    return max(BusinessLine, key=lines.count)


def with_stores_of(inventory: Inventory, parties: Iterable[str], business_line: BusinessLine) -> Inventory:
    """Return the inventory with the store of each of these parties derived anew from its disclosures."""
    stores = {store.code: store for store in inventory.stores}
    for code in sorted(set(parties)):
        if received_items(inventory.disclosures, code):
            derived = store_at(inventory.party(code), inventory.disclosures, business_line)
            stores[derived.code] = kept_up(derived, stores.get(derived.code))
    return replace(inventory, stores=tuple(stores.values()))


def with_actual(inventory: Inventory, disclosure: Disclosure) -> Inventory:
    """Return the inventory after a transfer list was recorded: it replaces what an earlier list of this party said."""
    others = tuple(
        entry
        for entry in inventory.disclosures
        if entry.party != disclosure.party or entry.basis is not DisclosureBasis.ACTUAL
    )
    changed = replace(inventory, disclosures=(*others, disclosure))
    return with_stores_of(changed, [disclosure.party], main_line(inventory))
