"""Groups of commands against servers that answer anything: what may be believed, and what must never be sent."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.outcome import Accepted, RefusedForGood, RefusedForNow, Unknown
from notifications.replies import LONGEST_REPLY, LineBroken, ReplyLine
from notifications.smtp import SmtpTransport
from tests.notifications.builders import an_envelope, loopback

HANG_UP = b"hang up"


class Server:
    """Answers each command with what the script says, whatever makes sense; the end mark of a message is a command."""

    def __init__(self, answers, *, at_once=b""):
        self.answers = list(answers)
        self.at_once = at_once
        self.heard = []
        self.bodies = []
        self.talks = []

    @asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await asyncio.gather(*self.talks, return_exceptions=True)

    async def _talk(self, reader, writer):
        self.talks.append(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError):
                await self._serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader, writer):
        writer.write(b"220 here\r\n")
        in_body, body = False, []
        while line := await reader.readline():
            if in_body and line != b".\r\n":
                body.append(line)
                continue
            if in_body:
                self.bodies.append(b"".join(body))
            if line.startswith(b"EHLO"):
                writer.write(b"250-here\r\n250-PIPELINING\r\n250 8BITMIME\r\n" + self.at_once)
                continue
            self.heard.append(b"." if in_body else line.split(b" ")[0].strip())
            in_body, body = False, []
            answer = self.answers.pop(0) if self.answers else b"250 fine\r\n"
            if answer == HANG_UP:
                break
            in_body = answer.startswith(b"354")
            writer.write(answer)


def converse(server, *envelopes, timeout=5.0):
    async def scenario():
        async with server.running() as port:
            connection = await SmtpTransport(loopback(port, timeout=timeout)).connect()
            outcomes, begun = [], []
            for number, envelope in enumerate(envelopes):
                if connection.is_usable:
                    outcomes.append(await connection.send(envelope, before_data=lambda at=number: begun.append(at)))
            usable = connection.is_usable
            await connection.close()
            return outcomes, begun, usable

    return asyncio.run(scenario())


GOOD = [b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 kept\r\n"]


def test_the_group_goes_out_whole_and_the_message_only_after_it():
    server = Server(GOOD)
    outcomes, begun, usable = converse(server, an_envelope(content=b"Subject: x\r\n\r\nhello\r\n"))
    assert [type(outcome) for outcome in outcomes] == [Accepted]
    assert server.heard == [b"MAIL", b"RCPT", b"DATA", b".", b"QUIT"]
    assert server.bodies == [b"Subject: x\r\n\r\nhello\r\n"]
    assert (begun, usable) == ([0], True)


def test_a_server_that_wants_the_message_without_its_recipient_gets_an_empty_one():
    """RFC 2920, 3.1: 354 after every recipient was refused is answered by a lone dot."""
    no_one = [b"250 ok\r\n", b"550 5.1.1 who?\r\n", b"354 go\r\n", b"554 no valid recipients\r\n", b"250 cleared\r\n"]
    server = Server([*no_one, *GOOD])
    outcomes, begun, usable = converse(server, an_envelope(1), an_envelope(2))
    assert [(type(outcome), outcome.code) for outcome in outcomes] == [(RefusedForGood, 550), (Accepted, 250)]
    assert server.heard[:6] == [b"MAIL", b"RCPT", b"DATA", b".", b"RSET", b"MAIL"]
    assert server.bodies[0] == b""
    assert (begun, usable) == ([1], True)


def test_no_end_mark_follows_a_recipient_that_stands_without_a_sender():
    server = Server([b"550 5.7.1 not you\r\n", b"250 ok\r\n", b"354 go\r\n"])
    outcomes, begun, usable = converse(server, an_envelope())
    assert [(type(outcome), outcome.about_us) for outcome in outcomes] == [(RefusedForGood, True)]
    assert server.heard == [b"MAIL", b"RCPT", b"DATA"]
    assert (server.bodies, begun, usable) == ([], [], False)


@pytest.mark.parametrize(
    ("answers", "kind", "code"),
    [
        ([b"421 4.3.2 bye\r\n", HANG_UP], RefusedForNow, 421),
        ([b"250 ok\r\n", b"421 4.3.2 bye\r\n", HANG_UP], RefusedForNow, 421),
        ([b"250 ok\r\n", b"250 ok\r\n", b"421 4.3.2 bye\r\n", HANG_UP], RefusedForNow, 421),
        ([b"250 ok\r\n", b"550 5.1.1 who?\r\n", HANG_UP], RefusedForGood, 550),
        ([b"250 ok\r\n", b"550 5.1.1 who?\r\n", b"421 bye\r\n"], RefusedForGood, 550),
        ([b"250 ok\r\n", b"450 4.2.1 busy\r\n", b"what?\r\n"], RefusedForNow, 450),
        ([b"250 ok\r\n", b"250 ok\r\n", HANG_UP], RefusedForNow, None),
        ([b"250 ok\r\n", HANG_UP], RefusedForNow, None),
        ([HANG_UP], RefusedForNow, None),
        ([b"250 ok\r\n", b"250 ok\r\n", b"199 hm\r\n"], RefusedForNow, None),
        ([b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n550 5.7.1 before it was sent\r\n"], RefusedForNow, None),
        ([b"250 ok\r\n", b"250-one\r\n251 other\r\n"], RefusedForNow, None),
    ],
)
def test_a_line_that_fails_within_the_group_leaves_no_doubt_and_no_message(answers, kind, code):
    server = Server(answers)
    outcomes, begun, usable = converse(server, an_envelope())
    assert [(type(outcome), outcome.code) for outcome in outcomes] == [(kind, code)]
    assert (begun, usable) == ([], False)
    assert server.bodies == []


@pytest.mark.parametrize("last", [HANG_UP, b"354 again\r\n", b"\xff\xfe\r\n", b"200" + b"x" * LONGEST_REPLY + b"\r\n"])
def test_only_after_the_whole_message_can_there_be_doubt(last):
    server = Server([*GOOD[:3], last])
    outcomes, begun, usable = converse(server, an_envelope())
    assert [type(outcome) for outcome in outcomes] == [Unknown]
    assert (begun, usable) == ([0], False)


def test_a_server_that_leaves_while_the_line_rests_is_found_out_before_the_next_message():
    server = Server([*GOOD[:3], b"250 kept\r\n421 4.4.2 idle too long\r\n"])
    outcomes, begun, usable = converse(server, an_envelope(1), an_envelope(2))
    assert [type(outcome) for outcome in outcomes] == [Accepted]
    assert (begun, usable) == ([0], False)


def test_slow_answers_are_waited_for_as_long_as_something_comes():
    class Slow(Server):
        async def _serve(self, reader, writer):
            writer.write(b"220 here\r\n")
            await reader.readline()
            writer.write(b"250-here\r\n250 PIPELINING\r\n")
            await reader.readuntil(b"DATA\r\n")
            for answer in GOOD[:3]:
                await asyncio.sleep(0.3)
                writer.write(answer)
            await reader.readuntil(b"\r\n.\r\n")
            writer.write(GOOD[3])
            await reader.readline()

    outcomes, _, _ = converse(Slow([]), an_envelope(), timeout=0.6)
    assert [type(outcome) for outcome in outcomes] == [Accepted]


ENVELOPE_CODES = (250, 251, 450, 550, 421, 503)
CODES = (250, 354, 450, 550, 421)


def test_whatever_a_server_answers_to_a_group_a_message_leaves_only_after_three_good_answers():
    """Every combination of answers to the three commands, and to the message."""

    async def one(codes):
        server = Server([b"%d said\r\n" % code for code in codes])
        async with server.running() as port:
            connection = await SmtpTransport(loopback(port, timeout=3.0)).connect()
            begun = []
            envelope = an_envelope(content=b"Subject: x\r\n\r\nhello\r\n")
            outcome = await connection.send(envelope, before_data=lambda: begun.append(1))
            await connection.close()
        return codes, (outcome, bool(begun), [body for body in server.bodies if body])

    async def scenario():
        every, found = list(product(ENVELOPE_CODES, ENVELOPE_CODES, CODES, CODES)), []
        while every:
            found += await asyncio.gather(*map(one, every[:64]))
            del every[:64]
        return dict(found)

    for (mail, rcpt, data, last), (outcome, begun, bodies) in asyncio.run(scenario()).items():
        may_leave = mail // 100 == rcpt // 100 == 2 and data == 354
        assert begun is may_leave
        assert bool(bodies) is may_leave
        assert isinstance(outcome, Accepted) is (may_leave and last == 250)
        assert isinstance(outcome, Unknown) is (may_leave and last == 354)


class _Pipe(asyncio.Transport):
    """A transport that goes nowhere."""

    def set_protocol(self, protocol):
        self.protocol = protocol

    def is_closing(self):
        return False


REPLIES = st.lists(
    st.tuples(
        st.integers(200, 599).filter(lambda code: code != 421),
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=5,
)


@given(REPLIES, st.lists(st.integers(0, 400), max_size=8))
def test_replies_are_the_same_however_the_octets_come(replies, cuts):
    octets = b"".join(
        b"%d%s%s\r\n" % (code, b"-" if place < len(lines) - 1 else b" ", line.encode())
        for code, lines in replies
        for place, line in enumerate(lines)
    )

    async def read():
        line = ReplyLine(_Pipe(), timeout=1.0)
        ends = sorted({min(cut, len(octets)) for cut in cuts} | {0, len(octets)})
        for start, end in pairwise(ends):
            line.data_received(octets[start:end])
        return await line.replies(len(replies))

    assert asyncio.run(read()) == [(code, "\n".join(lines)) for code, lines in replies]


def test_an_endless_reply_is_cut_short():
    async def read():
        line = ReplyLine(_Pipe(), timeout=1.0)
        for _ in range(LONGEST_REPLY):
            line.data_received(b"250-x\r\n")
        with pytest.raises(LineBroken, match="no SMTP reply"):
            await line.replies(1)

    asyncio.run(read())
