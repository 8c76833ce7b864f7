"""Sending hours by the recipient's clock, and the ceiling that follows the call centre."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.errors import BadInput
from incident_app.domain.sending_hours import (
    Pace,
    SendingHours,
    ceiling_for_calls,
    closes_at,
    opens_at,
    zones_of,
)

EIGHT_TO_TWENTY = SendingHours(begin=8, end=20)
MOMENTS = st.datetimes(
    min_value=datetime(2025, 1, 1),  # noqa: DTZ001 - the zone is given beside it
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
HOURS = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda pair: pair[0] < pair[1])


@pytest.mark.parametrize(
    ("country", "now", "opens"),
    [
        ("JP", "2026-11-20T08:20+00:00", "2026-11-20T08:20+00:00"),  # 17:20 in Japan
        ("JP", "2026-11-20T11:00+00:00", "2026-11-20T23:00+00:00"),  # 20:00: the hours are over until 8:00
        ("JP", "2026-11-20T15:30+00:00", "2026-11-20T23:00+00:00"),  # half past midnight
        ("DE", "2026-11-20T05:00+00:00", "2026-11-20T07:00+00:00"),  # 6:00 in winter
        ("DE", "2026-07-20T05:00+00:00", "2026-07-20T06:00+00:00"),  # 7:00 in summer
        ("GB", "2026-03-29T00:30+00:00", "2026-03-29T07:00+00:00"),  # the night in which summer time begins
        ("ZZ", "2026-11-20T11:00+00:00", "2026-11-20T23:00+00:00"),  # unknown: as in Japan
    ],
)
def test_people_are_written_to_by_the_clock_of_their_country(country: str, now: str, opens: str) -> None:
    assert opens_at(EIGHT_TO_TWENTY, country, datetime.fromisoformat(now)) == datetime.fromisoformat(opens)


@given(MOMENTS, HOURS, st.sampled_from(["JP", "US", "AU", "BR", "RU", "IN", "DE", "ZZ"]))
def test_the_hours_open_soon_and_never_before_now(now: datetime, pair: tuple[int, int], country: str) -> None:
    hours = SendingHours(begin=pair[0], end=pair[1])
    opening = opens_at(hours, country, now)
    assert now <= opening <= now + timedelta(days=2, hours=1)
    assert opens_at(hours, country, opening) == opening
    assert closes_at(hours, country, opening) > opening


@given(MOMENTS, st.sampled_from(["US", "AU", "BR", "CA"]))
def test_in_a_country_of_several_zones_it_is_a_decent_hour_in_each(now: datetime, country: str) -> None:
    opening = opens_at(EIGHT_TO_TWENTY, country, now)
    assert all(8 <= opening.astimezone(zone).hour < 20 for zone in zones_of(country))


def test_where_no_moment_suits_all_zones_the_first_counts() -> None:
    narrow = SendingHours(begin=9, end=10)
    opening = opens_at(narrow, "RU", datetime(2026, 11, 20, tzinfo=UTC))
    assert opening.astimezone(zones_of("RU")[0]).hour == 9


def test_until_midnight_is_until_the_end_of_the_day() -> None:
    late = datetime(2026, 11, 20, 14, 59, tzinfo=UTC)
    all_day = SendingHours(begin=8, end=24)
    assert opens_at(all_day, "JP", late) == late
    assert closes_at(all_day, "JP", late) == datetime(2026, 11, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize("pair", [(8, 8), (20, 8), (-1, 8), (8, 25)])
def test_hours_that_are_none_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(BadInput):
        SendingHours(begin=pair[0], end=pair[1])


@given(st.integers(1, 10_000), st.integers(1, 100))
def test_who_calls_of_those_told_in_an_hour_can_be_answered_in_it(calls: int, percent: int) -> None:
    ceiling = ceiling_for_calls(calls_per_hour=calls, percent_who_call=percent)
    assert ceiling * percent / 100 <= calls
    assert (ceiling + 1) * percent / 100 > calls


@pytest.mark.parametrize(("calls", "percent"), [(0, 5), (10, 0), (10, 101), (-1, 5)])
def test_a_call_centre_that_cannot_be_is_refused(calls: int, percent: int) -> None:
    with pytest.raises(BadInput):
        ceiling_for_calls(calls_per_hour=calls, percent_who_call=percent)


@pytest.mark.parametrize("per_hour", [0, -5, 10**9])
def test_a_ceiling_lets_something_through(per_hour: int) -> None:
    with pytest.raises(BadInput):
        Pace(per_hour=per_hour)
