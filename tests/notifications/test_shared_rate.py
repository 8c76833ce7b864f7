"""A rate that several share through one stored moment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.throttle import MICROSECONDS, SharedRate

COUNTS, SECONDS = st.integers(1, 5_000), st.sampled_from([1, 60, 3600])
STEPS = st.lists(st.integers(0, 90 * MICROSECONDS), min_size=1, max_size=200)


@given(COUNTS, SECONDS, STEPS)
def test_in_no_window_do_more_leave_than_the_limit_however_often_somebody_asks(
    count: int, seconds: int, steps: list[int]
) -> None:
    rate, now, free_at = SharedRate(count=count, seconds=seconds), 10**15, 0
    taken: list[tuple[int, int]] = []
    for step in steps:
        now += step
        number = rate.allowed(free_at, now)
        assert number <= rate.burst
        free_at = rate.charged(free_at, now, number)
        taken.append((now, number))
    for begin, _ in taken:
        window = range(begin, begin + seconds * MICROSECONDS)
        assert sum(number for at, number in taken if at in window) <= count


@given(COUNTS, SECONDS)
def test_next_to_all_of_the_limit_is_used_by_who_asks_whenever_it_opens(count: int, seconds: int) -> None:
    rate, now, free_at = SharedRate(count=count, seconds=seconds), 10**15, 0
    for _ in range(min(count, 500)):
        free_at = rate.charged(free_at, now, rate.allowed(free_at, now))
        now = rate.opens_at(free_at)
        assert rate.allowed(free_at, now) == 1
        assert rate.allowed(free_at, now - 1) == 0
    assert rate.per_second >= 0.89 * count / seconds


@pytest.mark.parametrize(
    ("count", "seconds", "burst"), [(1, 60, 1), (60, 60, 2), (600, 60, 20), (100, 1, 10), (1000, 3600, 1)]
)
def test_one_slice_is_at_most_two_seconds_of_work(count: int, seconds: int, burst: int) -> None:
    assert SharedRate(count=count, seconds=seconds).burst == burst


def test_a_rate_that_lets_nothing_through_is_refused() -> None:
    for count, seconds in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="lets something through"):
            SharedRate(count=count, seconds=seconds)
