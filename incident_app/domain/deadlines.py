"""Due times: when a duty must be fulfilled, counted from the moment its clock began, and told in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from incident_app.domain.calendars import ClosedDays
from incident_app.domain.errors import NaiveTime


class DeadlineUnit(StrEnum):
    """What a deadline is counted in."""

    HOURS = "hours"
    CALENDAR_DAYS = "calendar_days"
    NONE = "none"
    """The law says "promptly" and fixes no number; no date of our own is made of it."""


class DeadlineState(StrEnum):
    """What is known of a due time."""

    DATED = "dated"
    NO_FIXED_DEADLINE = "no_fixed_deadline"
    NOT_STARTED = "not_started"
    NEEDS_DECISION = "needs_decision"


@dataclass(frozen=True, kw_only=True)
class DeadlineRule:
    """How the law counts. Numbers come from playbooks, never from code."""

    unit: DeadlineUnit
    amount: int = 0
    first_day_counts: bool = True
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


def due_time(
    rule: DeadlineRule,
    *,
    anchor_at: datetime | None,
    calendar: ClosedDays | None,
    provisional_anchor_at: datetime | None = None,
) -> DueTime:
    """Compute when a duty is due.

    Before the clock has begun, a date counts from `provisional_anchor_at` and is marked provisional.
    Hours are elapsed hours in UTC and never moved. Days end at 23:59:59 in the rule's zone; only the last day moves,
    and only where the rule says so (for Japan: Act on Holidays of Administrative Organs, art. 2).
    """
    for moment in (anchor_at, provisional_anchor_at):
        if moment is not None and moment.tzinfo is None:
            raise NaiveTime(value=moment.isoformat(), field="anchor")
    if rule.unit is DeadlineUnit.NONE:
        return _no_number()
    start = anchor_at or provisional_anchor_at
    if start is None:
        return _not_started()
    return _dated(rule, start, calendar, is_provisional=anchor_at is None)


def _dated(rule: DeadlineRule, start: datetime, calendar: ClosedDays | None, *, is_provisional: bool) -> DueTime:
    told = _Told(rule.zone)
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
    return DueTime(
        state=DeadlineState.DATED,
        due_at=due_at.astimezone(UTC),
        explanation_ja=tuple(told.ja),
        explanation_en=tuple(told.en),
        calendar_version=calendar.version if calendar and rule.moves_when_closed else None,
        provisional=is_provisional or forecast,
        guideline=rule.guideline,
    )


def _no_number() -> DueTime:
    return DueTime(
        state=DeadlineState.NO_FIXED_DEADLINE,
        explanation_ja=("法令は日数を定めていません（速やかに）。",),
        explanation_en=("The law fixes no number of days: promptly.",),
    )


def _not_started() -> DueTime:
    return DueTime(
        state=DeadlineState.NOT_STARTED,
        explanation_ja=("時計はまだ始まっていません。",),
        explanation_en=("The clock has not started.",),
    )


class _Told:
    """The calculation in words, step by step."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.ja: list[str] = []
        self.en: list[str] = []

    def say(self, ja: str, en: str) -> None:
        self.ja.append(ja)
        self.en.append(en)


def _hours(rule: DeadlineRule, start: datetime, told: _Told) -> tuple[datetime, bool]:
    due_at = start.astimezone(UTC) + timedelta(hours=rule.amount)
    told.say(
        f"{_moment_ja(start, told.zone)} から {rule.amount}時間（休日も数え、動かしません）。",
        f"{rule.amount} hours from {_moment_en(start, told.zone)}; closed days count and nothing is moved.",
    )
    told.say(f"期限は {_moment_ja(due_at, told.zone)} です。", f"Due {_moment_en(due_at, told.zone)}.")
    return due_at, False


def _days(rule: DeadlineRule, start: datetime, calendar: ClosedDays | None, told: _Told) -> tuple[datetime, bool]:
    first = start.astimezone(told.zone).date()
    last = first + timedelta(days=rule.amount - 1 if rule.first_day_counts else rule.amount)
    if rule.first_day_counts:
        told.say(
            f"{_moment_ja(start, told.zone)} に始まります。この日を1日目と数えます。",
            f"It begins {_moment_en(start, told.zone)}; that day is day 1.",
        )
    else:
        told.say(
            f"{_moment_ja(start, told.zone)} に始まります。翌日を1日目と数えます。",
            f"It begins {_moment_en(start, told.zone)}; the next day is day 1.",
        )
    told.say(
        f"土日と祝日も数え、{rule.amount}日目は {_day_ja(last)} です。",
        f"Weekends and holidays count; day {rule.amount} is {_day_en(last)}.",
    )
    forecast = False
    if rule.moves_when_closed and calendar is not None:
        last, forecast = _moved(last, calendar, told)
    told.say(f"期限は {_day_ja(last)} の終わりです。", f"Due at the end of {_day_en(last)}.")
    return datetime.combine(last, time(23, 59, 59), tzinfo=told.zone), forecast


def _moved(last: date, calendar: ClosedDays, told: _Told) -> tuple[date, bool]:
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


def _moment_ja(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{_day_ja(local.date())} {local:%H:%M}"


def _moment_en(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{_day_en(local.date())} {local:%H:%M} {local.tzname()}"
