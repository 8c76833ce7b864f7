"""Waves as they stand: their messages by state, always adding up, recounted from the rows."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignStatus, Canary, DeliveryState, DeliveryTotals, canary_of
from incident_app.domain.errors import NotFound
from incident_app.domain.events import DispatchBraked, DispatchHalted, DispatchPaused, summary
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.domain.sending_hours import Pace, SendingHours
from incident_app.persistence.customers import CustomerContact
from incident_app.persistence.outbox import Campaign, DeliveryRow, MailDomain
from incident_app.persistence.timeline import EventRow, TextRow
from incident_app.services.approved_content import current_campaign_digest
from incident_app.services.impact_views import mask
from incident_app.services.transaction import reading

STOPPING = (DispatchPaused.kind, DispatchHalted.kind, DispatchBraked.kind)


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Why a paused wave does not go on: what the timeline says of it, and the reason that was given."""

    at: datetime
    summary_ja: str
    summary_en: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class CampaignView:
    """One wave and what is known of its messages."""

    id: CampaignId
    incident_id: IncidentId
    notice_id: int
    notice_version: int
    wave: int
    status: CampaignStatus
    audience_rule: str
    people: int
    totals: DeliveryTotals
    content_digest: str
    approved_digest: str | None
    started_at: datetime | None
    finished_at: datetime | None
    domains: tuple[tuple[str, int], ...]
    canary_size: int | None
    """How many messages were to be sent before all others, whether or not the wave went on since."""
    canary: Canary | None
    """What came of them, until the wave goes on."""
    stop: Stop | None
    pace: Pace
    """Its sending hours and its ceiling an hour."""

    @property
    def awaits_look(self) -> bool:
        """True while the wave holds because its canary is sent and nobody let it go on."""
        return self.status is CampaignStatus.PAUSED and self.canary is not None and self.canary.is_sent


def list_campaigns(engine: Engine, incident_id: IncidentId) -> list[CampaignView]:
    """Return the waves of an incident, first wave first."""
    with reading(engine) as session:
        rows = session.scalars(
            sa.select(Campaign)
            .where(Campaign.incident_id == incident_id, Campaign.status != CampaignStatus.BUILDING)
            .order_by(Campaign.wave_number),
        )
        return [_view(session, row) for row in rows]


def being_filled(engine: Engine, incident_id: IncidentId) -> list[tuple[int, datetime]]:
    """Return number and beginning of each wave that is being filled, or whose filling died."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(Campaign.wave_number, Campaign.created_at).where(
                Campaign.incident_id == incident_id, Campaign.status == CampaignStatus.BUILDING
            ),
        )
        return [(wave, since) for wave, since in rows]


def get_campaign(engine: Engine, campaign_id: CampaignId) -> CampaignView:
    """Return one wave with its totals, recounted from the rows."""
    with reading(engine) as session:
        return _view(session, get_campaign_row(session, campaign_id))


def get_wave_of(engine: Engine, incident_id: IncidentId, campaign_id: CampaignId) -> CampaignView:
    """Return one wave of this incident; one of another incident does not exist here (need to know)."""
    wave = get_campaign(engine, campaign_id)
    if wave.incident_id != incident_id:
        raise NotFound(what="wave", name=campaign_id)
    return wave


def withheld_by_reason(engine: Engine, campaign_id: CampaignId) -> dict[str, int]:
    """Count the messages of a wave that were withheld on purpose, by the reason."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(DeliveryRow.withheld_because, sa.func.count())
            .where(DeliveryRow.campaign_id == campaign_id, DeliveryRow.state == DeliveryState.WITHHELD)
            .group_by(DeliveryRow.withheld_because),
        )
        return {because or "unknown": number for because, number in rows}


def in_doubt(engine: Engine, campaign_id: CampaignId) -> list[int]:
    """Return the messages of a wave of which nobody knows whether they arrived."""
    with reading(engine) as session:
        return list(
            session.scalars(
                sa.select(DeliveryRow.id)
                .where(DeliveryRow.campaign_id == campaign_id, DeliveryRow.state == DeliveryState.UNCERTAIN)
                .order_by(DeliveryRow.id),
            ),
        )


