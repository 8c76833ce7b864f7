"""Sending through the application's own outbox: refusals, a server that is down, and a worker that is killed."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import CampaignStatus, DeliveryState, Standing, WhenUncertain
from incident_app.domain.vocabulary import DutyStatus, JobKind, JobStatus
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from incident_app.services import commitment, dispatch, jobs, obligations, people, waves
from incident_app.services.transaction import reading, recording
from notifications.journal import Journal
from notifications.sink import DROP, MailSink, SinkScript
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock


def a_running_wave(engine: Engine, *, when_uncertain: WhenUncertain = WhenUncertain.ASK) -> tuple[object, int]:
    builders.with_customers(engine)
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(engine, view.id, builders.a_notice(engine, view.id), when_uncertain=when_uncertain)
    dispatch.start_campaign(
        engine, wave.filled.campaign_id, typed_count=wave.filled.planned, actor=author(engine).actor, now=NOW
    )
    return view.id, wave.filled.campaign_id


def states(engine: Engine) -> dict[DeliveryState, int]:
    with reading(engine) as session:
        rows = session.execute(sa.select(DeliveryRow.state, sa.func.count()).group_by(DeliveryRow.state))
        return dict(rows.all())


def test_a_refusal_for_now_is_tried_again_after_its_delay_and_one_for_good_is_not(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    asked: list[str] = []

    def script(address: str) -> str | None:
        asked.append(address)
        if address.startswith("ichiro@"):
            return "451 4.2.1 later" if asked.count(address) == 1 else None
        return "550 5.1.1 no such mailbox" if address.startswith("info@") else None

    incident, campaign = a_running_wave(instance)
    with MailSink(script=SinkScript(recipient=script)) as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        run_until_idle(worker)
        assert states(instance) == {DeliveryState.ACCEPTED: 2, DeliveryState.FAILED: 1, DeliveryState.QUEUED: 1}
        clock.forward(timedelta(minutes=4))
        run_until_idle(worker)
        assert asked.count("ichiro@example.jp") == 1
        clock.forward(timedelta(minutes=2))
        run_until_idle(worker)
    assert states(instance) == {DeliveryState.ACCEPTED: 3, DeliveryState.FAILED: 1}
    assert asked.count("info@works.example") == 1
    found = waves.get_campaign(instance, campaign)
    assert (found.status, found.totals.agrees) == (CampaignStatus.FINISHED, True)
    assert people.standings(instance, incident)[Standing.NOT_REACHED] == 1
    with reading(instance) as session:
        texts = session.scalars(sa.select(DeliveryAttempt.reply_text)).all()
    assert not any("@" in text for text in texts)


def test_a_mail_server_that_is_down_burns_no_attempt_and_loses_nobody(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    _, campaign = a_running_wave(instance)
    with MailSink() as sink:
        dead_port = sink.port
    run_until_idle(a_worker(instance, dead_port, tmp_path / "j", clock))
    assert states(instance) == {DeliveryState.QUEUED: 4}
    with reading(instance) as session:
        assert set(session.scalars(sa.select(DeliveryRow.attempt_count))) == {0}
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    assert waves.get_campaign(instance, campaign).totals.sent == 4


def test_a_line_cut_after_the_text_is_in_doubt_until_somebody_says_what_happened(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    script = SinkScript(content=lambda address: DROP if address.startswith("ichiro@") else None)
    incident, campaign = a_running_wave(instance)
    with MailSink(script=script) as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    totals = waves.get_campaign(instance, campaign).totals
    assert (totals.sent, totals.in_doubt, totals.agrees) == (3, 1, True)
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.RUNNING
    (doubt,) = waves.in_doubt(instance, campaign)
    dispatch.resolve(
        instance,
        incident,
        doubt,
        dispatch.Resolution.ACCEPTED,
        reason="受信側の記録で確認",
        actor=author(instance).actor,
        now=NOW,
    )
    assert waves.get_campaign(instance, campaign).totals.sent == 4
    assert Standing.TO_INFORM not in people.standings(instance, incident) or people.standings(instance, incident) == {
        Standing.INFORMED: 4,
        Standing.TO_INFORM: 1,
    }


def crash_with_one_begun(engine: Engine, clock: Clock, folder: Path) -> int:
    """Leave what a worker leaves that is killed between the text of its only message and the reply."""
    dead = a_worker(engine, 9, folder, clock)
    (claimed,) = dead._outbox.claim(limit=1, lease=timedelta(minutes=5))
    with Journal.fresh(dead._path(dead.owner)) as journal:
        journal.begin(claimed.id, claimed.attempt)
    return claimed.id


def test_sending_again_keeps_the_message_id_waits_a_while_and_happens_once(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    _, campaign = a_running_wave(instance, when_uncertain=WhenUncertain.RESEND)
    doubt = crash_with_one_begun(instance, clock, tmp_path / "j")
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert len(sink.received) == 3  # the others leave at once, the doubtful one waits
    clock.forward(timedelta(minutes=6))
    assert crash_with_one_begun(instance, clock, tmp_path / "j") == doubt
    with MailSink() as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        for _ in range(3):
            run_until_idle(worker)
            clock.forward(timedelta(hours=1))
        assert not sink.received  # twice in doubt: a person decides
    assert waves.in_doubt(instance, campaign) == [doubt]


def test_what_a_crash_left_in_doubt_arrives_with_the_same_message_id(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    _, campaign = a_running_wave(instance, when_uncertain=WhenUncertain.RESEND)
    doubt = crash_with_one_begun(instance, clock, tmp_path / "j")
    with MailSink() as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        run_until_idle(worker)
        clock.forward(timedelta(minutes=6))
        run_until_idle(worker)
        again = sink.received[-1].content
    with reading(instance) as session:
        row = session.get_one(DeliveryRow, doubt)
    assert f"<{row.token}@example.jp>".encode() in again
    assert waves.get_campaign(instance, campaign).totals.sent == 4


def test_a_server_that_cuts_the_line_after_each_text_gets_no_second_copy(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    """It was sent about once a second for ever."""
    _, campaign = a_running_wave(instance, when_uncertain=WhenUncertain.RESEND)
    with MailSink(script=SinkScript(content=lambda _: DROP)) as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        for _ in range(4):
            run_until_idle(worker)
            clock.forward(timedelta(hours=1))
    with reading(instance) as session:
        assert set(session.scalars(sa.select(DeliveryRow.attempt_count))) == {1}
    assert waves.get_campaign(instance, campaign).totals.in_doubt == 4


def test_pause_stops_resume_goes_on_and_cancel_says_how_many_stay_unsent(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, campaign = a_running_wave(instance)
    act = {"actor": author(instance).actor, "now": NOW}
    dispatch.pause_campaign(instance, campaign, **act)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert not sink.received
    dispatch.resume_campaign(instance, campaign, **act)
    assert dispatch.cancel_campaign(instance, campaign, reason="文面に誤り", **act) == 4
    assert waves.get_campaign(instance, campaign).totals.skipped == 4
    assert people.standings(instance, incident) == {Standing.TO_INFORM: 5}


def test_who_was_in_a_cancelled_wave_is_free_for_another_one(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    incident, campaign = a_running_wave(instance)
    with MailSink(script=SinkScript(recipient=lambda _: "451 4.2.1 later")) as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    with recording(instance) as session:  # one message is under way while somebody cancels
        first = session.scalars(sa.select(DeliveryRow).order_by(DeliveryRow.id)).first()
        first.state, first.lease_owner, first.lease_until = DeliveryState.SENDING, "dead", 1
        first_id = first.id
    act = {"actor": author(instance).actor, "now": NOW}
    assert dispatch.cancel_campaign(instance, campaign, reason="文面に誤り", **act) == 3
    with recording(instance) as session:
        back = session.get_one(DeliveryRow, first_id)
        back.state, back.lease_owner, back.lease_until = DeliveryState.QUEUED, None, None
    dispatch.withhold_cancelled(instance)
    assert waves.get_campaign(instance, campaign).totals.skipped == 4
    assert builders.a_wave(instance, incident, 1).filled.people == 4


def test_a_worker_that_lost_its_database_settles_its_own_messages_first(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    _, campaign = a_running_wave(instance)
    worker = a_worker(instance, 9, tmp_path / "j", clock)
    claimed = worker._outbox.claim(limit=1, lease=timedelta(minutes=5))
    with Journal(worker._path(worker.owner)) as journal:
        journal.begin(claimed[0].id, 1)
    assert worker.recover() == 1
    assert waves.get_campaign(instance, campaign).totals.in_doubt == 1


@pytest.mark.parametrize("failure", [ValueError, OverflowError, RuntimeError, KeyError])
def test_a_job_that_breaks_does_not_end_the_worker(
    instance: Engine, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def broken(*_arguments: object) -> None:
        raise failure("ichiro@example.jp")

    monkeypatch.setitem(jobs._WORK, JobKind.DETERMINE, broken)
    view = builders.an_incident(instance)
    jobs.ask_for(
        instance,
        JobKind.DETERMINE,
        incident_id=view.id,
        parameters={},
        actor=author(instance).actor,
        now=clock(),
    )
    run_until_idle(a_worker(instance, 9, tmp_path / "j", clock))
    (job,) = jobs.list_jobs(instance, view.id)
    assert job.status is JobStatus.FAILED
    assert "ichiro" not in (job.error_en or "")
    assert re.search(r"number E-[0-9A-F]{4}", job.error_en or "")


def test_jobs_of_one_kind_are_found_behind_however_many_of_another(instance: Engine, clock: Clock) -> None:
    view = builders.an_incident(instance)
    asked = [JobKind.FILL, *[JobKind.TEST_SEND] * 60, JobKind.DETERMINE]
    for kind in asked:
        jobs.ask_for(instance, kind, incident_id=view.id, parameters={}, actor=author(instance).actor, now=clock())
    assert [job.kind for job in jobs.list_jobs(instance, view.id, JobKind.FILL, most=2)] == [JobKind.FILL]
    two = jobs.list_jobs(instance, view.id, JobKind.TEST_SEND, JobKind.DETERMINE, most=2)
    assert [job.kind for job in two] == [JobKind.DETERMINE, JobKind.TEST_SEND]
    assert len(jobs.list_jobs(instance, view.id, most=3)) == 3


def test_more_people_open_a_fulfilled_duty_toward_people_again(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    act = {"actor": author(instance).actor, "now": NOW}
    first = builders.a_list(instance, view.id, "customer_number,items\nC1,name email\n")
    builders.determined(instance, view.id, builders.a_scope(lists=[first]))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id))
    dispatch.start_campaign(instance, wave.filled.campaign_id, typed_count=1, **act)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    commitment.discharge_promises(instance, view.id, **act)

    def duty() -> obligations.ObligationView:
        return next(d for d in obligations.list_obligations(instance, view.id) if d.rule == "jp-appi:people")

    def kept() -> bool:
        rows = commitment.commitment_rows(instance, view.id)
        return next(row.discharged for row in rows if row.part == "to_the_people")

    assert (duty().status, kept()) == (DutyStatus.FULFILLED, True)
    fulfilled_at = duty().first_filed_at
    more = builders.a_list(instance, view.id, "customer_number,items\nC1,card-number\n")
    builders.determined(instance, view.id, builders.a_scope(lists=[first, more]))
    assert (duty().status, kept()) == (DutyStatus.OPEN, False)  # told before, but not of the card
    assert duty().first_filed_at == fulfilled_at


def test_a_contact_that_no_longer_holds_is_withheld(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    _, campaign = a_running_wave(instance)
    builders.import_text(
        instance,
        builders.CUSTOMERS.replace("ichiro@example.jp", "moved@example.jp"),
        now=NOW + timedelta(hours=1),
    )
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert all(mail.recipients[0] != "ichiro@example.jp" for mail in sink.received)
    assert waves.get_campaign(instance, campaign).totals.skipped == 1


def test_a_dead_workers_rows_are_settled_by_its_journal(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    _, campaign = a_running_wave(instance)
    dead = a_worker(instance, 9, tmp_path / "j", clock)
    claimed = dead._outbox.claim(limit=3, lease=timedelta(minutes=5))
    with Journal(dead._path(dead.owner)) as journal:
        journal.begin(claimed[0].id, 1)
        journal.end(claimed[0].id, 1, 250)
        journal.begin(claimed[1].id, 1)
    living = a_worker(instance, 9, tmp_path / "j", clock)
    assert living.recover() == 1
    assert states(instance) == {DeliveryState.ACCEPTED: 1, DeliveryState.UNCERTAIN: 1, DeliveryState.QUEUED: 2}
    assert waves.in_doubt(instance, campaign) == [claimed[1].id]


def test_without_a_journal_every_leased_row_is_in_doubt_but_only_after_its_lease(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    a_running_wave(instance)
    dead = a_worker(instance, 9, tmp_path / "elsewhere", clock)
    dead._outbox.claim(limit=2, lease=timedelta(minutes=5))
    living = a_worker(instance, 9, tmp_path / "j", clock)
    assert living.recover() == 0
    clock.forward(timedelta(minutes=6))
    assert living.recover() == 2


def test_a_killed_worker_skips_nobody_and_mails_nobody_twice(
    instance_url: str, instance: Engine, tmp_path: Path
) -> None:
    """A real process is killed with SIGKILL in the middle; a second one finishes."""
    lines = [f"K{n},person,customer,ja,JP,試験 {n},k{n}@example.jp,,\n" for n in range(300)]
    builders.import_text(instance, builders.CUSTOMERS.splitlines(keepends=True)[0] + "".join(lines))
    builders.import_text(
        instance, "customer_number,store,items\n" + "".join(f"K{n},member-db,name email\n" for n in range(300))
    )
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id))
    dispatch.start_campaign(instance, wave.filled.campaign_id, typed_count=300, actor=author(instance).actor, now=NOW)
    with MailSink() as sink:
        program = [sys.executable, str(Path(__file__).with_name("worker_child.py")), instance_url, str(sink.port)]
        child = subprocess.Popen([*program, str(tmp_path / "j")], cwd=builders.ROOT)
        while len(sink.received) < 40 and child.poll() is None:
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        worker = a_worker(instance, sink.port, tmp_path / "j", Clock())
        asyncio.run(worker.run(asyncio.Event(), until_idle=True))
        addresses = [mail.recipients[0] for mail in sink.received]
    totals = waves.get_campaign(instance, wave.filled.campaign_id).totals
    assert len(addresses) == len(set(addresses))
    assert totals.in_doubt <= 2  # no more than the killed worker had connections
    assert totals.sent + totals.in_doubt == 300
    assert len(addresses) >= totals.sent


@pytest.fixture(autouse=True)
def _journal_folder(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()


def test_the_database_refuses_a_lease_without_an_owner(instance: Engine) -> None:
    a_running_wave(instance)
    with pytest.raises(sa.exc.IntegrityError), recording(instance) as session:
        session.execute(sa.update(DeliveryRow).values(state=DeliveryState.SENDING))
