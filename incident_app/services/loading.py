"""Loading checked rows of people and holdings, chunk by chunk: each chunk is one short transaction.

Rows come sorted by customer number and a number is never split between two chunks. Whatever can be computed before the
transaction is computed before it: a chunk holds the write lock for its statements only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.contact_keys import phone_key
from incident_app.domain.digests import keyed_digest
from incident_app.domain.holding_changes import Held, settle
from incident_app.domain.import_rows import CustomerTuple, microseconds, moment_of
from incident_app.domain.vocabulary import Channel
from incident_app.persistence import people_in_bulk as people
from incident_app.persistence.bulk import insert_many, stored_moment
from incident_app.persistence.customers import Customer, CustomerChange, CustomerContact, Holding, ImportRefusal
from incident_app.persistence.item_sets import item_set_id
from notifications.addresses import is_irregular, normalised, parse_address
from notifications.errors import AddressRefused

Row = TypeVar("Row", bound=tuple[Any, ...])
PEOPLE_AT_ONCE = 2_000
HOLDINGS_AT_ONCE = 5_000

_CUSTOMER = ("id", "public_id", "customer_number", "kind", "relation", "language", "jurisdiction", "added_at")
_CONTACT = ("customer_id", "channel", "name", "address", "address_digest", "valid_from", "import_id")
_CHANGE = ("customer_id", "changed_at", "kind", "relation", "language", "jurisdiction")
_HOLDING = ("store_id", "customer_id", "item_set_id", "recorded_at", "period", "held_from", "held_until", "import_id")
_NOTE = ("import_id", "line_number", "reason", "person_kept")
_ORDINARY = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,20}")


ResolvedHolding = tuple[str, int, int, str, int, int]
"""Customer number, customer id, store id, items separated by spaces, held from, held until."""


class Contact(NamedTuple):
    """One way to reach a person, ready to be stored."""

    channel: str
    address: str
    digest: str


class Person(NamedTuple):
    """A checked row of a customers file with its contacts and what is to be remarked about it."""

    row: CustomerTuple
    contacts: list[Contact]
    remarks: list[str]


def whole_numbers(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Cut rows into chunks of at least `size`, never between two rows of one customer number."""
    waiting: list[Row] = []
    rows = iter(rows)
    while taken := list(islice(rows, size)):
        waiting += taken
        last = waiting[-1][0]
        for extra in rows:
            if extra[0] != last:
                yield waiting
                waiting = [extra]
                break
            waiting.append(extra)
    if waiting:
        yield waiting


