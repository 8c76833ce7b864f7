"""Loading checked rows of people and holdings, chunk by chunk: each chunk is one short transaction.

Rows come sorted by customer number and a number is never split between two chunks. Whatever can be computed before the
transaction is computed before it: a chunk holds the write lock for its statements only.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice, repeat
from typing import Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.contact_keys import phone_key
from incident_app.domain.digests import keyed_digest, keyed_digests
from incident_app.domain.holding_changes import Held, settle
from incident_app.domain.import_rows import CustomerTuple, HoldingTuple, microseconds, moment_of
from incident_app.domain.vocabulary import Channel
from incident_app.persistence import people_in_bulk as people
from incident_app.persistence.bulk import Packed, insert_many, insert_packed, pack, stored_moment
from incident_app.persistence.customers import Customer, CustomerChange, CustomerContact, Holding, ImportRefusal
from incident_app.persistence.inventory import DataStore
from incident_app.persistence.item_sets import item_set_id
from incident_app.persistence.reserving import reserve_ids
from notifications.addresses import is_irregular, normalised, parse_address
from notifications.errors import AddressRefused

Row = TypeVar("Row", bound=tuple[Any, ...])
PEOPLE_AT_ONCE, HOLDINGS_AT_ONCE = 4_000, 12_000
"""Rows of one transaction, a tenth of a second of work each."""
PEOPLE_ON_SQLITE, HOLDINGS_ON_SQLITE = 1_000, 3_000
"""At most so many on SQLite, where everybody who writes waits: four times as many made others wait 1.1 s, these 0.2."""

_CUSTOMER = ("id", "public_id", "customer_number", "kind", "relation", "language", "jurisdiction", "added_at")
_CONTACT = ("customer_id", "channel", "name", "address", "address_digest", "valid_from", "import_id")
_CHANGE = ("customer_id", "changed_at", "kind", "relation", "language", "jurisdiction")
_HOLDING = ("store_id", "customer_id", "item_set_id", "recorded_at", "period", "held_from", "held_until", "import_id")
_NOTE = ("import_id", "line_number", "reason", "person_kept")
_NAME: Final = 6
_EMAIL: Final = 7
_POST: Final = 8
_PHONE: Final = 9
_REMARK: Final = 10
_LONGEST_MAIL = 254  # RFC 5321
_MAIL = r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,20}"
_ORDINARY, _ALL_ORDINARY = re.compile(_MAIL).fullmatch, re.compile(f"(?:{_MAIL}\n)+").fullmatch
_IRREGULAR = "email has dots where the standard has none, as carriers issued it; it is kept as it is"


ResolvedHolding = tuple[int, int, str, int, int]
"""Store id, customer id, items separated by spaces, held from, held until."""


Contact = tuple[int, str, str, str]
"""One way to reach a person: the place of their row in its chunk, channel, address, digest."""


class Prepared(NamedTuple):
    """Checked rows of a customers file with their contacts, and what is to be remarked about rows, by place."""

    rows: Sequence[CustomerTuple]
    contacts: list[Contact]
    remarks: defaultdict[int, list[str]]


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

    def __init__(
        self, *, address_key: bytes, import_id: int, at: datetime, with_contacts: bool = True, fresh: bool = False
    ) -> None:
        """`fresh` says that no store was known to hold anything before this import."""
        self.address_key = address_key
        self.import_id = import_id
        self.at = at
        self.with_contacts = with_contacts
        self.fresh = fresh
        self._sets: dict[str, int] = {}
        self._stores: dict[str, int] = {}

    def prepare(self, rows: Sequence[CustomerTuple]) -> Prepared:
        """Work out contacts, digests and remarks of a chunk, before the database is asked for anything."""
        remarks: defaultdict[int, list[str]] = defaultdict(list)
        for place, row in enumerate(rows):
            if row[_REMARK]:
                remarks[place].append(row[_REMARK])
        contacts: list[Contact] = []
        if self.with_contacts:
            posts, phones = [row[_POST] for row in rows], [row[_PHONE] for row in rows]
            contacts += self._mail([row[_EMAIL] for row in rows], remarks)
            contacts += self._others(Channel.POST, posts, posts)
            contacts += self._others(Channel.PHONE, phones, [phone and (phone_key(phone) or phone) for phone in phones])
            named = {place for place, *_ in contacts}
            if len(named) < len(rows):  # the name stands with a contact: who has no address has an empty one
                empty = keyed_digest(self.address_key, "")
                nowhere = (place for place in range(len(rows)) if place not in named)
                contacts += [(place, Channel.POST.value, "", empty) for place in nowhere]
        return Prepared(rows, contacts, remarks)

    def _others(self, channel: Channel, addresses: Sequence[str], keys: Sequence[str]) -> list[Contact]:
        word, key = channel.value, self.address_key
        return [
            (place, word, address, keyed_digest(key, same))
            for place, (address, same) in enumerate(zip(addresses, keys, strict=True))
            if address
        ]

    def _mail(self, emails: Sequence[str], remarks: defaultdict[int, list[str]]) -> list[Contact]:
        word, key = Channel.EMAIL.value, self.address_key
        if _ALL_ORDINARY("\n".join(emails) + "\n") and max(map(len, emails)) <= _LONGEST_MAIL:
            return list(zip(range(len(emails)), repeat(word), emails, keyed_digests(key, emails), strict=False))
        contacts: list[Contact] = []
        for place, email in enumerate(emails):
            if not email:
                continue
            if len(email) <= _LONGEST_MAIL and _ORDINARY(email):
                contacts.append((place, word, email, keyed_digest(key, email)))
                continue
            try:
                address = parse_address(email, international=True)
            except AddressRefused as refusal:
                # The person stays: without mail they go to the next channel, never into silence.
                remarks[place].append(f"email: {refusal}")
                continue
            if is_irregular(address):
                remarks[place].append(_IRREGULAR)
            contacts.append((place, word, str(address), keyed_digest(key, normalised(address))))
        return contacts

    def load_customers(self, session: Session, chunk: Prepared) -> int:
        """Store people and the ways to reach them; return how many remarks were noted.

        What a file no longer names is closed, not removed; attributes that change are kept as they were.
        """
        numbers = [row[0] for row in chunk.rows]
        known = people.known_customers(session, numbers)
        new = [row for row in chunk.rows if row[0] not in known] if known else chunk.rows
        ids = {number: entry.id for number, entry in known.items()}
        if new:
            ids |= self._add_customers(session, new)
        if known:
            self._change_attributes(session, [row for row in chunk.rows if row[0] in known], known)
        ids_by_place = [ids[number] for number in numbers]
        self._remark_shared_mail(session, chunk, ids_by_place)
        self._store_contacts(session, chunk, ids_by_place, [entry.id for entry in known.values()])
        return self._note(session, chunk)

    def _store_contacts(self, session: Session, chunk: Prepared, ids: Sequence[int], known: Sequence[int]) -> None:
        at = stored_moment(session, self.at)
        rows = [
            (ids[place], channel, chunk.rows[place][_NAME], address, digest, at, self.import_id)
            for place, channel, address, digest in chunk.contacts
        ]
        if known and self.with_contacts:
            stored = {
                (contact.customer_id, contact.channel, contact.address_digest, contact.name): contact.id
                for contact in people.live_contacts(session, known)
            }
            named = {(row[0], row[1], row[4], row[2]) for row in rows}
            people.close_contacts(session, [found for key, found in stored.items() if key not in named], at=at)
            rows = [row for row in rows if (row[0], row[1], row[4], row[2]) not in stored]
        insert_many(session, CustomerContact, _CONTACT, rows)

    def _add_customers(self, session: Session, new: Sequence[CustomerTuple]) -> dict[str, int]:
        at = stored_moment(session, self.at)
        reserved = reserve_ids(session, Customer, len(new))
        chance = os.urandom(8 * len(new)).hex()
        base = microseconds(self.at)
        # In ascending order, so that the index grows at its end; the other half cannot be guessed.
        public_ids = [f"{base + key:014x}{chance[16 * at : 16 * at + 16]}" for at, key in enumerate(reserved)]
        numbers, _, *attributes = list(zip(*new, strict=True))[:_NAME]
        rows = list(zip(reserved, public_ids, numbers, *attributes, repeat(at), strict=False))
        insert_many(session, Customer, _CUSTOMER, rows)
        return dict(zip(numbers, reserved, strict=True))

    def _change_attributes(
        self, session: Session, rows: Sequence[CustomerTuple], known: dict[str, people.Known]
    ) -> None:
        at = stored_moment(session, self.at)
        changed = [row for row in rows if known[row[0]].attributes != row[2:_NAME]]
        if changed:
            before = [known[row[0]] for row in changed]
            insert_many(session, CustomerChange, _CHANGE, [(entry.id, at, *entry.attributes) for entry in before])
            names = ("kind", "relation", "language", "jurisdiction")
            session.execute(
                sa.text(f"UPDATE customers SET {', '.join(f'{name} = :{name}' for name in names)} WHERE id = :id"),  # noqa: S608
                [{"id": known[row[0]].id, **dict(zip(names, row[2:_NAME], strict=True))} for row in changed],
            )
        taken_back = sa.update(Customer).where(
            Customer.erased_at.is_not(None), Customer.id.in_(sorted(entry.id for entry in known.values()))
        )
        session.execute(taken_back.values(erased_at=None, added_at=self.at))

    def _remark_shared_mail(self, session: Session, chunk: Prepared, ids: Sequence[int]) -> None:
        mail = Channel.EMAIL.value
        first: dict[str, int] = {}
        for place, channel, _, digest in chunk.contacts:
            if channel == mail and (earlier := first.setdefault(digest, place)) != place:
                chunk.remarks[place].append(f"email is the same as in line {chunk.rows[earlier][1]}; both are kept")
        owners = people.owners_of_mail(session, first) if first else {}
        for digest, owner in owners.items():
            if owner != ids[first[digest]]:
                place = first[digest]
                chunk.remarks[place].append(f"email is the same as that of customer id {owner}; both are kept")

    def _note(self, session: Session, chunk: Prepared) -> int:
        notes = [
            (self.import_id, chunk.rows[place][1], "; ".join(remarks), True)
            for place, remarks in chunk.remarks.items()
            if remarks
        ]
        insert_many(session, ImportRefusal, _NOTE, notes)
        return len(notes)

    def resolve(self, session: Session, rows: Sequence[HoldingTuple]) -> list[ResolvedHolding] | Packed:
        """Find the keys of the customers and stores that rows name; the rows were checked before.

        When nothing was known before and the sets of items have their keys, the rows are packed at once.
        """
        if not self._stores:
            self._stores = {row.code: row.id for row in session.execute(sa.select(DataStore.code, DataStore.id))}
        ids = people.ids_by_number(session, {row[0] for row in rows})
        stores, sets = self._stores, self._sets
        if self.fresh and all(items in sets for items in {row[2] for row in rows}):
            settled = [
                (stores[store], ids[number], sets[items], start, end) for number, store, items, start, _, end in rows
            ]
            return self._packed(session, settled)
        return [(stores[store], ids[number], items, start, end) for number, store, items, start, _, end in rows]

    def load_holdings(self, session: Session, chunk: Sequence[ResolvedHolding] | Packed) -> None:
        """Store what stores hold of people; what was known otherwise before is retracted."""
        if not isinstance(chunk, Packed):
            sets = self._sets_of(session, {row[2] for row in chunk})
            if self.fresh:
                settled = [(store, customer, sets[items], start, end) for store, customer, items, start, end in chunk]
            else:
                settled = self._settle(session, chunk, sets, stored_moment(session, self.at))
            chunk = self._packed(session, settled)
        insert_packed(session, chunk)

    def _packed(self, session: Session, settled: Sequence[tuple[int, int, int, int, int]]) -> Packed:
        at, source = stored_moment(session, self.at), self.import_id
        counts = {row[3] for row in settled} | {row[4] for row in settled}
        moments = {count: stored_moment(session, moment_of(count)) for count in counts}
        rows = [
            (store, customer, held, at, start, moments[start], moments[end], source)
            for store, customer, held, start, end in settled
        ]
        return pack(session.get_bind().dialect.name, Holding, _HOLDING, rows)

    def _sets_of(self, session: Session, wanted: set[str]) -> dict[str, int]:
        for items in wanted - self._sets.keys():
            self._sets[items] = item_set_id(session, items.split())
        return self._sets

    def _settle(
        self, session: Session, chunk: Sequence[ResolvedHolding], sets: dict[str, int], at: object
    ) -> list[tuple[int, int, int, int, int]]:
        named: dict[tuple[int, int], list[Held]] = {}
        for store, customer, items, start, end in chunk:
            named.setdefault((customer, store), []).append(Held(sets[items], start, end))
        known = people.known_holdings(session, {row[1] for row in chunk}, at=at)
        recorded: list[tuple[int, int, int, int, int]] = []
        retracted = []
        for (customer, store), rows in named.items():
            if before := known.get((customer, store)):
                change = settle(before, rows, at=microseconds(self.at))
                rows = change.recorded  # noqa: PLW2901 - what is left of them
                retracted += [
                    {"customer": customer, "store": store, "set": held.item_set, "period": held.start, "at": at}
                    for held in change.retracted
                ]
            recorded += [(store, customer, *held) for held in rows]
        if retracted:
            session.execute(
                sa.text(
                    "UPDATE holdings SET retracted_at = :at WHERE store_id = :store AND customer_id = :customer "
                    "AND item_set_id = :set AND period = :period AND recorded_at < :at AND retracted_at IS NULL"
                ),
                retracted,
            )
        return recorded
