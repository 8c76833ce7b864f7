"""What became of each message, read piece by piece so that a million take no more memory than a thousand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import DeliveryState, WithheldBecause
from incident_app.domain.returned_mail import BounceKind
from incident_app.persistence.bounces import Bounce
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import (
    Campaign,
    DeliveryAttempt,
    DeliveryPerson,
    DeliveryRow,
    MailDomain,
    PersonToInform,
)

AT_ONCE = 2_000


class MessageRow(NamedTuple):
    """One message of a wave."""

    id: int
    wave: int
    address: str | None
    domain: str
    language: str
    notice_version: int | None
    state: DeliveryState
    attempts: int
    token: str
    withheld_because: WithheldBecause | None


class PersonRow(NamedTuple):
    """One person in a message, or one who is in none."""

    number: str
    item_set_id: int
    standing: str
    standing_since: datetime
    how: str | None


class LastAttempt(NamedTuple):
    """The newest attempt of a message."""

    finished_at: datetime
    outcome: str
    reply_code: int | None
    enhanced_code: str | None
    reply_text: str


class LastReturn(NamedTuple):
    """The newest mail that came back of a message."""

    kind: BounceKind
    enhanced_code: str | None
    read_at: datetime


class MessagePage(NamedTuple):
    """Some messages with everything that is known of them, by the key of the message."""

    messages: Sequence[MessageRow]
    people: Mapping[int, Sequence[PersonRow]]
    attempts: Mapping[int, LastAttempt]
    returned: Mapping[int, LastReturn]


def messages_of(session: Session, campaign_id: int) -> Iterator[MessagePage]:
    """Yield the messages of a wave in the order of their keys."""
    query = (
        sa.select(
            DeliveryRow.id,
            Campaign.wave_number,
            CustomerContact.address,
            MailDomain.name,
            DeliveryRow.language,
            NoticeVersion.version,
            DeliveryRow.state,
            DeliveryRow.attempt_count,
            DeliveryRow.token,
            DeliveryRow.withheld_because,
        )
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .join(MailDomain, MailDomain.id == DeliveryRow.domain_id)
        .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
        .outerjoin(NoticeVersion, NoticeVersion.id == DeliveryRow.notice_version_id)
        .where(DeliveryRow.campaign_id == campaign_id)
        .order_by(DeliveryRow.id)
        .execution_options(yield_per=AT_ONCE)
    )
    for rows in session.execute(query).partitions():
        messages = [MessageRow._make(row) for row in rows]
        ids = [message.id for message in messages]
        yield MessagePage(messages, _people(session, ids), last_attempts(session, ids), _returned(session, ids))


def _people(session: Session, ids: Sequence[int]) -> Mapping[int, Sequence[PersonRow]]:
    found: dict[int, list[PersonRow]] = defaultdict(list)
    rows = session.execute(
        sa.select(
            DeliveryPerson.delivery_id,
            Customer.customer_number,
            DeliveryPerson.item_set_id,
            PersonToInform.standing,
            PersonToInform.standing_since,
            PersonToInform.how,
        )
        .join(PersonToInform, PersonToInform.id == DeliveryPerson.person_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(DeliveryPerson.delivery_id.in_(ids))
        .order_by(DeliveryPerson.delivery_id, Customer.customer_number),
    )
    for delivery_id, *person in rows:
        found[delivery_id].append(PersonRow._make(person))
    return found


def last_attempts(session: Session, ids: Sequence[int]) -> Mapping[int, LastAttempt]:
    """Return the newest attempt of each of these messages."""
    rows = session.execute(
        sa.select(
            DeliveryAttempt.delivery_id,
            DeliveryAttempt.finished_at,
            DeliveryAttempt.outcome,
            DeliveryAttempt.reply_code,
            DeliveryAttempt.enhanced_code,
            DeliveryAttempt.reply_text,
        )
        .where(DeliveryAttempt.delivery_id.in_(ids))
        .order_by(DeliveryAttempt.delivery_id, DeliveryAttempt.number),
    )
    return {delivery_id: LastAttempt._make(attempt) for delivery_id, *attempt in rows}  # the newest one stays


def _returned(session: Session, ids: Sequence[int]) -> Mapping[int, LastReturn]:
    rows = session.execute(
        sa.select(Bounce.delivery_id, Bounce.kind, Bounce.enhanced_code, Bounce.read_at)
        .where(Bounce.delivery_id.in_(ids))
        .order_by(Bounce.id),
    )
    return {delivery_id: LastReturn._make(mail) for delivery_id, *mail in rows if delivery_id is not None}


def people_in_no_message(session: Session, incident_id: int) -> Iterator[Sequence[PersonRow]]:
    """Yield the people to inform of an incident who are in no message of it: told otherwise, or not yet."""
    written_to = (
        sa.select(DeliveryPerson.person_id)
        .join(DeliveryRow, DeliveryRow.id == DeliveryPerson.delivery_id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .where(Campaign.incident_id == incident_id, Campaign.status != "building")
    )
    outside = sa.literal("outside:") + sa.cast(PersonToInform.involved_person_id, sa.String(20))
    query = (
        sa.select(
            sa.func.coalesce(Customer.customer_number, outside),
            PersonToInform.item_set_id,
            PersonToInform.standing,
            PersonToInform.standing_since,
            PersonToInform.how,
        )
        .outerjoin(Customer, Customer.id == PersonToInform.customer_id)
        .where(PersonToInform.incident_id == incident_id, PersonToInform.id.not_in(written_to))
        .order_by(PersonToInform.id)
        .execution_options(yield_per=AT_ONCE)
    )
    for rows in session.execute(query).partitions():
        yield [PersonRow._make(row) for row in rows]
