"""Regimes: law and contracts as data, with sources, dates and confidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from incident_app.domain.conditions import Condition, read_conditions
from incident_app.domain.deadlines import DeadlineRule, DeadlineUnit
from incident_app.domain.tables import Document, Table, unique_codes
from incident_app.domain.words import Words


class AddresseeKind(StrEnum):
    """Who a duty is owed to."""

    AUTHORITY = "authority"
    PEOPLE = "people"
    PARTY = "party"


class Confidence(StrEnum):
    """How sure we are of an entry."""

    FOUND = "found"
    READING = "reading"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A state of affairs that makes something due: every condition holds."""

    code: str
    name: Words
    conditions: tuple[Condition, ...]
    source: str


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """Who receives a report, and when it is they."""

    ref: str
    name: Words
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A rule of counting, for all situations or for some."""

    rule: DeadlineRule
    situations: frozenset[str]
    """Empty: for every other situation."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """One thing to be told, at one stage."""

    code: str
    title: Words
    kind: AddresseeKind
    situations: tuple[str, ...]
    applies_when: tuple[Condition, ...]
    """Besides a situation, all of these must hold: mostly our role for the data."""
    released_when: tuple[Condition, ...]
    addressees: tuple[Addressee, ...]
    deadlines: tuple[Deadline, ...]
    clock: str
    form: str | None
    decide: Words
    source: str
    confidence: Confidence


@dataclass(frozen=True, kw_only=True)
class Regime:
    """One regime in one version."""

    code: str
    version: str
    name: Words
    valid_from: date | None
    valid_until: date | None
    source: str
    situations: tuple[Situation, ...]
    reports: tuple[Report, ...]

    def situation(self, code: str) -> Situation:
        """Return one of the situations."""
        return next(situation for situation in self.situations if situation.code == code)


@lru_cache(maxsize=32)  # the same text is read at every derivation
def read_regime(text: str, *, file: str) -> Regime:
    """Read a regime file; raise FaultyFile naming key, line and reason of every fault."""
    document = Document(text, file=file)
    root = document.root
    situation_tables, report_tables = root.tables("situations"), root.tables("reports")
    situations = unique_codes(situation_tables)
    unique_codes(report_tables)
    regime = Regime(
        code=root.text("code"),
        version=root.text("version"),
        name=_words(root, "name"),
        valid_from=root.day("valid_from"),
        valid_until=root.day("valid_until"),
        source=root.text("source"),
        situations=tuple(_situation(table) for table in situation_tables),
        reports=tuple(_report(table, situations) for table in report_tables),
    )
    root.finish()
    document.finish()
    return regime


def valid_on(regimes: Iterable[Regime], day: date) -> tuple[Regime, ...]:
    """Return the regimes that are in force on a day: the day of awareness decides."""
    return tuple(
        regime
        for regime in regimes
        if (regime.valid_from is None or regime.valid_from <= day)
        and (regime.valid_until is None or day <= regime.valid_until)
    )


def _words(table: Table, key: str) -> Words:
    return Words(ja=table.text(f"{key}_ja"), en=table.text(f"{key}_en"))


def _situation(table: Table) -> Situation:
    situation = Situation(
        code=table.text("code"),
        name=_words(table, "name"),
        conditions=read_conditions(table, "all"),
        source=table.text("source"),
    )
    if not situation.conditions:
        table.fault("all", "a situation needs at least one condition")
    table.finish()
    return situation


def _report(table: Table, situations: frozenset[str]) -> Report:
    report = Report(
        code=table.text("code"),
        title=_words(table, "title"),
        kind=table.word("kind", AddresseeKind),
        situations=table.all_known("situations", situations, "situation", required=True),
        applies_when=read_conditions(table, "applies_when"),
        released_when=read_conditions(table, "released_when"),
        addressees=tuple(_addressee(entry) for entry in table.tables("addressees")),
        deadlines=tuple(_deadline(entry, situations) for entry in table.tables("deadlines")),
        clock=table.text("clock", "awareness"),
        form=table.find_text("form"),
        decide=_words(table, "decide"),
        source=table.text("source"),
        confidence=table.word("confidence", Confidence),
    )
    if not any(not deadline.situations for deadline in report.deadlines):
        table.fault("deadlines", "one deadline must hold for every situation (leave its situations out)")
    table.finish()
    return report


def _addressee(table: Table) -> Addressee:
    addressee = Addressee(ref=table.text("ref"), name=_words(table, "name"), conditions=read_conditions(table, "all"))
    table.finish()
    return addressee


def _deadline(table: Table, situations: frozenset[str]) -> Deadline:
    unit = table.word("unit", DeadlineUnit)
    deadline = Deadline(
        rule=DeadlineRule(
            unit=unit,
            amount=table.number("amount", 0),
            first_day_counts=table.truth("first_day_counts", default=True),
            moves_when_closed=table.truth("moves_when_closed"),
            calendar=table.find_text("calendar"),
            zone=table.text("zone", "Asia/Tokyo"),
            guideline=table.truth("guideline"),
        ),
        situations=frozenset(table.all_known("situations", situations, "situation")),
    )
    if unit is not DeadlineUnit.NONE and deadline.rule.amount < 1:
        table.fault("amount", "must be at least 1")
    if deadline.rule.moves_when_closed and deadline.rule.calendar is None:
        table.fault("calendar", "is needed where the last day moves")
    table.finish()
    return deadline
