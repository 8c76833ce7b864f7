"""Regimes: law and contracts as data, with sources, dates and confidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from incident_app.domain.conditions import Answer, Condition, read_conditions
from incident_app.domain.deadlines import HOME, DeadlineRule, DeadlineUnit
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.inventory_checks import check_country
from incident_app.domain.known_facts import NUMBERS
from incident_app.domain.periods import Period, find_gap, read_period, refuse_overlaps
from incident_app.domain.tables import Document, Table
from incident_app.domain.words import Words

CLOCKS = ("awareness", "passed:FACT:NUMBER", "filed:REGIME:REPORT", "decided:FACT")
"""What a clock can begin with: that we knew, that a number was passed, a first filing, a decision."""
_CLOCK = re.compile(r"awareness|passed:[a-z_]+:[0-9]+|filed:[a-z0-9-]+:[a-z0-9_-]+|decided:[a-z_]+")
LONGEST = 3660


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
    confidence: Confidence
    period: Period
    clock: str | None
    """The clock of this situation alone, such as the crossing of a threshold; None: that of the report."""


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """Who receives a report, and when it is they."""

    ref: str
    name: Words
    conditions: tuple[Condition, ...]
    each: Mapping[str, Words] = field(default_factory=dict)
    """The names of the recipients by country: one each, in every country where people are, once that is known."""

    def where(self, jurisdictions: object) -> tuple[Addressee, ...]:
        """Return the recipients in the countries of the people; this one while those are not known."""
        known = jurisdictions if isinstance(jurisdictions, frozenset) else frozenset()
        found = [country for country in sorted(self.each) if country in known]
        return tuple(
            replace(self, ref=self.ref_in(country), name=self.each[country], each={}) for country in found
        ) or (self,)

    def ref_in(self, country: str) -> str:
        """Return the reference of the recipient in a country."""
        return f"{self.ref}-{country.lower()}"

    def goes_by(self, ref: str) -> bool:
        """Tell whether a duty with this reference is owed to this recipient, or to the one of a country."""
        return ref == self.ref or self.country_of(ref) is not None

    def country_of(self, ref: str) -> str | None:
        """Return the country whose recipient goes by this reference."""
        return next((country for country in self.each if ref == self.ref_in(country)), None)


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A rule of counting, for all situations or for some."""

    rule: DeadlineRule
    situations: frozenset[str]
    """Empty: for every other situation."""
    period: Period


NOTICE_ITEMS = frozenset({"1", "2", "4", "5", "9", "measures"})


@dataclass(frozen=True, kw_only=True)
class Report:
    """One thing to be told, at one stage."""

    code: str
    listed_as: tuple[str, ...]
    """The words for it in commands, where its own code is another one."""
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
    notice_items: tuple[str, ...]
    """What a notice to people must say: items of Enforcement Rules art. 10 by number, and `measures`."""
    decide: Words
    source: str
    confidence: Confidence
    period: Period

    def answers_to(self, name: str) -> bool:
        """Tell whether commands call this report so."""
        return name == self.code or name in self.listed_as


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

    @property
    def period(self) -> Period:
        """When the regime is in force."""
        return Period(valid_from=self.valid_from, valid_until=self.valid_until)

    def situation(self, code: str) -> Situation:
        """Return one of the situations."""
        return next(situation for situation in self.situations if situation.code == code)

    def on(self, day: date) -> Regime:
        """Return the regime as it is in force on a day: without entries that are not yet or no longer."""
        situations = tuple(entry for entry in self.situations if entry.period.covers(day))
        codes = {entry.code for entry in situations}
        reports = (
            replace(
                entry,
                situations=tuple(code for code in entry.situations if code in codes),
                deadlines=tuple(deadline for deadline in entry.deadlines if deadline.period.covers(day)),
            )
            for entry in self.reports
            if entry.period.covers(day)
        )
        return replace(self, situations=situations, reports=tuple(entry for entry in reports if entry.situations))


