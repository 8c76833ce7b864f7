"""Due times: when a duty must be fulfilled, counted from the moment its clock began, and told in words."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from incident_app.domain.calendars import ClosedDays
from incident_app.domain.errors import IncidentAppError, NaiveTime


class DeadlineUnit(StrEnum):
    """What a deadline is counted in."""

    HOURS = "hours"
    CALENDAR_DAYS = "calendar_days"
    BUSINESS_DAYS = "business_days"
    MONTHS = "months"
    NONE = "none"
    """The law says "promptly" and fixes no number; no date of our own is made of it."""


class DeadlineState(StrEnum):
    """What is known of a due time."""

    DATED = "dated"
    NO_FIXED_DEADLINE = "no_fixed_deadline"
    NOT_STARTED = "not_started"
    NEEDS_DECISION = "needs_decision"


class CalendarMissing(IncidentAppError):
    """The closed days "{calendar}" are not loaded, so this cannot be counted. Run `incident-app db upgrade`."""

    ja = "休みの日の表「{calendar}」が読み込まれていません。`incident-app db upgrade` を実行してください。"


@dataclass(frozen=True, kw_only=True)
class DeadlineRule:
    """How the law counts. Numbers come from playbooks, never from code."""

    unit: DeadlineUnit
    amount: int = 0
    amount_fact: str | None = None
    """The fact that says how many, where a contract fixes the number."""
    first_day_counts: bool = True
    from_year_end: bool = False
    """Counted from the end of the calendar year in which the clock began."""
    moves_when_closed: bool = False
    calendar: str | None = None
    zone: str = "Asia/Tokyo"
    guideline: bool = False


@dataclass(frozen=True, kw_only=True)
class DueTime:
    """A due time with the way it was counted, in both languages."""

    state: DeadlineState
    due_at: datetime | None = None
    explanation_ja: tuple[str, ...] = ()
    explanation_en: tuple[str, ...] = ()
    calendar_version: str | None = None
    provisional: bool = False
    guideline: bool = False


WEEKDAYS_JA = "月火水木金土日"
WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DECEMBER = 12
HOME = "Asia/Tokyo"


def due_time(
    rule: DeadlineRule,
    *,
    anchor_at: datetime | None,
    calendar: ClosedDays | None,
    provisional_anchor_at: datetime | None = None,
) -> DueTime:
    """Compute when a duty is due.

    Before the clock has begun, a date counts from `provisional_anchor_at` and is marked provisional.
    Hours are elapsed hours in UTC and never moved. Days and months end at 23:59:59 in the rule's zone; only the last
    day moves, and only where the rule says so (for Japan: Act on Holidays of Administrative Organs, art. 2).
    """
    for moment in (anchor_at, provisional_anchor_at):
        if moment is not None and moment.tzinfo is None:
            raise NaiveTime(value=moment.isoformat(), field="anchor")
    if rule.unit is DeadlineUnit.NONE:
        return _no_number()
    if rule.amount_fact is not None:
        return _number_open()
    start = anchor_at or provisional_anchor_at
    if start is None:
        return _not_started()
    if calendar is None and (rule.moves_when_closed or rule.unit is DeadlineUnit.BUSINESS_DAYS):
        raise CalendarMissing(calendar=rule.calendar)
    return _dated(rule, start, calendar, is_provisional=anchor_at is None)


def earliest(found: Sequence[DueTime]) -> DueTime:
    """Return the due time that comes first; one without a date only when none has a date."""
    dated = [due for due in found if due.due_at is not None]
    return min(dated, key=lambda due: due.due_at.timestamp() if due.due_at else 0) if dated else found[0]


def _dated(rule: DeadlineRule, start: datetime, calendar: ClosedDays | None, *, is_provisional: bool) -> DueTime:
    told = Told(rule.zone)
    if is_provisional:
        told.say(
            "まだ認識の時刻が記録されていないため、検知の時刻から仮に数えます。",
            "Awareness is not recorded yet: counted from detection for now.",
        )
    due_at, forecast = (
        _hours(rule, start, told) if rule.unit is DeadlineUnit.HOURS else _days(rule, start, calendar, told)
    )
    if rule.guideline:
        told.say(
            "これは目安であり、法令が定めた日数ではありません。", "This is a guideline, not a number fixed by law."
        )
    if forecast:
        told.say(
            "祝日の公式な発表より先の日付のため、暫定です。",
            "Holidays so far ahead are forecasts, so this date is provisional.",
        )
    leans_on_calendar = rule.moves_when_closed or rule.unit is DeadlineUnit.BUSINESS_DAYS
    return DueTime(
        state=DeadlineState.DATED,
        due_at=due_at.astimezone(UTC),
        explanation_ja=tuple(told.ja),
        explanation_en=tuple(told.en),
        calendar_version=calendar.version if calendar and leans_on_calendar else None,
        provisional=is_provisional or forecast,
        guideline=rule.guideline,
    )


def _no_number() -> DueTime:
    return DueTime(
        state=DeadlineState.NO_FIXED_DEADLINE,
        explanation_ja=("法令は日数を定めていません（速やかに）。",),
        explanation_en=("The law fixes no number of days: promptly.",),
    )


def _number_open() -> DueTime:
    return DueTime(
        state=DeadlineState.NEEDS_DECISION,
        explanation_ja=("期限の長さは契約が定めますが、まだ分かっていません。",),
        explanation_en=("A contract fixes how long there is, and it is not known yet.",),
    )


def _not_started() -> DueTime:
    return DueTime(
        state=DeadlineState.NOT_STARTED,
        explanation_ja=("時計はまだ始まっていません。",),
        explanation_en=("The clock has not started.",),
    )


class Told:
    """The calculation in words, step by step."""

    def __init__(self, zone: str = HOME) -> None:
        self.zone = ZoneInfo(zone)
        self.ja: list[str] = []
        self.en: list[str] = []

    def say(self, ja: str, en: str) -> None:
        """Add one step."""
        self.ja.append(ja)
        self.en.append(en)


def _hours(rule: DeadlineRule, start: datetime, told: Told) -> tuple[datetime, bool]:
    due_at = start.astimezone(UTC) + timedelta(hours=rule.amount)
    told.say(
        f"{moment_ja(start, told.zone)} から {rule.amount}時間（休日も数え、動かしません）。",
        f"{rule.amount} hours from {moment_en(start, told.zone)}; closed days count and nothing is moved.",
    )
    told.say(f"期限は {moment_ja(due_at, told.zone)} です。", f"Due {moment_en(due_at, told.zone)}.")
    return due_at, False


def _days(rule: DeadlineRule, start: datetime, calendar: ClosedDays | None, told: Told) -> tuple[datetime, bool]:
    first = start.astimezone(told.zone).date()
    told.say(*_beginning(rule, start, told.zone))
    if rule.from_year_end:
        first = date(first.year, DECEMBER, 31)
        told.say(
            f"期間はその年の末（{_day_ja(first)}）から数えます。",
            f"The period runs from the end of that year ({_day_en(first)}).",
        )
    if rule.unit is DeadlineUnit.BUSINESS_DAYS and calendar is not None:
        last = _business_days(rule, first, calendar, told)
        forecast = calendar.is_forecast(last)
    else:
        last = _months(rule, first, told) if rule.unit is DeadlineUnit.MONTHS else _calendar_days(rule, first, told)
        forecast = False
        if rule.moves_when_closed and calendar is not None:
            last, forecast = _moved(last, calendar, told)
    told.say(f"期限は {_day_ja(last)} の終わりです。", f"Due at the end of {_day_en(last)}.")
    return datetime.combine(last, time(23, 59, 59), tzinfo=told.zone), forecast


def _beginning(rule: DeadlineRule, start: datetime, zone: ZoneInfo) -> tuple[str, str]:
    ja, en = f"{moment_ja(start, zone)} に始まります。", f"It begins {moment_en(start, zone)}"
    if rule.from_year_end:
        return ja, f"{en}."
    if rule.unit is DeadlineUnit.MONTHS:
        return ja, f"{en}."
    if rule.unit is DeadlineUnit.BUSINESS_DAYS:
        return (
            (f"{ja}この日が営業日なら1日目と数えます。", f"{en}; that day is day 1 if it is a business day.")
            if rule.first_day_counts
            else (f"{ja}翌日以後の最初の営業日を1日目と数えます。", f"{en}; the first business day after it is day 1.")
        )
    if rule.first_day_counts:
        return f"{ja}この日を1日目と数えます。", f"{en}; that day is day 1."
    return f"{ja}翌日を1日目と数えます。", f"{en}; the next day is day 1."


def _calendar_days(rule: DeadlineRule, first: date, told: Told) -> date:
    last = first + timedelta(days=rule.amount - 1 if rule.first_day_counts else rule.amount)
    told.say(
        f"土日と祝日も数え、{rule.amount}日目は {_day_ja(last)} です。",
        f"Weekends and holidays count; day {rule.amount} is {_day_en(last)}.",
    )
    return last


def _months(rule: DeadlineRule, first: date, told: Told) -> date:
    """End on the day of the same number, else on the last day of the month; a day earlier when the first counts."""
    months = first.year * 12 + first.month - 1 + rule.amount
    year, month = months // 12, months % 12 + 1
    days = monthrange(year, month)[1]
    if first.day > days:
        last = date(year, month, days)
        told.say(
            f"{rule.amount}か月後に {first.day}日 はないため、月末の {_day_ja(last)} までです。",
            f"{rule.amount} month(s) later there is no day {first.day}, so it ends on the last day of that month, "
            f"{_day_en(last)}.",
        )
        return last
    last = date(year, month, first.day) - timedelta(days=1 if rule.first_day_counts else 0)
    told.say(f"{rule.amount}か月は {_day_ja(last)} までです。", f"{rule.amount} month(s) end on {_day_en(last)}.")
    return last


def _business_days(rule: DeadlineRule, first: date, calendar: ClosedDays, told: Told) -> date:
    day = first if rule.first_day_counts else first + timedelta(days=1)
    counted = 0
    while True:
        reason = calendar.reason(day)
        if reason is None:
            counted += 1
            if counted == rule.amount:
                break
        else:
            told.say(
                f"{_day_ja(day)} は営業日に数えません（{reason.ja}）。",
                f"{_day_en(day)} is not a business day ({reason.en}).",
            )
        day += timedelta(days=1)
    told.say(f"{rule.amount}営業日目は {_day_ja(day)} です。", f"Business day {rule.amount} is {_day_en(day)}.")
    return day


def _moved(last: date, calendar: ClosedDays, told: Told) -> tuple[date, bool]:
    opened = calendar.next_open(last)
    day = last
    while day < opened:
        reason = calendar.reason(day)
        if reason is not None:
            told.say(
                f"{_day_ja(day)} は官公庁の休みです（{reason.ja}）。",
                f"{_day_en(day)} is a closed day ({reason.en}).",
            )
        day += timedelta(days=1)
    if opened != last:
        told.say(f"次に開く {_day_ja(opened)} に移ります。", f"It moves to the next open day, {_day_en(opened)}.")
    return opened, calendar.is_forecast(opened)


def _day_ja(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日({WEEKDAYS_JA[day.weekday()]})"


def _day_en(day: date) -> str:
    return f"{WEEKDAYS_EN[day.weekday()]} {day.day} {day.strftime('%b')} {day.year}"


def moment_ja(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment in Japanese; a time that is not that of Japan is named."""
    local = moment.astimezone(zone)
    named = "" if zone.key == HOME else f"（{local.tzname()}）"
    return f"{_day_ja(local.date())} {local:%H:%M}{named}"


def moment_en(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment in English, with the name of its time."""
    local = moment.astimezone(zone)
    return f"{_day_en(local.date())} {local:%H:%M} {local.tzname()}"
