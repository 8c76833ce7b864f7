"""The canary of a wave: a few messages are sent first, then the wave holds until somebody looked and lets it go on."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignEvent, CampaignStatus, next_campaign_status
from incident_app.domain.errors import BadInput, IllegalMove, IncidentAppError
from incident_app.domain.events import DispatchHalted, DispatchReleased
from incident_app.domain.ids import Actor, CampaignId, IncidentId
from incident_app.persistence.outbox import Campaign, DeliveryRow
from incident_app.services.approved_content import check_audience
from incident_app.services.attempts_digest import Report, reporting
from incident_app.services.braking import watch_anew
from incident_app.services.sending_checks import check_may_send
from incident_app.services.transaction import reading, transaction
from incident_app.services.waves import canary_in, get_campaign_row, totals_in


class NoCanaryWaits(IncidentAppError):
    """No canary of this wave waits for somebody to look: it has none, or it is not sent yet, or the wave went on."""

    ja = (
        "この波には、確認を待っている先行分がありません"
        "（先行分がない、まだ送り終えていない、またはすでに残りを送っています）。"
    )


class CanaryWaits(IncidentAppError):
    """The canary of this wave is sent. Look at what came of it, then let the wave go on, or cancel it."""

    ja = "この波の先行分は送り終えています。結果を確かめてから、残りを送るか、取りやめてください。"


def bounds_of_canary(engine: Engine, campaign_id: CampaignId, size: int | None) -> tuple[int, int] | None:
    """Return the first and the last of the messages that are sent before all others; None without a canary."""
    if size is None:
        return None
    with reading(engine) as session:
        if not 1 <= size < get_campaign_row(session, campaign_id).planned:
            raise BadInput(field="canary", problem="a canary has at least 1 message and fewer than the wave")
        ids = sa.select(DeliveryRow.id).where(DeliveryRow.campaign_id == campaign_id).order_by(DeliveryRow.id)
        first, last = (session.scalars(ids.limit(1).offset(place)).one() for place in (0, size - 1))
        return first, last


def hold_sent_canaries(engine: Engine, *, actor: Actor, now: datetime) -> list[CampaignId]:
    """Hold the running waves of whose canary every message was tried; return which they are."""
    with reading(engine) as session:
        sent = [CampaignId(campaign.id) for campaign in session.scalars(_RUNNING) if _is_sent(session, campaign)]
    held = []
    for campaign_id in sent:
        try:
            with reporting(engine, campaign_id, actor=actor, now=now) as report:
                _hold(report)
        except IllegalMove:  # somebody was faster
            continue
        held.append(campaign_id)
    return held


_RUNNING = sa.select(Campaign).where(Campaign.status == CampaignStatus.RUNNING, Campaign.canary_through.is_not(None))


def _hold(report: Report) -> None:
    act, campaign = report.act, report.campaign
    canary = canary_in(act.session, campaign)
    if canary is None or not canary.is_sent:  # somebody let it go on meanwhile
        raise IllegalMove(thing="campaign", state=campaign.status, event=CampaignEvent.CANARY_SENT)
    campaign.status = next_campaign_status(campaign.status, CampaignEvent.CANARY_SENT)
    campaign.pause_reason_text_id = None
    through, digest = report.attempts()
    act.record(
        DispatchHalted(
            campaign_id=campaign.id,
            wave=campaign.wave_number,
            canary=canary.size,
            accepted=canary.accepted,
            refused=canary.refused,
            in_doubt=canary.in_doubt,
            to_retry=canary.to_retry,
            withheld=canary.withheld,
            waiting=totals_in(act.session, campaign).waiting,
            attempts_through=through,
            attempts_digest=digest,
        ),
        incident=IncidentId(campaign.incident_id),
    )


def go_on(engine: Engine, campaign_id: CampaignId, *, actor: Actor, now: datetime) -> None:
    """Let the rest of a wave go after somebody looked at its canary; its approval and its rows are tested again."""
    check_audience(engine, campaign_id)
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id, lock=True)
        if not _waits(act.session, campaign):
            raise NoCanaryWaits
        check_may_send(act.session, campaign)
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.WENT_ON)
        campaign.canary_from = campaign.canary_through = None
        watch_anew(act.session, campaign)
        act.record(
            DispatchReleased(
                campaign_id=campaign_id,
                wave=campaign.wave_number,
                waiting=totals_in(act.session, campaign).waiting,
            ),
            incident=IncidentId(campaign.incident_id),
        )


def check_no_canary_waits(session: Session, campaign: Campaign) -> None:
    """Refuse to resume a wave that waits for a look at its canary: that is an act of its own."""
    if _waits(session, campaign):
        raise CanaryWaits


def _waits(session: Session, campaign: Campaign) -> bool:
    return campaign.status is CampaignStatus.PAUSED and _is_sent(session, campaign)


def _is_sent(session: Session, campaign: Campaign) -> bool:
    canary = canary_in(session, campaign)
    return canary is not None and canary.is_sent
