"""Matching the rows of a list to customers, a chunk at a time: by number, address and telephone ever held."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.contact_keys import number_spellings, phone_key
from incident_app.domain.digests import keyed_digest
from incident_app.domain.lists import ListRow, Match, match
from incident_app.domain.vocabulary import Channel, ImportStatus, MatchKey
from incident_app.persistence.customers import Customer, CustomerContact, Import
from notifications.addresses import normalised, parse_address
from notifications.errors import AddressRefused

FORMER = "former_contact"
"""Counts rows that were matched by an address or number which is no longer the person's."""


@dataclass(kw_only=True)
class _Known:
    """What the tables say about the keys of one chunk."""

    numbers: dict[str, int] = field(default_factory=dict)
    people: dict[tuple[Channel, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    current: set[tuple[Channel, str, int]] = field(default_factory=set)


class Matcher:
    """Finds the people whom rows name; counts by what they were found. An erased person is named by nothing.

    What an import that is under way adds, or an abandoned one added, is not known: it names nobody, and what it ends
    has not ended.
    """

    def __init__(self, address_key: bytes) -> None:
        self.address_key = address_key
        self.matched_by: Counter[str] = Counter()

    def match(self, session: Session, rows: Sequence[ListRow]) -> list[tuple[ListRow, Match]]:
        """Decide for each row of a chunk whom it names."""
        digests = [self._digests(row) for row in rows]
        spellings = [[number_spellings(number) for number in row.values(MatchKey.NUMBER)] for row in rows]
        known = self._look_up(session, (spelling for row in spellings for spelling in row), digests)
        found = []
        for row, numbers, contacts in zip(rows, spellings, digests, strict=True):
            exact, spelt = (
                frozenset(known.numbers[number] for number in written if number in known.numbers)
                for written in (
                    [number for spelling in numbers for number in spelling[:2]],
                    [number for spelling in numbers for number in spelling[2:]],
                )
            )
            decided = match(
                row,
                exact=exact,
                spelt=spelt,
                email=_people(known, contacts, Channel.EMAIL),
                phone=_people(known, contacts, Channel.PHONE),
            )
            self._count(decided, contacts, known)
            found.append((row, decided))
        return found

    def _count(self, decided: Match, contacts: Sequence[tuple[Channel, str]], known: _Known) -> None:
        if decided.key is None:
            return
        self.matched_by[decided.key] += 1
        channel = {MatchKey.EMAIL: Channel.EMAIL, MatchKey.PHONE: Channel.PHONE}.get(decided.key)
        if channel and not any(
            (*contact, person) in known.current
            for contact in contacts
            if contact[0] is channel
            for person in decided.people
        ):
            self.matched_by[FORMER] += 1

    def _digests(self, row: ListRow) -> list[tuple[Channel, str]]:
        found: list[tuple[Channel, str]] = [
            (Channel.EMAIL, keyed_digest(self.address_key, address))
            for email in row.values(MatchKey.EMAIL)
            if (address := _normal_address(email))
        ]
        for phone in row.values(MatchKey.PHONE):
            # Numbers were once kept as they were written; until a person is imported anew, that is their digest.
            spellings = dict.fromkeys(spelling for spelling in (phone_key(phone), phone.strip()) if spelling)
            found += [(Channel.PHONE, keyed_digest(self.address_key, spelling)) for spelling in spellings]
        return found

    def _look_up(
        self, session: Session, spellings: Iterable[Sequence[str]], digests: Iterable[Sequence[tuple[Channel, str]]]
    ) -> _Known:
        known = _Known()
        under_way = session.scalar(sa.select(Import.at).where(Import.status == ImportStatus.BUILDING))
        numbers = sorted({spelling for row in spellings for spelling in row})
        if numbers:
            query = sa.select(Customer.customer_number, Customer.id).where(
                Customer.customer_number.in_(numbers), *_may_be_named(under_way)
            )
            known.numbers.update(session.execute(query).all())
        wanted = sorted({digest for contacts in digests for _, digest in contacts})
        if not wanted:
            return known
        contacts = sa.select(
            CustomerContact.channel,
            CustomerContact.address_digest,
            CustomerContact.customer_id,
            CustomerContact.valid_until,
        ).where(
            CustomerContact.address_digest.in_(wanted),
            CustomerContact.channel != Channel.POST,
            CustomerContact.customer_id == Customer.id,
            *_may_be_named(under_way),
            sa.or_(CustomerContact.import_id.is_(None), CustomerContact.import_id.in_(_SEALED)),
        )
        for channel, digest, customer_id, valid_until in session.execute(contacts):
            known.people[channel, digest].add(customer_id)
            if valid_until is None or valid_until == under_way:
                known.current.add((channel, digest, customer_id))
        return known


_SEALED = sa.select(Import.id).where(Import.status == ImportStatus.SEALED)


def _may_be_named(under_way: datetime | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [Customer.erased_at.is_(None)]
    if under_way is not None:
        conditions.append(Customer.added_at.is_distinct_from(under_way))
    return conditions


def _people(known: _Known, contacts: Sequence[tuple[Channel, str]], channel: Channel) -> frozenset[int]:
    found: set[int] = set()
    for contact in contacts:
        if contact[0] is channel and contact in known.people:
            found |= known.people[contact]
    return frozenset(found)


def _normal_address(text: str) -> str | None:
    try:
        return normalised(parse_address(text, international=True))
    except AddressRefused:
        return None


def gathered(decided: Iterable[tuple[ListRow, Match]]) -> Mapping[int, frozenset[str] | None]:
    """Return the people of a chunk with their items; several rows of one person add up."""
    people: dict[int, frozenset[str] | None] = {}
    for row, found in decided:
        for customer_id in found.people:
            people[customer_id] = together(people.get(customer_id), row.items)
    return people


def together(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return the items of two rows of one person; none named means those of the stores in scope."""
    return (one or frozenset()) | (other or frozenset()) or None
