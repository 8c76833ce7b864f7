"""Correcting mail addresses of people who were not reached: by person or by list, with source, reason and history.

What was sent to the old address stays as it was; a wave for those not reached takes the new one.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.address_fixes import (
    AddressClosed,
    AddressesRefused,
    AddressSource,
    ComplaintStands,
    NotTwoColumns,
    SameAddress,
    check_source,
)
from incident_app.domain.digests import digest_of_bytes, keyed_digest
from incident_app.domain.encodings import decode
from incident_app.domain.errors import BadInput
from incident_app.domain.events import AddressesCorrected
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.returned_mail import SuppressionReason
from incident_app.domain.vocabulary import Channel
from incident_app.persistence.address_fixes import AddressCorrection
from incident_app.persistence.bulk import chunks, rows_with, stored_moment
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.people_in_bulk import LiveContact, close_contacts, live_contacts
from incident_app.services.bounces_shown import SHOWN_AT_ONCE, mask_address
from incident_app.services.people import NumbersUnknown
from incident_app.services.transaction import Transaction, reading, transaction
from notifications.addresses import Address, normalised, parse_address
from notifications.errors import AddressRefused

AT_ONCE = 1_000
"""People corrected in one act: others who write wait no longer than for these."""
COLUMNS = ("customer_number", "email")
LINES_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Why:
    """Where new addresses come from, how one knows, and whether a complaint is overridden."""

    source: str
    reason: str
    despite_complaint: bool = False


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """What a correction did."""

    people: int
    unchanged: int
    """People who had that address already."""
    complaints: int
    """Those among the people who complained about our mail before."""


@dataclass(frozen=True, kw_only=True, repr=False)
class CorrectionView:
    """One correction as people see it: addresses masked."""

    id: int
    customer_number: str
    before: str
    after: str
    source: AddressSource
    despite_complaint: bool
    corrected_at: datetime
    corrected_by: str


class _Wish(NamedTuple):
    """One address that somebody wants to be right."""

    line: int
    number: str
    address: Address
    digest: str


class _Known(NamedTuple):
    """Who is meant, and what is known of the addresses."""

    ids: Mapping[str, int]
    closed: Mapping[str, frozenset[SuppressionReason]]
    """Reasons in force by the digest of the address."""
    contacts: Mapping[int, Sequence[LiveContact]]


def correct_address(
    engine: Engine,
    incident_id: IncidentId,
    customer_number: str,
    address: str,
    why: Why,
    *,
    address_key: bytes,
    actor: Actor,
    now: datetime,
) -> Corrected:
    """Give one person another mail address. The old contact ends; messages to it stay what they were."""
    check_source(why.source, why.reason)
    try:
        wish = _wish(1, customer_number, address, address_key)
    except AddressRefused as refusal:
        raise BadInput(field="address", problem="this is not a mail address") from refusal
    with reading(engine) as session:
        known = _known(session, incident_id, [wish])
    if wish.number not in known.ids:
        raise NumbersUnknown(unknown=1)
    if _is_dead(wish, known):
        raise AddressClosed
    if _has_it(wish, known):
        raise SameAddress
    return _correct(engine, incident_id, [wish], known, why, file_digest=None, actor=actor, now=now)


def correct_from_file(
    engine: Engine,
    incident_id: IncidentId,
    content: bytes,
    why: Why,
    *,
    address_key: bytes,
    actor: Actor,
    now: datetime,
) -> Corrected:
    """Correct the addresses of a list with the columns customer_number and email; one faulty line refuses all of it."""
    check_source(why.source, why.reason)
    wishes, invalid = _wishes(decode(content), address_key)
    with reading(engine) as session:
        known = _known(session, incident_id, wishes)
    _refuse_faulty(wishes, invalid, known)
    changed = [wish for wish in wishes if not _has_it(wish, known)]
    done = _correct(
        engine, incident_id, changed, known, why, file_digest=digest_of_bytes(content), actor=actor, now=now
    )
    return Corrected(people=done.people, unchanged=len(wishes) - len(changed), complaints=done.complaints)


def _wish(line: int, number: str, address: str, key: bytes) -> _Wish:
    parsed = parse_address(address.strip())
    return _Wish(line, number.strip(), parsed, keyed_digest(key, normalised(parsed)))


def _wishes(text: str, key: bytes) -> tuple[list[_Wish], list[int]]:
    """Read the list; return what is wished, and the lines whose address is none."""
    rows = csv.DictReader(text.splitlines())
    if not set(COLUMNS) <= {(name or "").strip() for name in rows.fieldnames or ()}:
        raise NotTwoColumns
    rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
    wishes, invalid = [], []
    for row in rows:
        try:
            wishes.append(_wish(rows.line_num, row["customer_number"] or "", row["email"] or "", key))
        except AddressRefused:
            invalid.append(rows.line_num)
    return wishes, invalid


def _refuse_faulty(wishes: Sequence[_Wish], invalid: Sequence[int], known: _Known) -> None:
    lines: dict[str, list[int]] = {"invalid": list(invalid), "unknown": [], "closed": [], "doubled": []}
    seen: set[str] = set()
    for wish in wishes:
        if wish.number not in known.ids:
            lines["unknown"].append(wish.line)
        elif wish.number in seen:
            lines["doubled"].append(wish.line)
        elif _is_dead(wish, known):
            lines["closed"].append(wish.line)
        seen.add(wish.number)
    if any(lines.values()):
        raise AddressesRefused(**{what: _named(numbers) for what, numbers in lines.items()})


def _named(lines: Sequence[int]) -> str:
    named = ", ".join(map(str, lines[:LINES_NAMED]))
    return (f"{named} … ({len(lines)})" if len(lines) > LINES_NAMED else named) or "-"


def _known(session: Session, incident_id: IncidentId, wishes: Sequence[_Wish]) -> _Known:
    """Look up who is meant, the addresses they have, and which addresses are closed."""
    ids: dict[str, int] = {}
    contacts: dict[int, list[LiveContact]] = defaultdict(list)
    closed: dict[str, set[SuppressionReason]] = defaultdict(set)
    for chunk in chunks(wishes, AT_ONCE):
        numbers = {wish.number for wish in chunk}
        rows = session.execute(
            sa.select(Customer.customer_number, Customer.id)
            .join(PersonToInform, PersonToInform.customer_id == Customer.id)
            .where(PersonToInform.incident_id == incident_id, Customer.customer_number.in_(numbers))
        )
        found = {number: key for number, key in rows}  # noqa: C416 - rows are no pairs to mypy
        ids |= found
        digests = {wish.digest for wish in chunk}
        for contact in live_contacts(session, found.values()):
            contacts[contact.customer_id].append(contact)
            digests.add(contact.address_digest)
        for digest, reason, lifted_at in rows_with(session, _SUPPRESSIONS, "address_digest", digests):
            if lifted_at is None:
                closed[digest].add(SuppressionReason(reason))
    return _Known(ids, {digest: frozenset(reasons) for digest, reasons in closed.items()}, contacts)


_SUPPRESSIONS = "SELECT address_digest, reason, lifted_at FROM suppressions"


def _mails(wish: _Wish, known: _Known) -> list[LiveContact]:
    """Return the mail contacts that a person has now, the one in use last."""
    contacts = known.contacts.get(known.ids[wish.number], ())
    return sorted((one for one in contacts if one.channel == Channel.EMAIL.value), key=lambda contact: contact.id)


def _has_it(wish: _Wish, known: _Known) -> bool:
    mails = _mails(wish, known)
    return bool(mails) and mails[-1].address_digest == wish.digest


def _is_dead(wish: _Wish, known: _Known) -> bool:
    return SuppressionReason.BOUNCED in known.closed.get(wish.digest, frozenset())


def _complained(wish: _Wish, known: _Known) -> bool:
    """Tell whether this person said that our mail is unwanted, at the old address or at the new one."""
    digests = [wish.digest, *(contact.address_digest for contact in _mails(wish, known))]
    return any(SuppressionReason.COMPLAINT in known.closed.get(digest, frozenset()) for digest in digests)


def _correct(
    engine: Engine,
    incident_id: IncidentId,
    wishes: Sequence[_Wish],
    known: _Known,
    why: Why,
    *,
    file_digest: str | None,
    actor: Actor,
    now: datetime,
) -> Corrected:
    complaints = {wish.number for wish in wishes if _complained(wish, known)}
    if complaints and not why.despite_complaint:
        raise ComplaintStands(people=len(complaints))
    for chunk in chunks(wishes, AT_ONCE):
        with transaction(engine, actor=actor, now=now) as act:
            text = act.keep_text(why.reason)
            _store(act, incident_id, chunk, complaints, AddressSource(why.source), text.id, file_digest)
            act.record(
                AddressesCorrected(
                    people=len(chunk),
                    known_from=why.source,
                    complaints=sum(wish.number in complaints for wish in chunk),
                    file_digest=file_digest,
                    reason_digest=text.digest,
                ),
                incident=incident_id,
            )
    return Corrected(people=len(wishes), unchanged=0, complaints=len(complaints))


def _store(
    act: Transaction,
    incident_id: IncidentId,
    wishes: Sequence[_Wish],
    complaints: Iterable[str],
    source: AddressSource,
    reason_text_id: int,
    file_digest: str | None,
) -> None:
    """End the mail contacts that these people have now, and store the new ones beside them."""
    known = _known(act.session, incident_id, wishes)  # as they are now that nobody else writes
    old = {wish.number: _mails(wish, known) for wish in wishes}
    ended = [contact.id for contacts in old.values() for contact in contacts]
    close_contacts(act.session, ended, at=stored_moment(act.session, act.now))
    new = {wish.number: _contact(wish, known, act.now) for wish in wishes}
    act.session.add_all(new.values())
    act.session.flush()
    act.session.add_all(
        AddressCorrection(
            incident_id=incident_id,
            customer_id=known.ids[wish.number],
            old_contact_id=old[wish.number][-1].id if old[wish.number] else None,
            new_contact_id=new[wish.number].id,
            source=source,
            reason_text_id=reason_text_id,
            file_digest=file_digest,
            despite_complaint=wish.number in set(complaints),
            corrected_at=act.now,
            corrected_by=act.actor,
        )
        for wish in wishes
    )


def _contact(wish: _Wish, known: _Known, now: datetime) -> CustomerContact:
    customer_id = known.ids[wish.number]
    mails, others = _mails(wish, known), known.contacts.get(customer_id, ())
    named = next((contact.name for contact in [*reversed(mails), *others] if contact.name), None)
    return CustomerContact(
        customer_id=customer_id,
        channel=Channel.EMAIL,
        name=named,
        address=str(wish.address),
        address_digest=wish.digest,
        valid_from=now,
    )


def list_corrections(engine: Engine, incident_id: IncidentId, *, after: int = 0) -> list[CorrectionView]:
    """Return the corrections of an incident, newest first, SHOWN_AT_ONCE at a time; both addresses masked."""
    before, behind = sa.orm.aliased(CustomerContact), sa.orm.aliased(CustomerContact)
    query = (
        sa.select(AddressCorrection, Customer.customer_number, before.address, behind.address)
        .join(Customer, Customer.id == AddressCorrection.customer_id)
        .outerjoin(before, before.id == AddressCorrection.old_contact_id)
        .join(behind, behind.id == AddressCorrection.new_contact_id)
        .where(AddressCorrection.incident_id == incident_id)
        .order_by(AddressCorrection.id.desc())
        .limit(SHOWN_AT_ONCE)
    )
    if after:
        query = query.where(AddressCorrection.id < after)
    with reading(engine) as session:
        return [
            CorrectionView(
                id=row.id,
                customer_number=number,
                before=mask_address(old or ""),
                after=mask_address(new or ""),
                source=row.source,
                despite_complaint=row.despite_complaint,
                corrected_at=row.corrected_at,
                corrected_by=row.corrected_by,
            )
            for row, number, old, new in session.execute(query)
        ]
