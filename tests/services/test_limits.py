"""Limits under several workers, on both databases: what may leave altogether, to each domain, of each wave, when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import CampaignStatus, DeliveryState
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.domain.sending_hours import Pace, SendingHours
from incident_app.persistence import limited_claims
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow, MailDomain
from incident_app.persistence.timeline import EventRow
from incident_app.services import dispatch, limits, paces, waves
from incident_app.services.timeline import entries
from incident_app.services.transaction import reading, recording
from incident_app.services.worker import Worker
from notifications.outbox import Delivery
from notifications.sink import MailSink, ReceivedMessage, SinkScript
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock

LEASE = timedelta(minutes=5)
STARTED = NOW + timedelta(minutes=1)


def a_running_wave(engine: Engine, addresses: list[str], *, countries: str = "JP") -> tuple[IncidentId, CampaignId]:
    """A started wave with a message to each address, in this order."""
    places = countries.split()
    lines = [
        f"K{n:04},person,customer,ja,{places[n % len(places)]},試験 {n},{one},,\n" for n, one in enumerate(addresses)
    ]
    builders.import_text(engine, builders.CUSTOMERS.splitlines(keepends=True)[0] + "".join(lines))
    held = "".join(f"K{n:04},member-db,name email\n" for n in range(len(addresses)))
    builders.import_text(engine, "customer_number,store,items\n" + held)
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    campaign = builders.a_wave(engine, view.id, builders.a_notice(engine, view.id)).filled.campaign_id
    dispatch.start_campaign(engine, campaign, typed_count=len(addresses), actor=author(engine).actor, now=STARTED)
    return view.id, campaign


def at(domain: str, number: int) -> list[str]:
    return [f"k{n}@{domain}" for n in range(number)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "j").mkdir()
    return tmp_path / "j"


def workers(engine: Engine, folder: Path, clock: Clock, number: int = 3) -> list[Worker]:
    return [a_worker(engine, 9, folder, clock) for _ in range(number)]


def claim(worker: Worker, most: int = 500) -> list[Delivery]:
    """What this worker gets now, as one that has just looked at the limits."""
    worker._outbox._limits_read_at = float("-inf")
    return list(worker._outbox.claim(limit=most, lease=LEASE))


def test_three_workers_together_keep_to_what_may_leave_in_an_hour(instance: Engine, folder: Path, clock: Clock) -> None:
    a_running_wave(instance, at("example.jp", 100))
    limits.set_limits(instance, per_second=None, per_hour=20, actor=author(instance).actor, now=NOW)
    team, taken = workers(instance, folder, clock), []
    start = clock()
    for _ in range(2 * 60):
        for worker in team:
            taken += [(clock(), one.id) for one in claim(worker)]
        clock.forward(timedelta(minutes=1))
    assert len({key for _, key in taken}) == len(taken)
    assert sum(moment < start + timedelta(hours=1) for moment, _ in taken) == 20
    assert len(taken) == 40


def test_the_limit_of_a_domain_holds_and_the_others_are_not_slowed(
    instance: Engine, folder: Path, clock: Clock
) -> None:
    slow, fast = at("slow.example", 40), at("example.jp", 40)
    a_running_wave(instance, slow + fast)
    limits.limit_domain(instance, "slow.example", per_minute=6, actor=author(instance).actor, now=NOW)
    team = workers(instance, folder, clock, 2)
    first = [one for worker in team for one in claim(worker)]
    domains = Counter(one.recipient.rpartition("@")[2] for one in first)
    assert domains == {"slow.example": 1, "example.jp": 40}
    later = []
    for _ in range(59):
        clock.forward(timedelta(seconds=1))
        later += [one for worker in team for one in claim(worker)]
    assert {one.recipient.rpartition("@")[2] for one in later} == {"slow.example"}
    assert len(later) == 5


def test_where_one_message_leaves_at_a_time_a_domain_with_its_own_queue_starves_nobody(
    instance: Engine, folder: Path, clock: Clock
) -> None:
    a_running_wave(instance, at("slow.example", 20) + at("example.jp", 20))
    actor = author(instance).actor
    limits.limit_domain(instance, "slow.example", paused_until=NOW + timedelta(minutes=2), actor=actor, now=NOW)
    limits.set_limits(instance, per_second=1, per_hour=None, actor=actor, now=NOW)
    (worker,) = workers(instance, folder, clock, 1)
    claim(worker)  # moves those of the domain into their queue
    limits.lift_limit(instance, "slow.example", actor=actor, now=NOW)
    taken: list[Delivery] = []
    for _ in range(12):
        clock.forward(timedelta(seconds=1, microseconds=200_001))
        taken += claim(worker)
    assert {one.recipient.rpartition("@")[2] for one in taken} == {"slow.example", "example.jp"}
    while len(taken) < 39 and (clock() - NOW) < timedelta(hours=1):
        clock.forward(timedelta(seconds=2))  # always at the same kind of moment: whoever is first leaves the rest
        taken += claim(worker)
    assert len({one.id for one in taken}) == len(taken) == 39


def test_a_domain_that_is_paused_is_read_once_and_never_again(
    instance: Engine, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_claims, "MOVED_AT_ONCE", 10)
    a_running_wave(instance, at("blocked.example", 60) + at("example.jp", 3))
    actor = author(instance).actor
    limits.limit_domain(instance, "blocked.example", paused_until=NOW + timedelta(days=1), actor=actor, now=NOW)
    (worker,) = workers(instance, folder, clock, 1)
    assert [one.recipient for one in claim(worker)] == at("example.jp", 3)
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).where(DeliveryRow.paced.is_(True))) == 60
    seen: list[str] = []

    def keep(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    sa.event.listen(instance, "before_cursor_execute", keep)
    assert claim(worker) == []
    sa.event.remove(instance, "before_cursor_execute", keep)
    assert not [text for text in seen if "waiting.paced AND" in text], (
        "who may not be written to is not even looked for"
    )
    limits.lift_limit(instance, "blocked.example", actor=actor, now=NOW)
    lifted: list[Delivery] = []
    while more := claim(worker):
        lifted += more
    assert len(lifted) == 60


def test_no_more_of_a_domain_are_under_way_than_it_takes_at_once(instance: Engine, folder: Path, clock: Clock) -> None:
    a_running_wave(instance, at("shy.example", 9))
    limits.limit_domain(instance, "shy.example", connections=2, actor=author(instance).actor, now=NOW)
    one, two = workers(instance, folder, clock, 2)
    claim(one)  # finds them in the queue of the wave
    claim(two)
    assert count_sending(instance) == 2
    assert claim(two) == []
    with recording(instance) as session:
        session.execute(
            sa.update(DeliveryRow)
            .where(DeliveryRow.state == DeliveryState.SENDING)
            .values(state=DeliveryState.ACCEPTED, lease_owner=None, lease_until=None)
        )
    clock.forward(timedelta(seconds=1))
    assert len(claim(two)) == 2


def count_sending(engine: Engine) -> int:
    with reading(engine) as session:
        return session.scalar(sa.select(sa.func.count()).where(DeliveryRow.state == DeliveryState.SENDING)) or 0


def test_real_workers_at_once_send_all_and_no_second_sees_more_than_its_limit(instance: Engine, folder: Path) -> None:
    _, campaign = a_running_wave(instance, at("example.jp", 30))
    limits.set_limits(instance, per_second=10, per_hour=None, actor=author(instance).actor, now=NOW)
    with MailSink() as sink:
        team = [a_worker(instance, sink.port, folder, lambda: datetime.now(UTC)) for _ in range(3)]
        threads = [threading.Thread(target=run_until_idle, args=(worker,)) for worker in team]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
        assert len(sink.received) == 30
    assert took > 2.5
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.FINISHED
    with reading(instance) as session:
        tried = session.execute(sa.select(DeliveryAttempt.delivery_id, DeliveryAttempt.number)).all()
    assert sorted(number for _, number in tried) == [1] * 30


def test_processes_at_once_share_a_limit_and_each_message_arrives_once(
    instance: Engine, instance_url: str, folder: Path
) -> None:
    _, campaign = a_running_wave(instance, at("example.jp", 20) + at("slow.example", 5))
    act = {"actor": author(instance).actor, "now": NOW}
    limits.set_limits(instance, per_second=8, per_hour=None, **act)
    limits.limit_domain(instance, "slow.example", per_minute=3000, connections=1, **act)
    arrived: list[tuple[float, str]] = []

    class Timed(MailSink):
        def keep(self, message: ReceivedMessage) -> None:
            arrived.append((time.monotonic(), message.recipients[0]))

    with Timed() as sink:
        command = [sys.executable, "-m", "tests.services.worker_child", instance_url, str(sink.port), str(folder)]
        team = [subprocess.Popen(command, cwd=builders.ROOT) for _ in range(2)]
        try:
            patience = time.monotonic() + 90
            while waves.get_campaign(instance, campaign).status is CampaignStatus.RUNNING:
                assert time.monotonic() < patience, f"only {len(arrived)} arrived"
                time.sleep(0.2)
        finally:
            for worker in team:
                worker.kill()
                worker.wait()
    assert sorted(one for _, one in arrived) == sorted(at("example.jp", 20) + at("slow.example", 5))
    assert arrived[-1][0] - arrived[0][0] > 0.8 * 24 / 8


def test_a_ceiling_of_a_wave_is_changed_while_it_runs_by_name_and_with_an_event(
    instance: Engine, folder: Path, clock: Clock
) -> None:
    incident, campaign = a_running_wave(instance, at("example.jp", 30))
    act = {"actor": author(instance).actor, "now": NOW}
    centre = paces.CallCentre(calls_per_hour=6, percent_who_call=50)
    pace = paces.pace_of(hours=None, per_hour=None, calls=centre)
    assert pace == Pace(per_hour=12)
    paces.set_pace(instance, campaign, pace, calls=centre, **act)
    (worker,) = workers(instance, folder, clock, 1)
    taken = []
    for _ in range(60):
        taken += claim(worker)
        clock.forward(timedelta(minutes=1))
    assert len(taken) == 12
    paces.set_pace(instance, campaign, Pace(), **act)
    assert len(claim(worker)) == 18
    told = [entry for entry in entries(instance, incident) if entry.kind == "dispatch.paced"]
    assert "at most 12 an hour (call centre takes 6 calls an hour, 50 % call)" in told[0].summary_en
    with reading(instance) as session:
        by = session.scalars(sa.select(EventRow.actor).where(EventRow.kind == "dispatch.paced")).all()
    assert by == [author(instance).actor] * 2
    with pytest.raises(BadInput):
        paces.pace_of(hours=None, per_hour=5, calls=centre)


def test_people_are_written_to_in_the_hours_of_their_country_and_not_before(
    instance: Engine, folder: Path, clock: Clock
) -> None:
    _, campaign = a_running_wave(instance, at("example.jp", 6), countries="JP DE")
    act = {"actor": author(instance).actor, "now": NOW}
    paces.set_pace(instance, campaign, Pace(hours=SendingHours(begin=8, end=20)), **act)
    clock.now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # 21:00 in Japan, 13:00 in Germany
    one, two = workers(instance, folder, clock, 2)
    assert {one.recipient[1] for one in claim(one)} == {"1", "3", "5"}
    assert claim(two) == []
    clock.now = datetime(2026, 11, 20, 22, 59, tzinfo=UTC)
    assert claim(one) == []
    clock.now = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)  # 8:00 in Japan
    assert {one.recipient[1] for one in claim(two)} == {"0", "2", "4"}


def test_hours_that_are_lifted_let_at_once_leave_what_waited_for_them(
    instance: Engine, folder: Path, clock: Clock
) -> None:
    _, campaign = a_running_wave(instance, at("example.jp", 4), countries="JP DE")
    act = {"actor": author(instance).actor, "now": NOW}
    paces.set_pace(instance, campaign, Pace(hours=SendingHours(begin=8, end=20)), **act)
    clock.now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    (worker,) = workers(instance, folder, clock, 1)
    assert len(claim(worker)) == 2
    paces.set_pace(instance, campaign, Pace(), **act)
    assert len(claim(worker)) == 2


def test_of_a_wave_nobody_of_which_may_be_written_to_no_row_is_touched(
    instance: Engine, folder: Path, clock: Clock
) -> None:
    _, campaign = a_running_wave(instance, at("example.jp", 4))
    pace = Pace(hours=SendingHours(begin=8, end=20))
    paces.set_pace(instance, campaign, pace, actor=author(instance).actor, now=NOW)
    clock.now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    (worker,) = workers(instance, folder, clock, 1)
    before = times(instance)
    assert claim(worker) == []
    assert times(instance) == before


def times(engine: Engine) -> list[int]:
    with reading(engine) as session:
        return list(session.scalars(sa.select(DeliveryRow.next_attempt_at).order_by(DeliveryRow.id)))


def test_without_limits_a_claim_asks_nothing_more_of_the_database(instance: Engine, folder: Path, clock: Clock) -> None:
    a_running_wave(instance, at("example.jp", 9))
    (worker,) = workers(instance, folder, clock, 1)
    assert len(claim(worker, 3)) == 3
    seen: list[str] = []

    def keep(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    sa.event.listen(instance, "before_cursor_execute", keep)
    assert len(worker._outbox.claim(limit=3, lease=LEASE)) == 3
    sa.event.remove(instance, "before_cursor_execute", keep)
    asked = [text for text in seen if not text.startswith(("BEGIN", "SELECT 1"))]
    assert len(asked) <= 6, asked
    assert not [text for text in asked if "rate_buckets" in text or "sending_limits" in text]


def test_the_queue_of_a_domain_is_read_by_its_index(instance: Engine, folder: Path, clock: Clock) -> None:
    a_running_wave(instance, at("slow.example", 4))
    limits.limit_domain(instance, "slow.example", per_minute=600, actor=author(instance).actor, now=NOW)
    (worker,) = workers(instance, folder, clock, 1)
    seen: list[tuple[str, object]] = []

    def keep(_connection: object, _cursor: object, statement: str, values: object, *_rest: object) -> None:
        if "waiting.paced AND" in statement:
            seen.append((statement, values))

    claim(worker, 1)
    sa.event.listen(instance, "before_cursor_execute", keep)
    assert len(claim(worker, 1)) == 1
    sa.event.remove(instance, "before_cursor_execute", keep)
    statement, values = seen[0]
    with reading(instance) as session:
        prefix = "EXPLAIN " if instance.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        if instance.dialect.name == "postgresql":
            session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        rows = session.connection().exec_driver_sql(prefix + statement, values)
        plan = "\n".join(str(row) for row in rows)
    assert "ix_deliveries_paced" in plan
    assert "TEMP B-TREE" not in plan


def test_what_is_set_is_shown_with_what_waits_and_lifting_what_is_not_set_is_refused(instance: Engine) -> None:
    act = {"actor": author(instance).actor, "now": NOW}
    limits.set_limits(instance, per_second=50, per_hour=None, **act)
    limits.limit_domain(instance, "Mail.Example", per_minute=60, connections=3, **act)
    shown = limits.show_limits(instance)
    assert (shown.per_second, shown.per_hour) == (50, None)
    (domain,) = shown.domains
    assert (domain.domain, domain.per_minute, domain.connections, domain.waiting) == ("mail.example", 60, 3, 0)
    limits.lift_limit(instance, "mail.example", **act)
    assert limits.show_limits(instance).domains == ()
    with pytest.raises(NotFound):
        limits.lift_limit(instance, "mail.example", **act)
    for wrong in ({"per_minute": 0}, {}, {"paused_until": NOW}):
        with pytest.raises(BadInput):
            limits.limit_domain(instance, "mail.example", **wrong, **act)
    with pytest.raises(BadInput):
        limits.limit_domain(instance, "no domain", per_minute=1, **act)
    with pytest.raises(BadInput):
        limits.set_limits(instance, per_second=0, per_hour=None, **act)
    with reading(instance) as session:
        assert session.scalar(sa.select(MailDomain.name)) == "mail.example"


def test_a_message_refused_for_now_waits_in_the_queue_of_its_domain_and_is_tried_again(
    instance: Engine, folder: Path, clock: Clock
) -> None:
    _, campaign = a_running_wave(instance, at("slow.example", 1))
    limits.limit_domain(instance, "slow.example", per_minute=60, actor=author(instance).actor, now=NOW)
    answers = iter(["451 4.2.1 later", None])
    with MailSink(script=SinkScript(recipient=lambda _address: next(answers))) as sink:
        worker = a_worker(instance, sink.port, folder, clock)
        asyncio.run(worker.run(asyncio.Event(), until_idle=True))
        clock.forward(timedelta(minutes=6))
        asyncio.run(worker.run(asyncio.Event(), until_idle=True))
        assert len(sink.received) == 1
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.FINISHED
