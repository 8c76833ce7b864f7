"""The canary of a wave: so many messages first and not one more, then a hold that only a person ends."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import CampaignStatus
from incident_app.domain.errors import BadInput, IllegalMove
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from incident_app.services import canaries, dispatch, waves
from incident_app.services.timeline import entries
from incident_app.services.transaction import reading
from notifications.sink import DROP, MailSink, SinkScript
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock

PEOPLE = 60


def a_wave_of(engine: Engine, number: int) -> tuple[IncidentId, CampaignId]:
    """An approved wave of so many messages, not yet started."""
    lines = [f"K{n},person,customer,ja,JP,試験 {n},k{n}@example.jp,,\n" for n in range(number)]
    builders.import_text(engine, builders.CUSTOMERS.splitlines(keepends=True)[0] + "".join(lines))
    held = "".join(f"K{n},member-db,name email\n" for n in range(number))
    builders.import_text(engine, "customer_number,store,items\n" + held)
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    return view.id, builders.a_wave(engine, view.id, builders.a_notice(engine, view.id)).filled.campaign_id


def start(engine: Engine, campaign: CampaignId, *, canary: int | None, number: int = PEOPLE) -> None:
    dispatch.start_campaign(
        engine, campaign, typed_count=number, canary=canary, actor=author(engine).actor, now=NOW + timedelta(minutes=1)
    )


def begun(engine: Engine) -> int:
    with reading(engine) as session:
        tried = sa.select(sa.func.count()).select_from(DeliveryRow).where(DeliveryRow.attempt_count > 0)
        return session.scalar(tried) or 0


@pytest.fixture(autouse=True)
def _journal_folder(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()


def test_so_many_are_sent_and_no_more_until_somebody_lets_the_rest_go(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, campaign = a_wave_of(instance, PEOPLE)
    start(instance, campaign, canary=5)
    act = {"actor": author(instance).actor, "now": NOW + timedelta(hours=1)}
    with pytest.raises(canaries.NoCanaryWaits):
        canaries.go_on(instance, campaign, **act)
    with MailSink() as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        for _ in range(2):
            run_until_idle(worker)
        assert len(sink.received) == 5
        held = waves.get_campaign(instance, campaign)
        assert (held.status, held.awaits_look) == (CampaignStatus.PAUSED, True)
        with pytest.raises(canaries.CanaryWaits):
            dispatch.resume_campaign(instance, campaign, **act)
        canaries.go_on(instance, campaign, **act)
        run_until_idle(worker)
        assert len(sink.received) == PEOPLE
    done = waves.get_campaign(instance, campaign)
    assert (done.status, done.canary, done.canary_size) == (CampaignStatus.FINISHED, None, 5)
    assert dispatch.verify_attempts(instance, campaign)
    kinds = [entry.kind for entry in entries(instance, incident) if entry.kind.startswith("dispatch.")]
    assert kinds[-4:] == ["dispatch.started", "dispatch.halted", "dispatch.released", "dispatch.finished"]


def test_the_hold_says_what_came_of_each_and_what_is_refused_for_now_waits_too(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    seen: list[str] = []

    def reply(address: str) -> str | None:
        if address not in seen:
            seen.append(address)
        return {0: "550 5.1.1 no such mailbox", 1: "451 4.2.1 later"}.get(seen.index(address))

    script = SinkScript(recipient=reply, content=lambda address: DROP if address == seen[2] else None)
    _, campaign = a_wave_of(instance, PEOPLE)
    start(instance, campaign, canary=5)
    with MailSink(script=script) as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        run_until_idle(worker)
        clock.forward(timedelta(hours=2))
        run_until_idle(worker)
    held = waves.get_campaign(instance, campaign)
    assert held.canary is not None
    found = held.canary
    assert (found.accepted, found.refused, found.in_doubt, found.to_retry, found.untried) == (2, 1, 1, 1, 0)
    assert held.stop is not None
    assert "2 accepted, 1 refused, 1 in doubt, 1 to be tried again" in held.stop.summary_en
    assert "受付済 2、送れず 1、不確か 1" in held.stop.summary_ja
    assert begun(instance) == 5


def test_a_pause_in_the_middle_of_a_canary_ends_with_resume_and_the_canary_still_holds(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    _, campaign = a_wave_of(instance, PEOPLE)
    start(instance, campaign, canary=5)
    act = {"actor": author(instance).actor, "now": NOW + timedelta(hours=1)}
    dispatch.pause_campaign(instance, campaign, reason="確認", **act)
    with pytest.raises(canaries.NoCanaryWaits):
        canaries.go_on(instance, campaign, **act)
    paused = waves.get_campaign(instance, campaign).stop
    assert paused is not None
    assert paused.reason == "確認"
    dispatch.resume_campaign(instance, campaign, **act)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert len(sink.received) == 5
    assert waves.get_campaign(instance, campaign).awaits_look
    assert dispatch.cancel_campaign(instance, campaign, reason="文面に誤り", **act) == PEOPLE - 5
    with pytest.raises(canaries.NoCanaryWaits):
        canaries.go_on(instance, campaign, **act)
    with pytest.raises(IllegalMove):
        dispatch.resume_campaign(instance, campaign, **act)


@pytest.mark.parametrize("canary", [0, -1, 4, 10**6])
def test_a_canary_is_smaller_than_its_wave(instance: Engine, canary: int) -> None:
    _, campaign = a_wave_of(instance, 4)
    with pytest.raises(BadInput):
        start(instance, campaign, canary=canary, number=4)
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.APPROVED


def test_two_workers_together_begin_no_more_than_the_canary(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    _, campaign = a_wave_of(instance, PEOPLE)
    start(instance, campaign, canary=7)
    one, two = (a_worker(instance, 9, tmp_path / "j", clock) for _ in range(2))
    lease = timedelta(minutes=5)
    first, second = one._outbox.claim(limit=4, lease=lease), two._outbox.claim(limit=4, lease=lease)
    assert (len(first), len(second)) == (4, 3)
    assert not one._outbox.claim(limit=4, lease=lease)
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.RUNNING  # what is under way is not known yet
    one._outbox.give_back(first)
    assert {delivery.id for delivery in two._outbox.claim(limit=9, lease=lease)} == {delivery.id for delivery in first}
    assert begun(instance) == 7


def test_a_killed_worker_leaves_the_canary_as_narrow_as_it_was(
    instance_url: str, instance: Engine, tmp_path: Path
) -> None:
    """A real process is killed in the middle of the canary; the next one finishes it and holds."""
    _, campaign = a_wave_of(instance, PEOPLE)
    start(instance, campaign, canary=20)
    slow = SinkScript(content=lambda _: time.sleep(0.02))
    with MailSink(script=slow) as sink:
        program = [sys.executable, str(Path(__file__).with_name("worker_child.py")), instance_url, str(sink.port)]
        child = subprocess.Popen([*program, str(tmp_path / "j")], cwd=builders.ROOT)
        while len(sink.received) < 6 and child.poll() is None:
            time.sleep(0.002)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", Clock()))
        addresses = [mail.recipients[0] for mail in sink.received]
    assert len(addresses) == len(set(addresses)) <= 20
    assert begun(instance) == 20
    held = waves.get_campaign(instance, campaign)
    assert held.awaits_look
    assert held.canary is not None
    assert held.canary.accepted + held.canary.in_doubt == 20
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DeliveryAttempt)) == 20
