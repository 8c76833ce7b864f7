"""Closed days: on which days an office does not open, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.metadata import version

import holidays

from incident_app.domain.tables import Document, Table
from incident_app.domain.words import Words

SATURDAY = 5
LEAP_YEAR = 2028
"""29 February may be closed every year that has one."""
LONGEST_CLOSURE = 31
"""So many days in a row an office may be closed: beyond it nothing could be counted to its next open day."""
SAMPLE_YEARS = range(2024, 2035)
"""Years in which every weekday of the yearly days comes up, with leap years among them."""
_YEARLY = re.compile(r"(\d{1,2})-(\d{1,2})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ClosedDays:
    """The days on which one kind of office is closed: weekends, national holidays, and days of its own."""

    code: str
    version: str
    country: str
    subdivision: str | None
    """A state or region with holidays of its own."""
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
        holiday = _holidays(self.country, self.subdivision, day.year, "en_US").get(day)
        if holiday is None:
            return None
        return Words(ja=_holidays(self.country, self.subdivision, day.year, "ja").get(day, holiday), en=holiday)

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
    country = root.text("country")
    subdivision = root.find_text("subdivision")
    _check_country(root, country, subdivision)
    added, removed = _own_days(root, "added"), _own_days(root, "removed")
    for day in sorted(added.keys() & removed.keys()):
        root.fault("removed", f"{day} is added and removed; keep one of the two")
    closed = ClosedDays(
        code=root.text("code"),
        version=f"{root.text('version')}+holidays-{version('holidays')}",
        country=country,
        subdivision=subdivision,
        yearly=_yearly(root),
        added=added,
        removed=frozenset(removed),
        official_until=root.day("official_until") or date.max,
    )
    root.text("source", "")
    root.finish()
    document.finish()  # a country that the library does not know has no days to look at
    if (never_open := _closed_too_long(closed)) is not None:
        key = "added" if _is_near_added(never_open, closed) else "yearly"
        root.fault(key, f"more than {LONGEST_CLOSURE} days in a row are closed, from {never_open}")
        document.finish()
    return closed


def _closed_too_long(closed: ClosedDays) -> date | None:
    """Return the first day of a closure that lasts too long; None when the office opens again each time."""
    near = {year for day in closed.added for year in (day.year - 1, day.year, day.year + 1)}
    for year in sorted(near.union(SAMPLE_YEARS)):
        if not date.min.year < year < date.max.year:
            continue
        start, run = date(year, 1, 1), 0
        for offset in range(366 + LONGEST_CLOSURE):
            run = run + 1 if closed.is_closed(start + timedelta(days=offset)) else 0
            if run > LONGEST_CLOSURE:
                return start + timedelta(days=offset - run + 1)
    return None


def _is_near_added(first: date, closed: ClosedDays) -> bool:
    return any(first + timedelta(days=offset) in closed.added for offset in range(LONGEST_CLOSURE + 1))


def _check_country(root: Table, country: str, subdivision: str | None) -> None:
    known = holidays.list_supported_countries()
    if country and country not in known:
        root.fault("country", f"{country!r} is not a country code of the holiday library, like JP")
    elif country and subdivision is not None and subdivision not in known[country]:
        root.fault("subdivision", f"{subdivision!r} is not a part of {country}; known: {', '.join(known[country])}")


def _own_days(root: Table, key: str) -> dict[date, str]:
    found: dict[date, str] = {}
    for table in root.tables(key, required=False):
        reason = table.text("reason")
        day = table.day("day")
        if day is None:
            table.fault("day", "is missing or no date like 2026-05-01")
        elif day in found:
            table.fault("day", f"{day} stands twice")
        else:
            found[day] = reason
        table.finish()
    return found


def _yearly(root: Table) -> frozenset[tuple[int, int]]:
    found = set()
    for entry in root.texts("yearly"):
        written = _YEARLY.fullmatch(entry)
        try:
            day = date(LEAP_YEAR, int(written[1]), int(written[2])) if written else None
        except ValueError:
            day = None
        if day is None:
            root.fault("yearly", f"{entry!r} is not a day like 12-29")
        else:
            found.add((day.month, day.day))
    return frozenset(found)


@lru_cache(maxsize=128)
def _holidays(country: str, subdivision: str | None, year: int, language: str) -> Mapping[date, str]:
    """Return the holidays of one year; in English where the library does not know them in the language."""
    return dict(holidays.country_holidays(country, subdiv=subdivision, years=year, language=language).items())