@lru_cache(maxsize=64)  # the same text is read at every derivation
def read_regime(text: str, *, file: str) -> Regime:
    """Read a regime file; raise FaultyFile naming key, line and reason of every fault."""
    document = Document(text, file=file)
    root = document.root
    situation_tables, report_tables = root.tables("situations"), root.tables("reports")
    codes = frozenset(table.text("code") for table in situation_tables)
    period = read_period(root)
    regime = Regime(
        code=root.text("code"),
        version=root.text("version"),
        name=_words(root, "name"),
        valid_from=period.valid_from,
        valid_until=period.valid_until,
        source=root.text("source"),
        situations=tuple(_situation(table) for table in situation_tables),
        reports=tuple(_report(table, codes) for table in report_tables),
    )
    refuse_overlaps(
        (entry.code, table, entry.period) for entry, table in zip(regime.situations, situation_tables, strict=True)
    )
    refuse_overlaps(
        (entry.code, table, entry.period) for entry, table in zip(regime.reports, report_tables, strict=True)
    )
    root.finish()
    document.finish()
    return regime


def valid_on(regimes: Iterable[Regime], day: date) -> tuple[Regime, ...]:
    """Return the regimes that are in force on a day, each as it stands then: the day of awareness decides."""
    return tuple(regime.on(day) for regime in regimes if regime.period.covers(day))


def possible_rules(
    report: Report, answers: Mapping[str, Answer], facts: Mapping[str, object]
) -> tuple[DeadlineRule, ...]:
    """Return the rules that may count: the one of a situation that holds, else the general one and those still open.

    A number that a contract fixes is taken from the facts; none agreed means that there is no number.
    """
    special = {
        answer: [entry.rule for entry in report.deadlines if _any_is(answer, entry.situations, answers)]
        for answer in (Answer.YES, Answer.UNKNOWN)
    }
    general = next(entry.rule for entry in report.deadlines if not entry.situations)
    found = special[Answer.YES][:1] or [general, *special[Answer.UNKNOWN]]
    return tuple(_with_number(rule, facts) for rule in found)


def _any_is(wanted: Answer, situations: frozenset[str], answers: Mapping[str, Answer]) -> bool:
    return any(answers.get(code) is wanted for code in situations)


def _with_number(rule: DeadlineRule, facts: Mapping[str, object]) -> DeadlineRule:
    number = facts.get(rule.amount_fact or "")
    if rule.amount_fact is None or not isinstance(number, int):
        return rule
    unit = rule.unit if number else DeadlineUnit.NONE
    return replace(rule, unit=unit, amount=number, amount_fact=None)


def _words(table: Table, key: str) -> Words:
    return Words(ja=table.text(f"{key}_ja"), en=table.text(f"{key}_en"))


def _situation(table: Table) -> Situation:
    situation = Situation(
        code=table.text("code"),
        name=_words(table, "name"),
        conditions=read_conditions(table, "all"),
        source=table.text("source"),
        confidence=table.word("confidence", Confidence, Confidence.UNVERIFIED),
        period=read_period(table),
        clock=_clock(table, table.find_text("clock")),
    )
    if not situation.conditions:
        table.fault("all", "a situation needs at least one condition")
    table.finish()
    return situation


def _report(table: Table, situations: frozenset[str]) -> Report:
    deadline_tables = table.tables("deadlines")
    report = Report(
        code=table.text("code"),
        listed_as=table.texts("listed_as"),
        title=_words(table, "title"),
        kind=table.word("kind", AddresseeKind),
        situations=table.all_known("situations", situations, "situation", required=True),
        applies_when=read_conditions(table, "applies_when"),
        released_when=read_conditions(table, "released_when"),
        addressees=tuple(_addressee(entry) for entry in table.tables("addressees")),
        deadlines=tuple(_deadline(entry, situations) for entry in deadline_tables),
        clock=_clock(table, table.text("clock", AWARENESS)) or AWARENESS,
        form=table.find_text("form"),
        notice_items=table.all_known("notice_items", NOTICE_ITEMS, "item of a notice"),
        decide=_words(table, "decide"),
        source=table.text("source"),
        confidence=table.word("confidence", Confidence),
        period=read_period(table),
    )
    _check_deadlines(table, deadline_tables, report)
    table.finish()
    return report


