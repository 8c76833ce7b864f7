"""The automatic brake at work: the last attempts of each running wave are judged, and one that fails is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.brake import AttemptOutcome, BrakeRule, FinishedAttempt, TooManyFailures, judge
from incident_app.domain.delivery import CampaignEvent, CampaignStatus, next_campaign_status
from incident_app.domain.errors import IllegalMove
from incident_app.domain.events import DispatchBraked
from incident_app.domain.ids import Actor, CampaignId, IncidentId
from incident_app.persistence.attempts import newest_of_wave
from incident_app.persistence.outbox import Campaign, DeliveryAttempt
from incident_app.services.attempts_digest import Report, reporting
from incident_app.services.transaction import reading
from incident_app.services.waves import totals_in


def brake_failing_waves(engine: Engine, rule: BrakeRule, *, actor: Actor, now: datetime) -> list[CampaignId]:
    """Stop the running waves of which too many of the last attempts ended badly; return which they are."""
    with reading(engine) as session:
        running = session.scalars(sa.select(Campaign).where(Campaign.status == CampaignStatus.RUNNING)).all()
        failing = [
            (CampaignId(campaign.id), found)
            for campaign in running
            if (found := judge(_last_attempts(session, campaign, rule), rule, now=now)) is not None
        ]
    stopped = []
    for campaign_id, found in failing:
        try:
            with reporting(engine, campaign_id, actor=actor, now=now) as report:
                _brake(report, found, rule)
        except IllegalMove:  # somebody was faster
            continue
        stopped.append(campaign_id)
    return stopped


def watch_anew(session: Session, campaign: Campaign) -> None:
    """Let the window of the brake begin with the next attempt: a person has decided that the wave goes on."""
    campaign.watched_after = session.scalar(sa.select(sa.func.max(DeliveryAttempt.id))) or 0


def _last_attempts(session: Session, campaign: Campaign, rule: BrakeRule) -> Sequence[FinishedAttempt]:
    attempt = DeliveryAttempt
    rows = session.execute(
        newest_of_wave(session, campaign.id, after=campaign.watched_after or 0)
        .with_only_columns(attempt.finished_at, attempt.outcome, attempt.reply_code, attempt.enhanced_code)
        .limit(rule.attempts)
    )
    return [
        FinishedAttempt(
            finished_at=finished_at,
            outcome=AttemptOutcome(outcome),
            reply=None if code is None else " ".join(filter(None, (str(code), enhanced))),
        )
        for finished_at, outcome, code, enhanced in rows
    ]


def _brake(report: Report, found: TooManyFailures, rule: BrakeRule) -> None:
    act, campaign = report.act, report.campaign
    campaign.status = next_campaign_status(campaign.status, CampaignEvent.BRAKED)
    campaign.pause_reason_text_id = None
    totals = totals_in(act.session, campaign)
    through, digest = report.attempts()
    act.record(
        DispatchBraked(
            campaign_id=campaign.id,
            wave=campaign.wave_number,
            attempts=found.attempts,
            refused=found.refused,
            in_doubt=found.in_doubt,
            limit=rule.percent,
            reply=found.reply,
            accepted=totals.sent,
            waiting=totals.waiting,
            attempts_through=through,
            attempts_digest=digest,
        ),
        incident=IncidentId(campaign.incident_id),
    )
