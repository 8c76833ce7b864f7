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
    WithheldBecause,
    next_campaign_status,
    next_state,
)
from incident_app.domain.errors import BadInput, IllegalMove, IncidentAppError, NotFound
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
from incident_app.persistence.attempts import UNKNOWN, move_people
from incident_app.persistence.bulk import CHUNK
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryRow
from incident_app.persistence.sql_outbox import CRASHED, microseconds, withhold
from incident_app.persistence.timeline import EventRow
from incident_app.services.approved_content import check_audience
from incident_app.services.attempts_digest import AttemptsDigest, Report, reporting
from incident_app.services.braking import watch_anew
from incident_app.services.canaries import bounds_of_canary, check_no_canary_waits
from incident_app.services.sending_checks import check_may_send
from incident_app.services.transaction import reading, recording, transaction
from incident_app.services.waves import get_campaign_row, totals_in
from notifications.retry import RetryPolicy


class WrongCount(IncidentAppError):
    """The number typed is not the number of messages of this wave. Look at the count again."""

    ja = "入力した数が、この波の通数と一致しません。もう一度ご確認ください。"


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


def start_campaign(
    engine: Engine,
    campaign_id: CampaignId,
    *,
    typed_count: int,
    canary: int | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Let a wave go: approved exactly as it is now, and the number of messages typed by a person (J5).

    With a canary so many messages are sent first; then the wave holds by itself until somebody looks and lets it go on.
    """
    check_audience(engine, campaign_id)
    bounds = bounds_of_canary(engine, campaign_id, canary)
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id, lock=True)
        check_may_send(act.session, campaign)
        if typed_count != campaign.planned:
            raise WrongCount
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.STARTED)
        campaign.started_at, campaign.canary_size = now, canary
        if bounds is not None:
            campaign.canary_from, campaign.canary_through = bounds
        act.record(
            DispatchStarted(
                campaign_id=campaign_id,
                wave=campaign.wave_number,
                planned=campaign.planned,
                approved_digest=campaign.approved_digest or "",
                canary=canary,
            ),
            incident=IncidentId(campaign.incident_id),
        )


def pause_campaign(
    engine: Engine, campaign_id: CampaignId, *, reason: str | None = None, actor: Actor, now: datetime
) -> None:
    """Stop a wave: no further message is begun."""
    with reporting(engine, campaign_id, actor=actor, now=now) as report:
        _pause(report, reason)


def check_before_sending(engine: Engine, campaign_id: CampaignId) -> None:
    """Test a running wave as its start was tested: somebody may have set it running, or changed it, by other means."""
    check_audience(engine, campaign_id)
    with reading(engine) as session:
        check_may_send(session, get_campaign_row(session, campaign_id))


def pause_for_fault(engine: Engine, campaign_id: CampaignId, *, reason: str, actor: Actor, now: datetime) -> bool:
    """Stop a wave of which nothing can be sent for a reason of ours; False when it does not run any more."""
    with reading(engine) as session:
        if get_campaign_row(session, campaign_id).status is not CampaignStatus.RUNNING:
            return False
    try:
        pause_campaign(engine, campaign_id, reason=reason, actor=actor, now=now)
    except IllegalMove:  # somebody was faster
        return False
    return True


def _pause(report: Report, reason: str | None) -> None:
    act, campaign = report.act, report.campaign
    campaign.status = next_campaign_status(campaign.status, CampaignEvent.PAUSED)
    text = act.keep_text(reason) if reason else None
    campaign.pause_reason_text_id = text.id if text else None
    totals = totals_in(act.session, campaign)
    through, digest = report.attempts()
    act.record(
        DispatchPaused(
            campaign_id=campaign.id,
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
    """Go on with a paused wave; its approval and its rows are tested again, and its brake begins to watch anew."""
    check_audience(engine, campaign_id)
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id, lock=True)
        check_may_send(act.session, campaign)
        check_no_canary_waits(act.session, campaign)
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.RESUMED)
        watch_anew(act.session, campaign)
        act.record(
            DispatchResumed(campaign_id=campaign_id, wave=campaign.wave_number),
            incident=IncidentId(campaign.incident_id),
        )


def cancel_campaign(engine: Engine, campaign_id: CampaignId, *, reason: str, actor: Actor, now: datetime) -> int:
    """End a wave before all of it is sent; return how many messages stay unsent. Their people stay to be informed."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why the wave is cancelled")
    with reporting(engine, campaign_id, actor=actor, now=now) as report:
        act, campaign = report.act, report.campaign
        campaign.status = next_campaign_status(campaign.status, CampaignEvent.CANCELLED)
        unsent = totals_in(act.session, campaign).by_state.get(DeliveryState.QUEUED, 0)
        text = act.keep_text(reason)
        through, digest = report.attempts()
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
    withhold_cancelled(engine)
    return unsent


