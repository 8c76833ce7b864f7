from __future__ import annotations

from datetime import timedelta

import pytest

from notifications.board import Board, Slice
from notifications.dispatcher import Ended
from notifications.errors import CannotCompose, ContentRefused, SharedFault
from notifications.journal import Fate, replay
from notifications.lane import NOT_COMPOSED
from notifications.memory import MemoryOutbox, MemoryState, MemoryTransport
from notifications.outcome import Accepted, RefusedForGood, RefusedForNow, Unknown
from notifications.retry import RetryPolicy
from notifications.sink import DROP, MailSink, SinkScript
from notifications.smtp import SmtpTransport
from notifications.throttle import RateLimit
from tests.notifications.builders import NOON, PlainComposer, a_delivery, a_recipient, loopback, noon
from tests.notifications.dispatching import an_outbox, by_number, dispatch

A, F, Q, U = MemoryState.ACCEPTED, MemoryState.FAILED, MemoryState.QUEUED, MemoryState.UNCERTAIN


def test_every_delivery_is_sent_once_and_recorded_once(journal, tmp_path):
    outbox, transport = an_outbox(100), MemoryTransport()
    summary = dispatch(outbox, transport, journal)
    assert (summary.ended, summary.accepted, summary.given_back) == (Ended.EMPTY, 100, 0)
    assert sorted(envelope.recipient for envelope in transport.handed_over) == sorted(
        a_recipient(number) for number in range(1, 101)
    )
    assert sorted((attempt.delivery_id, attempt.number) for attempt in outbox.attempts) == [
        (number, 1) for number in range(1, 101)
    ]
    assert transport.connects == 3
    assert transport.open_connections == 0
    journal.close()
    found = replay(tmp_path / "worker.journal")
    assert found.open == set()
    assert found.ended == {(number, 1): 250 for number in range(1, 101)}


def test_each_outcome_is_recorded_as_what_it_is(journal):
    script = by_number(
        {
            1: RefusedForGood(code=550, enhanced="5.1.1", text="5.1.1 never"),
            2: RefusedForNow(code=451, text="later"),
            3: Unknown(text="connection lost"),
        }
    )
    outbox = an_outbox(5)
    summary = dispatch(outbox, MemoryTransport(script), journal)
    assert outbox.states() == {1: F, 2: Q, 3: U, 4: A, 5: A}
    assert (summary.accepted, summary.refused_for_good, summary.refused_for_now, summary.unknown) == (2, 1, 1, 1)
    recorded = {attempt.delivery_id: attempt for attempt in outbox.attempts}
    assert recorded[1].outcome.enhanced == "5.1.1"
    assert recorded[1].finished_at == NOON
    assert len(recorded[4].content_digest) == 64
    assert recorded[4].content_digest != recorded[5].content_digest


def test_a_message_refused_for_now_is_tried_again_with_a_new_number_when_it_is_due(journal):
    policy = RetryPolicy(first_delay=timedelta(0), jitter=0.0)
    refusals = [RefusedForNow(code=451, text="later"), RefusedForNow(code=451, text="later")]
    outbox = an_outbox(1, policy=policy)
    dispatch(outbox, MemoryTransport(lambda _: refusals.pop() if refusals else Accepted(code=250)), journal)
    assert [(attempt.number, type(attempt.outcome)) for attempt in outbox.attempts] == [
        (1, RefusedForNow),
        (2, RefusedForNow),
        (3, Accepted),
    ]


@pytest.mark.parametrize("fault", [CannotCompose("x"), ContentRefused("x"), KeyError("hanako"), ValueError("hanako")])
def test_one_message_that_cannot_be_composed_does_not_stop_the_others(journal, fault):
    outbox = an_outbox(10)
    summary = dispatch(outbox, MemoryTransport(), journal, composer=PlainComposer({4: fault}))
    assert outbox.states() == {number: F if number == 4 else A for number in range(1, 11)}
    assert summary.refused_for_good == 1
    (failed,) = [attempt for attempt in outbox.attempts if attempt.delivery_id == 4]
    assert failed.outcome == RefusedForGood(text=NOT_COMPOSED)
    assert failed.content_digest == ""


def test_the_composer_is_told_what_the_server_takes(journal):
    composer = PlainComposer()
    transport = MemoryTransport(eight_bit=False)
    dispatch(an_outbox(2), transport, journal, composer=composer)
    assert composer.asked_for_eight_bit == {False}
    assert all(envelope.content.isascii() for envelope in transport.handed_over)


def test_a_stop_lets_messages_under_way_finish_and_gives_the_rest_back(journal):
    stop, seen = [], []

    def script(envelope):
        seen.append(envelope.recipient)
        if len(seen) == 5:
            stop[0]()
        return Accepted(code=250)

    outbox = an_outbox(500)
    summary = dispatch(outbox, MemoryTransport(script), journal, stop=stop, until_empty=False)
    states = list(outbox.states().values())
    assert summary.ended is Ended.STOPPED
    assert states.count(A) == len(seen) == summary.accepted
    assert states.count(Q) == 500 - len(seen)
    assert len(seen) < 500


def test_a_pause_is_noticed_before_the_next_message(journal):
    outbox = an_outbox(100)

    def script(_envelope):
        outbox.allowed = len(transport.handed_over) < 9
        return Accepted(code=250)

    transport = MemoryTransport(script)
    summary = dispatch(outbox, transport, journal)
    assert summary.ended is Ended.NOT_ALLOWED
    assert 10 <= len(transport.handed_over) <= 12  # the other lanes were in the middle of one each
    assert list(outbox.states().values()).count(Q) == 100 - len(transport.handed_over)


