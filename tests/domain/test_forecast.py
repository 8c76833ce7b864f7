"""Forecasts: what is left over what was seen, held against the deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.forecast import (
    LATELY,
    LONGEST,
    MOST,
    Bound,
    DomainQueue,
    Forecast,
    Obstacles,
    RateBasis,
    foresee,
    measured_per_second,
)
from incident_app.domain.sending_hours import SendingHours

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LEFT = st.integers(min_value=0, max_value=10**7)
RATES = st.floats(min_value=0, max_value=10_000, allow_nan=False)


def ends(left: int, per_second: float) -> datetime | None:
    found = foresee(left=left, per_second=per_second, basis=RateBasis.MEASURED, deadline=None, now=NOW)
    return found.ends_at


@given(LEFT, st.floats(min_value=0.5, max_value=10_000))
def test_at_its_rate_a_wave_is_sent_at_the_end_and_not_a_second_before(left: int, per_second: float) -> None:
    end = ends(left, per_second)
    assert end is not None
    seconds = (end - NOW).total_seconds()
    assert seconds * per_second >= left * (1 - 1e-9)
    assert (seconds - 1) * per_second < left or left == 0


@given(LEFT, RATES)
def test_no_end_is_named_that_lies_more_than_a_year_ahead(left: int, per_second: float) -> None:
    end = ends(left, per_second)
    if left == 0:
        assert end == NOW
    elif per_second == 0 or left / per_second > LONGEST.total_seconds():
        assert end is None
    else:
        assert end is not None


@pytest.mark.parametrize(("minutes", "late"), [(59, True), (60, False), (61, False)])
def test_a_wave_is_late_when_it_ends_after_the_deadline(minutes: int, late: bool) -> None:
    deadline = NOW + timedelta(minutes=minutes)
    found = foresee(left=3600, per_second=1.0, basis=RateBasis.CONFIGURED, deadline=deadline, now=NOW)
    assert (found.is_late, found.per_minute) == (late, 60.0)


def test_a_wave_that_does_not_move_is_late_for_any_deadline_and_never_without_one() -> None:
    stuck = foresee(left=1, per_second=0.0, basis=RateBasis.MEASURED, deadline=NOW + timedelta(days=9), now=NOW)
    assert (stuck.ends_at, stuck.is_late) == (None, True)
    assert not foresee(left=1, per_second=0.0, basis=RateBasis.MEASURED, deadline=None, now=NOW).is_late


def seconds_ago(*ago: float) -> list[datetime]:
    return [NOW - timedelta(seconds=second) for second in ago]


def test_the_rate_is_that_of_the_last_minutes_or_since_the_wave_began() -> None:
    long_ago = NOW - timedelta(hours=1)
    lately = seconds_ago(*range(1, 151))
    before = seconds_ago(*range(301, 1000))
    assert measured_per_second(lately + before, began_at=long_ago, now=NOW) == 150 / LATELY.total_seconds()
    assert measured_per_second(lately, began_at=NOW - timedelta(seconds=200), now=NOW) == 150 / 200
    assert measured_per_second([], began_at=long_ago, now=NOW) == 0.0


def test_a_fast_wave_is_measured_over_its_last_attempts_only() -> None:
    fast = seconds_ago(*(number / 100 for number in range(1, 3 * MOST)))
    assert measured_per_second(fast, began_at=NOW - timedelta(hours=1), now=NOW) == pytest.approx(100)


@given(st.lists(st.floats(min_value=0, max_value=600), max_size=50), st.floats(min_value=0, max_value=3600))
def test_a_rate_is_never_below_nothing_nor_without_bound(ago: list[float], began: float) -> None:
    newest_first = seconds_ago(*sorted(ago))
    rate = measured_per_second(newest_first, began_at=NOW - timedelta(seconds=began), now=NOW)
    assert 0 <= rate <= len(ago)


def slowed(left: int, **obstacles: object) -> Forecast:
    """A wave that the mail server takes at ten a second, slowed by these obstacles."""
    return foresee(
        left=left,
        per_second=10.0,
        basis=RateBasis.CONFIGURED,
        deadline=None,
        now=NOW,
        obstacles=Obstacles(**obstacles),
    )


@given(LEFT, st.dictionaries(st.sampled_from(list(Bound)), st.floats(min_value=0.01, max_value=100)))
def test_the_slowest_of_all_limits_tells_the_end(left: int, rates: dict[Bound, float]) -> None:
    rates.pop(Bound.RATE, None)
    slowest = min([10.0, *rates.values()])
    found = slowed(left, rates=rates)
    assert (
        found.ends_at
        == foresee(left=left, per_second=slowest, basis=RateBasis.CONFIGURED, deadline=None, now=NOW).ends_at
    )
    if slowest < 10.0:
        assert found.bound_by is min(rates, key=lambda bound: rates[bound])


def test_a_slow_domain_ends_last_and_a_pause_counts() -> None:
    queue = DomainQueue(left=60, per_second=1.0, paused_until=None)
    found = slowed(100, domains=[queue])
    assert (found.ends_at, found.bound_by) == (NOW + timedelta(seconds=60), Bound.DOMAIN)
    paused = DomainQueue(left=1, per_second=None, paused_until=NOW + timedelta(hours=1))
    assert slowed(100, domains=[paused]).ends_at == NOW + timedelta(hours=1, seconds=1)


def test_what_is_tried_again_later_is_waited_for() -> None:
    found = slowed(100, retries=3, last_retry_at=NOW + timedelta(minutes=5))
    assert (found.ends_at, found.bound_by, found.retries) == (NOW + timedelta(minutes=5), Bound.RETRIES, 3)
    assert slowed(100, retries=3, last_retry_at=NOW - timedelta(minutes=5)).ends_at == NOW + timedelta(seconds=10)


def test_only_the_hours_of_the_recipients_count() -> None:
    hours = SendingHours(begin=8, end=20)  # NOW is 18:00 in Japan
    one_hour = 10 * 3600
    assert slowed(one_hour, hours=hours, countries=["JP"]).ends_at == NOW + timedelta(hours=1)
    assert slowed(3 * one_hour, hours=hours, countries=["JP"]).ends_at == NOW + timedelta(hours=15)
    assert slowed(15 * one_hour, hours=hours, countries=["JP"]).ends_at == NOW + timedelta(hours=38 + 1)
    assert slowed(one_hour, hours=hours, countries=["JP", "US"]).ends_at == datetime(2026, 11, 20, 19, tzinfo=UTC)


@given(LEFT, st.integers(0, 23))
def test_hours_never_make_a_wave_end_sooner(left: int, begin: int) -> None:
    found = slowed(left, hours=SendingHours(begin=begin, end=24), countries=["JP"])
    free = slowed(left)
    assert found.ends_at is None or (free.ends_at is not None and found.ends_at >= free.ends_at)
