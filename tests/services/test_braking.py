"""The automatic brake at work: a failing wave stops by itself, and only a person lets it go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.brake import AttemptOutcome, BrakeRule
from incident_app.domain.delivery import CampaignStatus, DeliveryState
from incident_app.domain.ids import CampaignId
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from incident_app.services import braking, dispatch, waves
from incident_app.services.timeline import entries
from incident_app.services.transaction import reading, recording
from incident_app.services.worker import WORKER, Worker
from notifications.journal import Journal
from notifications.sink import DROP, MailSink, SinkScript
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock
from tests.services.test_canaries import a_wave_of, start

PEOPLE = 60
REFUSING = SinkScript(recipient=lambda _: "550 5.7.1 blocked")


def a_careful_worker(engine: Engine, port: int, folder: Path, clock: Clock, rule: BrakeRule | None = None) -> Worker:
    """A worker that records every two results, so that the brake sees each as it comes."""
    worker = a_worker(engine, port, folder, clock)
    options = replace(worker.settings.options, record_batch=2, claim_limit=4)
    worker.settings = replace(worker.settings, options=options, brake=rule or BrakeRule())
    return worker


def attempts(engine: Engine) -> int:
    with reading(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(DeliveryAttempt)) or 0


@pytest.fixture
def campaign(instance: Engine, tmp_path: Path) -> CampaignId:
    (tmp_path / "j").mkdir()
    _, made = a_wave_of(instance, PEOPLE)
    start(instance, made, canary=None)
    return made


def test_a_server_that_refuses_everybody_stops_the_wave_with_the_numbers_and_the_reply(
    instance: Engine, clock: Clock, tmp_path: Path, campaign: CampaignId
) -> None:
    with MailSink(script=REFUSING) as sink:
        run_until_idle(a_careful_worker(instance, sink.port, tmp_path / "j", clock))
    found = waves.get_campaign(instance, campaign)
    assert found.status is CampaignStatus.PAUSED
    assert 20 <= found.totals.failed < 40
    assert found.totals.by_state.get(DeliveryState.SENDING, 0) == 0
    assert found.stop is not None
    assert (
        "were refused for good and 0 are in doubt (limit 10 %), most frequent reply 550 5.7.1" in found.stop.summary_en
    )
    assert "結果不明 0（上限 10%）。最も多い応答 550 5.7.1" in found.stop.summary_ja
    kinds = [entry.kind for entry in entries(instance, found.incident_id) if entry.kind.startswith("dispatch.")]
    assert kinds[-1] == "dispatch.braked"
    assert dispatch.verify_attempts(instance, campaign)


def test_after_a_person_resumed_the_window_begins_anew(
    instance: Engine, clock: Clock, tmp_path: Path, campaign: CampaignId
) -> None:
    with MailSink(script=REFUSING) as sink:
        run_until_idle(a_careful_worker(instance, sink.port, tmp_path / "j", clock))
    before = attempts(instance)
    run_until_idle(a_careful_worker(instance, 9, tmp_path / "j", clock))
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.PAUSED  # nobody but a person resumes
    dispatch.resume_campaign(instance, campaign, actor=author(instance).actor, now=NOW)
    assert braking.brake_failing_waves(instance, BrakeRule(), actor=WORKER, now=clock()) == []
    one_more: list[str] = []

    def first_only(address: str) -> str | None:
        one_more.append(address)
        return "550 5.1.1 no such mailbox" if len(one_more) == 1 else None

    with MailSink(script=SinkScript(recipient=first_only)) as sink:
        run_until_idle(a_careful_worker(instance, sink.port, tmp_path / "j", clock))
    done = waves.get_campaign(instance, campaign)
    assert (done.status, done.totals.failed) == (CampaignStatus.FINISHED, before + 1)


def test_messages_in_doubt_stop_a_wave_too(
    instance: Engine, clock: Clock, tmp_path: Path, campaign: CampaignId
) -> None:
    with MailSink(script=SinkScript(content=lambda _: DROP)) as sink:
        run_until_idle(a_careful_worker(instance, sink.port, tmp_path / "j", clock))
    found = waves.get_campaign(instance, campaign)
    assert found.status is CampaignStatus.PAUSED
    assert 20 <= found.totals.in_doubt < 40
    assert found.stop is not None
    assert "0 were refused for good" in found.stop.summary_en


def test_what_a_dead_worker_left_in_doubt_is_judged_when_it_is_found(
    instance: Engine, clock: Clock, tmp_path: Path, campaign: CampaignId
) -> None:
    dead = a_worker(instance, 9, tmp_path / "j", clock)
    claimed = dead._outbox.claim(limit=25, lease=timedelta(minutes=5))
    with Journal.fresh(dead._path(dead.owner)) as journal:
        for delivery in claimed:
            journal.begin(delivery.id, delivery.attempt)
    assert a_worker(instance, 9, tmp_path / "j", clock).recover() == 25
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.PAUSED


def test_a_few_refusals_and_an_old_failure_stop_nothing(
    instance: Engine, clock: Clock, tmp_path: Path, campaign: CampaignId
) -> None:
    asked: list[str] = []

    def one_in_twenty(address: str) -> str | None:
        asked.append(address)
        return "550 5.1.1 no such mailbox" if len(asked) % 20 == 0 else None

    with MailSink(script=SinkScript(recipient=one_in_twenty)) as sink:
        run_until_idle(a_careful_worker(instance, sink.port, tmp_path / "j", clock))
    found = waves.get_campaign(instance, campaign)
    assert (found.status, found.totals.failed) == (CampaignStatus.FINISHED, 3)


def add_attempts(engine: Engine, campaign: CampaignId, outcome: AttemptOutcome, *, finished_at: datetime) -> None:
    """Write down an attempt of each message of a wave."""
    with recording(engine) as session:
        messages = session.scalars(sa.select(DeliveryRow.id).where(DeliveryRow.campaign_id == campaign)).all()
        rows = [
            {
                "delivery_id": key,
                "number": 1,
                "finished_at": finished_at,
                "outcome": outcome.value,
                "reply_code": 550,
                "reply_text": "",
            }
            for key in messages
        ]
        session.execute(sa.insert(DeliveryAttempt), rows)


def test_only_the_wave_that_fails_is_stopped_and_only_by_recent_attempts_of_its_own(
    instance: Engine, clock: Clock, campaign: CampaignId
) -> None:
    _, other = a_wave_of(instance, PEOPLE)
    start(instance, other, canary=None)
    add_attempts(instance, campaign, AttemptOutcome.REFUSED_FOR_GOOD, finished_at=clock())
    add_attempts(instance, other, AttemptOutcome.ACCEPTED, finished_at=clock())
    act = {"actor": WORKER, "now": clock() + timedelta(minutes=10)}
    assert braking.brake_failing_waves(instance, BrakeRule(), **act) == []
    act = {"actor": WORKER, "now": clock() + timedelta(minutes=9, seconds=59)}
    assert braking.brake_failing_waves(instance, BrakeRule(), **act) == [campaign]
    assert braking.brake_failing_waves(instance, BrakeRule(), **act) == []
    assert waves.get_campaign(instance, other).status is CampaignStatus.RUNNING
    stop = waves.get_campaign(instance, campaign).stop
    assert stop is not None
    assert f"of the last {PEOPLE} attempts {PEOPLE} were refused" in stop.summary_en
