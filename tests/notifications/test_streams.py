"""Messages one after the other on one line, the commands of the next behind the message before it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product

import pytest

from notifications.dispatcher import Dispatcher, DispatcherOptions, Ended
from notifications.errors import JournalFailed
from notifications.journal import Fate, Journal, replay
from notifications.memory import MemoryOutbox, MemoryState
from notifications.outcome import Accepted, RefusedForGood, RefusedForNow, Unknown
from notifications.smtp import SmtpTransport
from notifications.throttle import RateLimit
from tests.notifications.builders import PlainComposer, a_delivery, an_envelope, loopback, noon
from tests.notifications.test_pipelining import HANG_UP, Server

TAKEN = [b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
KEPT = b"250 kept\r\n"


def numbered(number):
    return an_envelope(number, content=b"Subject: x\r\n\r\nmessage %d\r\n" % number)


@dataclass
class Told:
    """Gives out messages and keeps what is said of them."""

    waiting: deque = field(default_factory=deque)
    under_way: deque = field(default_factory=deque)
    begun: list = field(default_factory=list)
    outcomes: dict = field(default_factory=dict)

    def take(self):
        number = self.waiting.popleft()
        self.under_way.append(number)
        return numbered(number)

    def next(self):
        return self.take() if self.waiting else None

    def before_data(self):
        self.begun.append(self.under_way[0])

    def ended(self, outcome):
        self.outcomes[self.under_way.popleft()] = outcome


async def sent_on_one_line(port, count, **settings):
    """Send until the line takes no more; what has not ended then stays under way."""
    connection = await SmtpTransport(loopback(port, **{"timeout": 3.0, **settings})).connect()
    told = Told(deque(range(1, count + 1)))
    while told.waiting and not told.under_way and connection.is_usable:
        outcome = await connection.send(told.take(), before_data=told.before_data, following=told)
        if outcome is not None:
            told.ended(outcome)
    usable = connection.is_usable
    await connection.close()
    return told, usable


def converse(server, count, **settings):
    async def scenario():
        async with server.running() as port:
            return await sent_on_one_line(port, count, **settings)

    return asyncio.run(scenario())


def test_the_commands_of_the_next_message_come_with_the_one_before():
    """The server answers a message only once it has the commands behind it: who waits would wait for ever."""

    class Greedy(Server):
        async def _serve(self, reader, writer):
            writer.write(b"220 here\r\n")
            await reader.readline()
            writer.write(b"250-here\r\n250 PIPELINING\r\n")
            await reader.readuntil(b"DATA\r\n")
            writer.write(b"".join(TAKEN))
            for _ in range(2):
                self.bodies.append(await reader.readuntil(b"\r\n.\r\n"))
                await reader.readuntil(b"DATA\r\n")
                writer.write(KEPT + b"".join(TAKEN))
            self.bodies.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(KEPT)
            await reader.readline()

    server = Greedy([])
    told, usable = converse(server, 3)
    assert usable
    assert told.begun == [1, 2, 3]
    assert {number: type(outcome) for number, outcome in told.outcomes.items()} == dict.fromkeys((1, 2, 3), Accepted)
    assert [body.splitlines()[2] for body in server.bodies] == [b"message 1", b"message 2", b"message 3"]


class Torn(Server):
    """Says everything at its time, but the octets from one place on a little later."""

    whole = b"".join(TAKEN) + b"250 2.0.0 kept as 77\r\n" + b"".join(TAKEN) + b"250-2.0.0 kept\r\n250 2.0.0 as 78\r\n"

    def __init__(self, at):
        super().__init__([])
        self.at = at

    async def _serve(self, reader, writer):
        writer.write(b"220 here\r\n")
        await reader.readline()
        writer.write(b"250-here\r\n250 PIPELINING\r\n")
        group, sent = len(b"".join(TAKEN)), 0
        ends = (group, 2 * group + len(b"250 2.0.0 kept as 77\r\n"), len(self.whole))
        for end, awaited in zip(ends, (b"DATA\r\n", b"DATA\r\n", b"\r\n.\r\n"), strict=True):
            await reader.readuntil(awaited)
            for stop in sorted({end, self.at} if sent < self.at < end else {end}):
                writer.write(self.whole[sent:stop])
                sent = stop
                await asyncio.sleep(0.005)
        await reader.readline()


def test_answers_that_come_in_two_pieces_are_the_same_answers():
    async def one(at):
        async with Torn(at).running() as port:
            return await sent_on_one_line(port, 2)

    async def scenario():
        return await asyncio.gather(*map(one, range(1, len(Torn.whole))))

    for told, usable in asyncio.run(scenario()):
        assert usable
        assert [(outcome.code, outcome.enhanced) for outcome in told.outcomes.values()] == [(250, "2.0.0")] * 2


LAST = {250: Accepted, 450: RefusedForNow, 550: RefusedForGood, 421: RefusedForNow, 354: Unknown}
MAIL, RCPT, DATA = (250, 450, 550, 421), (250, 450, 550, 421), (354, 450, 550, 421)


def test_whatever_is_answered_each_message_has_one_truth():
    """Every combination of the answer to one message, to the commands behind it, and to the second message."""

    async def one(codes):
        server = Server([*TAKEN, *(b"%d said\r\n" % code for code in codes)])
        async with server.running() as port:
            told, _ = await sent_on_one_line(port, 2)
        return codes, (told, server)

    async def scenario():
        every, found = list(product(LAST, MAIL, RCPT, DATA, (250, 550, 354))), []
        while every:
            found += await asyncio.gather(*map(one, every[:64]))
            del every[:64]
        return dict(found)

    for (last, mail, rcpt, data, second), (told, server) in asyncio.run(scenario()).items():
        bodies = [body for body in server.bodies if body]
        assert type(told.outcomes[1]) is LAST[last]
        line_stands = last in {250, 450, 550}
        may_leave = line_stands and mail == rcpt == 250 and data == 354
        assert told.begun == ([1, 2] if may_leave else [1])
        assert len(bodies) == len(told.begun)
        if may_leave:
            assert type(told.outcomes[2]) is LAST[second]
        elif line_stands:
            assert isinstance(told.outcomes[2], RefusedForNow | RefusedForGood)
        else:
            assert 2 not in told.outcomes  # of the second nothing is said, so that it is sent again
            assert list(told.under_way) + list(told.waiting) == [2]


@pytest.mark.parametrize("left", range(5))
def test_a_line_lost_after_a_message_leaves_only_that_one_in_doubt(left):
    """The connection goes after so many answers to a message and to the commands behind it."""
    answers = [KEPT, *TAKEN][:left]
    told, usable = converse(Server([*TAKEN, *answers, HANG_UP]), 2)
    assert not usable
    assert isinstance(told.outcomes[1], Accepted if left else Unknown)
    if left == 4:
        assert told.begun == [1, 2]
        assert isinstance(told.outcomes[2], Unknown)
    else:
        assert told.begun == [1]
        assert isinstance(told.outcomes.get(2, RefusedForNow()), RefusedForNow)


def test_a_line_takes_no_more_than_it_is_to_take():
    server = Server([*TAKEN, KEPT] * 3)
    told, usable = converse(server, 5, messages_per_connection=3)
    assert (list(told.outcomes), list(told.waiting), usable) == ([1, 2, 3], [4, 5], False)
    assert server.heard.count(b"MAIL") == 3


def dispatched(server, journal, *, count=6, options=None, stop_after=None, outbox=None):
    outbox = outbox or MemoryOutbox([a_delivery(number) for number in range(1, count + 1)], clock=noon)

    async def scenario():
        stop = asyncio.Event()
        async with server.running() as port:
            dispatcher = Dispatcher(
                outbox=outbox,
                composer=PlainComposer(),
                transport=SmtpTransport(loopback(port, timeout=2.0)),
                journal=journal,
                clock=noon,
                options=options or DispatcherOptions(connections=1, idle_poll=timedelta(milliseconds=10)),
            )
            return await dispatcher.run(stop, until_empty=True)

    return outbox, asyncio.run(scenario())


def test_a_message_behind_one_that_broke_the_line_is_sent_on_the_next(tmp_path):
    server = Server([*TAKEN, KEPT, *TAKEN, HANG_UP, *[*TAKEN, KEPT] * 4])
    with Journal(tmp_path / "j") as journal:
        outbox, summary = dispatched(server, journal)
    assert (summary.ended, summary.accepted, summary.unknown) == (Ended.EMPTY, 5, 1)
    assert sorted(outbox.states().values()) == sorted([MemoryState.ACCEPTED] * 5 + [MemoryState.UNCERTAIN])
    assert [attempt.delivery_id for attempt in outbox.attempts] == [1, 2, 3, 4, 5, 6]


def test_a_refusal_of_us_behind_a_message_holds_what_was_refused(tmp_path):
    server = Server([*TAKEN, KEPT, b"530 5.7.0 sign in\r\n", b"503 no\r\n", b"503 no\r\n", b"250 reset\r\n"])
    with Journal(tmp_path / "j") as journal:
        outbox, summary = dispatched(server, journal)
    assert summary.accepted == 1
    assert outbox.held == ["the server refuses us: 530 5.7.0 sign in"]
    assert [state for state in outbox.states().values() if state is MemoryState.QUEUED] == [MemoryState.QUEUED] * 5


def test_a_journal_that_fails_ends_the_run_and_loses_no_message(tmp_path):
    class Failing(Journal):
        def begin(self, delivery_id, attempt):
            if delivery_id == 3:
                raise JournalFailed
            super().begin(delivery_id, attempt)

    server = Server([*TAKEN, KEPT] * 6)
    outbox = MemoryOutbox([a_delivery(number) for number in range(1, 7)], clock=noon)
    with Failing(tmp_path / "j") as journal, pytest.raises(JournalFailed):
        dispatched(server, journal, outbox=outbox)
    states = outbox.states()
    assert [states[number] for number in (1, 2)] == [MemoryState.ACCEPTED] * 2
    assert [states[number] for number in (3, 4, 5, 6)] == [MemoryState.QUEUED] * 4
    assert server.heard.count(b".") == 2


def test_a_rate_limit_holds_within_a_stream(tmp_path):
    server = Server([*TAKEN, KEPT] * 6)
    options = DispatcherOptions(connections=1, rate=RateLimit(per_second=20.0), idle_poll=timedelta(milliseconds=10))
    with Journal(tmp_path / "j") as journal:
        started = time.monotonic()
        _, summary = dispatched(server, journal, options=options)
        took = time.monotonic() - started
    assert summary.accepted == 6
    assert took >= 5 / 20 - 0.01  # the first leaves at once; the others wait for their turn, never less


def test_a_following_message_that_cannot_be_taken_up_leaves_the_one_before_it_in_no_doubt(tmp_path):
    class DatabaseGone(MemoryOutbox):
        def may_send(self, delivery):
            if delivery.id == 2:
                raise ConnectionError
            return super().may_send(delivery)

    server = Server([*TAKEN, KEPT] * 6)
    outbox = DatabaseGone([a_delivery(number) for number in range(1, 7)], clock=noon)
    with Journal(tmp_path / "j") as journal, pytest.raises(ConnectionError):
        dispatched(server, journal, outbox=outbox)
    assert server.heard == [b"MAIL", b"RCPT", b"DATA"]
    assert outbox.states()[1] is MemoryState.QUEUED
    assert replay(tmp_path / "j").open == set()


def test_a_message_that_never_left_is_accepted_in_no_journal_whatever_was_answered(tmp_path):
    """A crash before the result is recorded must lead to another attempt, not to somebody who counts as told."""
    server = Server([b"250 ok\r\n", b"250 ok\r\n", b"250 no data here\r\n", *[*TAKEN, KEPT] * 5])
    with Journal(tmp_path / "j") as journal:
        outbox, summary = dispatched(server, journal)
    assert (summary.refused_for_now, summary.accepted) == (1, 5)
    assert len(server.bodies) == 5
    (refused,) = [attempt.delivery_id for attempt in outbox.attempts if isinstance(attempt.outcome, RefusedForNow)]
    assert replay(tmp_path / "j").fate_of(refused, 1) is Fate.NEVER_BEGUN
