"""Periods of validity: from which day until which day something is in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from incident_app.domain.tables import Table

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Period:
    """A period of whole days, both ends in it; an end that is None is open."""

    valid_from: date | None = None
    valid_until: date | None = None

    def covers(self, day: date) -> bool:
        """Tell whether a day lies in the period."""
        return self.first <= day <= self.last

    def overlaps(self, other: Period) -> bool:
        """Tell whether a day lies in both periods."""
        return self.first <= other.last and other.first <= self.last

    @property
    def first(self) -> date:
        """The first day, or the first day that there is."""
        return self.valid_from or date.min

    @property
    def last(self) -> date:
        """The last day, or the last day that there is."""
        return self.valid_until or date.max


def read_period(table: Table) -> Period:
    """Read valid_from and valid_until of an entry; both may be missing."""
    period = Period(valid_from=table.day("valid_from"), valid_until=table.day("valid_until"))
    if period.last < period.first:
        table.fault("valid_until", f"{period.last} lies before valid_from {period.first}")
    return period


def refuse_overlaps(entries: Iterable[tuple[str, Table, Period]]) -> None:
    """Note each entry that is in force on a day on which another of the same name is."""
    seen: dict[str, list[Period]] = {}
    for name, table, period in entries:
        if not name:
            continue
        for earlier in seen.setdefault(name, []):
            if not period.overlaps(earlier):
                continue
            if Period() in (earlier, period):
                table.fault("code", f"{name!r} stands twice; give each its own valid_from and valid_until")
            else:
                first = max(period.first, earlier.first)
                table.fault("valid_from", f"{name!r} is in force twice on {first}; end the earlier entry before it")
        seen[name].append(period)


def find_gap(periods: Iterable[Period], whole: Period) -> date | None:
    """Return the first day of `whole` that no period covers; None when every day is covered."""
    open_day = whole.first
    for period in sorted(periods, key=lambda period: period.first):
        if period.first > open_day:
            return open_day
        if period.last >= whole.last:
            return None
        open_day = max(open_day, period.last + ONE_DAY)
    return open_day
