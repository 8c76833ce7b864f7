"""One message on an open connection with its commands in one group (RFC 2920): two round trips instead of four.

The message itself is never joined to a group: it goes out only after the server has taken MAIL, RCPT and DATA, and only
after the caller has marked that it may now be delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from notifications.addresses import wire_form
from notifications.exchange import (
    GO_AHEAD,
    LINE_LOST,
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
from notifications.replies import LineBroken, Reply, ReplyLine
from notifications.transport import Envelope

_GROUP = ("MAIL", "RCPT", "DATA")


async def send_one(
    line: ReplyLine, envelope: Envelope, *, eight_bit: bool, before_data: Callable[[], None]
) -> Exchange:
    """Send one message and say what is known about it afterwards."""
    if not line.is_in_step():  # said good-bye, or answered a question that nobody put
        return _nothing_sent(LINE_LOST)
    content = on_the_wire(envelope.content)
    try:
        line.write(_group(envelope, eight_bit=eight_bit))
        said = await line.replies(len(_GROUP))
    except LineBroken as broken:
        return _nothing_sent(str(broken))
    refused = _first_refusal(said)
    if refused is not None:
        return await _after_refusal(line, refused, said, envelope)
    if len(said) < len(_GROUP):
        return _nothing_sent(line.trouble)
    if not line.is_in_step():  # more was said than was asked
        return _nothing_sent(NO_REPLY)
    before_data()
    try:  # from here on, a broken line may still mean delivery
        line.write(content)
        await line.drained()
        (reply,) = await line.replies(1)
    except LineBroken as broken:
        return Exchange(outcome=Unknown(text=str(broken)), connection_usable=False)
    return final_word(reply.code, _words(reply, envelope))


async def say_goodbye(line: ReplyLine, *, seconds: float) -> None:
    """Say QUIT and wait a little for the answer."""
    try:
        line.write(b"QUIT\r\n")
        await line.replies(1, patience=seconds)
    except LineBroken:
        return


def _group(envelope: Envelope, *, eight_bit: bool) -> bytes:
    options = b"".join(b" " + option for option in mail_options(envelope, eight_bit=eight_bit))
    return b"MAIL FROM:<%b>%b\r\nRCPT TO:<%b>\r\nDATA\r\n" % (
        wire_form(envelope.sender).encode("ascii"),
        options,
        wire_form(envelope.recipient).encode(),
    )


def _first_refusal(said: Sequence[Reply]) -> int | None:
    """Return which command of the group was the first not to be taken."""
    return next((place for place, reply in enumerate(said) if not _is_taken(place, reply)), None)


def _is_taken(place: int, reply: Reply) -> bool:
    """Tell whether the answer to a command of the group is the one hoped for."""
    return reply.code == GO_AHEAD if _GROUP[place] == "DATA" else reply.code // 100 == 2  # noqa: PLR2004


async def _after_refusal(line: ReplyLine, refused: int, said: Sequence[Reply], envelope: Envelope) -> Exchange:
    """Judge the first refusal and bring the line back to where the next message can begin, if it can be."""
    outcome = _judged(refused, said, envelope)
    try:
        usable = len(said) == len(_GROUP) and all(map(_in_step, range(refused, len(said)), said[refused:]))
        if usable and said[-1].code == GO_AHEAD:
            usable = await _ended_without_recipient(line, said)
        if usable:
            line.write(b"RSET\r\n")
            (reset,) = await line.replies(1)
            usable = reset.code // 100 == 2  # noqa: PLR2004 - done
    except LineBroken:
        usable = False
    return Exchange(outcome=outcome, connection_usable=usable and line.is_in_step())


def _in_step(place: int, reply: Reply) -> bool:
    """Tell whether the server's answer to a command behind the refused one is one that can be gone on from."""
    return _is_taken(place, reply) or is_refusal(reply.code)


async def _ended_without_recipient(line: ReplyLine, said: Sequence[Reply]) -> bool:
    """End a message that the server wants although it has refused its only recipient (RFC 2920, 3.1).

    Where it has taken the recipient but not the sender, an end mark might deliver an empty message: such a line is
    given up instead.
    """
    if said[1].code // 100 == 2:  # noqa: PLR2004 - the recipient stands
        return False
    line.write(b".\r\n")
    (answer,) = await line.replies(1)
    return is_refusal(answer.code) or answer.code // 100 == 2  # noqa: PLR2004


def _judged(refused: int, said: Sequence[Reply], envelope: Envelope) -> Outcome:
    reply = said[refused]
    return refusal(reply.code, _words(reply, envelope), about_us=is_about_us(_GROUP[refused], reply.code))


def _nothing_sent(text: str) -> Exchange:
    return Exchange(outcome=RefusedForNow(text=text), connection_usable=False)


def _words(reply: Reply, envelope: Envelope) -> str:
    return without_addresses(reply.text, envelope.recipient, envelope.sender)
