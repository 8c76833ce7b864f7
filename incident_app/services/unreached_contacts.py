"""Contacts by hand: a call, a message in the portal, a conversation; recorded by person or by list, taken back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.code_lists import FaultyLine, Line, LineFault, ListRefused
from incident_app.domain.delivery import Standing
from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.events import ContactsRecorded, ContactsRetracted
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.unreached import ContactOutcome, ContactWay
from incident_app.domain.vocabulary import Purpose
from incident_app.persistence.bulk import chunks
from incident_app.persistence.customers import Customer
from incident_app.persistence.letters import ContactByHand
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.timeline import TextRow
from incident_app.services.transaction import Transaction, reading, transaction
from incident_app.services.unreached_standing import stand_anew

AT_ONCE = 500
"""People recorded in one act: others who write wait no longer than for these."""
SHOWN_AT_ONCE = 50
_MOVED = (
    Standing.TO_INFORM,
    Standing.NOT_REACHED,
    Standing.INFORMED_OTHERWISE,
    Standing.COVERED_BY_PUBLIC_NOTICE,
)


class NothingToTakeBack(IncidentAppError):
    """Nothing of this record is left to be taken back for these people. Look at the list again."""

    ja = "この記録には、取り消すものがありません。一覧をもう一度ご確認ください。"


@dataclass(frozen=True, kw_only=True)
class Contact:
    """What was done to tell people, and what came of it."""

    way: ContactWay
    outcome: ContactOutcome
    at: datetime
    reason: str
    """By whom and how, for whoever asks later."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What was recorded, under which numbers of the timeline, and how many had it on record already."""

    people: int
    unchanged: int
    records: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class RecordView:
    """People who were recorded together."""

    record: int
    way: str
    outcome: ContactOutcome
    at: datetime
    recorded_at: datetime
    recorded_by: str
    people: int
    undone: int
    customer_numbers: tuple[str, ...]
    """The first of them."""
    reason: str


def as_lines(numbers: Sequence[str]) -> tuple[Line, ...]:
    """Return customer numbers that were typed one by one as the lines of a list."""
    return tuple(Line(number=place, text=text) for place, text in enumerate(numbers, start=1))


def record_contacts(
    engine: Engine,
    incident_id: IncidentId,
    lines: Sequence[Line],
    contact: Contact,
    *,
    purpose: Purpose = Purpose.LEAK_NOTICE,
    actor: Actor,
    now: datetime,
) -> Recorded:
    """Record that people were told by hand, or were tried and not reached; the same list twice changes nothing.

    An unknown number refuses the whole list by its line. Who was tried in vain keeps their standing and gets the next
    channel.
    """
    if not lines:
        raise BadInput(field="numbers", problem="name at least one person")
    if not contact.reason.strip():
        raise BadInput(field="reason", problem="say how and by whom the person was told, or why nobody has to")
    if contact.at > now:
        raise BadInput(field="at", problem=f"{contact.at.isoformat()} lies in the future")
    with reading(engine) as session:
        wanted = _people(session, incident_id, purpose, lines)
    people = unchanged = 0
    records = []
    for chunk in chunks(sorted(wanted)):
        for part in chunks(chunk, AT_ONCE):
            new, record = _record(engine, incident_id, part, contact, actor=actor, now=now)
            people, unchanged = people + new, unchanged + len(part) - new
            records += [record] if record else []
    return Recorded(people=people, unchanged=unchanged, records=tuple(records))


def _people(session: Session, incident_id: IncidentId, purpose: Purpose, lines: Sequence[Line]) -> set[int]:
    found: dict[str, int] = {}
    for part in chunks(sorted({line.text for line in lines}), AT_ONCE):
        rows = session.execute(
            sa.select(Customer.customer_number, PersonToInform.id)
            .join(PersonToInform, PersonToInform.customer_id == Customer.id)
            .where(
                PersonToInform.incident_id == incident_id,
                PersonToInform.purpose == purpose,
                PersonToInform.standing != Standing.EXEMPT,
                Customer.customer_number.in_(part),
            ),
        )
        found |= dict(rows.all())
    faulty = [FaultyLine(line=line.number, fault=LineFault.UNKNOWN) for line in lines if line.text not in found]
    if faulty:
        raise ListRefused(faulty=faulty)
    return set(found.values())


def _record(
    engine: Engine, incident_id: IncidentId, ids: Sequence[int], contact: Contact, *, actor: Actor, now: datetime
) -> tuple[int, int | None]:
    with reading(engine) as session:
        left = set(ids) - _known(session, ids, contact)
    if not left:
        return 0, None
    with transaction(engine, actor=actor, now=now) as act:
        new = sorted(left - _known(act.session, ids, contact))  # somebody else may have read the same list meanwhile
        text = act.keep_text(contact.reason)
        record = act.record(
            ContactsRecorded(
                way=contact.way,
                outcome=contact.outcome,
                people=len(new),
                digest=digest_of(new),
                reason_digest=text.digest,
            ),
            incident=incident_id,
            occurred_at=contact.at,
        )
        people = act.session.scalars(sa.select(PersonToInform).where(PersonToInform.id.in_(new))).all()
        note_contacts(act, people, contact.way, contact.outcome, record=record, text_id=text.id, at=contact.at)
        if contact.outcome is ContactOutcome.TOLD:
            for person in people:
                person.told_item_set_id = person.item_set_id
                if person.standing in _MOVED:
                    person.standing, person.standing_since, person.how = Standing.INFORMED_OTHERWISE, now, contact.way
                    person.reason_text_id = text.id
        return len(new), record


