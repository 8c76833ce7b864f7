"""The audience of a wave: what an approver binds, and how people behind one address are put into messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.merging import name_digest
from incident_app.domain.vocabulary import PersonKind, Relation


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One person who may be written to, with the contact valid for this wave."""

    person_id: int
    customer_id: int
    contact_id: int
    address_digest: str
    name: str
    language: str
    item_set_id: int
    confirmed_item_set_id: int
    certainty: str

    def __repr__(self) -> str:
        """Leave the person out of logs."""
        return f"Candidate(person_id={self.person_id})"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedMessage:
    """One message: whom it is for. Several people only if they share the address and belong together."""

    people: tuple[Candidate, ...]
    told_apart_by: str
    """Empty, or the customer's key when others at the same address get a message of their own."""

    @property
    def first(self) -> Candidate:
        """Return the person whose contact is used."""
        return self.people[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What decides whether two customers at one address belong together."""

    customer_id: int
    kind: PersonKind
    relation: Relation
    language: str
    name: str


def belonging(records: Iterable[Record], persons: Mapping[int, int]) -> dict[int, str]:
    """Return for each record that may belong to others the key that they have in common.

    `persons` are the records that somebody confirmed to be one natural person. An organisation is the same when its
    name is: people who only bear the same name, as father and son do, are not joined until a person confirms it.
    """
    keys: dict[int, str] = {}
    for record in records:
        if record.kind is PersonKind.ORGANISATION and record.name.strip():
            of_whom = f"{record.relation}:{record.language}:{name_digest(record.name)}"
            keys[record.customer_id] = f"organisation:{of_whom}"
        elif record.kind is PersonKind.PERSON and record.customer_id in persons:
            keys[record.customer_id] = f"person:{record.relation}:{persons[record.customer_id]}"
    return keys


def plan_messages(candidates: Iterable[Candidate], together: Mapping[int, str]) -> tuple[PlannedMessage, ...]:
    """Put people who share an address into messages.

    Those who belong together (`together` holds the same key for them) get one message that lists each with their own
    items; others behind the address get one message each, so that none is told in the name of another.
    """
    by_address: dict[str, dict[str, list[Candidate]]] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.person_id):
        people = by_address.setdefault(candidate.address_digest, {})
        key = together.get(candidate.customer_id, f"record:{candidate.customer_id}")
        people.setdefault(key, []).append(candidate)
    return tuple(
        PlannedMessage(people=tuple(group), told_apart_by=str(group[0].customer_id) if len(groups) > 1 else "")
        for groups in by_address.values()
        for group in groups.values()
    )


class AudienceDigest:
    """The digest of everybody in a wave, fed in order of the person's key: one line for each, ended by a line feed."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, person_id: int, item_set_id: int, confirmed_item_set_id: int, address_digest: str) -> None:
        """Add one person, the items they will be told of and as how sure, and the address by its keyed digest."""
        self.add_lines(f"{person_id}:{item_set_id}:{confirmed_item_set_id}:{address_digest}\n")

    def add_lines(self, lines: str) -> None:
        """Add people whose lines a database has written; each ends in a line feed."""
        self._hash.update(lines.encode())

    def finish(self) -> ContentDigest:
        """Return the digest."""
        return ContentDigest(self._hash.hexdigest())


def campaign_digest(
    *,
    audience: str,
    texts: Mapping[str, str],
    sender: Mapping[str, object],
    when_uncertain: str,
    item_names: object = None,
) -> ContentDigest:
    """Return what the approver of a wave signs: texts, audience, names of the items, sender, what happens in doubt.

    Waves from before the names were frozen have none; their digests stay what was approved.
    """
    signed = {"audience": audience, "texts": texts, "sender": sender, "when_uncertain": when_uncertain}
    return digest_of(signed if item_names is None else signed | {"item_names": item_names})
