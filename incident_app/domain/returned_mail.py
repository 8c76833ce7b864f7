"""Returned mail: which of it is an open item, what it does to a message, and which addresses it closes to what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from incident_app.domain.delivery import DeliveryEvent, DeliveryState
from incident_app.domain.vocabulary import Purpose


class BounceKind(StrEnum):
    """What a returned mail is."""

    BOUNCE = "bounce"
    DELAY = "delay"
    AUTOREPLY = "autoreply"
    COMPLAINT = "complaint"
    SUCCESS = "success"
    OTHER = "other"


class BounceSettled(StrEnum):
    """How a returned mail ceased to be an open item."""

    BY_ADDRESS = "by_address"
    BY_HAND = "by_hand"
    SET_ASIDE = "set_aside"


class SuppressionReason(StrEnum):
    """Why an address is not written to by mail."""

    BOUNCED = "bounced"
    COMPLAINT = "complaint"


OPEN_KINDS = frozenset({BounceKind.BOUNCE, BounceKind.COMPLAINT, BounceKind.OTHER})
"""Kinds that somebody must look at while nobody knows which message they are about: each may hide a person not told."""

LEGAL_NOTICES = frozenset({Purpose.LEAK_NOTICE, Purpose.TENANT_DATA_SHEET})
"""What the law or a contract owes people: it reaches them also after a complaint (F9)."""

CLOSED_TO: Mapping[SuppressionReason, frozenset[Purpose]] = {
    SuppressionReason.BOUNCED: frozenset(Purpose),
    SuppressionReason.COMPLAINT: frozenset(Purpose) - LEGAL_NOTICES,
}
"""To what a suppressed address is closed. A dead one is closed to all; a complaint never holds back a legal notice."""

_OF_THE_ADDRESS = ("0", "1")
_MAILBOX_IS_CLOSED = ("2.0", "2.1")


def suppression_of(kind: BounceKind, *, permanent: bool | None, status: str | None) -> SuppressionReason | None:
    """Tell whether a returned mail closes its address; None when the address may be good.

    A refusal for what was written or by whom (5.6, 5.7), a full mailbox or a server in trouble says nothing of the
    address: closing it would hold back the next notice after our own mistake.
    """
    if kind is BounceKind.COMPLAINT:
        return SuppressionReason.COMPLAINT
    if kind is not BounceKind.BOUNCE or permanent is not True:
        return None
    subject, detail = (status or "5.0.0").split(".")[1:3]
    is_dead = subject in _OF_THE_ADDRESS or f"{subject}.{detail}" in _MAILBOX_IS_CLOSED
    return SuppressionReason.BOUNCED if is_dead else None


def effect_on_delivery(kind: BounceKind, state: DeliveryState) -> DeliveryEvent | None:
    """Tell what a returned mail does to its message; None when it is only noted.

    A server that gave up has not delivered, whatever the class of its status: the person was not told.
    """
    if kind is BounceKind.BOUNCE and state in {DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN}:
        return DeliveryEvent.BOUNCED_FOR_GOOD
    if kind in {BounceKind.SUCCESS, BounceKind.COMPLAINT} and state is DeliveryState.UNCERTAIN:
        return DeliveryEvent.RESOLVED_ACCEPTED
    return None
