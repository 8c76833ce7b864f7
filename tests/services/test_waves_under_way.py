"""Waves that begin, pause and fail while others are being sent: nobody is failed for what is not about them."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import CampaignStatus, DeliveryState
from incident_app.domain.ids import CampaignId
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryRow
from incident_app.persistence.timeline import TextRow
from incident_app.services import dispatch, waves
from incident_app.services.transaction import reading
from notifications.sink import MailSink, SinkScript
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock


def a_started_wave(engine: Engine, title: str) -> CampaignId:
    """A wave of four messages in an incident of its own."""
    view = builders.an_incident(engine, title=title)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(engine, view.id, builders.a_notice(engine, view.id))
    dispatch.start_campaign(
        engine, wave.filled.campaign_id, typed_count=wave.filled.planned, actor=author(engine).actor, now=NOW
    )
    return wave.filled.campaign_id


def states_of(engine: Engine, campaign_id: CampaignId) -> dict[DeliveryState, int]:
    return dict(waves.get_campaign(engine, campaign_id).totals.by_state)


def pause_reason(engine: Engine, campaign_id: CampaignId) -> str:
    with reading(engine) as session:
        text_id = session.get_one(Campaign, campaign_id).pause_reason_text_id
        return session.get_one(TextRow, text_id).body or ""


@pytest.fixture(autouse=True)
def _people(instance: Engine) -> None:
    builders.with_customers(instance)


def test_a_wave_prepared_while_another_is_sent_is_sent_too(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    """Its texts, items and sender were unknown to the run that was under way, and everybody in it failed."""
    made: list[CampaignId] = []

    def meanwhile(_address: str) -> None:
        if not made:
            made.append(CampaignId(0))
            made[0] = a_started_wave(instance, "second")

    first = a_started_wave(instance, "first")
    with MailSink(script=SinkScript(recipient=meanwhile)) as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert len(sink.received) == 8
    assert states_of(instance, first) == states_of(instance, made[0]) == {DeliveryState.ACCEPTED: 4}


def test_a_pause_stops_its_wave_while_another_goes_on(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    first, second = a_started_wave(instance, "first"), a_started_wave(instance, "second")
    paused: list[float] = []

    def meanwhile(_address: str) -> None:
        if not paused:
            paused.append(time.monotonic())
            dispatch.pause_campaign(instance, first, actor=author(instance).actor, now=NOW)
            time.sleep(1.1)  # what a worker remembers of running waves is at most a second old

    with MailSink(script=SinkScript(recipient=meanwhile)) as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    sent = states_of(instance, first).get(DeliveryState.ACCEPTED, 0)
    assert sent <= 2  # what the two connections had begun
    assert states_of(instance, first)[DeliveryState.QUEUED] == 4 - sent
    assert states_of(instance, second) == {DeliveryState.ACCEPTED: 4}


@pytest.mark.parametrize(
    ("step", "reply"), [("sender", "550 5.7.1 we know no such sender"), ("recipient", "530 5.7.0 sign in first")]
)
def test_a_server_that_refuses_us_pauses_the_wave_and_fails_nobody(
    instance: Engine, clock: Clock, tmp_path: Path, step: str, reply: str
) -> None:
    campaign = a_started_wave(instance, "refused")
    with MailSink(script=SinkScript(**{step: lambda _: reply})) as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.PAUSED
    assert states_of(instance, campaign) == {DeliveryState.QUEUED: 4}
    assert reply in pause_reason(instance, campaign)
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DeliveryAttempt)) == 0
        assert set(session.scalars(sa.select(DeliveryRow.attempt_count))) == {0}
    dispatch.resume_campaign(instance, campaign, actor=author(instance).actor, now=NOW)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    assert states_of(instance, campaign) == {DeliveryState.ACCEPTED: 4}


@pytest.mark.parametrize("domain", ["mail_1.example.jp", "bad domain"])
def test_a_return_address_that_cannot_be_pauses_the_wave_and_fails_nobody(
    instance: Engine, clock: Clock, tmp_path: Path, domain: str
) -> None:
    campaign = a_started_wave(instance, "faulty")
    with MailSink() as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        worker.settings = replace(worker.settings, bounce_domain=domain)
        run_until_idle(worker)
        assert not sink.received
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.PAUSED
    assert states_of(instance, campaign) == {DeliveryState.QUEUED: 4}
    assert "nobody can be written to" in pause_reason(instance, campaign)
