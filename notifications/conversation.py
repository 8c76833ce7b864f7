"""One message on an open connection: MAIL, RCPT, DATA, and what is known afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from notifications.addresses import wire_form
from notifications.outcome import (
    Outcome,
    RefusedForGood,
    RefusedForNow,
    Unknown,
    enhanced_code,
    outcome_of_reply,
    without_addresses,
)
from notifications.transport import Envelope

_GO_AHEAD = 354
_CLOSING = 421
_ABOUT_US = frozenset({530, 534, 535, 538})
"""RFC 4954, 6: who has not signed in, or not well enough, may send to nobody."""
_LONE_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_LEADING_DOTS = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What came of one message, and whether the connection can take another."""

    outcome: Outcome
    connection_usable: bool


async def send_one(
    client: aiosmtplib.SMTP,
    envelope: Envelope,
    *,
    eight_bit: bool,
    before_data: Callable[[], None],
) -> Exchange:
    """Send one message and say what is known about it afterwards."""
    body_handed_over = False
    content = _on_the_wire(envelope.content)
    try:
        refusal = await _envelope_refusal(client, envelope, eight_bit=eight_bit)
        if refusal is not None:
            return await _after_refusal(client, *refusal, envelope)
        protocol = _open_protocol(client)
        before_data()
        body_handed_over = True  # from here on, a broken line may still mean delivery
        protocol.write(content)
        reply = await protocol.read_response(timeout=client.timeout)
    except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, aiosmtplib.SMTPResponseException) as broken:
        return Exchange(outcome=_broken(broken, body_handed_over=body_handed_over), connection_usable=False)
    outcome = outcome_of_reply(reply.code, _words(reply, envelope))
    return Exchange(outcome=outcome, connection_usable=reply.code != _CLOSING and not isinstance(outcome, Unknown))


def _open_protocol(client: aiosmtplib.SMTP) -> SMTPProtocol:
    if client.protocol is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    return client.protocol


async def _envelope_refusal(
    client: aiosmtplib.SMTP,
    envelope: Envelope,
    *,
    eight_bit: bool,
) -> tuple[aiosmtplib.SMTPResponse, bool] | None:
    """Say MAIL, RCPT and DATA; return the reply that refuses one of them, and whether it is about us."""
    options = [b"BODY=8BITMIME"] if eight_bit and not envelope.content.isascii() else []
    sender = b"FROM:<%b>" % wire_form(envelope.sender).encode("ascii")
    recipient = b"TO:<%b>" % wire_form(envelope.recipient).encode("ascii")
    for command in ((b"MAIL", sender, *options), (b"RCPT", recipient)):
        reply = await client.execute_command(*command)
        if reply.code // 100 != 2:  # noqa: PLR2004 - 2yz is "done" in every SMTP reply
            # MAIL names only the sender: whoever refuses it would refuse it for every recipient.
            return reply, command[0] == b"MAIL" or reply.code in _ABOUT_US
    reply = await client.execute_command(b"DATA")
    return None if reply.code == _GO_AHEAD else (reply, reply.code in _ABOUT_US)


async def _after_refusal(
    client: aiosmtplib.SMTP,
    reply: aiosmtplib.SMTPResponse,
    about_us: bool,  # noqa: FBT001 - half of what the envelope's refusal says
    envelope: Envelope,
) -> Exchange:
    """Clear the envelope so that the next message finds the connection as new."""
    words = _words(reply, envelope)
    kind = RefusedForGood if reply.code // 100 == 5 else RefusedForNow  # noqa: PLR2004 - 5yz is "never"
    outcome = kind(code=reply.code, enhanced=enhanced_code(words), text=words, about_us=about_us)
    if reply.code == _CLOSING or reply.code // 100 not in {4, 5}:
        return Exchange(outcome=outcome, connection_usable=False)
    try:
        await client.rset()
    except aiosmtplib.SMTPException:
        return Exchange(outcome=outcome, connection_usable=False)
    return Exchange(outcome=outcome, connection_usable=True)


def _broken(failure: Exception, *, body_handed_over: bool) -> Outcome:
    if isinstance(failure, aiosmtplib.SMTPTimeoutError):
        text = "no answer in time"
    elif isinstance(failure, aiosmtplib.SMTPServerDisconnected):
        text = "connection lost"
    else:
        text = "the answer was no SMTP reply"
    return Unknown(text=text) if body_handed_over else RefusedForNow(text=text)


def _words(reply: aiosmtplib.SMTPResponse, envelope: Envelope) -> str:
    return without_addresses(reply.message, envelope.recipient, envelope.sender)


def _on_the_wire(content: bytes) -> bytes:
    """End every line with CRLF, double leading dots and add the end mark (RFC 5321, 4.5.2)."""
    whole = content.count(b"\r\n")
    if content.count(b"\n") != whole or content.count(b"\r") != whole:
        content = _LONE_LINE_ENDS.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return _LEADING_DOTS.sub(b"..", content) + b".\r\n"
