"""Forecasts of waves: from the configured rate before one is sent, from the last minutes while it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.brake import AttemptOutcome
from incident_app.domain.delivery import CampaignStatus
from incident_app.domain.forecast import MOST, Forecast, RateBasis, foresee, measured_per_second
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.domain.obligations import LIVE
from incident_app.domain.regimes import AddresseeKind
from incident_app.persistence.attempts import newest_of_wave
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.outbox import DeliveryAttempt
from incident_app.services.transaction import reading
from incident_app.services.waves import CampaignView

OVER = (CampaignStatus.FINISHED, CampaignStatus.CANCELLED)


def forecast_of(engine: Engine, wave: CampaignView, *, configured_per_second: float, now: datetime) -> Forecast | None:
    """Say when a wave will have been sent; None when it is over.

    While it runs the rate is what was seen lately; before, and while it is paused, it is what one worker may send.
    """
    if wave.status in OVER:
        return None
    with reading(engine) as session:
        deadline = _nearest_deadline(session, wave.incident_id)
        if wave.status is CampaignStatus.RUNNING and wave.started_at is not None:
            ended = _ends_of_attempts(session, wave.id)
            basis, per_second = RateBasis.MEASURED, measured_per_second(ended, began_at=wave.started_at, now=now)
        else:
            basis, per_second = RateBasis.CONFIGURED, configured_per_second
    return foresee(left=wave.totals.waiting, per_second=per_second, basis=basis, deadline=deadline, now=now)


def _ends_of_attempts(session: Session, campaign_id: CampaignId) -> Sequence[datetime]:
    """Return when the last attempts ended, newest first, without those that are made again."""
    return session.scalars(
        newest_of_wave(session, campaign_id, after=0)
        .with_only_columns(DeliveryAttempt.finished_at)
        .where(DeliveryAttempt.outcome != AttemptOutcome.REFUSED_FOR_NOW.value)
        .limit(MOST)
    ).all()


def _nearest_deadline(session: Session, incident_id: IncidentId) -> datetime | None:
    return session.scalar(
        sa.select(sa.func.min(sa.func.coalesce(Obligation.due_at, Obligation.internal_target_at))).where(
            Obligation.incident_id == incident_id,
            Obligation.addressee_kind == AddresseeKind.PEOPLE,
            Obligation.status.in_(LIVE),
        )
    )
