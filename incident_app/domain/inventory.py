"""The inventory: stores, the items in them, who operates them, and who received what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TypeVar

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import NotFound
from incident_app.domain.vocabulary import (
    BusinessLine,
    DisclosureBasis,
    ItemFlag,
    Medium,
    OurRole,
    PartyRole,
    Protection,
)


@dataclass(frozen=True, kw_only=True)
class DataCategory:
    """A kind of personal data; categories form a tree."""

    code: str
    name_ja: str
    name_en: str
    parent: str | None = None
    section: str = ""


@dataclass(frozen=True, kw_only=True)
class DataItem:
    """One item of personal data. Meaning sits on the item: regimes and notices test its flags."""

    code: str
    category: str
    name_ja: str
    name_en: str
    flags: frozenset[ItemFlag] = frozenset()
    section: str = ""


@dataclass(frozen=True, kw_only=True)
class Party:
    """A company or body that takes part: ourselves, recipients, group, authorities."""

    code: str
    name_ja: str
    name_en: str
    country: str
    is_ourselves: bool = False
    incident_contact: str | None = None
    section: str = ""


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """What a party received, in which role, for what."""

    party: str
    items: frozenset[str]
    role: PartyRole
    basis: DisclosureBasis
    purpose_ja: str
    purpose_en: str
    legal_basis: str = ""
    section: str = ""


@dataclass(frozen=True, kw_only=True)
class StoreItem:
    """One item in one store, and how it lies there."""

    item: str
    purpose: str = ""
    protection: Protection = Protection.NONE
    keep_for_days: int | None = None
    held_from: date | None = None
    held_until: date | None = None


@dataclass(frozen=True, kw_only=True)
class Store:
    """A place where personal data lies. What a third party holds is a store that it operates."""

    code: str
    name_ja: str
    name_en: str
    medium: Medium
    country: str
    our_role: OurRole
    operator: str
    business_line: BusinessLine
    owner: str = ""
    reviewed_on: date | None = None
    items: tuple[StoreItem, ...] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The whole inventory as of one moment."""

    categories: tuple[DataCategory, ...]
    items: tuple[DataItem, ...]
    parties: tuple[Party, ...]
    stores: tuple[Store, ...]
    disclosures: tuple[Disclosure, ...] = ()

    def store(self, code: str) -> Store:
        """Return a store; NotFound otherwise."""
        return _get(self._stores, "store", code)

    def item(self, code: str) -> DataItem:
        """Return a data item; NotFound otherwise."""
        return _get(self._items, "data item", code)

    def party(self, code: str) -> Party:
        """Return a party; NotFound otherwise."""
        return _get(self._parties, "party", code)

    def stores_operated_by(self, party: str) -> tuple[Store, ...]:
        """Return the stores that a party operates."""
        self.party(party)
        return tuple(store for store in self.stores if store.operator == party)

    def items_under(self, category: str) -> frozenset[str]:
        """Return the items of a category and of every category below it (B2)."""
        if category not in {entry.code for entry in self.categories}:
            raise NotFound(what="category", name=category)
        wanted, added = {category}, True
        while added:
            below = {entry.code for entry in self.categories if entry.parent in wanted}
            added = not below <= wanted
            wanted |= below
        return frozenset(item.code for item in self.items if item.category in wanted)

    @property
    def digest(self) -> ContentDigest:
        """Return the digest of the whole inventory."""
        return digest_of(self)

    @cached_property
    def _stores(self) -> Mapping[str, Store]:
        return {store.code: store for store in self.stores}

    @cached_property
    def _items(self) -> Mapping[str, DataItem]:
        return {item.code: item for item in self.items}

    @cached_property
    def _parties(self) -> Mapping[str, Party]:
        return {party.code: party for party in self.parties}


Entry = TypeVar("Entry")


def _get(entries: Mapping[str, Entry], what: str, code: str) -> Entry:
    if code not in entries:
        raise NotFound(what=what, name=code)
    return entries[code]
