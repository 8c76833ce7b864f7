"""People in no inventory: outsiders who are affected, the stranger who received the data, who found it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import DeletionConfirmed, InvolvedAdded, InvolvedErased
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.involved import Outsider, check_outsider, contact_channel, masked_contact, masked_name
from incident_app.domain.vocabulary import Channel, InvolvedRole, Purpose
from incident_app.persistence.incidents import DeletionConfirmation, Evidence, InvolvedPerson
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.item_sets import item_codes, item_set_id
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.transaction import reading, transaction


class NothingReceived(IncidentAppError):
    """Person {person_id} did not receive the data, so there is nothing that they could confirm as deleted."""

    ja = "関係者 {person_id} はデータを受け取っていないため、削除の確認はありません。"


class AlreadyConfirmed(IncidentAppError):
    """Person {person_id} confirmed the deletion before; the first confirmation stands."""

    ja = "関係者 {person_id} の削除の確認は記録済みです。最初の記録が残ります。"


class AlreadyErased(IncidentAppError):
    """Name and contact of person {person_id} are erased already."""

    ja = "関係者 {person_id} の氏名と連絡先は消去済みです。"


@dataclass(frozen=True, kw_only=True)
class InvolvedView:
    """A person outside the inventory as lists show them: masked."""

    id: int
    role: InvolvedRole
    masked_name: str
    masked_contact: str
    items: tuple[str, ...]
    added_at: datetime | None
    channel: Channel | None
    """How the contact on record reaches them; None without a contact."""
    standing: Standing | None
    """Whether they were told; None for whom nobody has to tell, and until the next determination."""
    deletion_confirmed_at: datetime | None
    deletion_evidence_id: int | None
    erased_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PeopleOutside:
    """How many people are in no inventory, by role, and how many who received the data have not confirmed."""

    affected: int
    received_the_data: int
    found_it: int
    deletion_open: int


def add_person(engine: Engine, incident_id: IncidentId, person: Outsider, *, actor: Actor, now: datetime) -> int:
    """Add a person who is in no inventory; return their number. Their name stands in no event."""
    with reading(engine) as session:
        check_outsider(person, all_items=frozenset(session.scalars(sa.select(DataItem.code))))
    with transaction(engine, actor=actor, now=now) as act:
        row = InvolvedPerson(
            incident_id=incident_id,
            role=person.role,
            name=person.name.strip() or None,
            contact=person.contact.strip() or None,
            item_set_id=item_set_id(act.session, person.items) if person.items else None,
            added_at=now,
        )
        act.session.add(row)
        act.session.flush()
        act.record(InvolvedAdded(person_id=row.id, role=person.role, items=len(person.items)), incident=incident_id)
        return row.id


def confirm_deletion(
    engine: Engine,
    incident_id: IncidentId,
    person_id: int,
    *,
    confirmed_at: datetime,
    evidence_id: int | None = None,
    note: str | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Record that somebody who received the data says that it is deleted, by evidence or in words."""
    if evidence_id is None and not (note or "").strip():
        raise BadInput(field="evidence", problem="name the evidence, or say how the deletion was confirmed")
    if confirmed_at > now:
        raise BadInput(field="confirmed_at", problem="this lies in the future")
    with transaction(engine, actor=actor, now=now) as act:
        person = get_person(act.session, incident_id, person_id)
        if person.role is not InvolvedRole.RECEIVED_THE_DATA:
            raise NothingReceived(person_id=person_id)
        if person.deletion_confirmed_at is not None:
            raise AlreadyConfirmed(person_id=person_id)
        _check_evidence(act.session, incident_id, evidence_id)
        text = act.keep_text(note) if note else None
        person.deletion_confirmed_at = confirmed_at
        act.session.add(
            DeletionConfirmation(
                person_id=person_id,
                confirmed_at=confirmed_at,
                evidence_id=evidence_id,
                text_id=text.id if text else None,
                recorded_at=now,
                recorded_by=actor,
            ),
        )
        facts = DeletionConfirmed(
            person_id=person_id, evidence_id=evidence_id, note_digest=text.digest if text else None
        )
        act.record(facts, incident=incident_id, occurred_at=confirmed_at)


