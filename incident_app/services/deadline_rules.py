"""The rules of counting as loaded, and one due time computed on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Engine

from incident_app.domain.calendars import read_closures
from incident_app.domain.deadlines import due_time
from incident_app.domain.errors import NotFound
from incident_app.domain.regimes import read_regime
from incident_app.services.playbooks import PlaybookKind, newest
from incident_app.services.transaction import reading


@dataclass(frozen=True, kw_only=True)
class RuleView:
    """One report of one regime."""

    regime: str
    report: str
    title_ja: str
    title_en: str
    situations: tuple[str, ...]
    source: str
    confidence: str


@dataclass(frozen=True, kw_only=True)
class Computed:
    """A due time and how it was counted."""

    due_at: datetime | None
    state: str
    explanation: Mapping[str, tuple[str, ...]]
    rule: str
    source: str
    confidence: str
    provisional: bool


def list_rules(engine: Engine) -> list[RuleView]:
    """Return every report of every loaded regime."""
    with reading(engine) as session:
        regimes = [read_regime(entry.content, file=entry.code) for entry in newest(session, PlaybookKind.REGIME)]
    return [
        RuleView(
            regime=regime.code,
            report=report.code,
            title_ja=report.title.ja,
            title_en=report.title.en,
            situations=report.situations,
            source=report.source,
            confidence=report.confidence,
        )
        for regime in regimes
        for report in regime.reports
    ]


def compute(
    engine: Engine, regime_code: str, report_code: str, anchor_at: datetime, situations: frozenset[str]
) -> Computed:
    """Compute one due time from the moment its clock began."""
    with reading(engine) as session:
        regimes = {entry.code: entry for entry in newest(session, PlaybookKind.REGIME)}
        closures = {
            entry.code: read_closures(entry.content, file=entry.code) for entry in newest(session, PlaybookKind.CLOSURE)
        }
    if regime_code not in regimes:
        raise NotFound(what="regime", name=regime_code)
    regime = read_regime(regimes[regime_code].content, file=regime_code)
    report = next((entry for entry in regime.reports if entry.code == report_code), None)
    if report is None:
        raise NotFound(what="report", name=f"{regime_code} {report_code}")
    if unknown := sorted(situations - set(report.situations)):
        raise NotFound(what="situation", name=unknown[0])
    general = next(entry for entry in report.deadlines if not entry.situations)
    special = [entry for entry in report.deadlines if entry.situations & situations]
    rule = (special[0] if special else general).rule
    due = due_time(rule, anchor_at=anchor_at, calendar=closures.get(rule.calendar or ""))
    return Computed(
        due_at=due.due_at,
        state=due.state,
        explanation={"ja": due.explanation_ja, "en": due.explanation_en},
        rule=f"{regime_code}:{report_code}",
        source=report.source,
        confidence=report.confidence,
        provisional=due.provisional,
    )
