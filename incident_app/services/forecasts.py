"""Forecasts of waves: from the configured rate before one is sent, from the last minutes while it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.brake import AttemptOutcome
from incident_app.domain.delivery import CampaignStatus, DeliveryState
from incident_app.domain.forecast import (
    MOST,
    UNKNOWN,
    Bound,
    DomainQueue,
    Forecast,
    Obstacles,
    RateBasis,
    foresee,
    measured_per_second,
)
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.domain.obligations import LIVE
from incident_app.domain.regimes import AddresseeKind
from incident_app.domain.sending_hours import opens_at
from incident_app.persistence.attempts import newest_of_wave
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from incident_app.persistence.pacing import DomainLimit, per_hour, read_limits
from incident_app.persistence.sql_outbox import microseconds
from incident_app.services.transaction import reading
from incident_app.services.waves import CampaignView, get_campaign_row, pace_in
from notifications.throttle import MICROSECONDS

OVER = (CampaignStatus.FINISHED, CampaignStatus.CANCELLED)


def forecast_of(engine: Engine, wave: CampaignView, *, configured_per_second: float, now: datetime) -> Forecast | None:
    """Say when a wave will have been sent; None when it is over.

    While it runs the rate is what was seen lately; before, while it is paused, and while part of it waits for its
    hours, it is what one worker may send. Limits, hours, the ceiling and what is tried again later are counted.
    """
    if wave.status in OVER:
        return None
    with reading(engine) as session:
        deadline = _nearest_deadline(session, wave.incident_id)
        obstacles = obstacles_of(session, wave.id, now)
        rests = _rests(obstacles, now)
        if wave.status is CampaignStatus.RUNNING and wave.started_at is not None and not rests:
            ended = _ends_of_attempts(session, wave.id)
            basis, per_second = RateBasis.MEASURED, measured_per_second(ended, began_at=wave.started_at, now=now)
        else:
            basis, per_second = RateBasis.CONFIGURED, configured_per_second
    return foresee(
        left=wave.totals.waiting,
        per_second=per_second,
        basis=basis,
        deadline=deadline,
        now=now,
        obstacles=obstacles,
    )


def obstacles_of(session: Session, campaign_id: CampaignId, now: datetime) -> Obstacles:
    """Return what slows a wave down: the limits that are set, its own pace, and what is tried again later."""
    campaign, limits = get_campaign_row(session, campaign_id), read_limits(session)
    rates = {bound: limits.overall[name].per_second for name, bound in _OVERALL.items() if name in limits.overall}
    if (ceiling := per_hour(campaign.per_hour_ceiling)) is not None:
        rates[Bound.CEILING] = ceiling.per_second
    retries, last = _tried_again_later(session, campaign_id, now)
    return Obstacles(
        rates=rates,
        domains=_queues(session, campaign_id, limits.domains),
        hours=pace_in(campaign).hours,
        countries=[str(country) for country in campaign.countries or ()],
        retries=retries,
        last_retry_at=datetime.fromtimestamp(last / MICROSECONDS, UTC) if last else None,
    )


def _tried_again_later(session: Session, campaign_id: CampaignId, now: datetime) -> tuple[int, int]:
    """Count what is tried again later, and say when the last of it is; both queues are read from now on only."""
    found = [
        session.execute(
            sa.text(
                "SELECT count(*), max(next_attempt_at) FROM deliveries WHERE campaign_id = :campaign "  # noqa: S608
                f"AND state = 'queued' AND {queue} AND next_attempt_at > :now AND attempt_count > 0"
            ),
            {"campaign": campaign_id, "now": microseconds(now)},
        ).one()
        for queue in ("paced IS NULL", "paced")
    ]
    return sum(number for number, _ in found), max(last or 0 for _, last in found)


_OVERALL = {"second": Bound.PER_SECOND, "hour": Bound.PER_HOUR}


def _queues(session: Session, campaign_id: CampaignId, domains: Mapping[int, DomainLimit]) -> list[DomainQueue]:
    left = sa.select(DeliveryRow.domain_id, sa.func.count()).where(
        DeliveryRow.campaign_id == campaign_id,
        DeliveryRow.state.in_((DeliveryState.QUEUED, DeliveryState.SENDING)),
        DeliveryRow.domain_id.in_([key for key, limit in domains.items() if limit.rate or limit.paused_until]),
    )
    return [
        DomainQueue(
            left=number,
            per_second=rate.per_second if (rate := domains[key].rate) else None,
            paused_until=domains[key].paused_until,
        )
        for key, number in session.execute(left.group_by(DeliveryRow.domain_id))
    ]


def _rests(obstacles: Obstacles, now: datetime) -> bool:
    """Tell whether somebody in the wave may not be written to at this hour: what leaves tells no rate for them."""
    hours = obstacles.hours
    return hours is not None and any(opens_at(hours, one, now) > now for one in obstacles.countries or (UNKNOWN,))


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
