"""Loading lists of customers from forensic evidence: once, matched to people, unmatched lines reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of_bytes, keyed_digest
from incident_app.domain.encodings import decode
from incident_app.domain.errors import NotFound
from incident_app.domain.events import EvidenceAdded, ListLoaded
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.lists import ListRow, read_list
from incident_app.domain.vocabulary import BuildStatus, Channel
from incident_app.persistence.bulk import chunks, insert_new
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.incidents import CustomerList, CustomerListMember, Evidence
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.item_sets import item_set_id
from incident_app.services.transaction import Transaction, building, reading, transaction
from notifications.addresses import normalised, parse_address
from notifications.errors import AddressRefused


@dataclass(frozen=True, kw_only=True)
class LoadedList:
    """What became of a list."""

    list_id: int
    digest: str
    matched: int
    unmatched_lines: tuple[int, ...]
    evidence_id: int
    unchanged: bool


def load_list(
    engine: Engine,
    incident_id: IncidentId,
    content: bytes,
    *,
    source: str,
    address_key: bytes,
    actor: Actor,
    now: datetime,
) -> LoadedList:
    """Load a CSV list of customers. The list is evidence itself; the same list again returns the one already loaded."""
    rows = read_list(decode(content))
    digest = digest_of_bytes(content)
    with reading(engine) as session:
        _check_items(session, rows)
        matched, unmatched = _match(session, rows, address_key)
        known = session.scalars(sa.select(CustomerList).where(CustomerList.digest == digest)).one_or_none()
    if known is not None and known.status is BuildStatus.SEALED:
        evidence_id = _evidence_of(engine, digest)
        return _loaded(known, matched, unmatched, evidence_id, unchanged=True)
    list_id = known.id if known is not None else _open_list(engine, digest, source, actor, now)
    _store_members(engine, list_id, matched)
    with transaction(engine, actor=actor, now=now) as act:
        sealed = act.session.get_one(CustomerList, list_id)
        sealed.row_count, sealed.unmatched_count, sealed.status = len(matched), len(unmatched), BuildStatus.SEALED
        evidence_id = _add_evidence(act, incident_id, digest, len(content))
        act.record(
            ListLoaded(list_id=list_id, digest=digest, matched=len(matched), unmatched=len(unmatched)),
            incident=incident_id,
        )
        return _loaded(sealed, matched, unmatched, evidence_id, unchanged=False)


def _store_members(engine: Engine, list_id: int, matched: Mapping[int, frozenset[str] | None]) -> None:
    for chunk in chunks(sorted(matched.items(), key=lambda entry: entry[0])):
        with building(engine) as session:
            sets = {items: item_set_id(session, items) for items in {items for _, items in chunk} if items is not None}
            members = [
                {"list_id": list_id, "customer_id": customer, "item_set_id": sets[items] if items else None}
                for customer, items in chunk
            ]
            insert_new(session, CustomerListMember, members)


def _open_list(engine: Engine, digest: str, source: str, actor: Actor, now: datetime) -> int:
    with building(engine) as session:
        row = CustomerList(
            digest=digest,
            source=source,
            status=BuildStatus.BUILDING,
            row_count=0,
            unmatched_count=0,
            loaded_at=now,
            loaded_by=actor,
        )
        session.add(row)
        session.flush()
        return row.id


def _add_evidence(act: Transaction, incident_id: IncidentId, digest: str, size: int) -> int:
    evidence = Evidence(
        incident_id=incident_id,
        file_name="customer-list.csv",
        media_type="text/csv",
        size=size,
        sha256=digest,
        stored_at=act.now,
        added_by=act.actor,
    )
    act.session.add(evidence)
    act.session.flush()
    act.record(EvidenceAdded(evidence_id=evidence.id, sha256=digest, size=size), incident=incident_id)
    return evidence.id


def _evidence_of(engine: Engine, digest: str) -> int:
    with reading(engine) as session:
        return session.scalars(sa.select(Evidence.id).where(Evidence.sha256 == digest).limit(1)).one()


def _loaded(
    row: CustomerList, matched: Mapping[int, object], unmatched: Sequence[int], evidence_id: int, *, unchanged: bool
) -> LoadedList:
    return LoadedList(
        list_id=row.id,
        digest=row.digest,
        matched=len(matched),
        unmatched_lines=tuple(unmatched),
        evidence_id=evidence_id,
        unchanged=unchanged,
    )


def _check_items(session: Session, rows: Sequence[ListRow]) -> None:
    known = set(session.scalars(sa.select(DataItem.code)))
    for row in rows:
        if unknown := sorted((row.items or frozenset()) - known):
            raise NotFound(what=f"data item (line {row.line})", name=", ".join(unknown))


def _match(
    session: Session, rows: Sequence[ListRow], address_key: bytes
) -> tuple[dict[int, frozenset[str] | None], list[int]]:
    """Match rows to customers by number, else by normalised address; several rows of one person add up."""
    by_number: dict[str, int] = {}
    by_digest: dict[str, set[int]] = defaultdict(set)
    digests = {row.line: _digest(row.email, address_key) for row in rows if row.email and not row.customer_number}
    for chunk in chunks([row.customer_number for row in rows if row.customer_number]):
        found = sa.select(Customer.customer_number, Customer.id).where(Customer.customer_number.in_(chunk))
        by_number.update(session.execute(found).all())
    for chunk in chunks([digest for digest in digests.values() if digest]):
        contacts = sa.select(CustomerContact.address_digest, CustomerContact.customer_id).where(
            CustomerContact.address_digest.in_(chunk),
            CustomerContact.channel == Channel.EMAIL,
        )
        for digest, customer_id in session.execute(contacts):
            by_digest[digest].add(customer_id)
    matched: dict[int, frozenset[str] | None] = {}
    unmatched = []
    for row in rows:
        number = by_number.get(row.customer_number)
        people = {number} if number is not None else by_digest.get(digests.get(row.line) or "", set())
        if not people:
            unmatched.append(row.line)
        for customer_id in people:
            matched[customer_id] = _together(matched.get(customer_id), row.items)
    return matched, unmatched


def _together(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return (one or frozenset()) | (other or frozenset()) or None


def _digest(email: str, address_key: bytes) -> str | None:
    try:
        return keyed_digest(address_key, normalised(parse_address(email)))
    except AddressRefused:
        return None
