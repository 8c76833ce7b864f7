"""Times on pages: Japan time, remaining time in words, and times that people type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from incident_app.domain.errors import BadInput

JST = ZoneInfo("Asia/Tokyo")
WEEKDAYS_JA = "月火水木金土日"
WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
URGENT = timedelta(hours=24)
IN_DAYS = timedelta(hours=48)


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """How long until a limit, in words, and how urgent that is."""

    words: str
    tone: str
    """plain, warn or crit: a word for the style sheet, never the only sign."""


def shown(moment: datetime, language: str) -> str:
    """Write a time in Japan time, as guide section 14 asks."""
    local = moment.astimezone(JST)
    if language == "ja":
        return f"{local.year}年{local.month}月{local.day}日({WEEKDAYS_JA[local.weekday()]}) {local:%H:%M} JST"
    return f"{WEEKDAYS_EN[local.weekday()]} {local.day} {local:%b %Y}, {local:%H:%M} JST"


def duration(length: timedelta, language: str) -> str:
    """Write a duration, rounded down: days and hours from 48 h on, hours and minutes below, minutes under one hour."""
    minutes = int(length.total_seconds()) // 60
    hours, days = minutes // 60, minutes // (24 * 60)
    japanese = language == "ja"
    if length >= IN_DAYS:
        return f"{days}日{hours % 24}時間" if japanese else f"{days} d {hours % 24} h"
    if hours:
        return f"{hours}時間{minutes % 60}分" if japanese else f"{hours} h {minutes % 60} min"
    return f"{minutes}分" if japanese else f"{minutes} min"


def remaining(due_at: datetime, now: datetime, language: str) -> Remaining:
    """Say how long is left until a limit, or by how much it is overdue."""
    japanese = language == "ja"
    if now > due_at:
        late = duration(now - due_at, language)
        return Remaining(words=f"{late} 過ぎています" if japanese else f"Overdue by {late}", tone="crit")
    left = due_at - now
    words = duration(left, language)
    return Remaining(words=f"残り {words}" if japanese else f"{words} left", tone="warn" if left < URGENT else "plain")


def typed_moment(text: str, *, field: str) -> datetime | None:
    """Read a time that somebody typed: "2026-11-24 17:20" is Japan time; ISO 8601 with an offset is taken as it is."""
    text = text.strip().replace("　", " ")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(field=field, problem="write the time like 2026-11-24 17:20 (Japan time)") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=JST)).astimezone(UTC)
