"""What people decide about returned mail: whose it is, that it is nobody's, and that an address is good again."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import DeliveryState
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import BounceAssigned, BounceDismissed, SuppressionLifted
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.returned_mail import BounceSettled
from incident_app.persistence.bounces import Bounce, Suppression
from incident_app.persistence.customers import Customer
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow, PersonToInform
from incident_app.services.bounces import take_effect
from incident_app.services.transaction import Transaction, transaction

SENT = (DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN, DeliveryState.BOUNCED, DeliveryState.FAILED)


class AlreadySettled(IncidentAppError):
    """This was settled by somebody already. Look at the list again."""

    ja = "すでに処理されています。一覧をもう一度ご確認ください。"


class NothingSent(NotFound):
    """No message of this incident was sent to the customer with this number. Check the number and the incident."""

    ja = "この事案では、この顧客番号の人に送ったメールがありません。顧客番号と事案をお確かめください。"


def match_by_hand(
    engine: Engine,
    incident_id: IncidentId,
    bounce_id: int,
    customer_number: str,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Say which person's newest message of an incident a returned mail is about; return the number of the message."""
    _check_reason(reason)
    with transaction(engine, actor=actor, now=now) as act:
        row = _open_bounce(act.session, bounce_id)
        delivery_id = _newest_message(act.session, incident_id, customer_number.strip())
        text_digest = _settle(act, row, BounceSettled.BY_HAND, reason, delivery_id=delivery_id)
        act.record(
            BounceAssigned(bounce_id=bounce_id, delivery_id=delivery_id, reason_digest=text_digest),
            incident=incident_id,
        )
        take_effect(act, [row])
    return delivery_id


def set_aside(engine: Engine, bounce_id: int, *, reason: str, actor: Actor, now: datetime) -> None:
    """Say that a returned mail is about none of our messages, and why."""
    _check_reason(reason)
    with transaction(engine, actor=actor, now=now) as act:
        row = _open_bounce(act.session, bounce_id)
        text_digest = _settle(act, row, BounceSettled.SET_ASIDE, reason)
        act.record(BounceDismissed(bounce_id=bounce_id, reason_digest=text_digest))


def lift_suppression(engine: Engine, suppression_id: int, *, reason: str, actor: Actor, now: datetime) -> None:
    """Let an address be written to again."""
    _check_reason(reason)
    with transaction(engine, actor=actor, now=now) as act:
        row = act.session.get(Suppression, suppression_id)
        if row is None:
            raise NotFound(what="suppression", name=suppression_id)
        if row.lifted_at is not None:
            raise AlreadySettled
        text = act.keep_text(reason)
        row.lifted_at, row.lifted_by, row.lift_reason_text_id = now, actor, text.id
        act.record(SuppressionLifted(suppression_id=suppression_id, reason_digest=text.digest))


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput(field="reason", problem="say how you know")


def _open_bounce(session: Session, bounce_id: int) -> Bounce:
    row = session.get(Bounce, bounce_id)
    if row is None:
        raise NotFound(what="returned mail", name=bounce_id)
    if row.settled_how is not None:
        raise AlreadySettled
    return row


def _settle(act: Transaction, row: Bounce, how: BounceSettled, reason: str, *, delivery_id: int | None = None) -> str:
    text = act.keep_text(reason)
    row.delivery_id = delivery_id
    row.settled_how, row.settled_at, row.settled_by, row.reason_text_id = how, act.now, act.actor, text.id
    act.session.flush()
    return text.digest


def _newest_message(session: Session, incident_id: IncidentId, customer_number: str) -> int:
    found = session.scalar(
        sa.select(DeliveryRow.id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .join(DeliveryPerson, DeliveryPerson.delivery_id == DeliveryRow.id)
        .join(PersonToInform, PersonToInform.id == DeliveryPerson.person_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(
            Campaign.incident_id == incident_id,
            Customer.customer_number == customer_number,
            DeliveryRow.state.in_(SENT),
        )
        .order_by(DeliveryRow.id.desc())
        .limit(1),
    )
    if found is None:
        raise NothingSent(what="delivery", name="")
    return found
