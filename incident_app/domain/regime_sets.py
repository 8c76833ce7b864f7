"""Regimes read together: each stands once, and what one names must be there: closed days, and reports of clocks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from incident_app.domain.errors import FaultyFile
from incident_app.domain.known_facts import FACTS
from incident_app.domain.regimes import Regime


def check_together(regimes: Mapping[str, Regime], calendars: Collection[str]) -> None:
    """Check regimes by the name of their file; FaultyFile names the first file with faults, and the keys in it."""
    seen: dict[str, tuple[str, Regime]] = {}
    for file, regime in regimes.items():
        if regime.code in seen:
            raise FaultyFile(file=file, faults=[_twice(regime, *seen[regime.code])])
        seen[regime.code] = (file, regime)
    known = {f"{regime.code}:{report.code}" for regime in regimes.values() for report in regime.reports}
    for file, regime in regimes.items():
        if faults := [*_unknown_calendars(regime, calendars), *_unknown_clocks(regime, known)]:
            raise FaultyFile(file=file, faults=faults)


def _twice(regime: Regime, other_file: str, other: Regime) -> str:
    if regime.period.overlaps(other.period):
        first = max(regime.period.first, other.period.first)
        return f"valid_from: {regime.code} is in force twice from {first}; {other_file} holds it as well"
    return (
        f"code: {regime.code} stands in {other_file} as well; "
        "put later law into that file, as entries with their own valid_from"
    )


def _unknown_calendars(regime: Regime, calendars: Collection[str]) -> list[str]:
    return [
        f"reports.deadlines.calendar: {report.code} counts by {deadline.rule.calendar!r}, which no file of closures has"
        for report in regime.reports
        for deadline in report.deadlines
        if deadline.rule.calendar is not None and deadline.rule.calendar not in calendars
    ]


def _unknown_clocks(regime: Regime, known: Collection[str]) -> list[str]:
    named = [(f"reports.clock: {report.code}", report.clock) for report in regime.reports]
    named += [(f"situations.clock: {entry.code}", entry.clock) for entry in regime.situations if entry.clock]
    faults = []
    for place, clock in named:
        kind, _, what = clock.partition(":")
        if kind == "filed" and what not in known:
            faults.append(f"{place} counts from the filing of {what!r}, which no regime has")
        if kind in {"passed", "decided"} and what.partition(":")[0] not in FACTS:
            faults.append(f"{place} counts from {what!r}, which is not a fact")
    return faults
