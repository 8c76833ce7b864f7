"""Readiness: one number from 0 to 100 that the team can move before anything happens, and what lowers it (K14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from incident_app.domain.gaps import MONTHS, PeopleCounts, is_overdue, months_before
from incident_app.domain.inventory import Inventory
from incident_app.domain.policy_stores import actual_items
from incident_app.domain.vocabulary import OurRole
from incident_app.domain.words import Words

RULES_VERSION = 1
"""Raised whenever the same facts would give another number."""
_HUNDREDTHS = 100


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One thing that is counted: how many points it is worth, and what nothing to count means."""

    code: str
    points: int
    said: Words
    """The sentence about those that lack it, with {lacking} and {total}."""
    nothing_is_ready: bool = True
    """False where an empty register is itself the fault: nobody can be warned out of it."""


def _measure(code: str, points: int, ja: str, en: str, *, nothing_is_ready: bool = True) -> Measure:
    return Measure(code=code, points=points, said=Words(ja=ja, en=en), nothing_is_ready=nothing_is_ready)


MEASURES: tuple[Measure, ...] = (
    _measure(
        "customers_without_email",
        15,
        "使えるメールアドレスのないお客様：{total:,}人のうち {lacking:,}人",
        "Customers without a usable e-mail address: {lacking:,} of {total:,}",
        nothing_is_ready=False,
    ),
    _measure(
        "organisations_without_contact",
        10,
        "連絡先が一つもない法人のお客様：{total:,}件のうち {lacking:,}件",
        "Organisations without any contact: {lacking:,} of {total:,}",
    ),
    _measure(
        "stores_without_items",
        15,
        "項目が登録されていない保管先：{total:,}件のうち {lacking:,}件",
        "Stores of which nobody knows what they hold: {lacking:,} of {total:,}",
        nothing_is_ready=False,
    ),
    _measure(
        "stores_without_owner",
        10,
        "担当のない保管先：{total:,}件のうち {lacking:,}件",
        "Stores without an owner: {lacking:,} of {total:,}",
        nothing_is_ready=False,
    ),
    _measure(
        "stores_not_reviewed",
        10,
        "1年以上見直していない保管先：{total:,}件のうち {lacking:,}件",
        "Stores not reviewed for a year: {lacking:,} of {total:,}",
        nothing_is_ready=False,
    ),
    _measure(
        "roles_undecided",
        10,
        "当社の立場が未判断の保管先：{total:,}件のうち {lacking:,}件",
        "Stores for which our role is undecided: {lacking:,} of {total:,}",
        nothing_is_ready=False,
    ),
    _measure(
        "parties_without_contact",
        10,
        "事故時の連絡先のない会社（当社のデータを持つ会社）：{total:,}社のうち {lacking:,}社",
        "Companies that hold our data without a contact for incidents: {lacking:,} of {total:,}",
    ),
    _measure(
        "parties_without_contract",
        5,
        "契約書の番号のない会社：{total:,}社のうち {lacking:,}社",
        "Companies that hold our data without a contract on record: {lacking:,} of {total:,}",
    ),
    _measure(
        "parties_not_audited",
        5,
        "1年以上監査していない会社：{total:,}社のうち {lacking:,}社",
        "Companies that hold our data not audited for a year: {lacking:,} of {total:,}",
    ),
    _measure(
        "parties_without_transfer_list",
        5,
        "実際に渡した項目が公表の表でしか分からない会社：{total:,}社のうち {lacking:,}社",
        "Companies of which only the published table says what they received: {lacking:,} of {total:,}",
    ),
    _measure(
        "roles_unassigned",
        5,
        "対応手順に出てくるのに、担当者のいない役割：{total:,}のうち {lacking:,}",
        "Roles of the response playbooks that nobody holds: {lacking:,} of {total:,}",
    ),
)
"""The whole weighing of the score, as data. The points add up to 100; a test says so."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """How many of how many lack something."""

    code: str
    lacking: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one measure takes off the score, in hundredths of a point, and in words."""

    code: str
    lost_hundredths: int
    lacking: int
    total: int
    said: Words

    @property
    def lost(self) -> str:
        """Return the points lost, with two decimals."""
        return f"{self.lost_hundredths // _HUNDREDTHS}.{self.lost_hundredths % _HUNDREDTHS:02}"


