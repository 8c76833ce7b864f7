"""The question for people whom mail does not reach: who is on the list, why, and by which channel next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from incident_app.domain.delivery import DeliveryState, Standing, WithheldBecause
from incident_app.domain.letters import LetterState
from incident_app.domain.returned_mail import CLOSED_TO
from incident_app.domain.unreached import (
    BY_MAIL,
    BY_POST,
    NO_MATTER,
    ContactOutcome,
    ContactWay,
    NextChannel,
    UnreachedBecause,
)
from incident_app.domain.vocabulary import Channel, Purpose, Relation
from incident_app.persistence.bounces import Suppression
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.letters import ContactByHand, Letter
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow, PersonToInform

Condition = sa.ColumnElement[bool]
P = PersonToInform


class Worklist:
    """The conditions of one incident and purpose, ready to be put into a query on people to inform."""

    def __init__(self, incident_id: int, purpose: Purpose) -> None:
        self._incident_id = incident_id
        self._purpose = purpose

    def on_it(self) -> Condition:
        """Return the condition that a customer is on the list: not told, and no mail is under way or possible."""
        unreachable = sa.or_(~self._mail_is_possible(), P.id.in_(self._in(DeliveryState.WITHHELD, _KEPT_BACK)))
        return sa.and_(
            P.incident_id == self._incident_id,
            P.purpose == self._purpose,
            P.customer_id.is_not(None),
            sa.or_(
                P.standing == Standing.NOT_REACHED,
                sa.and_(P.standing == Standing.TO_INFORM, unreachable),
            ),
            ~sa.exists().where(DeliveryPerson.person_id == P.id, _OPEN),
        )

    def because(self) -> sa.ColumnElement[str]:
        """Return why mail does not reach the person."""
        not_reached = P.standing == Standing.NOT_REACHED
        withheld = P.id.in_(self._in(DeliveryState.WITHHELD, sa.or_(_KEPT_BACK, _GONE)))
        return sa.case(
            (sa.and_(not_reached, P.how == BY_POST), UnreachedBecause.LETTER_RETURNED.value),
            (
                sa.and_(not_reached, P.how == BY_MAIL, P.id.in_(self._in(DeliveryState.BOUNCED))),
                UnreachedBecause.BOUNCED.value,
            ),
            (sa.and_(not_reached, P.how == BY_MAIL), UnreachedBecause.FAILED.value),
            (not_reached, UnreachedBecause.OTHERWISE.value),
            (withheld, UnreachedBecause.WITHHELD.value),
            (_has(Channel.EMAIL), UnreachedBecause.ADDRESS_CLOSED.value),
            else_=UnreachedBecause.NO_ADDRESS.value,
        )

    def _mail_is_possible(self) -> Condition:
        reasons = [reason for reason, closed in CLOSED_TO.items() if self._purpose in closed]
        closed = sa.exists().where(
            Suppression.address_digest == CustomerContact.address_digest,
            Suppression.channel == Channel.EMAIL,
            Suppression.reason.in_(reasons),
            Suppression.lifted_at.is_(None),
        )
        return _has(Channel.EMAIL, ~closed)

    def _in(self, state: DeliveryState, *more: Condition) -> sa.Select[int]:
        """Return the people in messages of this state: asked once for all, from the waves down."""
        return (
            sa.select(DeliveryPerson.person_id)
            .join(DeliveryRow, DeliveryRow.id == DeliveryPerson.delivery_id)
            .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
            .where(
                Campaign.incident_id == self._incident_id,
                Campaign.purpose == self._purpose,
                DeliveryRow.state == state,
                *more,
            )
        )


_OPEN: sa.ColumnElement[Any] = sa.literal_column("delivery_people.open")
"""As the index of open ones says it: SQLite does not see that a comparison with 1 is the same."""
_KEPT_BACK: Condition = DeliveryRow.withheld_because.not_in(sorted(NO_MATTER))
_GONE: Condition = DeliveryRow.withheld_because == WithheldBecause.CONTACT_GONE


def _has(channel: Channel, *more: Condition) -> Condition:
    """Return the condition that a person has a contact of this channel that is valid.

    Who has no address at all has an empty one, where the name stands; after erasure it is NULL.
    """
    return sa.exists().where(
        CustomerContact.customer_id == P.customer_id,
        CustomerContact.channel == channel,
        CustomerContact.valid_until.is_(None),
        CustomerContact.address != "",
        *more,
    )


def _tried(way: ContactWay, *more: Condition) -> Condition:
    """Return the condition that this very person was tried in vain; it may stand within that on one of their contacts.

    Both are named as given from outside: by itself, the inner question would be asked of everybody.
    """
    return (
        sa.exists()
        .where(
            ContactByHand.person_id == P.id,
            ContactByHand.way == way.value,
            ContactByHand.outcome == ContactOutcome.NOT_REACHED,
            ContactByHand.undone_at.is_(None),
            *more,
        )
        .correlate(P, CustomerContact)
    )


def next_channel() -> sa.ColumnElement[str]:
    """Return the first channel that is open: not one that failed with what is on record there now."""
    came_back = (
        sa.exists()
        .where(Letter.person_id == P.id, Letter.contact_id == CustomerContact.id, Letter.state == LetterState.RETURNED)
        .correlate(P, CustomerContact)
    )
    return sa.case(
        (_has(Channel.POST, CustomerContact.name.is_not(None), ~came_back), NextChannel.POST.value),
        (
            _has(Channel.PHONE, ~_tried(ContactWay.PHONE, ContactByHand.at >= CustomerContact.valid_from)),
            NextChannel.PHONE.value,
        ),
        (
            sa.and_(Customer.relation == Relation.CUSTOMER, ~_tried(ContactWay.PORTAL)),
            NextChannel.PORTAL.value,
        ),
        else_=NextChannel.PUBLIC_NOTICE.value,
    )


def has_letter() -> Condition:
    """Return the condition that a letter to the person is prepared."""
    return sa.exists().where(Letter.person_id == P.id, Letter.state == LetterState.PREPARED)


def code_of_letter() -> sa.ScalarSelect[Any]:
    """Return the code of the letter that is prepared for the person."""
    mine = sa.select(Letter.code).where(Letter.person_id == P.id, Letter.state == LetterState.PREPARED)
    return mine.limit(1).correlate(P).scalar_subquery()


def contacts_of(customer_ids: Sequence[int]) -> sa.Select[int, Channel, str | None, str | None, int]:
    """Return the valid contacts of customers, oldest first."""
    return (
        sa.select(
            CustomerContact.customer_id,
            CustomerContact.channel,
            CustomerContact.name,
            CustomerContact.address,
            CustomerContact.id,
        )
        .where(CustomerContact.customer_id.in_(customer_ids), CustomerContact.valid_until.is_(None))
        .order_by(CustomerContact.id)
    )
