from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from notifications.board import Board
from notifications.dispatcher import Dispatcher, Ended
from notifications.errors import CannotConnect, ConnectFault, JournalFailed
from notifications.journal import replay
from notifications.memory import MemoryOutbox, MemoryState, MemoryTransport
from notifications.outcome import Accepted, RefusedForNow
from notifications.retry import Backoff
from tests.notifications.builders import NOON, PlainComposer, a_delivery, noon, quick_options
from tests.notifications.dispatching import an_outbox, by_number, dispatch

A, Q = MemoryState.ACCEPTED, MemoryState.QUEUED


def test_a_fault_that_is_not_about_one_message_ends_the_run_and_gives_the_rest_back(journal):
    outbox, transport = an_outbox(50), MemoryTransport()
    composer = PlainComposer({9: OSError("the database is gone")})
    with pytest.raises(OSError, match="the database is gone"):
        dispatch(outbox, transport, journal, composer=composer)
    states = outbox.states()
    assert states[9] is MemoryState.SENDING
    assert [state for state in states.values() if state is A] == [A] * len(transport.handed_over)
    assert set(states.values()) <= {A, Q, MemoryState.SENDING}
    assert list(states.values()).count(MemoryState.SENDING) == 1


def test_a_server_that_is_down_for_a_while_costs_no_attempt(journal):
    outbox, transport = an_outbox(20), MemoryTransport(failing_connects=4)
    summary = dispatch(outbox, transport, journal, connect_attempts=50)
    assert set(outbox.states().values()) == {A}
    assert {attempt.number for attempt in outbox.attempts} == {1}
    assert len(outbox.attempts) == 20
    assert summary.given_back > 0


def test_a_server_that_stays_down_ends_the_run_with_everything_still_queued(journal):
    outbox, transport = an_outbox(20), MemoryTransport(failing_connects=10**6)
    summary = dispatch(outbox, transport, journal, connect_attempts=3)
    assert (summary.ended, summary.accepted) == (Ended.SERVER_UNREACHABLE, 0)
    assert summary.connect_failure == ConnectFault.UNREACHABLE
    assert set(outbox.states().values()) == {Q}
    assert outbox.attempts == []


def test_a_dispatcher_that_waits_for_work_keeps_knocking_until_it_is_stopped(journal):
    stop = []
    outbox, transport = an_outbox(3), MemoryTransport(failing_connects=10**6)

    class StoppedAfterManyTries(MemoryTransport):
        async def connect(self):
            transport.connects += 1
            if transport.connects > 10:
                stop[0]()
            return await transport.connect()

    summary = dispatch(outbox, StoppedAfterManyTries(), journal, until_empty=False, stop=stop, connect_attempts=1)
    assert summary.ended is Ended.STOPPED
    assert set(outbox.states().values()) == {Q}


def test_nothing_is_sent_on_a_lease_that_has_run_out(journal):
    hours = iter(range(10**6))
    stop = []
    transport = MemoryTransport()

    class Forgetful(MemoryOutbox):
        given_back = 0

        def give_back(self, deliveries):
            super().give_back(deliveries)
            self.given_back += len(deliveries)
            if self.given_back > 10:
                stop[0]()

    outbox = Forgetful([a_delivery(number) for number in range(1, 4)], clock=noon)

    def clock():
        return NOON + timedelta(hours=next(hours))

    dispatch(outbox, transport, journal, stop=stop, until_empty=False, clock=clock)
    assert transport.handed_over == []
    assert set(outbox.states().values()) == {Q}


def test_leases_are_renewed_while_the_run_goes_on(journal):
    stop, renewals = [], []

    class Renewing(MemoryOutbox):
        def renew(self, *, lease):
            super().renew(lease=lease)
            renewals.append(lease)
            if len(renewals) == 3:
                stop[0]()

    lease = timedelta(milliseconds=6)
    outbox = Renewing([], clock=noon)
    dispatch(outbox, MemoryTransport(), journal, stop=stop, until_empty=False, lease=lease)
    assert renewals[:3] == [lease] * 3