@dataclass(frozen=True, kw_only=True)
class Score:
    """The number, and what lowers it, the heaviest first."""

    value: int
    findings: tuple[Finding, ...]
    rules_version: int = RULES_VERSION


def score(facts: Sequence[Fact]) -> Score:
    """Return the score of these facts.

    Each measure loses points in proportion to what lacks, rounded against us: 100 means that nothing lacks at all.
    A measure of which no fact is known is left out, and the others stand for the whole.
    """
    known = {fact.code: fact for fact in facts}
    counted = [measure for measure in MEASURES if measure.code in known]
    findings = [finding for measure in counted if (finding := _finding(measure, known[measure.code]))]
    most = sum(measure.points for measure in counted) * _HUNDREDTHS
    left = most - sum(finding.lost_hundredths for finding in findings)
    order = [measure.code for measure in MEASURES]
    return Score(
        value=left * 100 // most if most else 0,
        findings=tuple(sorted(findings, key=lambda entry: (-entry.lost_hundredths, order.index(entry.code)))),
    )


def _finding(measure: Measure, fact: Fact) -> Finding | None:
    whole = measure.points * _HUNDREDTHS
    lost = -(-whole * fact.lacking // fact.total) if fact.total else (0 if measure.nothing_is_ready else whole)
    if not lost:
        return None
    counts = {"lacking": fact.lacking, "total": fact.total}
    said = Words(ja=measure.said.ja.format(**counts), en=measure.said.en.format(**counts))
    return Finding(code=measure.code, lost_hundredths=lost, said=said, **counts)


def facts_of(
    inventory: Inventory,
    people: PeopleCounts,
    *,
    roles_needed: frozenset[str],
    roles_held: frozenset[str],
    today: date,
) -> tuple[Fact, ...]:
    """Count everything that the score rests on."""
    limit = months_before(today, MONTHS)
    stores, lists = inventory.stores, inventory.disclosures
    operators = {store.operator for store in stores}
    parties = [party for party in inventory.parties if party.code in operators and not party.is_ourselves]
    counts = {
        "customers_without_email": (people.without_email, people.customers),
        "organisations_without_contact": (people.organisations_unreachable, people.organisations),
        "stores_without_items": (sum(not store.items for store in stores), len(stores)),
        "stores_without_owner": (sum(not store.owner.strip() for store in stores), len(stores)),
        "stores_not_reviewed": (sum(is_overdue(store.reviewed_on, limit) for store in stores), len(stores)),
        "roles_undecided": (sum(store.our_role is OurRole.UNDECIDED for store in stores), len(stores)),
        "parties_without_contact": (_without(party.incident_contact for party in parties), len(parties)),
        "parties_without_contract": (_without(party.contract_reference for party in parties), len(parties)),
        "parties_not_audited": (sum(is_overdue(party.audited_on, limit) for party in parties), len(parties)),
        "parties_without_transfer_list": (
            sum(not actual_items(lists, party.code) for party in parties),
            len(parties),
        ),
        "roles_unassigned": (len(roles_needed - roles_held), len(roles_needed)),
    }
    return tuple(Fact(code=code, lacking=lacking, total=total) for code, (lacking, total) in counts.items())


def _without(texts: Iterable[str | None]) -> int:
    return sum(not (text or "").strip() for text in texts)


def facts_from(content: Sequence[Mapping[str, Any]]) -> tuple[Fact, ...]:
    """Return facts that were stored with a score."""
    return tuple(Fact(**entry) for entry in content)


WIDTH, HEIGHT, MARGIN = 1040, 200, 36


def line_points(scores: Sequence[tuple[date, int]]) -> tuple[tuple[int, int], ...]:
    """Return where the scores stand in a picture of WIDTH by HEIGHT: time from left to right, 100 at the top."""
    if not scores:
        return ()
    first, last = scores[0][0].toordinal(), scores[-1][0].toordinal()
    wide, high = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    return tuple(
        (
            MARGIN + (wide * (day.toordinal() - first) // (last - first) if last > first else wide // 2),
            MARGIN + high * (100 - value) // 100,
        )
        for day, value in scores
    )
