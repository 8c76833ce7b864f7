"""Clocks that begin with what was done: a first filing, or a decision of a fact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.ids import IncidentId
from incident_app.domain.obligations import Clock
from incident_app.persistence.obligations import FactDecision, Obligation


def clocks_of_acts(session: Session, incident_id: IncidentId) -> Mapping[str, Clock]:
    """Return the clocks that filings and decisions have begun: filed:REGIME:REPORT and decided:FACT."""
    filings = session.execute(
        sa.select(Obligation.rule_code, sa.func.min(Obligation.first_filed_at))
        .where(Obligation.incident_id == incident_id, Obligation.first_filed_at.is_not(None))
        .group_by(Obligation.rule_code),
    )
    decisions = session.scalars(
        sa.select(FactDecision).where(FactDecision.incident_id == incident_id).order_by(FactDecision.id),
    )
    return {f"filed:{rule}": Clock(at=at) for rule, at in filings} | {
        f"decided:{fact}": Clock(at=decision.decided_at) for fact, decision in _standing_since(decisions).items()
    }


def _standing_since(decisions: Iterable[FactDecision]) -> Mapping[str, FactDecision]:
    """Return for each fact that holds the decision since which it does: saying it again moves nothing."""
    since: dict[str, FactDecision] = {}
    for decision in decisions:
        if decision.value:
            since.setdefault(decision.fact, decision)
        else:
            since.pop(decision.fact, None)
    return since
