"""Counting days and hours as the law says, and telling how."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.calendars import read_closures
from incident_app.domain.deadlines import DeadlineRule, DeadlineState, DeadlineUnit, due_time
from incident_app.domain.errors import FaultyFile, NaiveTime
from tests.builders import ROOT

JST = ZoneInfo("Asia/Tokyo")
OFFICES = read_closures((ROOT / "playbooks/closures/jp-government.toml").read_text(encoding="utf-8"), file="closures")
MOVING = {"unit": DeadlineUnit.CALENDAR_DAYS, "moves_when_closed": True, "calendar": "jp-government"}
moments = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2027, 9, 1),  # noqa: DTZ001
    timezones=st.just(JST),
)


def due_day(rule: DeadlineRule, aware: datetime) -> date:
    due = due_time(rule, anchor_at=aware, calendar=OFFICES)
    assert due.due_at is not None
    return due.due_at.astimezone(JST).date()


@pytest.mark.parametrize(
    ("aware_on", "days", "due_on"),
    [
        (date(2026, 9, 1), 30, date(2026, 9, 30)),
        (date(2026, 8, 20), 60, date(2026, 10, 19)),  # day 60 is Sunday 18 October
        (date(2026, 10, 25), 30, date(2026, 11, 24)),  # day 30 is Monday 23 November, a holiday
        (date(2026, 11, 30), 30, date(2027, 1, 4)),  # day 30 is 29 December; open again on Monday 4 January
    ],
)
def test_the_day_of_knowing_is_day_one_and_a_closed_last_day_moves(aware_on: date, days: int, due_on: date) -> None:
    aware = datetime.combine(aware_on, datetime.min.time(), tzinfo=JST) + timedelta(hours=17)
    assert due_day(DeadlineRule(amount=days, **MOVING), aware) == due_on


def test_the_japanese_date_decides_and_not_the_one_in_utc() -> None:
    just_after_midnight_in_japan = datetime(2026, 8, 31, 15, 30, tzinfo=UTC)  # 1 September 00:30 in Japan
    assert due_day(DeadlineRule(amount=30, **MOVING), just_after_midnight_in_japan) == date(2026, 9, 30)


def test_a_guideline_date_is_not_moved_off_a_closed_day() -> None:
    rule = DeadlineRule(unit=DeadlineUnit.CALENDAR_DAYS, amount=5, guideline=True)
    due = due_time(rule, anchor_at=datetime(2026, 11, 18, 3, tzinfo=UTC), calendar=OFFICES)
    assert due.due_at == datetime(2026, 11, 22, 14, 59, 59, tzinfo=UTC)  # a Sunday
    assert due.guideline
    assert any("目安" in line for line in due.explanation_ja)


def test_hours_are_elapsed_hours_across_the_change_of_clocks() -> None:
    rule = DeadlineRule(unit=DeadlineUnit.HOURS, amount=72, zone="Europe/Berlin")
    start = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))  # clocks go forward on the 29th
    due = due_time(rule, anchor_at=start, calendar=None)
    assert due.due_at is not None
    assert due.due_at - start.astimezone(UTC) == timedelta(hours=72)


def test_no_number_in_law_gives_no_date_of_our_own() -> None:
    due = due_time(DeadlineRule(unit=DeadlineUnit.NONE), anchor_at=datetime(2026, 11, 20, tzinfo=UTC), calendar=None)
    assert (due.state, due.due_at) == (DeadlineState.NO_FIXED_DEADLINE, None)


def test_before_awareness_a_date_is_provisional_and_without_any_start_there_is_none() -> None:
    rule = DeadlineRule(unit=DeadlineUnit.HOURS, amount=72)
    detected = datetime(2026, 11, 20, tzinfo=UTC)
    assert due_time(rule, anchor_at=None, provisional_anchor_at=detected, calendar=None).provisional
    assert due_time(rule, anchor_at=None, calendar=None).state is DeadlineState.NOT_STARTED


def test_a_date_that_leans_on_a_forecast_is_provisional() -> None:
    due = due_time(DeadlineRule(amount=60, **MOVING), anchor_at=datetime(2027, 12, 1, tzinfo=UTC), calendar=OFFICES)
    assert due.provisional


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(NaiveTime):
        due_time(
            DeadlineRule(unit=DeadlineUnit.HOURS, amount=72),
            anchor_at=datetime(2026, 11, 20),  # noqa: DTZ001 - naive on purpose
            calendar=None,
        )


def test_the_calculation_is_told_in_both_languages_step_by_step() -> None:
    due = due_time(DeadlineRule(amount=30, **MOVING), anchor_at=datetime(2026, 10, 25, 3, tzinfo=UTC), calendar=OFFICES)
    assert due.explanation_ja == (
        "2026年10月25日(日) 12:00 に始まります。この日を1日目と数えます。",
        "土日と祝日も数え、30日目は 2026年11月23日(月) です。",
        "2026年11月23日(月) は官公庁の休みです（勤労感謝の日）。",
        "次に開く 2026年11月24日(火) に移ります。",
        "期限は 2026年11月24日(火) の終わりです。",
    )
    assert len(due.explanation_en) == len(due.explanation_ja)
    assert due.calendar_version


@given(aware=moments, amount=st.integers(min_value=1, max_value=90))
def test_a_moving_deadline_never_ends_on_a_closed_day_and_never_comes_early(aware: datetime, amount: int) -> None:
    day = due_day(DeadlineRule(amount=amount, **MOVING), aware)
    assert not OFFICES.is_closed(day)
    assert day >= aware.date() + timedelta(days=amount - 1)


@given(first=moments, later=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40)))
def test_knowing_later_is_never_due_earlier(first: datetime, later: timedelta) -> None:
    rule = DeadlineRule(amount=30, **MOVING)
    assert due_day(rule, first) <= due_day(rule, first + later)


def test_faults_of_a_closures_file_are_all_named() -> None:
    with pytest.raises(FaultyFile) as refusal:
        read_closures('code = "x"\nyearly = ["soon"]\nspare = 1\n', file="mine.toml")
    for part in ("version: is missing", "country: is missing", "yearly (line 2)", "spare (line 3): unknown key"):
        assert part in str(refusal.value)
