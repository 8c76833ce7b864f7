"""Which messages were sent, for the pages that confirm notices: read in the order of their codes, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import DeliveryState
from incident_app.persistence.incidents import Incident
from incident_app.persistence.outbox import Campaign, DeliveryRow
from incident_app.persistence.outcomes import AT_ONCE, last_attempts

SENT = (DeliveryState.ACCEPTED, DeliveryState.BOUNCED, DeliveryState.UNCERTAIN)
"""What left us: also a message of which we doubt whether it arrived, and one that came back."""


class SentMessage(NamedTuple):
    """One message that was sent."""

    token: str
    campaign_id: int
    notice_version_id: int
    sent_at: datetime


def sent_messages(session: Session) -> Iterator[Sequence[SentMessage]]:
    """Yield every message that was sent of an approved wave, exercises aside, in the order of their codes."""
    by_octet = DeliveryRow.token.collate("C") if session.get_bind().dialect.name == "postgresql" else DeliveryRow.token
    query = (
        sa.select(DeliveryRow.id, DeliveryRow.token, DeliveryRow.campaign_id, DeliveryRow.notice_version_id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .join(Incident, Incident.id == Campaign.incident_id)
        .where(
            Campaign.approved_digest.is_not(None),
            Campaign.started_at.is_not(None),
            Incident.exercise.is_(False),
            DeliveryRow.state.in_(SENT),
            DeliveryRow.notice_version_id.is_not(None),
        )
        .order_by(by_octet)
        .execution_options(yield_per=AT_ONCE)
    )
    for rows in session.execute(query).partitions():
        attempts = last_attempts(session, [row.id for row in rows])
        yield [
            SentMessage(row.token, row.campaign_id, row.notice_version_id or 0, attempts[row.id].finished_at)
            for row in rows
            if row.id in attempts
        ]