def withhold_cancelled(engine: Engine) -> None:
    """Withhold what waits in the queue of cancelled waves, in short turns, so that its people are free for another."""
    cancelled = sa.select(Campaign.id).where(Campaign.status == CampaignStatus.CANCELLED)
    waiting = sa.select(DeliveryRow.id).where(
        DeliveryRow.campaign_id.in_(cancelled), DeliveryRow.state == DeliveryState.QUEUED
    )
    while True:
        with recording(engine) as session:
            ids = session.scalars(waiting.limit(CHUNK)).all()
            withhold(session, ids, WithheldBecause.CANCELLED)
        if len(ids) < CHUNK:
            return


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
        campaign = act.session.get(Campaign, row.campaign_id) if row else None
        if row is None or campaign is None or campaign.incident_id != incident_id:
            raise NotFound(what="delivery", name=delivery_id)
        row.state = next_state(row.state, _RESOLVED[resolution])
        row.next_attempt_at = microseconds(now)
        act.session.flush()
        if row.state is DeliveryState.ACCEPTED:
            move_people(act.session, [row.id], Standing.INFORMED, at=now)
        elif campaign.status is CampaignStatus.CANCELLED:  # nobody will send it, so its people are free at once
            withhold(act.session, [row.id], WithheldBecause.CANCELLED)
        text = act.keep_text(reason)
        act.record(
            DeliveryResolved(delivery_id=delivery_id, resolution=resolution, reason_digest=text.digest),
            incident=incident_id,
        )


def note_doubts(engine: Engine, *, actor: Actor, now: datetime, retry: RetryPolicy | None = None) -> int:
    """Put newly found doubts on the timeline; return how many stay.

    Where the approver chose so, what a crash of ours left in doubt is sent again: once, after a while, and with the
    same Message-ID. A line that breaks after the text is the server's doing and would break again: a person decides.
    """
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
            left += number - _send_again_once(act.session, campaign, now + (retry or RetryPolicy()).first_delay)
    return left


def _send_again_once(session: Session, campaign: Campaign, at: datetime) -> int:
    if campaign.when_uncertain is not WhenUncertain.RESEND or campaign.status is CampaignStatus.CANCELLED:
        return 0
    doubts = sa.select(DeliveryRow).where(
        DeliveryRow.campaign_id == campaign.id, DeliveryRow.state == DeliveryState.UNCERTAIN
    )
    again = 0
    for row in session.scalars(doubts):
        tried = session.scalars(
            sa.select(DeliveryAttempt.reply_text).where(
                DeliveryAttempt.delivery_id == row.id, DeliveryAttempt.outcome == UNKNOWN
            ),
        ).all()
        if tried == [CRASHED]:
            row.state, row.next_attempt_at = next_state(row.state, DeliveryEvent.REQUEUED), microseconds(at)
            again += 1
    return again


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
        try:
            with reporting(engine, CampaignId(campaign_id), actor=actor, now=now) as report:
                _finish(report)
        except IllegalMove:  # another worker was faster
            continue
        finished.append(CampaignId(campaign_id))
    return finished


def _finish(report: Report) -> None:
    act, campaign = report.act, report.campaign
    campaign.status = next_campaign_status(campaign.status, CampaignEvent.FINISHED)
    campaign.finished_at = act.now
    totals = totals_in(act.session, campaign)
    through, digest = report.attempts()
    act.record(
        DispatchFinished(
            campaign_id=campaign.id,
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
            found = AttemptsDigest(campaign_id, since)
            found.read_on(session, through)
            if found.value != fact["attempts_digest"]:
                return False
            since = through
        return True