def first_recipients(engine: Engine, campaign_id: CampaignId) -> list[tuple[str, str]]:
    """Return masked name and address of the first three messages, for whoever starts the wave (J5)."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(CustomerContact.name, CustomerContact.address)
            .join(DeliveryRow, DeliveryRow.contact_id == CustomerContact.id)
            .where(DeliveryRow.campaign_id == campaign_id)
            .order_by(DeliveryRow.id)
            .limit(3),
        )
        return [
            (mask(name or ""), f"{(address or '')[:1]}●●●@{(address or '').rpartition('@')[2]}")
            for name, address in rows
        ]


def get_campaign_row(session: Session, campaign_id: CampaignId, *, lock: bool = False) -> Campaign:
    """Return the row of a wave; NotFound otherwise. Locked, nobody else moves it until this transaction has ended."""
    campaign = session.get(Campaign, campaign_id, with_for_update=lock, populate_existing=lock)
    if campaign is None:
        raise NotFound(what="wave", name=campaign_id)
    return campaign


def pace_in(campaign: Campaign) -> Pace:
    """Return the sending hours and the ceiling of a wave."""
    begin, end = campaign.hours_from, campaign.hours_until
    hours = None if begin is None or end is None else SendingHours(begin=begin, end=end)
    return Pace(hours=hours, per_hour=campaign.per_hour_ceiling)


def totals_in(session: Session, campaign: Campaign) -> DeliveryTotals:
    """Count the messages of a wave by state."""
    rows = session.execute(
        sa.select(DeliveryRow.state, sa.func.count())
        .where(DeliveryRow.campaign_id == campaign.id)
        .group_by(DeliveryRow.state),
    )
    return DeliveryTotals(planned=campaign.planned, by_state=dict(rows.all()))


def canary_in(session: Session, campaign: Campaign) -> Canary | None:
    """Count what came of the messages that are sent before all others; None when every message may be sent."""
    if campaign.canary_through is None:
        return None
    begun = DeliveryRow.attempt_count > 0
    rows = session.execute(
        sa.select(DeliveryRow.state, begun, sa.func.count())
        .where(
            DeliveryRow.campaign_id == campaign.id,
            DeliveryRow.id.between(campaign.canary_from, campaign.canary_through),
        )
        .group_by(DeliveryRow.state, begun),
    )
    return canary_of(campaign.canary_size or 0, {(state, bool(tried)): number for state, tried, number in rows})


def _stop(session: Session, campaign: Campaign) -> Stop | None:
    """Return what the timeline says of the pause of a wave: the newest of its events that stopped it."""
    rows = session.scalars(
        sa.select(EventRow)
        .where(EventRow.incident_id == campaign.incident_id, EventRow.kind.in_(STOPPING))
        .order_by(EventRow.sequence.desc())
        .execution_options(yield_per=10),
    )
    with closing(rows):
        for row in rows:
            facts = json.loads(row.body)["facts"]
            if facts.get("campaign_id") == campaign.id:
                text = session.get(TextRow, campaign.pause_reason_text_id) if campaign.pause_reason_text_id else None
                return Stop(
                    at=row.recorded_at,
                    summary_ja=summary(row.kind, facts, "ja"),
                    summary_en=summary(row.kind, facts, "en"),
                    reason=text.body if text else None,
                )
    return None


def _view(session: Session, row: Campaign) -> CampaignView:
    domains = session.execute(
        sa.select(MailDomain.name, sa.func.count())
        .join(DeliveryRow, DeliveryRow.domain_id == MailDomain.id)
        .where(DeliveryRow.campaign_id == row.id)
        .group_by(MailDomain.name)
        .order_by(sa.func.count().desc(), MailDomain.name),
    )
    return CampaignView(
        id=CampaignId(row.id),
        incident_id=IncidentId(row.incident_id),
        notice_id=row.notice_id,
        notice_version=row.notice_version,
        wave=row.wave_number,
        status=row.status,
        audience_rule=row.audience_rule,
        people=row.people,
        totals=totals_in(session, row),
        content_digest=current_campaign_digest(session, row.id),
        approved_digest=row.approved_digest,
        started_at=row.started_at,
        finished_at=row.finished_at,
        domains=tuple(domains.all()),
        canary_size=row.canary_size,
        canary=canary_in(session, row),
        stop=_stop(session, row) if row.status is CampaignStatus.PAUSED else None,
        pace=pace_in(row),
    )
