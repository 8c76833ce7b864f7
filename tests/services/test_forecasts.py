"""Forecasts of waves as they stand in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.brake import AttemptOutcome
from incident_app.domain.forecast import Bound, Forecast, RateBasis
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.domain.regimes import AddresseeKind
from incident_app.domain.sending_hours import Pace, SendingHours
from incident_app.domain.vocabulary import DutyStatus
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from incident_app.persistence.sql_outbox import microseconds
from incident_app.services import dispatch, limits, paces, waves
from incident_app.services.forecasts import forecast_of
from incident_app.services.obligations import list_obligations
from incident_app.services.transaction import recording
from tests.builders import NOW, author
from tests.services.test_canaries import a_wave_of, start

STARTED = NOW + timedelta(minutes=1)
LATER = STARTED + timedelta(minutes=30)


@pytest.fixture
def wave(instance: Engine) -> tuple[IncidentId, CampaignId]:
    return a_wave_of(instance, 60)


def foreseen(engine: Engine, campaign: CampaignId) -> Forecast | None:
    return forecast_of(engine, waves.get_campaign(engine, campaign), configured_per_second=2, now=LATER)


def add_attempts(engine: Engine, campaign: CampaignId, outcome: AttemptOutcome, number: int) -> None:
    with recording(engine) as session:
        ids = session.scalars(
            sa.select(DeliveryRow.id).where(DeliveryRow.campaign_id == campaign).order_by(DeliveryRow.id)
        ).all()
        rows = [
            {"delivery_id": key, "number": place, "finished_at": LATER, "outcome": outcome.value, "reply_text": ""}
            for place in (1 if outcome is AttemptOutcome.ACCEPTED else 2,)
            for key in ids[:number]
        ]
        session.execute(sa.insert(DeliveryAttempt), rows)


def test_before_the_start_the_configured_rate_tells_the_end_and_the_deadline_stands_beside_it(
    instance: Engine, wave: tuple[IncidentId, CampaignId]
) -> None:
    incident, campaign = wave
    found = foreseen(instance, campaign)
    assert found is not None
    assert (found.basis, found.left, found.ends_at) == (RateBasis.CONFIGURED, 60, LATER + timedelta(seconds=30))
    times = [
        duty.due_at or duty.internal_target_at
        for duty in list_obligations(instance, incident)
        if duty.addressee_kind == AddresseeKind.PEOPLE and duty.is_live
    ]
    assert found.deadline == min((at for at in times if at is not None), default=None)


def test_while_it_runs_the_last_minutes_tell_the_end_and_what_is_tried_again_does_not_count(
    instance: Engine, wave: tuple[IncidentId, CampaignId]
) -> None:
    _, campaign = wave
    start(instance, campaign, canary=None)
    stuck = foreseen(instance, campaign)
    assert stuck is not None
    assert (stuck.basis, stuck.ends_at) == (RateBasis.MEASURED, None)
    add_attempts(instance, campaign, AttemptOutcome.ACCEPTED, 30)
    add_attempts(instance, campaign, AttemptOutcome.REFUSED_FOR_NOW, 20)
    found = foreseen(instance, campaign)
    assert found is not None
    assert (found.per_minute, found.ends_at) == (6.0, LATER + timedelta(minutes=10))
    dispatch.cancel_campaign(instance, campaign, reason="誤り", actor=author(instance).actor, now=LATER)
    assert foreseen(instance, campaign) is None


def test_only_open_duties_toward_people_are_held_against_a_wave(
    instance: Engine, wave: tuple[IncidentId, CampaignId]
) -> None:
    incident, campaign = wave
    found = foreseen(instance, campaign)
    assert found is not None
    assert found.deadline is not None
    view = waves.get_campaign(instance, campaign)
    for seconds, late in ((31, False), (29, True)):
        at = found.deadline - timedelta(seconds=seconds)
        judged = forecast_of(instance, view, configured_per_second=2, now=at)
        assert judged is not None
        assert judged.is_late is late
    with recording(instance) as session:
        session.execute(
            sa.update(Obligation)
            .where(Obligation.incident_id == incident, Obligation.addressee_kind == AddresseeKind.PEOPLE)
            .values(status=DutyStatus.FULFILLED)
        )
    assert [duty for duty in list_obligations(instance, incident) if duty.is_live and duty.due_at]  # to others
    settled = foreseen(instance, campaign)
    assert settled is not None
    assert (settled.deadline, settled.is_late) == (None, False)


def test_limits_ceiling_hours_and_retries_are_counted(instance: Engine, wave: tuple[IncidentId, CampaignId]) -> None:
    _, campaign = wave
    act = {"actor": author(instance).actor, "now": NOW}
    limits.set_limits(instance, per_second=1, per_hour=None, **act)
    found = foreseen(instance, campaign)
    assert found is not None
    assert (found.bound_by, found.ends_at) == (Bound.PER_SECOND, LATER + timedelta(seconds=60))
    limits.limit_domain(instance, "example.jp", per_minute=10, **act)
    slow = foreseen(instance, campaign)
    assert slow is not None
    assert (slow.bound_by, slow.ends_at) == (Bound.DOMAIN, LATER + timedelta(minutes=6))
    paces.set_pace(instance, campaign, Pace(hours=SendingHours(begin=8, end=18), per_hour=60), **act)
    late = foreseen(instance, campaign)  # it is 17:51 in Japan: nine minutes are left today
    assert late is not None
    assert late.within_hours == SendingHours(begin=8, end=18)
    assert late.bound_by in {Bound.CEILING, Bound.DOMAIN}
    assert late.ends_at == datetime(2026, 11, 20, 23, 51, tzinfo=UTC)
    again_at = LATER + timedelta(days=1)
    with recording(instance) as session:
        some = sa.select(DeliveryRow.id).order_by(DeliveryRow.id).limit(3)
        session.execute(
            sa.update(DeliveryRow)
            .where(DeliveryRow.id.in_(some))
            .values(attempt_count=1, next_attempt_at=microseconds(again_at))
        )
    retried = foreseen(instance, campaign)
    assert retried is not None
    assert (retried.retries, retried.bound_by, retried.ends_at) == (3, Bound.RETRIES, again_at)


def test_what_leaves_to_some_countries_tells_no_rate_for_those_that_wait_for_their_hours(
    instance: Engine, wave: tuple[IncidentId, CampaignId]
) -> None:
    """At night in Japan a wave that also goes to France is not said to end never, nor to be late."""
    _, campaign = wave
    with recording(instance) as session:
        session.execute(sa.text("UPDATE customers SET jurisdiction = 'FR' WHERE customer_number = 'K1'"))
    act = {"actor": author(instance).actor, "now": NOW}
    paces.set_pace(instance, campaign, Pace(hours=SendingHours(begin=9, end=17)), **act)
    start(instance, campaign, canary=None)
    found = foreseen(instance, campaign)  # it is 17:51 in Japan, 9:51 in France
    assert found is not None
    assert (found.basis, found.is_late) == (RateBasis.CONFIGURED, False)
    assert found.ends_at == datetime(2026, 11, 21, 0, 0, 30, tzinfo=UTC)
