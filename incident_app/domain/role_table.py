"""Who reports and who tells, by our role for the data: read out of the regimes, which hold it as data (C10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from incident_app.domain.conditions import Answer, all_of
from incident_app.domain.regimes import AddresseeKind, Regime, Report
from incident_app.domain.vocabulary import OurRole
from incident_app.domain.words import Words

ROLES = "our_roles"


@dataclass(frozen=True, kw_only=True)
class RoleDuty:
    """A report that a role brings with it; not certain while nobody has decided the role."""

    regime: str
    regime_name: Words
    report: str
    title: Words
    kind: AddresseeKind
    is_certain: bool

    @property
    def regime_ja(self) -> str:
        """Return the name of the regime in Japanese."""
        return self.regime_name.ja

    @property
    def regime_en(self) -> str:
        """Return the name of the regime in English."""
        return self.regime_name.en

    @property
    def title_ja(self) -> str:
        """Return the title in Japanese."""
        return self.title.ja

    @property
    def title_en(self) -> str:
        """Return the title in English."""
        return self.title.en


def duties_of_role(role: OurRole, regimes: Iterable[Regime]) -> tuple[RoleDuty, ...]:
    """Return the reports that a leak of data held in one role alone brings, whatever else must be true for them."""
    return tuple(
        RoleDuty(
            regime=regime.code,
            regime_name=regime.name,
            report=report.code,
            title=report.title,
            kind=report.kind,
            is_certain=answer is Answer.YES,
        )
        for regime in regimes
        for report in regime.reports
        if asks_for_role(report) and (answer := _answer(report, role)) is not Answer.NO
    )


def asks_for_role(report: Report) -> bool:
    """Tell whether a report depends on our role at all."""
    return any(condition.fact == ROLES for condition in report.applies_when)


def _answer(report: Report, role: OurRole) -> Answer:
    facts = {ROLES: frozenset({role})}
    return all_of(condition.answer(facts) for condition in report.applies_when if condition.fact == ROLES)