def test_a_pause_that_ends_lets_the_run_go_on(journal):
    stop = []

    class Resuming(MemoryOutbox):
        asked = 0

        def sending_allowed(self):
            self.asked += 1
            return not 5 < self.asked < 12

        def record(self, attempts):
            super().record(attempts)
            if len(self.attempts) == 10:
                stop[0]()

    outbox = Resuming([a_delivery(number) for number in range(1, 11)], clock=noon)
    summary = dispatch(outbox, MemoryTransport(), journal, stop=stop, until_empty=False)
    assert summary.accepted == 10
    assert outbox.asked > 12


def test_a_message_that_waits_for_its_turn_is_given_back_when_the_run_is_stopped(journal):
    stop = []
    transport = MemoryTransport(lambda _: (stop[0](), Accepted(code=250))[1])
    outbox = an_outbox(5)
    dispatch(outbox, transport, journal, stop=stop, until_empty=False, rate=RateLimit(per_second=0.001))
    assert len(transport.handed_over) == 1
    assert list(outbox.states().values()).count(Q) == 4


def test_results_are_recorded_in_batches_of_at_most_the_size_asked_for(journal):
    sizes = []

    class Counting(MemoryOutbox):
        def record(self, attempts):
            super().record(attempts)
            sizes.append(len(attempts))

    outbox = Counting([a_delivery(number) for number in range(1, 101)], clock=noon)
    dispatch(outbox, MemoryTransport(), journal, record_batch=8, record_within=timedelta(milliseconds=20))
    assert sum(sizes) == 100
    assert max(sizes) <= 8
    assert len(sizes) < 60


def test_every_message_waits_for_its_turn_under_a_rate_limit(journal, monkeypatch):
    asked = []

    async def rest(_board, seconds):
        asked.append(seconds)

    monkeypatch.setattr(Board, "rest", rest)
    dispatch(an_outbox(5), MemoryTransport(), journal, rate=RateLimit(per_second=0.001))
    assert asked == [pytest.approx(1000 * turn, abs=100) for turn in (1, 2, 3, 4)]


def test_a_whole_run_over_real_smtp_loses_nothing_and_doubles_nothing(journal):
    tried = set()

    def first_time(address):
        is_first, _ = address not in tried, tried.add(address)
        return is_first

    def recipient(address):
        number = int(address.partition("@")[0].rpartition("-")[2])
        if number % 10 == 1:
            return "550 5.1.1 no such user"
        if number % 10 == 2 and first_time(address):
            return "451 4.2.1 busy"
        if number % 10 == 3 and first_time(address):
            return DROP
        return None

    def content(address):
        return DROP if address.startswith("customer-14@") else None

    policy = RetryPolicy(first_delay=timedelta(0), jitter=0.0)
    outbox = an_outbox(40, policy=policy)
    with MailSink(script=SinkScript(recipient=recipient, content=content)) as sink:
        dispatch(outbox, SmtpTransport(loopback(sink.port)), journal)
        received = [message.recipients[0] for message in sink.received]
    states = outbox.states()
    assert {number for number, state in states.items() if state is F} == {1, 11, 21, 31}
    assert {number for number, state in states.items() if state is U} == {14}
    assert sorted(received) == sorted(a_recipient(number) for number, state in states.items() if state is A)
    assert len(received) == 35


def test_what_all_messages_share_is_fetched_for_each_claim_before_any_is_composed(journal):
    composer = PlainComposer()
    dispatch(an_outbox(20), MemoryTransport(), journal, composer=composer)
    assert composer.prepared == set(range(1, 21))


def test_a_message_that_is_stopped_by_itself_goes_back_while_the_others_leave(journal):
    outbox = an_outbox(6)
    outbox.stopped = {2, 5}
    stop = []

    def script(_envelope):
        if len(transport.handed_over) == 3:
            stop[0]()
        return Accepted(code=250)

    transport = MemoryTransport(script)
    dispatch(outbox, transport, journal, stop=stop, until_empty=False)
    assert outbox.states() == {number: Q if number in {2, 5} else A for number in range(1, 7)}


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        (SharedFault("no text"), None),
        (None, RefusedForGood(code=550, text="5.7.1 we know no such sender", about_us=True)),
    ],
)
def test_a_fault_of_ours_fails_nobody_and_stops_the_sending_with_its_reason(journal, fault, refusal):
    outbox = an_outbox(20)
    composer = PlainComposer(dict.fromkeys(range(1, 21), fault) if fault else None)
    summary = dispatch(outbox, MemoryTransport(lambda _: refusal), journal, composer=composer)
    assert set(outbox.states().values()) == {Q}
    assert outbox.attempts == []
    assert summary.ended is Ended.NOT_ALLOWED
    assert set(outbox.held) == {"no text" if fault else "the server refuses us: 550 5.7.1 we know no such sender"}


def test_what_was_held_leaves_no_mark_of_an_end_in_the_journal(journal):
    """Its next attempt bears the same number: an old end would be taken for its own."""
    refusal = RefusedForGood(code=550, text="no such sender", about_us=True)
    dispatch(an_outbox(1), MemoryTransport(lambda _: refusal), journal)
    journal.close()
    assert replay(journal._path).fate_of(1, 1) is Fate.NEVER_BEGUN


def test_a_slice_grows_while_it_leaves_quickly_and_shrinks_while_it_lingers():
    slice_ = Slice(10, 45)
    assert [slice_.next_size(now) for now in (0.0, 0.4, 0.8, 1.2, 2.0, 4.5, 5.9)] == [10, 20, 40, 45, 45, 22, 22]
    assert [slice_.next_size(now) for now in (9.0, 12.0, 15.0)] == [11, 10, 10]


def test_no_more_is_claimed_at_once_than_the_limit_allows():
    assert Slice(10, 4).next_size(0.0) == 4
