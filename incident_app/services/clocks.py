"""Clocks that begin with what was done: a first filing, or a decision of a fact."""

from __future__ import annotations

from collections.abc import Mapping

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
    newest = {decision.fact: decision for decision in decisions}
    return {f"filed:{rule}": Clock(at=at) for rule, at in filings} | {
        f"decided:{fact}": Clock(at=decision.decided_at) for fact, decision in newest.items() if decision.value
    }
