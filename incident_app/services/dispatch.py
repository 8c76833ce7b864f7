"""Controlling waves: start, pause, resume, cancel, resolve what is in doubt, and count what is known."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import (
    CampaignEvent,
    CampaignStatus,
    DeliveryEvent,
    DeliveryState,
    Standing,
    WhenUncertain,
    next_campaign_status,
    next_state,
)
from incident_app.domain.digests import ContentDigest
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import (
    DeliveryResolved,
    DispatchCancelled,
    DispatchDoubted,
    DispatchFinished,
    DispatchPaused,
    DispatchResumed,
    DispatchStarted,
)
from incident_app.domain.ids import Actor, CampaignId, IncidentId
from incident_app.domain.vocabulary import Subject
from incident_app.persistence.incidents import Incident
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryRow
from incident_app.persistence.sql_outbox import microseconds, move_people, withhold
from incident_app.persistence.timeline import EventRow
from incident_app.services.approvals import ApprovalOutdated, NotApproved, is_approved
from incident_app.services.campaigns import current_campaign_digest
from incident_app.services.transaction import reading, recording, transaction
from incident_app.services.waves import attempts_digest, get_campaign_row, totals_in


class WrongCount(IncidentAppError):
    """The number typed is not the number of messages of this wave. Look at the count again."""

    ja = "入力した数が、この波の通数と一致しません。もう一度ご確認ください。"


class ExerciseNotSent(IncidentAppError):
    """This incident is an exercise: nothing of it is ever sent to a real address."""

    ja = "この事案は演習です。実在の宛先には送信できません。"


class Resolution(StrEnum):
    """What somebody found out about a message in doubt."""

    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"
    SEND_AGAIN = "send_again"


_RESOLVED = {
    Resolution.ACCEPTED: DeliveryEvent.RESOLVED_ACCEPTED,
    Resolution.NOT_SENT: DeliveryEvent.RESOLVED_NOT_SENT,
    Resolution.SEND_AGAIN: DeliveryEvent.REQUEUED,
}


def start_campaign(engine: Engine, campaign_id: CampaignId, *, typed_count: int, actor: Actor, now: datetime) -> None:
    """Let a wave go: approved exactly as it is now, and the number of messages typed by a person (J5)."""
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id)
        _check_may_send(act.session, campaign)
        if typed_count != campaign.planned:
            raise WrongCount
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.STARTED)
        campaign.started_at = now
        act.record(
            DispatchStarted(
                campaign_id=campaign_id,
                wave=campaign.wave_number,
                planned=campaign.planned,
                approved_digest=campaign.approved_digest or "",
            ),
            incident=IncidentId(campaign.incident_id),
        )


def pause_campaign(
    engine: Engine, campaign_id: CampaignId, *, reason: str | None = None, actor: Actor, now: datetime
) -> None:
    """Stop a wave: no further message is begun."""
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id)
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.PAUSED)
        text = act.keep_text(reason) if reason else None
        campaign.pause_reason_text_id = text.id if text else None
        totals = totals_in(act.session, campaign)
        through, digest = _report_attempts(act.session, campaign)
        act.record(
            DispatchPaused(
                campaign_id=campaign_id,
                wave=campaign.wave_number,
                accepted=totals.sent,
                waiting=totals.waiting,
                reason_digest=text.digest if text else None,
                attempts_through=through,
                attempts_digest=digest,
            ),
            incident=IncidentId(campaign.incident_id),
        )


def resume_campaign(engine: Engine, campaign_id: CampaignId, *, actor: Actor, now: datetime) -> None:
    """Go on with a paused wave; its approval is tested again."""
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id)
        _check_may_send(act.session, campaign)
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.RESUMED)
        act.record(
            DispatchResumed(campaign_id=campaign_id, wave=campaign.wave_number),
            incident=IncidentId(campaign.incident_id),
        )


def cancel_campaign(engine: Engine, campaign_id: CampaignId, *, reason: str, actor: Actor, now: datetime) -> int:
    """End a wave before all of it is sent; return how many messages stay unsent. Their people stay to be informed."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why the wave is cancelled")
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id)
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.CANCELLED)
        waiting = act.session.scalars(
            sa.select(DeliveryRow.id).where(
                DeliveryRow.campaign_id == campaign_id, DeliveryRow.state == DeliveryState.QUEUED
            ),
        ).all()
        withhold(act.session, waiting)
        unsent = len(waiting)
        text = act.keep_text(reason)
        through, digest = _report_attempts(act.session, campaign)
        act.record(
            DispatchCancelled(
                campaign_id=campaign_id,
                wave=campaign.wave_number,
                unsent=unsent,
                reason_digest=text.digest,
                attempts_through=through,
                attempts_digest=digest,
            ),
            incident=IncidentId(campaign.incident_id),
        )
        return unsent


def withhold_cancelled(engine: Engine) -> None:
    """Withhold what came back to the queue of a cancelled wave, so that its people are free for another one."""
    cancelled = sa.select(Campaign.id).where(Campaign.status == CampaignStatus.CANCELLED)
    with recording(engine) as session:
        ids = session.scalars(
            sa.select(DeliveryRow.id).where(
                DeliveryRow.campaign_id.in_(cancelled), DeliveryRow.state == DeliveryState.QUEUED
            ),
        ).all()
        withhold(session, ids)


