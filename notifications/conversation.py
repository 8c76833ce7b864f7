"""One message on an open connection, command by command, for servers that do not offer PIPELINING."""

from __future__ import annotations

from collections.abc import Callable

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from notifications.addresses import wire_form
from notifications.exchange import (
    GO_AHEAD,
    LINE_LOST,
    NO_ANSWER,
    NO_REPLY,
    Exchange,
    final_word,
    is_about_us,
    is_refusal,
    mail_options,
    on_the_wire,
    refusal,
)
from notifications.outcome import Outcome, RefusedForNow, Unknown, without_addresses
from notifications.transport import Envelope


async def send_one(
    client: aiosmtplib.SMTP,
    envelope: Envelope,
    *,
    eight_bit: bool,
    before_data: Callable[[], None],
) -> Exchange:
    """Send one message and say what is known about it afterwards."""
    body_handed_over = False
    content = on_the_wire(envelope.content, plain_lines=envelope.plain_lines)
    try:
        refused = await _envelope_refusal(client, envelope, eight_bit=eight_bit)
        if refused is not None:
            return await _after_refusal(client, *refused, envelope)
        protocol = _open_protocol(client)
        before_data()
        body_handed_over = True  # from here on, a broken line may still mean delivery
        protocol.write(content)
        reply = await protocol.read_response(timeout=client.timeout)
    except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, aiosmtplib.SMTPResponseException) as broken:
        return Exchange(outcome=_broken(broken, body_handed_over=body_handed_over), connection_usable=False)
    return final_word(reply.code, _words(reply, envelope))


def _open_protocol(client: aiosmtplib.SMTP) -> SMTPProtocol:
    if client.protocol is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    return client.protocol


async def _envelope_refusal(
    client: aiosmtplib.SMTP,
    envelope: Envelope,
    *,
    eight_bit: bool,
) -> tuple[str, aiosmtplib.SMTPResponse] | None:
    """Say MAIL, RCPT and DATA; return the command that is refused, with the reply."""
    sender = b"FROM:<%b>" % wire_form(envelope.sender).encode("ascii")
    recipient = b"TO:<%b>" % wire_form(envelope.recipient).encode()
    for command in ((b"MAIL", sender, *mail_options(envelope, eight_bit=eight_bit)), (b"RCPT", recipient)):
        reply = await client.execute_command(*command)
        if reply.code // 100 != 2:  # noqa: PLR2004 - 2yz is "done" in every SMTP reply
            return command[0].decode(), reply
    reply = await client.execute_command(b"DATA")
    return None if reply.code == GO_AHEAD else ("DATA", reply)


async def _after_refusal(
    client: aiosmtplib.SMTP, command: str, reply: aiosmtplib.SMTPResponse, envelope: Envelope
) -> Exchange:
    """Clear the envelope so that the next message finds the connection as new."""
    outcome = refusal(reply.code, _words(reply, envelope), about_us=is_about_us(command, reply.code))
    if not is_refusal(reply.code):
        return Exchange(outcome=outcome, connection_usable=False)
    try:
        await client.rset()
    except aiosmtplib.SMTPException:
        return Exchange(outcome=outcome, connection_usable=False)
    return Exchange(outcome=outcome, connection_usable=True)


def _broken(failure: Exception, *, body_handed_over: bool) -> Outcome:
    if isinstance(failure, aiosmtplib.SMTPTimeoutError):
        text = NO_ANSWER
    elif isinstance(failure, aiosmtplib.SMTPServerDisconnected):
        text = LINE_LOST
    else:
        text = NO_REPLY
    return Unknown(text=text) if body_handed_over else RefusedForNow(text=text)


def _words(reply: aiosmtplib.SMTPResponse, envelope: Envelope) -> str:
    return without_addresses(reply.message, envelope.recipient, envelope.sender)
