"""Closed days: on which days an office does not open, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.metadata import version

import holidays

from incident_app.domain.tables import Document
from incident_app.domain.words import Words

SATURDAY = 5


@dataclass(frozen=True, kw_only=True)
class ClosedDays:
    """The days on which one kind of office is closed: weekends, national holidays, and days of its own."""

    code: str
    version: str
    country: str
    yearly: frozenset[tuple[int, int]]
    """(month, day) closed every year, such as the turn of the year."""
    added: Mapping[date, str]
    removed: frozenset[date]
    official_until: date
    """Holidays after this day are forecasts: the official list does not reach so far."""

    def reason(self, day: date) -> Words | None:
        """Say why the office is closed on `day`; None when it opens."""
        if day in self.removed:
            return None
        if day in self.added:
            return Words(ja=self.added[day], en=self.added[day])
        if day.weekday() >= SATURDAY:
            return Words(ja="土日", en="weekend")
        if (day.month, day.day) in self.yearly:
            return Words(ja="年末年始", en="turn of the year")
        if day not in _national_holidays(self.country, day.year, "ja"):
            return None
        return Words(
            ja=_national_holidays(self.country, day.year, "ja")[day],
            en=_national_holidays(self.country, day.year, "en_US")[day],
        )

    def is_closed(self, day: date) -> bool:
        """Tell whether the office is closed on `day`."""
        return self.reason(day) is not None

    def next_open(self, day: date) -> date:
        """Return `day`, or the first day after it on which the office opens."""
        while self.is_closed(day):
            day += timedelta(days=1)
        return day

    def is_forecast(self, day: date) -> bool:
        """Tell whether holidays around `day` are not yet officially fixed."""
        return day > self.official_until


@lru_cache(maxsize=32)  # the same text is read at every derivation
def read_closures(text: str, *, file: str) -> ClosedDays:
    """Read a file of closed days; raise FaultyFile naming every fault."""
    document = Document(text, file=file)
    root = document.root
    added = {}
    for table in root.tables("added", required=False):
        day = table.day("day")
        if day is None:
            table.fault("day", "is missing")
        else:
            added[day] = table.text("reason")
        table.finish()
    removed = set()
    for table in root.tables("removed", required=False):
        day = table.day("day")
        if day is not None:
            removed.add(day)
        table.text("reason")
        table.finish()
    yearly = set()
    for entry in root.texts("yearly"):
        month, _, number = entry.partition("-")
        if month.isdigit() and number.isdigit():
            yearly.add((int(month), int(number)))
        else:
            root.fault("yearly", f"{entry!r} is not a day like 12-29")
    closed = ClosedDays(
        code=root.text("code"),
        version=f"{root.text('version')}+holidays-{version('holidays')}",
        country=root.text("country"),
        yearly=frozenset(yearly),
        added=added,
        removed=frozenset(removed),
        official_until=root.day("official_until") or date.max,
    )
    root.text("source", "")
    root.finish()
    document.finish()
    return closed


@lru_cache(maxsize=64)
def _national_holidays(country: str, year: int, language: str) -> Mapping[date, str]:
    return dict(holidays.country_holidays(country, years=year, language=language).items())
