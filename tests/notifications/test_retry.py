from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.retry import Backoff, RetryPolicy, next_attempt_at, reconnect_delay
from notifications.throttle import RateLimit, full_bucket, take
from tests.notifications.builders import NOON

POLICY = RetryPolicy(
    first_delay=timedelta(minutes=10), longest_delay=timedelta(hours=1), give_up_after=timedelta(hours=5)
)


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 10), (2, 20), (3, 40), (4, 60), (1000, 60)])
def test_the_delay_doubles_up_to_its_limit(attempt, minutes):
    due_at = next_attempt_at(attempt=attempt, first_attempt_at=NOON, now=NOON, policy=POLICY)
    assert due_at == NOON + timedelta(minutes=minutes)


def test_a_message_is_tried_until_its_age_limit_and_given_up_beyond_it():
    now = NOON + timedelta(hours=4)
    assert next_attempt_at(attempt=9, first_attempt_at=NOON, now=now, policy=POLICY) == NOON + timedelta(hours=5)
    later = now + timedelta(seconds=1)
    assert next_attempt_at(attempt=9, first_attempt_at=NOON, now=later, policy=POLICY) is None


@given(st.integers(1, 10**9), st.integers(1, 20))
def test_spreading_only_lengthens_a_delay_by_at_most_its_share_and_is_repeatable(delivery_id, attempt):
    def due(delivery):
        return next_attempt_at(attempt=attempt, first_attempt_at=NOON, now=NOON, policy=POLICY, delivery_id=delivery)

    plain = due(None) - NOON
    assert plain <= due(delivery_id) - NOON <= plain * 1.1
    assert due(delivery_id) == due(delivery_id)


def test_messages_do_not_all_come_back_at_once():
    times = {
        next_attempt_at(attempt=1, first_attempt_at=NOON, now=NOON, policy=POLICY, delivery_id=number)
        for number in range(50)
    }
    assert len(times) > 40


def test_a_silent_server_is_asked_ever_more_rarely():
    backoff = Backoff(first_delay=timedelta(seconds=1), longest_delay=timedelta(seconds=5))
    assert [reconnect_delay(failures, backoff).seconds for failures in (1, 2, 3, 4, 50)] == [1, 2, 4, 5, 5]


@given(
    st.floats(0.1, 1000),
    st.integers(1, 10),
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_never_more_leaves_than_burst_and_rate_allow_in_any_span(per_second, burst, pauses):
    limit = RateLimit(per_second=per_second, burst=burst)
    now, sent_at = 100.0, []
    bucket = full_bucket(limit, now)
    for pause in pauses:
        now += pause
        bucket, wait = take(limit, bucket, now)
        sent_at.append(now + wait)
    for first in range(len(sent_at)):
        for last in range(first, len(sent_at)):
            allowed = burst + (sent_at[last] - sent_at[first]) * per_second
            assert last - first + 1 <= allowed + 1e-6


def test_an_unused_bucket_asks_nobody_to_wait():
    limit = RateLimit(per_second=2)
    bucket, wait = take(limit, full_bucket(limit, 0.0), 0.0)
    assert wait == 0
    assert take(limit, bucket, 0.0)[1] == 0.5


@pytest.mark.parametrize("changes", [{"per_second": 0}, {"per_second": 1, "burst": 0}])
def test_a_limit_that_lets_nothing_through_is_refused(changes):
    with pytest.raises(ValueError, match="rate limit"):
        RateLimit(**changes)
