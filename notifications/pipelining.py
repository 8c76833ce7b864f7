"""Messages on an open connection with their commands in groups (RFC 2920): one round trip each instead of four.

A message goes out only after the server has taken its MAIL, RCPT and DATA, and only after the caller has marked that it
may now be delivered. The commands of the next one go out with it: nothing of theirs can complete a message.
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
from notifications.outcome import Outcome, RefusedForNow, Unknown, without_addresses
from notifications.replies import LineBroken, Reply, ReplyLine
from notifications.transport import Envelope, Following

_GROUP = ("MAIL", "RCPT", "DATA")
_DONE = rb"2[0-9]{2}(?: [^\r\n]*)?\r?\n"
_TAKEN = re.compile(_DONE + _DONE + rb"354(?: [^\r\n]*)?\r?\n")
_PARTLY_TAKEN = re.compile(b"(?:" + _DONE + rb"){0,2}[^\n]*")
_ACCEPTED = re.compile(rb"(2[0-9]{2})(?: ([^\r\n]*))?\r?\n")


async def send_all(
    line: ReplyLine,
    envelope: Envelope,
    *,
    eight_bit: bool,
    before_data: Callable[[], None],
    following: Following | None = None,
) -> Exchange | None:
    """Send one message and what is following.

    Return what is known about the earliest that has not ended, and has ended now; None when all have. Behind it may
    stand one whose commands were said: it was not begun.
    """
    if not line.is_in_step():  # said good-bye, or answered a question that nobody put
        return _nothing_sent(LINE_LOST)
    stream = _Stream(line, eight_bit=eight_bit, before_data=before_data, following=following)
    try:
        stream.begin(envelope)
        await line.listen(stream.heard)
        return None if stream.has_ended else await _read_by_reply(line, stream)
    except LineBroken as broken:
        return _nothing_sent(str(broken))


class _Stream:
    """Message after message for as long as every answer is the one hoped for: each step is taken when it is read.

    Whatever else is answered is left to be read reply by reply, from the step that the stream has come to.
    """

    def __init__(
        self, line: ReplyLine, *, eight_bit: bool, before_data: Callable[[], None], following: Following | None
    ) -> None:
        self._line = line
        self._eight_bit = eight_bit
        self._before_data = before_data
        self._following = following
        self._usual = b""
        self.in_content = False
        """Whether the message itself has been handed over, rather than only its commands."""
        self.further: Envelope | None = None
        """The next message, if its commands have been said already."""
        self.has_ended = False

    def begin(self, envelope: Envelope) -> None:
        """Say MAIL, RCPT and DATA."""
        self.envelope = envelope
        self.in_content = False
        self._line.write(_group(envelope, eight_bit=self._eight_bit))

    def hand_over(self, *, alone: bool) -> None:
        """Write the message and, unless it is to stand alone, the commands of the next.

        From here on, a broken line may still mean delivery.
        """
        octets = on_the_wire(self.envelope.content, plain_lines=self.envelope.plain_lines)
        if not alone and self._following is not None and (further := self._following.next()) is not None:
            self.further = further
            octets += _group(further, eight_bit=self._eight_bit)
        self._before_data()  # last: if the next could not be taken up, nothing of this one has left
        self.in_content = True
        self._line.write(octets)

    def go_on(self, outcome: Outcome) -> None:
        """End a message, and come to the next one whose commands were said with it."""
        if self._following is None or self.further is None:
            raise ValueError("nothing follows")
        self._following.ended(outcome)
        self.envelope, self.further, self.in_content = self.further, None, False

    def heard(self, octets: bytes) -> bool:
        """Take every step whose answer is the one hoped for; tell whether to go on listening."""
        try:
            if self.in_content:
                said = _ACCEPTED.match(octets)
                if said is None:
                    return b"\n" not in octets
                if not self._accepted(said, whole=said.end() == len(octets)):
                    return False
                octets = octets[said.end() :]
            return self._group_taken(octets)
        except LineBroken:
            return False  # the line says why to whoever asks it for replies

    def _group_taken(self, octets: bytes) -> bool:
        if octets != self._usual:
            if not _TAKEN.fullmatch(octets):
                return _PARTLY_TAKEN.fullmatch(octets) is not None
            self._usual = octets
        self._line.take(len(octets))
        self.hand_over(alone=False)
        return True

    def _accepted(self, said: re.Match[bytes], *, whole: bool) -> bool:
        """End an accepted message and come to the next; False when there is none, or more was said than asked."""
        if self._following is None or (self.further is None and not whole):
            return False
        reply = Reply(int(said[1]), (said[2] or b"").decode("utf-8", "replace"))
        outcome = final_word(reply.code, _words(reply, self.envelope)).outcome
        self._line.take(said.end())
        if self.further is not None:
            self.go_on(outcome)
            return True
        self._following.ended(outcome)
        further = self._following.next()
        if further is None:
            self.has_ended = True
            return False
        self.begin(further)
        return True


async def _read_by_reply(line: ReplyLine, stream: _Stream) -> Exchange:
    """Go on from where the stream stands until a message has ended."""
    if stream.in_content and stream.further is not None:
        exchange = await _content_answered(line, stream.envelope)
        if not exchange.connection_usable:
            return exchange
        stream.go_on(exchange.outcome)
    if not stream.in_content:
        refused = await _group_answered(line, stream)
        if refused is not None:
            return refused
    return await _content_answered(line, stream.envelope)


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
        stream.hand_over(alone=True)
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
