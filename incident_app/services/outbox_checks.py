"""Whether the outbox is whole: nothing half-filled, nothing queued for ever, every wave adds up."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignStatus, DeliveryState
from incident_app.persistence.outbox import Campaign
from incident_app.services.campaigns import LONGEST_FILL
from incident_app.services.transaction import reading
from incident_app.services.waves import totals_in


def outbox_faults(engine: Engine, *, now: datetime) -> list[str]:
    """Name every wave whose rows are not as they must be, and what to do about it."""
    with reading(engine) as session:
        faults = []
        for wave in session.scalars(sa.select(Campaign).order_by(Campaign.id)):
            name = f"wave {wave.wave_number} of incident {wave.incident_id} (campaign {wave.id})"
            faults += [f"{name}: {fault}" for fault in _faults_of(session, wave, now)]
        return faults


def _faults_of(session: Session, wave: Campaign, now: datetime) -> list[str]:
    if wave.status is CampaignStatus.BUILDING:
        died = wave.created_at < now - LONGEST_FILL
        return ["its filling died half-way; start the worker, or fill again, and it is cleared"] if died else []
    totals = totals_in(session, wave)
    faults = [] if totals.agrees else [f"{totals.planned} messages are planned, but there are {totals.counted}"]
    left = totals.by_state.get(DeliveryState.QUEUED, 0)
    if wave.status is CampaignStatus.CANCELLED and left:
        faults.append(f"it is cancelled, but {left} messages are still queued; start the worker and they are withheld")
    return faults
