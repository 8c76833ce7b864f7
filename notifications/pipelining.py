"""One message on an open connection with its commands in one group (RFC 2920): two round trips instead of four.

The message itself is never joined to a group: it goes out only after the server has taken MAIL, RCPT and DATA, and only
after the caller has marked that it may now be delivered.
"""

from __future__ import annotations

import contextlib
import re
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
from notifications.outcome import Accepted, Outcome, RefusedForNow, Unknown, without_addresses
from notifications.replies import Heard, LineBroken, Reply, ReplyLine
from notifications.transport import Envelope, Follow

_GROUP = ("MAIL", "RCPT", "DATA")
_DONE = rb"2[0-9]{2}(?: [^\r\n]*)?\r?\n"
_TAKEN = re.compile(_DONE + _DONE + rb"354(?: [^\r\n]*)?\r?\n")
_PARTLY_TAKEN = re.compile(b"(?:" + _DONE + rb"){0,2}[^\n]*")
_ACCEPTED = re.compile(rb"(2[0-9]{2})(?: ([^\r\n]*))?\r?\n")


async def send_one(
    line: ReplyLine,
    envelope: Envelope,
    *,
    eight_bit: bool,
    before_data: Callable[[], None],
    follow: Follow | None = None,
    most: int = 1,
) -> Exchange | None:
    """Send one message and say what is known about it afterwards.

    Whenever a message was accepted and less than `most` were begun, `follow` is told and may name the next one, which
    goes out at once; what is said at the end is of the last one begun, or nothing when `follow` was told of it too.
    """
    if not line.is_in_step():  # said good-bye, or answered a question that nobody put
        return _nothing_sent(LINE_LOST)
    stream = _Stream(line, eight_bit=eight_bit, before_data=before_data, follow=follow, most=most)
    try:
        stream.begin(envelope)
        await line.listen(stream.heard)
        if stream.has_ended:
            return stream.exchange
        if not stream.in_content:
            exchange = await _group_answered(line, stream)
            if exchange is not None:
                return exchange
    except LineBroken as broken:
        return _nothing_sent(str(broken))
    return await _content_answered(line, stream.envelope)


class _Stream:
    """Message after message for as long as every answer is the one hoped for: each step is taken when it is read.

    Whatever else is answered is left to be read reply by reply, from the step that the stream has come to.
    """

    def __init__(
        self,
        line: ReplyLine,
        *,
        eight_bit: bool,
        before_data: Callable[[], None],
        follow: Follow | None,
        most: int,
    ) -> None:
        self._line = line
        self._eight_bit = eight_bit
        self._before_data = before_data
        self._follow = follow
        self._left = most
        self._usual = b""
        self.in_content = False
        self.has_ended = False
        self.exchange: Exchange | None = None

    def begin(self, envelope: Envelope) -> None:
        """Say MAIL, RCPT and DATA."""
        self.envelope = envelope
        self.in_content = False
        self._left -= 1
        self._line.write(_group(envelope, eight_bit=self._eight_bit))

    def hand_over(self) -> None:
        """Write the message; from here on, a broken line may still mean delivery."""
        self._before_data()
        self.in_content = True
        self._line.write(on_the_wire(self.envelope.content, plain_lines=self.envelope.plain_lines))

    def heard(self, octets: bytes) -> Heard:
        """Take the next step if the answer is the one hoped for."""
        try:
            return self._after_content(octets) if self.in_content else self._after_group(octets)
        except LineBroken:
            return Heard.SOMETHING_ELSE  # the line says why to whoever asks it for replies

    def _after_group(self, octets: bytes) -> Heard:
        if octets != self._usual:
            if not _TAKEN.fullmatch(octets):
                return Heard.PART if _PARTLY_TAKEN.fullmatch(octets) else Heard.SOMETHING_ELSE
            self._usual = octets
        self.hand_over()
        return Heard.ALL

    def _after_content(self, octets: bytes) -> Heard:
        said = _ACCEPTED.fullmatch(octets)
        if said is None:
            return Heard.SOMETHING_ELSE if b"\n" in octets else Heard.PART
        reply = Reply(int(said[1]), (said[2] or b"").decode("utf-8", "replace"))
        exchange = final_word(reply.code, _words(reply, self.envelope))
        if self._follow is None or self._left == 0 or not isinstance(exchange.outcome, Accepted):
            self._end(exchange)
        elif (envelope := self._follow(exchange.outcome)) is None:
            self._end(None)
        else:
            self.begin(envelope)
        return Heard.ALL

    def _end(self, exchange: Exchange | None) -> None:
        self.has_ended, self.exchange = True, exchange
        self._line.stop_listening()


async def _group_answered(line: ReplyLine, stream: _Stream) -> Exchange | None:
    """Read the answers to a group; return what came of the message, or None when it has been handed over."""
    said = await line.replies(len(_GROUP))
    refused = _first_refusal(said)
    if refused is not None:
        return await _after_refusal(line, refused, said, stream.envelope)
    if len(said) < len(_GROUP):
        return _nothing_sent(line.trouble)
    if not line.is_in_step():  # more was said than was asked
        return _nothing_sent(NO_REPLY)
    with contextlib.suppress(LineBroken):  # the line tells whoever asks it for replies
        stream.hand_over()
    return None


async def _content_answered(line: ReplyLine, envelope: Envelope) -> Exchange:
    try:
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
        wire_form(envelope.recipient).encode("ascii"),
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