def _check_evidence(session: Session, incident_id: IncidentId, evidence_id: int | None) -> None:
    if evidence_id is None:
        return
    mine = sa.select(Evidence.id).where(Evidence.id == evidence_id, Evidence.incident_id == incident_id)
    if session.scalar(mine) is None:
        raise NotFound(what="evidence", name=evidence_id)


def erase_person(engine: Engine, incident_id: IncidentId, person_id: int, *, actor: Actor, now: datetime) -> None:
    """Drop name and contact of a person; role, items and that they existed stay, so that numbers stay true."""
    with transaction(engine, actor=actor, now=now) as act:
        person = get_person(act.session, incident_id, person_id)
        if person.erased_at is not None:
            raise AlreadyErased(person_id=person_id)
        person.name, person.contact, person.erased_at = None, None, now
        act.record(InvolvedErased(person_id=person_id), incident=incident_id)


def get_person(session: Session, incident_id: IncidentId, person_id: int) -> InvolvedPerson:
    """Return a person of this incident; one of another incident does not exist here."""
    row = session.get(InvolvedPerson, person_id)
    if row is None or row.incident_id != incident_id:
        raise NotFound(what="person", name=person_id)
    return row


def list_people(
    engine: Engine, incident_id: IncidentId, *, roles: Collection[InvolvedRole] = tuple(InvolvedRole)
) -> list[InvolvedView]:
    """Return the people outside the inventory, masked, in the order in which they were added."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(InvolvedPerson, DeletionConfirmation.evidence_id, PersonToInform.standing)
            .outerjoin(DeletionConfirmation, DeletionConfirmation.person_id == InvolvedPerson.id)
            .outerjoin(
                PersonToInform,
                sa.and_(
                    PersonToInform.involved_person_id == InvolvedPerson.id,
                    PersonToInform.purpose == Purpose.LEAK_NOTICE,
                ),
            )
            .where(InvolvedPerson.incident_id == incident_id, InvolvedPerson.role.in_(roles))
            .order_by(InvolvedPerson.id),
        ).all()
        sets = item_codes(session, {row.item_set_id for row, *_ in rows if row.item_set_id is not None})
        return [
            InvolvedView(
                id=row.id,
                role=row.role,
                masked_name=masked_name(row.name or ""),
                masked_contact=masked_contact(row.contact or ""),
                items=sets[row.item_set_id] if row.item_set_id is not None else (),
                added_at=row.added_at,
                channel=contact_channel(row.contact or ""),
                standing=standing,
                deletion_confirmed_at=row.deletion_confirmed_at,
                deletion_evidence_id=evidence_id,
                erased_at=row.erased_at,
            )
            for row, evidence_id, standing in rows
        ]


def count_affected(session: Session, incident_id: IncidentId) -> int:
    """Return how many affected people are in no inventory. They count as people do; erased ones still count."""
    query = sa.select(sa.func.count()).where(
        InvolvedPerson.incident_id == incident_id, InvolvedPerson.role == InvolvedRole.AFFECTED
    )
    return session.scalar(query) or 0


def people_outside(engine: Engine, incident_id: IncidentId) -> PeopleOutside:
    """Return the numbers of people outside the inventory."""
    with reading(engine) as session:
        query = (
            sa.select(InvolvedPerson.role, sa.func.count(), sa.func.count(InvolvedPerson.deletion_confirmed_at))
            .where(InvolvedPerson.incident_id == incident_id)
            .group_by(InvolvedPerson.role)
        )
        found = {role: (number, confirmed) for role, number, confirmed in session.execute(query)}
    received, confirmed = found.get(InvolvedRole.RECEIVED_THE_DATA, (0, 0))
    return PeopleOutside(
        affected=found.get(InvolvedRole.AFFECTED, (0, 0))[0],
        received_the_data=received,
        found_it=found.get(InvolvedRole.FOUND_IT, (0, 0))[0],
        deletion_open=received - confirmed,
    )
