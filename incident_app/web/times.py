"""Times on pages: Japan time, remaining time in words, and times that people type."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from incident_app.domain.errors import BadInput
from incident_app.domain.zones import JST
from incident_app.web.words import phrase

WEEKDAYS = {"ja": "月火水木金土日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
URGENT = timedelta(hours=24)
IN_DAYS = timedelta(hours=48)
TYPED = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ]\s*(\d{1,2}):(\d{2})(:\d{2}(?:\.\d{1,6})?)?\s*(JST|Z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
"""Year, month, day, hour, minute, and where given seconds and offset, after full-width characters became plain ones."""
LAST_HOUR = 23


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """How long until a limit, in words, until when exactly, and how urgent that is."""

    words: str
    limit: str
    tone: str
    """plain, warn or crit: a word for the style sheet, never the only sign."""


def shown(moment: datetime, language: str, *, now: datetime | None = None) -> str:
    """Write a time in Japan time; the year is left out when it is the current one (guide section 14)."""
    local = moment.astimezone(JST)
    this_year = now is not None and now.astimezone(JST).year == local.year
    weekday = WEEKDAYS[language][local.weekday()]
    if language == "ja":
        year = "" if this_year else f"{local.year}年"
        return f"{year}{local.month}月{local.day}日({weekday}) {local:%H:%M}"
    year = "" if this_year else f" {local.year}"
    return f"{weekday} {local.day} {local:%b}{year}, {local:%H:%M}"


def duration(length: timedelta, language: str) -> str:
    """Write a duration, rounded down: days and hours from 48 h on, hours and minutes below, minutes under one hour."""
    minutes = int(length.total_seconds()) // 60
    hours = minutes // 60
    if length >= IN_DAYS:
        return phrase("time.days", language, days=hours // 24, hours=hours % 24)
    if hours:
        return phrase("time.hours", language, hours=hours, minutes=minutes % 60)
    return phrase("time.minutes", language, minutes=minutes)


def remaining(due_at: datetime, now: datetime, language: str) -> Remaining:
    """Say how long is left until a limit, or by how much it is overdue, beside the exact end (guide section 4)."""
    limit = shown(due_at, language, now=now)
    if now > due_at:
        return Remaining(
            words=phrase("time.overdue", language, length=duration(now - due_at, language)),
            limit=phrase("time.was_due", language, at=limit),
            tone="crit",
        )
    left = due_at - now
    return Remaining(
        words=phrase("time.left", language, length=duration(left, language)),
        limit=phrase("time.until", language, at=limit),
        tone="warn" if left < URGENT else "plain",
    )


def finished(at: datetime, due_at: datetime | None, now: datetime, language: str) -> str:
    """Say when something was done and how far before or after its limit; lateness stays visible (C9)."""
    moment = shown(at, language, now=now)
    if due_at is None:
        return phrase("time.done", language, at=moment)
    if at > due_at:
        return phrase("time.done_late", language, at=moment, length=duration(at - due_at, language))
    return phrase("time.done_before", language, at=moment, length=duration(due_at - at, language))


def typed_moment(text: str, *, field: str) -> datetime | None:
    """Read a time that somebody typed: "2026-11-24 17:20" is Japan time; ISO 8601 with an offset is taken as it is.

    A date without a time is refused: midnight would be a guess, and clocks start from it.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if not text:
        return None
    found = TYPED.fullmatch(text)
    if found is None:
        raise BadInput(field=field, problem="write the time like 2026-11-24 17:20 (Japan time)")
    year, month, day, hour, minute, seconds, offset = found.groups(default="")
    offset = "" if offset == "JST" else offset
    try:
        moment = datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute}{seconds}{offset}")
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=JST)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(field=field, problem="there is no such time") from None
    if int(hour) > LAST_HOUR:  # ISO 8601 lets 24:00 stand for the next day; two people would read it as two days
        raise BadInput(field=field, problem="there is no such time")
    return moment