class Loader:
    """Puts checked rows into the tables of one import."""

    def __init__(self, *, address_key: bytes, import_id: int, at: datetime, with_contacts: bool = True) -> None:
        self.address_key = address_key
        self.import_id = import_id
        self.at = at
        self.with_contacts = with_contacts
        self._sets: dict[str, int] = {}

    def prepare(self, rows: Sequence[CustomerTuple]) -> list[Person]:
        """Work out contacts, digests and remarks of a chunk, before the database is asked for anything."""
        return [self._person(row) for row in rows]

    def _person(self, row: CustomerTuple) -> Person:
        contacts: list[Contact] = []
        remarks = [row[10]] if row[10] else []
        if self.with_contacts:
            email, post, phone = row[7], row[8], row[9]
            if email:
                self._add_mail(email, contacts, remarks)
            if post:
                contacts.append(Contact(Channel.POST.value, post, keyed_digest(self.address_key, post)))
            if phone:
                digest = keyed_digest(self.address_key, phone_key(phone) or phone)
                contacts.append(Contact(Channel.PHONE.value, phone, digest))
            if not contacts:  # the name stands with a contact: a person without any address has an empty one
                contacts.append(Contact(Channel.POST.value, "", keyed_digest(self.address_key, "")))
        return Person(row, contacts, remarks)

    def _add_mail(self, email: str, contacts: list[Contact], remarks: list[str]) -> None:
        if len(email) <= 254 and _ORDINARY.fullmatch(email):  # noqa: PLR2004 - RFC 5321
            contacts.append(Contact(Channel.EMAIL.value, email, keyed_digest(self.address_key, email)))
            return
        try:
            address = parse_address(email)
        except AddressRefused as refusal:
            # The person stays: without mail they go to the next channel, never into silence.
            remarks.append(f"email: {refusal}")
            return
        if is_irregular(address):
            remarks.append("email has dots where the standard has none, as carriers issued it; it is kept as it is")
        digest = keyed_digest(self.address_key, normalised(address))
        contacts.append(Contact(Channel.EMAIL.value, str(address), digest))

    def load_customers(self, session: Session, chunk: Sequence[Person]) -> int:
        """Store people and the ways to reach them; return how many remarks were noted.

        What a file no longer names is closed, not removed; attributes that change are kept as they were.
        """
        known = people.known_customers(session, [person.row[0] for person in chunk])
        new = [person for person in chunk if person.row[0] not in known]
        ids = {number: entry.id for number, entry in known.items()}
        if new:
            ids |= self._add_customers(session, new)
        if known:
            self._change_attributes(session, [person for person in chunk if person.row[0] in known], known)
        self._remark_shared_mail(session, chunk, ids)
        at = stored_moment(session, self.at)
        stored = people.live_contacts(session, [entry.id for entry in known.values()]) if known else []
        there, replaced = self._compare(chunk, ids, stored)
        people.close_contacts(session, replaced, at=at)
        rows = [
            (ids[row[0]], contact.channel, row[6], contact.address, contact.digest, at, self.import_id)
            for row, contacts, _ in chunk
            for contact in contacts
            if not there or (ids[row[0]], contact.channel, contact.digest, row[6]) not in there
        ]
        insert_many(session, CustomerContact, _CONTACT, rows)
        return self._note(session, chunk)

    def _compare(
        self, chunk: Sequence[Person], ids: dict[str, int], stored: Sequence[people.LiveContact]
    ) -> tuple[set[tuple[int, str, str, str | None]], list[int]]:
        """Return the contacts that are already there, and the ids of those that the file no longer names."""
        if not stored or not self.with_contacts:
            return set(), []
        named = {
            (ids[person.row[0]], contact.channel, contact.digest, person.row[6])
            for person in chunk
            for contact in person.contacts
        }
        there: set[tuple[int, str, str, str | None]] = set()
        replaced = []
        for contact in stored:
            key = (contact.customer_id, contact.channel, contact.address_digest, contact.name)
            if key in named:
                there.add(key)
            else:
                replaced.append(contact.id)
        return there, replaced

    def _add_customers(self, session: Session, new: Sequence[Person]) -> dict[str, int]:
        at = stored_moment(session, self.at)
        reserved = people.reserve_customer_ids(session, len(new))
        chance = os.urandom(8 * len(new)).hex()
        base = microseconds(self.at)
        rows = []
        for place, (person, customer_id) in enumerate(zip(new, reserved, strict=True)):
            row = person.row
            # In ascending order, so that the index grows at its end; the other half cannot be guessed.
            public_id = f"{base + customer_id:014x}{chance[16 * place : 16 * place + 16]}"
            rows.append((customer_id, public_id, row[0], row[2], row[3], row[4], row[5], at))
        insert_many(session, Customer, _CUSTOMER, rows)
        return {row[2]: row[0] for row in rows}

    def _change_attributes(self, session: Session, chunk: Sequence[Person], known: dict[str, people.Known]) -> None:
        at = stored_moment(session, self.at)
        changed = [person.row for person in chunk if known[person.row[0]].attributes != person.row[2:6]]
        if changed:
            before = [known[row[0]] for row in changed]
            insert_many(session, CustomerChange, _CHANGE, [(entry.id, at, *entry.attributes) for entry in before])
            names = ("kind", "relation", "language", "jurisdiction")
            session.execute(
                sa.text(f"UPDATE customers SET {', '.join(f'{name} = :{name}' for name in names)} WHERE id = :id"),  # noqa: S608
                [{"id": known[row[0]].id, **dict(zip(names, row[2:6], strict=True))} for row in changed],
            )
        taken_back = sa.update(Customer).where(
            Customer.erased_at.is_not(None), Customer.id.in_(sorted(entry.id for entry in known.values()))
        )
        session.execute(taken_back.values(erased_at=None, added_at=self.at))

    def _remark_shared_mail(self, session: Session, chunk: Sequence[Person], ids: dict[str, int]) -> None:
        mail = Channel.EMAIL.value
        digests = {contact.digest for person in chunk for contact in person.contacts if contact.channel == mail}
        owners = people.owners_of_mail(session, digests) if digests else {}
        lines: dict[str, int] = {}
        for person in chunk:
            for contact in person.contacts:
                if contact.channel != mail:
                    continue
                if (line := lines.setdefault(contact.digest, person.row[1])) != person.row[1]:
                    person.remarks.append(f"email is the same as in line {line}; both are kept")
                elif owners.get(contact.digest, ids[person.row[0]]) != ids[person.row[0]]:
                    owner = owners[contact.digest]
                    person.remarks.append(f"email is the same as that of customer id {owner}; both are kept")

    def _note(self, session: Session, chunk: Sequence[Person]) -> int:
        notes = [(self.import_id, p.row[1], "; ".join(p.remarks), True) for p in chunk if p.remarks]
        insert_many(session, ImportRefusal, _NOTE, notes)
        return len(notes)

    def load_holdings(self, session: Session, chunk: Sequence[ResolvedHolding], *, fresh: bool) -> None:
        """Store what stores hold of people; what was known otherwise before is retracted.

        `fresh` says that nothing was known before this import.
        """
        at = stored_moment(session, self.at)
        sets = self._sets_of(session, {row[3] for row in chunk})
        recorded: list[tuple[int, int, tuple[int, int, int]]]
        if fresh:
            recorded = [(row[2], row[1], (sets[row[3]], row[4], row[5])) for row in chunk]
        else:
            recorded = self._settle(session, chunk, sets, at)
        moments = _moments(session)
        insert_many(
            session,
            Holding,
            _HOLDING,
            [
                (store, customer, held[0], at, held[1], moments(held[1]), moments(held[2]), self.import_id)
                for store, customer, held in recorded
            ],
        )

    def _sets_of(self, session: Session, wanted: set[str]) -> dict[str, int]:
        for items in wanted - self._sets.keys():
            self._sets[items] = item_set_id(session, items.split())
        return self._sets

    def _settle(
        self, session: Session, chunk: Sequence[ResolvedHolding], sets: dict[str, int], at: object
    ) -> list[tuple[int, int, tuple[int, int, int]]]:
        named: dict[tuple[int, int], list[Held]] = {}
        for _, customer, store, items, start, end in chunk:
            named.setdefault((customer, store), []).append(Held(sets[items], start, end))
        known = people.known_holdings(session, {row[1] for row in chunk}, at=at)
        recorded: list[tuple[int, int, tuple[int, int, int]]] = []
        retracted = []
        for (customer, store), rows in named.items():
            if before := known.get((customer, store)):
                change = settle(before, rows, at=microseconds(self.at))
                rows = change.recorded  # noqa: PLW2901 - what is left of them
                retracted += [
                    {"customer": customer, "store": store, "set": held.item_set, "period": held.start, "at": at}
                    for held in change.retracted
                ]
            recorded += [(store, customer, held) for held in rows]
        if retracted:
            session.execute(
                sa.text(
                    "UPDATE holdings SET retracted_at = :at WHERE store_id = :store AND customer_id = :customer "
                    "AND item_set_id = :set AND period = :period AND recorded_at < :at AND retracted_at IS NULL"
                ),
                retracted,
            )
        return recorded


def _moments(session: Session) -> Callable[[int], object]:
    """Return a function from microseconds to what the driver wants. Few distinct times fill a chunk."""
    known: dict[int, object] = {0: None}

    def turned(count: int) -> object:
        if count not in known:
            known[count] = stored_moment(session, moment_of(count))
        return known[count]

    return turned