def resolve(
    engine: Engine,
    incident_id: IncidentId,
    delivery_id: int,
    resolution: Resolution,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Settle a message in doubt by what somebody found out. Sending again keeps the same Message-ID."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say how you know")
    with transaction(engine, actor=actor, now=now) as act:
        row = act.session.get(DeliveryRow, delivery_id)
        if row is None or act.session.get_one(Campaign, row.campaign_id).incident_id != incident_id:
            raise NotFound(what="delivery", name=delivery_id)
        row.state = next_state(row.state, _RESOLVED[resolution])
        row.next_attempt_at = microseconds(now)
        act.session.flush()
        if row.state is DeliveryState.ACCEPTED:
            move_people(act.session, [row.id], Standing.INFORMED, at=now)
        text = act.keep_text(reason)
        act.record(
            DeliveryResolved(delivery_id=delivery_id, resolution=resolution, reason_digest=text.digest),
            incident=incident_id,
        )


def note_doubts(engine: Engine, *, actor: Actor, now: datetime) -> int:
    """Put newly found doubts on the timeline; queue them again where the approver chose so. Return how many stay."""
    left = 0
    with reading(engine) as session:
        doubted = session.execute(
            sa.select(DeliveryRow.campaign_id, sa.func.count())
            .where(DeliveryRow.state == DeliveryState.UNCERTAIN)
            .group_by(DeliveryRow.campaign_id),
        ).all()
    for campaign_id, number in doubted:
        with transaction(engine, actor=actor, now=now) as act:
            campaign = get_campaign_row(act.session, CampaignId(campaign_id))
            act.record(
                DispatchDoubted(campaign_id=campaign_id, wave=campaign.wave_number, in_doubt=number),
                incident=IncidentId(campaign.incident_id),
            )
            if campaign.when_uncertain is WhenUncertain.RESEND:
                act.session.execute(
                    sa.update(DeliveryRow)
                    .where(DeliveryRow.campaign_id == campaign_id, DeliveryRow.state == DeliveryState.UNCERTAIN)
                    .values(
                        state=next_state(DeliveryState.UNCERTAIN, DeliveryEvent.REQUEUED),
                        next_attempt_at=microseconds(now),
                    ),
                )
            else:
                left += number
    return left


def finish_settled(engine: Engine, *, actor: Actor, now: datetime) -> list[CampaignId]:
    """Mark the running waves finished whose rows say so: nothing waits, nothing is in doubt."""
    finished = []
    with reading(engine) as session:
        running = session.scalars(sa.select(Campaign.id).where(Campaign.status == CampaignStatus.RUNNING)).all()
        settled = [
            campaign_id
            for campaign_id in running
            if totals_in(session, get_campaign_row(session, CampaignId(campaign_id))).is_settled
        ]
    for campaign_id in settled:
        with transaction(engine, actor=actor, now=now) as act:
            campaign = get_campaign_row(act.session, CampaignId(campaign_id))
            campaign.status = next_campaign_status(campaign.status, CampaignEvent.FINISHED)
            campaign.finished_at = now
            totals = totals_in(act.session, campaign)
            through, digest = _report_attempts(act.session, campaign)
            act.record(
                DispatchFinished(
                    campaign_id=campaign_id,
                    wave=campaign.wave_number,
                    planned=totals.planned,
                    accepted=totals.sent,
                    failed=totals.failed,
                    skipped=totals.skipped,
                    attempts_through=through,
                    attempts_digest=digest,
                ),
                incident=IncidentId(campaign.incident_id),
            )
        finished.append(CampaignId(campaign_id))
    return finished


def verify_attempts(engine: Engine, campaign_id: CampaignId) -> bool:
    """Recompute the digests over attempts that the timeline holds for a wave; tell whether all of them agree."""
    with reading(engine) as session:
        bodies = session.scalars(
            sa.select(EventRow.body).where(EventRow.kind.startswith("dispatch.")).order_by(EventRow.sequence),
        )
        facts = [json.loads(body)["facts"] for body in bodies]
        reported = [fact for fact in facts if fact.get("campaign_id") == campaign_id and "attempts_digest" in fact]
        since = 0
        for fact in reported:
            through = int(fact["attempts_through"])
            if attempts_digest(session, campaign_id, since, through) != fact["attempts_digest"]:
                return False
            since = through
        return True


def _check_may_send(session: Session, campaign: Campaign) -> None:
    incident = session.get_one(Incident, campaign.incident_id)
    if incident.exercise:
        raise ExerciseNotSent
    current = current_campaign_digest(session, campaign.id)
    if campaign.approved_digest is None:
        raise NotApproved
    if campaign.approved_digest != current:
        raise ApprovalOutdated
    if not is_approved(session, Subject.CAMPAIGN, campaign.id, current):
        raise NotApproved


def _report_attempts(session: Session, campaign: Campaign) -> tuple[int, ContentDigest]:
    """Digest the attempts since the last report of this wave, and move the mark."""
    newest = session.scalar(
        sa.select(sa.func.max(DeliveryAttempt.id))
        .join(DeliveryRow, DeliveryRow.id == DeliveryAttempt.delivery_id)
        .where(DeliveryRow.campaign_id == campaign.id),
    )
    since, campaign.reported_through = campaign.reported_through, newest or campaign.reported_through
    return campaign.reported_through, attempts_digest(session, campaign.id, since, campaign.reported_through)