def test_the_outbox_is_never_asked_two_things_at_once(journal):
    class Watched(MemoryOutbox):
        inside = threading.Lock()
        overlapped = threading.Event()

        def record(self, attempts):
            with self.inside:
                self.overlapped.wait(0.03)  # leaves the renewals of the lease time to come in between
                super().record(attempts)

        def renew(self, *, lease):
            if self.inside.locked():
                self.overlapped.set()
            super().renew(lease=lease)

    outbox = Watched([a_delivery(number) for number in range(1, 31)], clock=noon)
    dispatch(outbox, MemoryTransport(), journal, lease=timedelta(milliseconds=9))
    assert not outbox.overlapped.is_set()


def test_lanes_that_fail_to_connect_at_one_time_count_as_one_failure():
    async def scenario():
        board = Board(lanes=3, rate=None, backoff=Backoff(first_delay=timedelta(minutes=1)))
        for _ in range(3):
            board.server_failed(CannotConnect(ConnectFault.UNREACHABLE))
        return board.connect_failures

    assert asyncio.run(scenario()) == 1


def test_an_outbox_that_fails_ends_the_run_and_the_journal_still_knows(journal, tmp_path):
    class Failing(MemoryOutbox):
        def record(self, attempts):
            raise OSError("disk full")

    outbox = Failing([a_delivery(number) for number in range(1, 201)], clock=noon)
    transport = MemoryTransport()
    with pytest.raises(OSError, match="disk full"):
        dispatch(outbox, transport, journal)
    journal.close()
    found = replay(tmp_path / "worker.journal")
    assert len(found.ended) == len(transport.handed_over)
    assert found.open == set()


def test_a_journal_that_cannot_be_written_stops_the_sending(journal):
    outbox, transport = an_outbox(50), MemoryTransport()
    journal.close()
    with pytest.raises(JournalFailed):
        dispatch(outbox, transport, journal)
    assert transport.handed_over == []
    assert outbox.attempts == []


def test_a_lane_without_a_connection_leaves_its_message_to_the_others(journal):
    class Crowded(MemoryTransport):
        async def connect(self):
            if self.open_connections == 1:
                raise CannotConnect(ConnectFault.TURNED_AWAY, "421 too many connections")
            return await super().connect()

    outbox = an_outbox(30)
    summary = dispatch(outbox, Crowded(), journal)
    assert (summary.accepted, summary.given_back) == (30, 0)
    assert {attempt.number for attempt in outbox.attempts} == {1}


def test_a_cancelled_run_still_records_what_it_has_sent(journal):
    outbox = an_outbox(200)

    async def scenario():
        def script(_envelope):
            if len(transport.handed_over) == 20:
                task.cancel()
            return Accepted(code=250)

        transport = MemoryTransport(script)
        dispatcher = Dispatcher(
            outbox=outbox,
            composer=PlainComposer(),
            transport=transport,
            journal=journal,
            clock=noon,
            options=quick_options(),
        )
        task = asyncio.create_task(dispatcher.run(asyncio.Event(), until_empty=True))
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(transport.handed_over)

    handed_over = asyncio.run(scenario())
    assert 20 < handed_over < 200
    assert list(outbox.states().values()).count(A) == handed_over == len(outbox.attempts)


def test_a_stale_connection_is_replaced_without_costing_an_attempt(journal):
    cut = []

    def script(envelope):
        # Every connection is cut at its second message, before anything of it was taken.
        cut.append(envelope.recipient)
        if len(cut) % 3 == 2:
            return RefusedForNow(text="connection lost")
        return Accepted(code=250)

    outbox = an_outbox(12)
    dispatch(outbox, MemoryTransport(script), journal, connections=1)
    assert {attempt.number for attempt in outbox.attempts} == {1}
    assert set(outbox.states().values()) == {A}


def test_a_message_that_breaks_every_fresh_connection_is_recorded_and_not_tried_for_ever(journal):
    outbox = an_outbox(3)
    dispatch(outbox, MemoryTransport(by_number({2: RefusedForNow(text="connection lost")})), journal, connections=1)
    assert outbox.states() == {1: A, 2: Q, 3: A}
    assert [attempt.number for attempt in outbox.attempts if attempt.delivery_id == 2] == [1]
