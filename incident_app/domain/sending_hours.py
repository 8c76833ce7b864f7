"""Sending hours: when people in a country may be written to, by the clocks that hang there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from incident_app.domain.errors import BadInput
from incident_app.domain.zones import JST

MIDNIGHT = 24
LONGEST_SEARCH = timedelta(days=2)
MOST_PER_HOUR = 10_000_000


@dataclass(frozen=True, kw_only=True)
class SendingHours:
    """From one full hour to another of the same day, by the recipient's clock."""

    begin: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end <= MIDNIGHT:
            raise BadInput(
                field="hours_until", problem="sending hours lie between 0 and 24, the first before the second"
            )


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a wave may leave, and at which hours: what a person may change while it runs."""

    hours: SendingHours | None = None
    per_hour: int | None = None

    def __post_init__(self) -> None:
        if self.per_hour is not None and not 1 <= self.per_hour <= MOST_PER_HOUR:
            raise BadInput(field="per_hour", problem="a ceiling is a whole number from 1 on")


def ceiling_for_calls(*, calls_per_hour: int, percent_who_call: int) -> int:
    """Return how many people may be written to in an hour when the call centre takes so many calls in one.

    Of a hundred people who are told, `percent_who_call` telephone; most of them within the hour.
    """
    if calls_per_hour < 1 or not 1 <= percent_who_call <= 100:  # noqa: PLR2004 - a percentage
        raise BadInput(field="calls_per_hour", problem="calls an hour are 1 or more, and who calls is 1 to 100 percent")
    return max(1, calls_per_hour * 100 // percent_who_call)


def opens_at(hours: SendingHours, country: str, now: datetime) -> datetime:
    """Return from when on people there may be written to: `now` itself within the hours.

    In a country of several zones it must be within the hours in all of them. Where that never happens, the zone counts
    that the time zone database names first.
    """
    zones = zones_of(country)
    found = _open_everywhere(hours, zones, now)
    return found or _open_everywhere(hours, zones[:1], now) or now


def closes_at(hours: SendingHours, country: str, now: datetime) -> datetime:
    """Return when the hours end that are open there now."""
    zones = zones_of(country)
    counted = zones if _open_everywhere(hours, zones, now) else zones[:1]
    return min(_at(hours.end, now.astimezone(zone), zone) for zone in counted)


def _open_everywhere(hours: SendingHours, zones: Iterable[ZoneInfo], now: datetime) -> datetime | None:
    at = now
    while at - now <= LONGEST_SEARCH:
        later = max(_next_opening(hours, zone, at) for zone in zones)
        if later == at:
            return at
        at = later
    return None


def _next_opening(hours: SendingHours, zone: ZoneInfo, at: datetime) -> datetime:
    local = at.astimezone(zone)
    if hours.begin <= local.hour < hours.end:
        return at
    day = local if local.hour < hours.begin else local + timedelta(days=1)
    return max(at, _at(hours.begin, day, zone))


def _at(hour: int, day: datetime, zone: ZoneInfo) -> datetime:
    days, hour = divmod(hour, MIDNIGHT)
    return datetime.combine(day.date() + timedelta(days=days), time(hour), tzinfo=zone).astimezone(UTC)


@cache
def zones_of(country: str) -> tuple[ZoneInfo, ...]:
    """Return the zones of a country by its two letters; that of Japan for a country nobody knows."""
    return tuple(ZoneInfo(name) for name in _names_by_country().get(country, ())) or (JST,)


@cache
def _names_by_country() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            found.setdefault(country, []).append(name)
    return {country: tuple(names) for country, names in found.items()}
