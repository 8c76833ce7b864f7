"""What the timeline vouches for of a wave: one digest over its attempts since the last report, however many they are.

Nearly all attempts are digested before the transaction that reports them, which then holds its lock for the few that
came meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest
from incident_app.domain.ids import Actor, CampaignId
from incident_app.persistence.attempts import attempt_lines
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryRow
from incident_app.services.transaction import Transaction, reading, recording, transaction
from incident_app.services.waves import get_campaign_row


class AttemptsDigest:
    """A digest over the attempts of one wave in their order, read piece by piece."""

    def __init__(self, campaign_id: int, since: int) -> None:
        self._campaign_id = campaign_id
        self.since = since
        self.through = since
        self._digest = hashlib.sha256()

    @classmethod
    def ahead(cls, engine: Engine, campaign_id: CampaignId) -> Self:
        """Read what there is now, before a report is written."""
        with recording(engine) as session:
            since = get_campaign_row(session, campaign_id).reported_through
            newest = _newest(session, campaign_id)
        made = cls(campaign_id, since)
        with reading(engine) as session:
            made.read_on(session, newest)
        return made

    def read_on(self, session: Session, through: int | None) -> None:
        """Take in the attempts behind those already read, up to one with this id."""
        if through is None or through <= self.through:
            return
        for through_row, lines in attempt_lines(session, self._campaign_id, after=self.through, through=through):
            self._digest.update(lines)
            self.through = through_row

    @property
    def value(self) -> ContentDigest:
        """Return the digest over what was read."""
        return ContentDigest(self._digest.hexdigest())


@dataclass(frozen=True)
class Report:
    """A wave that is about to be moved by an act, and its attempts since the last report, nearly all read."""

    act: Transaction
    campaign: Campaign
    ahead: AttemptsDigest

    def attempts(self) -> tuple[int, ContentDigest]:
        """Read what came meanwhile, and move the mark; return where it stands now and the digest."""
        ahead, campaign = self.ahead, self.campaign
        if ahead.since != campaign.reported_through:  # somebody else reported meanwhile
            ahead = AttemptsDigest(campaign.id, campaign.reported_through)
        ahead.read_on(self.act.session, _newest(self.act.session, campaign.id))
        campaign.reported_through = ahead.through
        return ahead.through, ahead.value


@contextmanager
def reporting(engine: Engine, campaign_id: CampaignId, *, actor: Actor, now: datetime) -> Iterator[Report]:
    """Move a wave in an act that reports its attempts; nobody else moves it meanwhile. NotFound where there is none."""
    ahead = AttemptsDigest.ahead(engine, campaign_id)
    with transaction(engine, actor=actor, now=now) as act:
        yield Report(act, get_campaign_row(act.session, campaign_id, lock=True), ahead)


def _newest(session: Session, campaign_id: int) -> int | None:
    """Return the newest attempt of a wave, below which none can appear any more.

    PostgreSQL gives ids before they are saved: only while nobody writes is the newest one truly the last.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("LOCK TABLE delivery_attempts IN SHARE MODE"))
    return session.scalar(
        sa.select(DeliveryAttempt.id)
        .join(DeliveryRow, DeliveryRow.id == DeliveryAttempt.delivery_id)
        .where(DeliveryRow.campaign_id == campaign_id)
        .order_by(DeliveryAttempt.id.desc())
        .limit(1)
    )
