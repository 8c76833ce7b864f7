"""Regimes read together: each stands once, and what one names must be there: closed days, and reports of clocks."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from incident_app.domain.conditions import Operator
from incident_app.domain.errors import FaultyFile
from incident_app.domain.known_facts import DECIDABLE
from incident_app.domain.obligations import POLICY_REGIME
from incident_app.domain.regimes import Regime
from incident_app.domain.thresholds import SUBJECTS

LONGEST_CODE = 30
"""A rule is named by regime and report together, a clock by both and what it is."""
_REGIME = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")
_ENTRY = re.compile(r"[a-z0-9][a-z0-9_-]{0,29}")


def check_together(
    regimes: Mapping[str, Regime], calendars: Collection[str], forms: Collection[str] | None = None
) -> None:
    """Check regimes by the name of their file; FaultyFile names the first file with faults, and the keys in it.

    Forms are not looked up where none are given. Texts that incidents are pinned to are not checked again.
    """
    seen: dict[str, tuple[str, Regime]] = {}
    for file, regime in regimes.items():
        if regime.code in seen:
            raise FaultyFile(file=file, faults=[_twice(regime, *seen[regime.code])])
        seen[regime.code] = (file, regime)
    known = {f"{regime.code}:{report.code}" for regime in regimes.values() for report in regime.reports}
    waits_for = _waits(regimes.values())
    for file, regime in regimes.items():
        faults = [*_bad_codes(regime), *_unknown_calendars(regime, calendars), *_bad_clocks(regime, known)]
        faults += [*_circles(regime, waits_for), *(_unknown_forms(regime, forms) if forms is not None else ())]
        if faults:
            raise FaultyFile(file=file, faults=faults)


def check_hidden(hidden: Mapping[str, Regime], own: Mapping[str, Regime]) -> None:
    """Refuse a file of the company that takes the place of a shipped one by its name and holds another regime."""
    for file, shipped in hidden.items():
        if file in own and own[file].code != shipped.code:
            fault = f"code: {own[file].code!r} would take the place of {shipped.code!r}, which the shipped file of the "
            raise FaultyFile(file=file, faults=[f"{fault}same name holds; give yours another name"])


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


def _unknown_forms(regime: Regime, forms: Collection[str]) -> list[str]:
    return [
        f"reports.form: {report.code} is written on {report.form!r}, which no folder of templates/reports has"
        for report in regime.reports
        if report.form is not None and report.form not in forms
    ]


def _bad_codes(regime: Regime) -> list[str]:
    """Codes become names in the register, in addresses and clocks; one is taken by the company's promise."""
    found = [("code", regime.code, _REGIME)]
    found += [("situations.code", entry.code, _ENTRY) for entry in regime.situations]
    found += [("reports.code", entry.code, _ENTRY) for entry in regime.reports]
    found += [("reports.addressees.ref", to.ref, _ENTRY) for entry in regime.reports for to in entry.addressees]
    faults = [
        f"{key}: {code!r} is no code; write small letters, digits and hyphens, at most {LONGEST_CODE}"
        for key, code, pattern in found
        if pattern.fullmatch(code) is None
    ]
    if regime.code == POLICY_REGIME:
        faults.append(f"code: {POLICY_REGIME!r} stands for the promise of the company's own policy; choose another one")
    return faults


def _bad_clocks(regime: Regime, known: Collection[str]) -> list[str]:
    named = [(f"reports.clock: {entry.code}", entry.clock, entry.situations) for entry in regime.reports]
    named += [(f"situations.clock: {one.code}", one.clock, (one.code,)) for one in regime.situations if one.clock]
    faults = []
    for place, clock, situations in named:
        kind, _, what = clock.partition(":")
        fact, _, number = what.partition(":")
        if kind == "filed" and what not in known:
            faults.append(f"{place} counts from the filing of {what!r}, which no regime has")
        elif kind == "decided" and fact not in DECIDABLE:
            faults.append(f"{place} counts from the decision of {fact!r}, which nobody decides")
        elif kind == "passed" and fact not in SUBJECTS:
            faults.append(f"{place} counts from the passing of {fact!r}, which is no count; {', '.join(SUBJECTS)} are")
        elif kind == "passed" and not _is_compared(regime, situations, fact, int(number)):
            faults.append(
                f"{place} begins above {number} of {fact}, which no condition of its situations compares with"
            )
    return faults


def _is_compared(regime: Regime, situations: Collection[str], fact: str, number: int) -> bool:
    """Tell whether passing the number makes something due: a clock that begins elsewhere would count another day."""
    conditions = [one for entry in regime.situations if entry.code in situations for one in entry.conditions]
    return any(
        one.fact == fact
        and (one.operator, one.value) in {(Operator.MORE_THAN, number), (Operator.AT_LEAST, number + 1)}
        for one in conditions
    )


def _circle_from(start: str, waits_for: Mapping[str, Collection[str]]) -> bool:
    """Tell whether a report waits for its own filing, directly or through others."""
    seen: set[str] = set()
    left = list(waits_for.get(start, ()))
    while left:
        one = left.pop()
        if one not in seen:
            seen.add(one)
            left.extend(waits_for.get(one, ()))
    return start in seen


def _circles(regime: Regime, waits_for: Mapping[str, Collection[str]]) -> list[str]:
    return [
        f"reports.clock: {report.code} counts from a filing that counts from its own filing, so it never begins"
        for report in regime.reports
        if _circle_from(f"{regime.code}:{report.code}", waits_for)
    ]


def _waits(regimes: Collection[Regime]) -> Mapping[str, set[str]]:
    """Return which filing each report counts from: by its own clock, or by that of a situation."""
    found: dict[str, set[str]] = {}
    for regime in regimes:
        own = {entry.code: entry.clock for entry in regime.situations if entry.clock}
        for report in regime.reports:
            clocks = [report.clock, *(own[code] for code in report.situations if code in own)]
            filings = {what for kind, _, what in (clock.partition(":") for clock in clocks) if kind == "filed"}
            found.setdefault(f"{regime.code}:{report.code}", set()).update(filings)
    return found
