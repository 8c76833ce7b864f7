"""Mail things that are valid by default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from notifications.addresses import Address, parse_address
from notifications.dispatcher import DispatcherOptions
from notifications.message import Message, message_id, to_bytes
from notifications.outbox import Delivery
from notifications.retry import Backoff
from notifications.smtp import Security, SmtpSettings
from notifications.transport import Envelope

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SENDER = parse_address("notice@sender.example")


def noon():
    return NOON


def a_recipient(number: int = 1) -> Address:
    return parse_address(f"customer-{number}@customer.example")


def a_delivery(number: int = 1, *, attempt: int = 1) -> Delivery:
    return Delivery(id=number, attempt=attempt, recipient=a_recipient(number))


def a_message(**changes) -> Message:
    values = {
        "sender": SENDER,
        "sender_name": "例示クラウド株式会社",
        "recipient": a_recipient(),
        "subject": "個人データの漏えいに関するお知らせ",
        "text": "お客様各位\n\nご報告いたします。\n",
        "html": "<p>お客様各位</p>\n",
        "message_id": message_id("token-1", "sender.example"),
        "date": NOON,
        "language": "ja",
    }
    return Message(**{**values, **changes})


def an_envelope(number: int = 1, *, content: bytes | None = None) -> Envelope:
    written = to_bytes(a_message(recipient=a_recipient(number))) if content is None else content
    return Envelope(sender=SENDER, recipient=a_recipient(number), content=written)


class PlainComposer:
    """Writes the same notice to everybody; deliveries in `faulty` raise what is given there."""

    def __init__(self, faulty=None):
        self.faulty = faulty or {}
        self.asked_for_eight_bit = set()
        self.prepared = set()

    def prepare(self, deliveries):
        self.prepared |= {delivery.id for delivery in deliveries}

    def compose(self, delivery, *, eight_bit):
        self.asked_for_eight_bit.add(eight_bit)
        if delivery.id in self.faulty:
            raise self.faulty[delivery.id]
        message = a_message(
            recipient=delivery.recipient,
            message_id=message_id(f"delivery-{delivery.id}", "sender.example"),
        )
        return Envelope(sender=SENDER, recipient=delivery.recipient, content=to_bytes(message, eight_bit=eight_bit))


def quick_options(**changes) -> DispatcherOptions:
    values = {
        "connections": 3,
        "claim_limit": 7,
        "record_within": timedelta(milliseconds=1),
        "idle_poll": timedelta(milliseconds=5),
        "backoff": Backoff(first_delay=timedelta(milliseconds=1), longest_delay=timedelta(milliseconds=2)),
    }
    return DispatcherOptions(**{**values, **changes})


def loopback(port: int, **changes) -> SmtpSettings:
    values = {
        "host": "127.0.0.1",
        "port": port,
        "security": Security.PLAINTEXT_LOOPBACK_ONLY,
        "timeout": 10.0,
        "local_hostname": "mailer.example",
    }
    return SmtpSettings(**{**values, **changes})
