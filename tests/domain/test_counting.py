"""Dates worked out by hand from the law: closed days, year's end, Golden Week, leap years, clocks changing, months."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.calendars import ClosedDays, read_closures
from incident_app.domain.counting_words import clock_words, counted
from incident_app.domain.deadlines import (
    CalendarMissing,
    DeadlineRule,
    DeadlineState,
    DeadlineUnit,
    DueTime,
    due_time,
    earliest,
)
from incident_app.domain.errors import FaultyFile
from incident_app.domain.regimes import read_regime, valid_on
from tests.builders import playbook_files

JST, BERLIN, LONDON = ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/London")
CALENDARS: Mapping[str, ClosedDays] = {
    path.stem: read_closures(path.read_text(encoding="utf-8"), file=path.name) for path in playbook_files("closures")
}
OFFICES = CALENDARS["jp-government"]
THIRTY = DeadlineRule(unit=DeadlineUnit.CALENDAR_DAYS, amount=30, moves_when_closed=True, calendar="jp-government")
SIXTY = DeadlineRule(unit=DeadlineUnit.CALENDAR_DAYS, amount=60, moves_when_closed=True, calendar="jp-government")


def counted_from(rule: DeadlineRule, start: datetime) -> DueTime:
    return due_time(rule, anchor_at=start, calendar=CALENDARS.get(rule.calendar or ""))


def last_day(rule: DeadlineRule, start: date, zone: str = "Asia/Tokyo") -> date:
    due = counted_from(rule, datetime(start.year, start.month, start.day, 12, tzinfo=ZoneInfo(zone)))
    assert due.due_at is not None
    local = due.due_at.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute, local.second) == (23, 59, 59)
    return local.date()


@pytest.mark.parametrize(
    ("rule", "aware_on", "due_on"),
    [
        (THIRTY, date(2026, 4, 4), date(2026, 5, 7)),  # day 30 is Sun 3 May: Golden Week ends with a substitute day
        (THIRTY, date(2026, 4, 7), date(2026, 5, 7)),  # day 30 is Wed 6 May, the substitute holiday itself
        (THIRTY, date(2026, 4, 8), date(2026, 5, 7)),  # day 30 is Thu 7 May, open
        (THIRTY, date(2027, 4, 4), date(2027, 5, 6)),  # 2027: Mon 3 to Wed 5 May are holidays, no substitute
        (THIRTY, date(2026, 8, 21), date(2026, 9, 24)),  # day 30 is Sat 19 September: weekend, holiday, bridge, holiday
        (THIRTY, date(2026, 8, 24), date(2026, 9, 24)),  # day 30 is Tue 22 September: the bridge day alone would move
        (THIRTY, date(2026, 8, 26), date(2026, 9, 24)),  # day 30 is Thu 24 September, open
        (THIRTY, date(2026, 8, 20), date(2026, 9, 18)),  # day 30 is Fri 18 September, open: nothing moves
        (THIRTY, date(2026, 11, 29), date(2026, 12, 28)),  # the last open day of the year
        (THIRTY, date(2026, 11, 30), date(2027, 1, 4)),  # 29 December: closed until 3 January, then Monday
        (THIRTY, date(2026, 12, 3), date(2027, 1, 4)),  # 1 January
        (THIRTY, date(2026, 12, 5), date(2027, 1, 4)),  # 3 January
        (THIRTY, date(2026, 12, 6), date(2027, 1, 4)),  # 4 January, open
        (THIRTY, date(2027, 11, 30), date(2028, 1, 4)),  # 29 December 2027: 1 and 2 January are a weekend
        (SIXTY, date(2026, 11, 1), date(2027, 1, 4)),  # day 60 is 30 December
        (THIRTY, date(2027, 2, 20), date(2027, 3, 23)),  # day 30 is Sun 21 March, a holiday; Monday is its substitute
        (THIRTY, date(2028, 1, 31), date(2028, 2, 29)),  # a leap year: 29 February is day 30
        (THIRTY, date(2028, 2, 1), date(2028, 3, 1)),
        (THIRTY, date(2027, 2, 1), date(2027, 3, 2)),  # no leap year
        (SIXTY, date(2028, 1, 2), date(2028, 3, 1)),
    ],
)
def test_only_a_closed_last_day_moves_and_only_to_the_first_open_one(
    rule: DeadlineRule, aware_on: date, due_on: date
) -> None:
    assert last_day(rule, aware_on) == due_on


def test_a_closed_first_day_is_day_one_all_the_same() -> None:
    assert last_day(THIRTY, date(2026, 5, 3)) == date(2026, 6, 1)  # known on a Sunday in Golden Week


@pytest.mark.parametrize(("first_day_counts", "due_on"), [(True, date(2026, 11, 24)), (False, date(2026, 11, 25))])
def test_the_first_day_is_counted_or_not_as_the_rule_says(due_on: date, *, first_day_counts: bool) -> None:
    rule = DeadlineRule(unit=DeadlineUnit.CALENDAR_DAYS, amount=5, first_day_counts=first_day_counts)
    assert last_day(rule, date(2026, 11, 20)) == due_on


@pytest.mark.parametrize(
    ("zone", "start", "due_at"),
    [  # the example of the guidelines, then one hour lost, one hour won, and the hour that exists twice
        ("Europe/Berlin", datetime(2026, 11, 20, 9, tzinfo=BERLIN), datetime(2026, 11, 23, 9, tzinfo=BERLIN)),
        ("Europe/Berlin", datetime(2026, 3, 27, 9, tzinfo=BERLIN), datetime(2026, 3, 30, 10, tzinfo=BERLIN)),
        ("Europe/Berlin", datetime(2026, 10, 23, 9, tzinfo=BERLIN), datetime(2026, 10, 26, 8, tzinfo=BERLIN)),
        ("Europe/London", datetime(2026, 10, 25, 1, 30, tzinfo=LONDON), datetime(2026, 10, 28, 0, 30, tzinfo=LONDON)),
        (
            "Europe/London",
            datetime(2026, 10, 25, 1, 30, tzinfo=LONDON, fold=1),
            datetime(2026, 10, 28, 1, 30, tzinfo=LONDON),
        ),
    ],
)
def test_seventy_two_hours_are_elapsed_hours_whatever_the_clocks_on_the_wall_do(
    zone: str, start: datetime, due_at: datetime
) -> None:
    rule = DeadlineRule(unit=DeadlineUnit.HOURS, amount=72, zone=zone)
    due = counted_from(rule, start)
    assert due.due_at == due_at.astimezone(UTC)
    assert not due.provisional


def test_times_in_another_zone_are_named_in_both_languages() -> None:
    rule = DeadlineRule(unit=DeadlineUnit.HOURS, amount=72, zone="Europe/Berlin")
    due = counted_from(rule, datetime(2026, 3, 27, 9, tzinfo=BERLIN))
    assert "2026年3月30日(月) 10:00（CEST）" in due.explanation_ja[-1]
    assert "Mon 30 Mar 2026 10:00 CEST" in due.explanation_en[-1]


@pytest.mark.parametrize(
    ("start", "amount", "counts", "due_on"),
    [
        (date(2026, 1, 31), 1, False, date(2026, 2, 28)),  # no 31 February: the last day of the month
        (date(2028, 1, 31), 1, False, date(2028, 2, 29)),
        (date(2026, 1, 28), 1, False, date(2026, 2, 28)),
        (date(2026, 2, 28), 1, False, date(2026, 3, 28)),  # back from a short month nothing is added
        (date(2026, 12, 15), 1, False, date(2027, 1, 15)),
        (date(2026, 12, 31), 2, False, date(2027, 2, 28)),
        (date(2026, 11, 20), 1, True, date(2026, 12, 19)),  # the first day counted, it ends a day earlier
        (date(2026, 1, 31), 1, True, date(2026, 2, 28)),
        (date(2026, 3, 1), 1, True, date(2026, 3, 31)),
    ],
)
def test_a_month_ends_on_the_day_of_the_same_number_or_on_its_last(
    start: date, amount: int, due_on: date, *, counts: bool
) -> None:
    rule = DeadlineRule(unit=DeadlineUnit.MONTHS, amount=amount, first_day_counts=counts, zone="Europe/Brussels")
    assert last_day(rule, start, "Europe/Brussels") == due_on


@pytest.mark.parametrize(
    ("calendar", "zone", "start", "amount", "counts", "due_on"),
    [
        ("jp-business", "Asia/Tokyo", date(2026, 11, 20), 3, True, date(2026, 11, 25)),  # weekend, then a holiday
        ("jp-business", "Asia/Tokyo", date(2026, 11, 21), 3, True, date(2026, 11, 26)),  # known on a Saturday
        ("jp-business", "Asia/Tokyo", date(2026, 5, 1), 3, True, date(2026, 5, 8)),  # Golden Week in between
        ("us-federal", "America/New_York", date(2026, 11, 24), 4, False, date(2026, 12, 1)),  # Thanksgiving
        (
            "us-federal",
            "America/New_York",
            date(2026, 7, 1),
            4,
            False,
            date(2026, 7, 8),
        ),  # 4 July kept on Friday the 3rd
        ("us-federal", "America/New_York", date(2026, 11, 20), 4, False, date(2026, 11, 27)),
    ],
)
def test_business_days_are_those_of_the_country(
    calendar: str, zone: str, start: date, amount: int, due_on: date, *, counts: bool
) -> None:
    rule = DeadlineRule(
        unit=DeadlineUnit.BUSINESS_DAYS, amount=amount, first_day_counts=counts, calendar=calendar, zone=zone
    )
    assert last_day(rule, start, zone) == due_on


def test_a_period_from_the_end_of_the_year_knows_leap_years() -> None:
    rule = DeadlineRule(unit=DeadlineUnit.CALENDAR_DAYS, amount=60, first_day_counts=False, from_year_end=True)
    assert last_day(rule, date(2026, 2, 3)) == date(2027, 3, 1)
    assert last_day(rule, date(2027, 12, 31)) == date(2028, 2, 29)


def test_what_leans_on_closed_days_is_never_counted_without_them() -> None:
    business = DeadlineRule(unit=DeadlineUnit.BUSINESS_DAYS, amount=3, calendar="jp-business")
    for rule in (THIRTY, business):
        with pytest.raises(CalendarMissing, match=rule.calendar):
            due_time(rule, anchor_at=datetime(2026, 11, 20, tzinfo=UTC), calendar=None)


def test_business_days_so_far_ahead_that_holidays_are_forecasts_are_provisional() -> None:
    rule = DeadlineRule(unit=DeadlineUnit.BUSINESS_DAYS, amount=3, calendar="jp-business")
    assert counted_from(rule, datetime(2028, 3, 17, 12, tzinfo=JST)).provisional
    assert not counted_from(rule, datetime(2026, 3, 17, 12, tzinfo=JST)).provisional
    assert (
        counted_from(rule, datetime(2026, 3, 17, 12, tzinfo=JST)).calendar_version == CALENDARS["jp-business"].version
    )


def test_the_earliest_of_several_dates_is_worked_to_and_no_date_comes_last() -> None:
    start = datetime(2026, 11, 20, tzinfo=UTC)
    dated, later = counted_from(THIRTY, start), counted_from(SIXTY, start)
    none = counted_from(DeadlineRule(unit=DeadlineUnit.NONE), start)
    assert earliest([later, none, dated]) is dated
    assert earliest([none]).state is DeadlineState.NO_FIXED_DEADLINE


moments = st.datetimes(
    min_value=datetime(2024, 6, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([JST, BERLIN, LONDON, ZoneInfo("America/New_York")]),
)
rules = st.builds(
    DeadlineRule,
    unit=st.sampled_from([unit for unit in DeadlineUnit if unit is not DeadlineUnit.NONE]),
    amount=st.integers(1, 90),
    first_day_counts=st.booleans(),
    moves_when_closed=st.booleans(),
    calendar=st.sampled_from(sorted(CALENDARS)),
    zone=st.sampled_from(["Asia/Tokyo", "Europe/Brussels", "America/New_York"]),
)


@given(rule=rules, start=moments)
def test_nothing_is_due_before_its_clock_began_and_every_date_is_told_in_both_languages(
    rule: DeadlineRule, start: datetime
) -> None:
    due = counted_from(rule, start)
    assert due.due_at is not None
    assert due.due_at >= start.astimezone(UTC).replace(microsecond=0)
    assert len(due.explanation_ja) == len(due.explanation_en) >= 2


@given(rule=rules, start=moments)
def test_a_date_that_moves_goes_to_the_first_open_day_and_no_further(rule: DeadlineRule, start: datetime) -> None:
    still = DeadlineRule(**{**vars(rule), "moves_when_closed": False})
    before, after = counted_from(still, start).due_at, counted_from(rule, start).due_at
    assert before is not None
    assert after is not None
    first, last = (moment.astimezone(ZoneInfo(rule.zone)).date() for moment in (before, after))
    if rule.unit is DeadlineUnit.HOURS or not rule.moves_when_closed:
        assert after == before
        return
    closed = CALENDARS[rule.calendar or ""]
    assert not closed.is_closed(last)
    assert all(closed.is_closed(first + timedelta(days=days)) for days in range((last - first).days))


@given(amount=st.integers(1, 3000), start=moments)
def test_hours_are_exact(amount: int, start: datetime) -> None:
    due = counted_from(DeadlineRule(unit=DeadlineUnit.HOURS, amount=amount), start)
    assert due.due_at is not None
    assert due.due_at - start.astimezone(UTC) == timedelta(hours=amount)


@given(rule=rules, start=moments, later=st.timedeltas(timedelta(0), timedelta(days=40)))
def test_a_clock_that_began_later_is_never_due_earlier(rule: DeadlineRule, start: datetime, later: timedelta) -> None:
    first = counted_from(rule, start).due_at
    second = counted_from(rule, (start.astimezone(UTC) + later).astimezone(start.tzinfo)).due_at
    assert first is not None
    assert second is not None
    assert first <= second


@given(amount=st.integers(1, 40), start=moments)
def test_as_many_business_days_lie_in_the_period_as_the_rule_says(amount: int, start: datetime) -> None:
    rule = DeadlineRule(unit=DeadlineUnit.BUSINESS_DAYS, amount=amount, first_day_counts=False, calendar="jp-business")
    first = start.astimezone(JST).date()
    last = last_day(rule, first)
    closed = CALENDARS["jp-business"]
    days = [first + timedelta(days=number) for number in range(1, (last - first).days + 1)]
    assert sum(not closed.is_closed(day) for day in days) == amount


MINE = 'code = "mine"\nversion = "1"\ncountry = "JP"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MINE + 'yearly = ["02-30"]', "yearly (line 4): '02-30' is not a day like 12-29"),
        (MINE + 'yearly = ["13-01", "12-29"]', "yearly (line 4): '13-01' is not a day like 12-29"),
        (MINE.replace("JP", "ZZ"), "country (line 3): 'ZZ' is not a country code"),
        (MINE + 'subdivision = "XX"', "subdivision (line 4): 'XX' is not a part of JP"),
        (MINE + '[[added]]\nday = "2026-05-01"\nreason = "x"', "added[0].day (line 5): must be a date like 2026-04-01"),
        (MINE + '[[added]]\nday = 2026-02-30\nreason = "x"', "day: not readable as TOML: Invalid date"),
        (MINE + "[[added]]\nday = 2026-05-01\nreason = 'x'\n" * 2, "added[1].day (line 8): 2026-05-01 stands twice"),
        (
            MINE + "[[added]]\nday = 2026-05-01\nreason = 'x'\n[[removed]]\nday = 2026-05-01\nreason = 'y'",
            "is added and",
        ),
    ],
)
def test_a_day_that_does_not_exist_is_named_with_file_and_key(text: str, told: str) -> None:
    with pytest.raises(FaultyFile) as refusal:
        read_closures(text, file="mine.toml")
    assert "mine.toml" in str(refusal.value)
    assert told in str(refusal.value)


EVERY_DAY = ", ".join(f'"{month}-{day}"' for month in range(1, 13) for day in range(1, monthrange(2028, month)[1] + 1))


def closed_from(first: date, days: int) -> str:
    found = (first + timedelta(days=offset) for offset in range(days))
    return MINE + "".join(f"[[added]]\nday = {day}\nreason = 'x'\n" for day in found)


def test_an_office_that_never_opens_is_refused_because_nothing_could_be_counted() -> None:
    with pytest.raises(FaultyFile, match=r"mine\.toml.*yearly \(line 4\): more than 31 days in a row are closed"):
        read_closures(MINE + f"yearly = [{EVERY_DAY}]", file="mine.toml")
    # Tuesday 1 June to Thursday 1 July 2027: 31 days between two weekdays that open
    fits = read_closures(closed_from(date(2027, 6, 1), 31), file="mine.toml")
    assert fits.next_open(date(2027, 6, 1)) == date(2027, 7, 2)
    with pytest.raises(FaultyFile, match=r"mine\.toml.*added.*more than 31 days in a row are closed, from 2027-06-01"):
        read_closures(closed_from(date(2027, 6, 1), 32), file="mine.toml")
    far = closed_from(date(2060, 1, 1), 40)
    with pytest.raises(FaultyFile, match="more than 31 days in a row"):
        read_closures(far, file="mine.toml")
    assert read_closures(closed_from(date(9999, 12, 30), 2), file="mine.toml").code == "mine"


def test_a_company_adds_and_removes_days_of_its_own() -> None:
    own = read_closures(
        'code = "x"\nversion = "1"\ncountry = "JP"\n'
        "[[added]]\nday = 2026-11-24\nreason = '創立記念日'\n[[removed]]\nday = 2026-11-23\nreason = '振替出勤'\n",
        file="x.toml",
    )
    assert own.is_closed(date(2026, 11, 24))
    assert not own.is_closed(date(2026, 11, 23))
    reason = own.reason(date(2026, 11, 24))
    assert reason is not None
    assert reason.ja == "創立記念日"


def test_a_region_has_holidays_of_its_own() -> None:
    text = 'code = "x"\nversion = "1"\ncountry = "DE"\n'
    corpus_christi = date(2026, 6, 4)
    assert not read_closures(text, file="x.toml").is_closed(corpus_christi)
    assert read_closures(text + 'subdivision = "BY"\n', file="x.toml").is_closed(corpus_christi)


@pytest.mark.parametrize(
    ("rule", "ja", "en"),
    [
        (DeadlineRule(unit=DeadlineUnit.NONE), "日数の定めなし（速やかに）", "no number (promptly)"),
        (DeadlineRule(unit=DeadlineUnit.HOURS, amount=72), "72時間", "72 hours"),
        (
            THIRTY,
            "30日、初日を数える、休みの日なら次に開く日まで",
            "30 days, the first day counts, a closed last day moves",
        ),
        (
            DeadlineRule(unit=DeadlineUnit.MONTHS, amount=1, first_day_counts=False, zone="Europe/Brussels"),
            "1か月、初日を数えない、Europe/Brussels の時刻",
            "1 month, the first day is left out, in the time of Europe/Brussels",
        ),
        (
            DeadlineRule(unit=DeadlineUnit.HOURS, amount_fact="contract_hours"),
            "契約が定める",
            "hours that the contract",
        ),
        (DeadlineRule(unit=DeadlineUnit.CALENDAR_DAYS, amount=5, guideline=True), "目安", "a guideline"),
        (DeadlineRule(unit=DeadlineUnit.CALENDAR_DAYS, amount=60, from_year_end=True), "年末から", "end of the year"),
    ],
)
def test_a_rule_is_said_in_one_line(rule: DeadlineRule, ja: str, en: str) -> None:
    assert ja in counted(rule).ja
    assert en in counted(rule).en


def test_every_clock_of_the_shipped_regimes_can_be_said() -> None:
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in playbook_files("regimes")]
    regimes = [read_regime(text, file=name) for name, text in texts]
    clocks = {report.clock for regime in regimes for report in regime.reports}
    clocks |= {entry.clock for regime in regimes for entry in regime.situations if entry.clock}
    assert clocks > {"awareness", "filed:eu-nis2:notification", "decided:material", "passed:people:1000"}
    for clock in clocks:
        assert clock_words(clock).ja
        assert clock_words(clock).en
    assert {regime.code for regime in valid_on(regimes, date(2026, 11, 25))} == {regime.code for regime in regimes}
