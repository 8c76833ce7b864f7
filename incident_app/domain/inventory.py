"""The inventory: stores, the items in them, who operates them, and who received what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from enum import StrEnum
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


class Nature(StrEnum):
    """What a whole category of data means to the people: derived from the flags of its items (B2)."""

    SENSITIVE = "sensitive"
    FINANCIAL_HARM = "financial_harm"
    CREDENTIALS = "credentials"


NATURES: Mapping[Nature, frozenset[ItemFlag]] = {
    Nature.SENSITIVE: frozenset(
        {
            ItemFlag.SPECIAL_CARE,
            ItemFlag.MY_NUMBER,
            ItemFlag.GOVERNMENT_ID_COPY,
            ItemFlag.COMMUNICATIONS_SECRECY,
        },
    ),
    # A bank account alone lets nobody pay: by reading it is no financial harm.
    Nature.FINANCIAL_HARM: frozenset({ItemFlag.PAYABLE, ItemFlag.CARD_NUMBER}),
    Nature.CREDENTIALS: frozenset({ItemFlag.CREDENTIAL}),
}


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
    contract_reference: str | None = None
    contract_notice_hours: int | None = None
    audited_on: date | None = None


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
class JointUseMember:
    """A company that takes part in joint use, and since when."""

    party: str
    since: date


@dataclass(frozen=True, kw_only=True)
class JointUseGroup:
    """Use within the group: who, for what, which items; `uncertain` ones follow from an open-ended published list."""

    code: str
    name_ja: str
    name_en: str
    purpose_ja: str
    purpose_en: str
    responsible: str
    members: tuple[JointUseMember, ...]
    items: frozenset[str] = frozenset()
    uncertain: frozenset[str] = frozenset()
    published_url: str | None = None


LATER_OF_PARTIES = frozenset({"contract_reference", "contract_notice_hours", "audited_on"})
"""What parties learnt to say after the first snapshots were stored: left out of the content where nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The whole inventory as of one moment."""

    categories: tuple[DataCategory, ...]
    items: tuple[DataItem, ...]
    parties: tuple[Party, ...]
    stores: tuple[Store, ...]
    disclosures: tuple[Disclosure, ...] = ()
    joint_use: tuple[JointUseGroup, ...] = ()

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

    def flags_of(self, category: str) -> frozenset[ItemFlag]:
        """Return the flags of everything in a category and below it."""
        return frozenset().union(*(self.item(code).flags for code in self.items_under(category)))

    def natures_of(self, category: str) -> frozenset[Nature]:
        """Say whether a category holds sensitive data, data that costs money, or credentials (B2)."""
        flags = self.flags_of(category)
        return frozenset(nature for nature, wanted in NATURES.items() if wanted & flags)

    @property
    def content(self) -> Mapping[str, object]:
        """Return what is stored and hashed: what later versions can say is left out where nothing is said.

        So a snapshot taken before keeps its digest when it is read back.
        """
        said = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        said["parties"] = [_said(party) for party in self.parties]
        if not self.joint_use:
            del said["joint_use"]
        return said

    @property
    def digest(self) -> ContentDigest:
        """Return the digest of the whole inventory."""
        return digest_of(self.content)

    @cached_property
    def _stores(self) -> Mapping[str, Store]:
        return {store.code: store for store in self.stores}

    @cached_property
    def _items(self) -> Mapping[str, DataItem]:
        return {item.code: item for item in self.items}

    @cached_property
    def _parties(self) -> Mapping[str, Party]:
        return {party.code: party for party in self.parties}


def _said(party: Party) -> Mapping[str, object]:
    said = {entry.name: getattr(party, entry.name) for entry in fields(party)}
    return {key: value for key, value in said.items() if value is not None or key not in LATER_OF_PARTIES}


Entry = TypeVar("Entry")


def _get(entries: Mapping[str, Entry], what: str, code: str) -> Entry:
    if code not in entries:
        raise NotFound(what=what, name=code)
    return entries[code]
