"""Messages between us and other companies: what each kind is, which way it may go, and what it may tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from incident_app.domain.errors import BadInput
from incident_app.domain.incidents import check_moment, check_not_before
from incident_app.domain.vocabulary import MessageDirection, MessageKind
from incident_app.domain.words import Words

_BOTH = frozenset(MessageDirection)
WAYS: Mapping[MessageKind, frozenset[MessageDirection]] = {
    MessageKind.FIRST_REPORT: _BOTH,
    MessageKind.LIST_REQUEST: _BOTH,
    MessageKind.LIST_RECEIVED: frozenset({MessageDirection.INCOMING}),
    MessageKind.ORDER: _BOTH,
    MessageKind.TENANT_DATA_SHEET: frozenset({MessageDirection.OUTGOING}),
    MessageKind.DELETION_CONFIRMED: _BOTH,
}
"""Which way a message of each kind may go."""

NINE_ITEMS: Mapping[str, Words] = {
    "1": Words(ja="概要", en="summary"),
    "2": Words(ja="個人データの項目", en="items of personal data"),
    "3": Words(ja="本人の数", en="number of people"),
    "4": Words(ja="原因", en="cause"),
    "5": Words(ja="二次被害又はそのおそれの有無及びその内容", en="secondary harm, or the risk of it"),
    "6": Words(ja="本人への対応の実施状況", en="what was done toward the people"),
    "7": Words(ja="公表の実施状況", en="publication"),
    "8": Words(ja="再発防止のための措置", en="measures against recurrence"),
    "9": Words(ja="その他参考となる事項", en="anything else that helps"),
}
"""What a report must tell, by Enforcement Rules art. 8(1); a processor tells what it knows of them (art. 9)."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as somebody records it. The other company is named by its code, a customer by its number."""

    kind: MessageKind
    direction: MessageDirection
    at: datetime
    party: str | None = None
    customer: str | None = None
    items_known: frozenset[str] = frozenset()
    text: str = ""
    evidence_id: int | None = None
    starts_clock: bool = False
    """True when we became aware by being told; only for a first report that came in."""


def check_message(message: Message, *, occurred_from: datetime | None, now: datetime) -> None:
    """Refuse a message that cannot be: a wrong way, an impossible time, or nothing that it could tell."""
    check_moment(message.at, field="at", now=now)
    check_not_before(message.at, occurred_from, field="at")
    if (message.party is None) == (message.customer is None):
        raise BadInput(field="party", problem="name one company: a party of the register, or a customer")
    if message.direction not in WAYS[message.kind]:
        raise BadInput(field="direction", problem="a message of this kind does not go that way")
    if message.kind is MessageKind.TENANT_DATA_SHEET and message.customer is None:
        raise BadInput(field="customer", problem="a data sheet goes to a customer who entrusted data to us")
    if message.starts_clock and (message.kind, message.direction) != (
        MessageKind.FIRST_REPORT,
        MessageDirection.INCOMING,
    ):
        raise BadInput(field="starts_clock", problem="only a first report that came in starts a clock")
    if not message.items_known <= set(NINE_ITEMS):
        raise BadInput(field="items_known", problem="the items are numbered 1 to 9")


def check_told(wanted: Collection[str], known: Collection[str]) -> None:
    """Refuse a data sheet that claims to tell what nobody knows yet, or tells nothing."""
    if not wanted:
        raise BadInput(field="items_known", problem="a data sheet tells at least one of the nine items")
    if not set(wanted) <= set(known):
        raise BadInput(field="items_known", problem="an item that is not known yet cannot have been told")