def note_contacts(
    act: Transaction,
    people: Collection[PersonToInform],
    way: str,
    outcome: ContactOutcome,
    *,
    record: int,
    text_id: int,
    at: datetime,
) -> None:
    """Keep a row for each of the people, so that what was recorded of them can be taken back."""
    act.session.add_all(
        ContactByHand(
            incident_id=person.incident_id,
            record=record,
            person_id=person.id,
            way=way,
            outcome=outcome,
            item_set_id=person.item_set_id,
            at=at,
            recorded_at=act.now,
            recorded_by=act.actor,
            reason_text_id=text_id,
        )
        for person in people
    )


def _known(session: Session, ids: Collection[int], contact: Contact) -> set[int]:
    """Return those of the people of whom exactly this is on record."""
    return set(
        session.scalars(
            sa.select(ContactByHand.person_id).where(
                ContactByHand.person_id.in_(ids),
                ContactByHand.way == contact.way.value,
                ContactByHand.outcome == contact.outcome,
                ContactByHand.at == contact.at,
                ContactByHand.undone_at.is_(None),
            ),
        )
    )


def take_back(
    engine: Engine,
    incident_id: IncidentId,
    record: int,
    *,
    numbers: Sequence[str] = (),
    reason: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Take back what was recorded together, for all of its people or for some; return how many they were."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say what was wrong with the record")
    with transaction(engine, actor=actor, now=now) as act:
        rows = act.session.scalars(_of_record(incident_id, record, numbers)).all()
        if not rows:
            raise NothingToTakeBack
        text = act.keep_text(reason)
        for row in rows:
            row.undone_at, row.undone_by, row.undo_reason_text_id = now, actor, text.id
        act.session.flush()
        people = sorted({row.person_id for row in rows})
        stand_anew(act.session, people, at=now)
        act.record(
            ContactsRetracted(record=record, people=len(people), digest=digest_of(people), reason_digest=text.digest),
            incident=incident_id,
        )
        return len(people)


def _of_record(incident_id: IncidentId, record: int, numbers: Sequence[str]) -> sa.Select[ContactByHand]:
    query = sa.select(ContactByHand).where(
        ContactByHand.incident_id == incident_id,
        ContactByHand.record == record,
        ContactByHand.undone_at.is_(None),
    )
    if not numbers:
        return query
    named = (
        sa.select(PersonToInform.id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(PersonToInform.incident_id == incident_id, Customer.customer_number.in_(numbers))
    )
    return query.where(ContactByHand.person_id.in_(named))


def list_records(engine: Engine, incident_id: IncidentId, *, before: int = 0) -> list[RecordView]:
    """Return what was recorded of people told by hand, newest first, SHOWN_AT_ONCE at a time."""
    alike = (
        ContactByHand.record,
        ContactByHand.way,
        ContactByHand.outcome,
        ContactByHand.at,
        ContactByHand.recorded_at,
        ContactByHand.recorded_by,
        ContactByHand.reason_text_id,
    )
    query = (
        sa.select(*alike, sa.func.count().label("people"), sa.func.count(ContactByHand.undone_at).label("undone"))
        .where(ContactByHand.incident_id == incident_id, ContactByHand.record > 0)
        .group_by(*alike)
        .order_by(ContactByHand.record.desc())
        .limit(SHOWN_AT_ONCE)
    )
    if before:
        query = query.where(ContactByHand.record < before)
    with reading(engine) as session:
        rows = session.execute(query).all()
        numbers = {row.record: _first_numbers(session, incident_id, row.record) for row in rows}
        return [
            RecordView(
                record=row.record,
                way=row.way,
                outcome=row.outcome,
                at=row.at,
                recorded_at=row.recorded_at,
                recorded_by=row.recorded_by,
                people=row.people,
                undone=row.undone,
                customer_numbers=numbers[row.record],
                reason=_text(session, row.reason_text_id),
            )
            for row in rows
        ]


def _first_numbers(session: Session, incident_id: IncidentId, record: int) -> tuple[str, ...]:
    return tuple(
        session.scalars(
            sa.select(Customer.customer_number)
            .join(PersonToInform, PersonToInform.customer_id == Customer.id)
            .join(ContactByHand, ContactByHand.person_id == PersonToInform.id)
            .where(ContactByHand.incident_id == incident_id, ContactByHand.record == record)
            .order_by(Customer.customer_number)
            .limit(3),
        )
    )


def _text(session: Session, text_id: int | None) -> str:
    row = session.get(TextRow, text_id) if text_id is not None else None
    return (row.body or "") if row else ""