def _clock(table: Table, clock: str | None) -> str | None:
    if clock is not None and _CLOCK.fullmatch(clock) is None:
        table.fault("clock", f"{clock!r} is no clock; known: {', '.join(CLOCKS)}")
    return clock


def _check_deadlines(table: Table, entries: Sequence[Table], report: Report) -> None:
    """On every day exactly one deadline must hold for all situations that have none of their own."""
    general = [deadline.period for deadline in report.deadlines if not deadline.situations]
    if not general:
        table.fault("deadlines", "one deadline must hold for every situation (leave its situations out)")
    elif (gap := find_gap(general, report.period)) is not None:
        table.fault("deadlines", f"no deadline for every situation is in force on {gap}")
    for position, (deadline, entry) in enumerate(zip(report.deadlines, entries, strict=True)):
        for earlier in report.deadlines[:position]:
            same = deadline.situations & earlier.situations or deadline.situations == earlier.situations
            if same and deadline.period.overlaps(earlier.period):
                first = max(deadline.period.first, earlier.period.first)
                entry.fault("valid_from", f"two deadlines for the same situations are in force on {first}")
    if report.situations and not set().union(*(entry.situations for entry in report.deadlines)) <= {*report.situations}:
        table.fault("deadlines", "a deadline names a situation that does not make this report due")


def _addressee(table: Table) -> Addressee:
    countries = table.tables("each", required=False)
    addressee = Addressee(
        ref=table.text("ref"),
        name=_words(table, "name"),
        conditions=read_conditions(table, "all"),
        each={entry.text("country"): _words(entry, "name") for entry in countries},
    )
    for entry in countries:
        check_country(entry, entry.text("country"))
        entry.finish()
    table.finish()
    return addressee


def _deadline(table: Table, situations: frozenset[str]) -> Deadline:
    unit = table.word("unit", DeadlineUnit)
    rule = DeadlineRule(
        unit=unit,
        amount=table.number("amount", 0),
        amount_fact=table.find_text("amount_fact"),
        first_day_counts=table.truth("first_day_counts", default=True),
        from_year_end=table.truth("from_year_end"),
        moves_when_closed=table.truth("moves_when_closed"),
        calendar=table.find_text("calendar"),
        zone=table.text("zone", HOME),
        guideline=table.truth("guideline"),
    )
    deadline = Deadline(
        rule=rule,
        situations=frozenset(table.all_known("situations", situations, "situation")),
        period=read_period(table),
    )
    _check_rule(table, rule)
    table.finish()
    return deadline


def _check_rule(table: Table, rule: DeadlineRule) -> None:
    if rule.amount_fact is not None:
        if rule.amount_fact not in NUMBERS:
            table.fault("amount_fact", f"{rule.amount_fact!r} is no fact that is a number")
        if rule.amount:
            table.fault("amount", "leave it out where a fact says how many")
    elif rule.unit is not DeadlineUnit.NONE and not 1 <= rule.amount <= LONGEST:
        table.fault("amount", f"must be at least 1 and at most {LONGEST}")
    if rule.moves_when_closed and rule.calendar is None:
        table.fault("calendar", "is needed where the last day moves")
    if rule.unit is DeadlineUnit.BUSINESS_DAYS and rule.calendar is None:
        table.fault("calendar", "is needed where business days are counted")
    if rule.unit in {DeadlineUnit.HOURS, DeadlineUnit.NONE} and (rule.moves_when_closed or rule.from_year_end):
        table.fault("unit", "hours and no number are never moved and never run from the end of a year")
    try:
        ZoneInfo(rule.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        table.fault("zone", f"{rule.zone!r} is not a time zone like {HOME}")
