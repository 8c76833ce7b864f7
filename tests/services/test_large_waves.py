"""What must stay quick and right when a wave is large: claiming, reporting, finishing, cancelling."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dkim
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ed25519
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import CampaignStatus, DeliveryState
from incident_app.domain.digests import utc_text
from incident_app.persistence import bulk
from incident_app.persistence.claims import due_deliveries
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from incident_app.persistence.sql_outbox import microseconds
from incident_app.services import dispatch, timeline, waves
from incident_app.services.attempts_digest import AttemptsDigest
from incident_app.services.transaction import reading
from notifications.dkim import Signer
from notifications.sink import MailSink
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock
from tests.services.test_worker import a_running_wave, states


def expected_digest(engine: Engine, since: int, through: int) -> str:
    """The digest as the documentation describes it, written a second time."""
    with reading(engine) as session:
        rows = session.scalars(
            sa.select(DeliveryAttempt)
            .where(DeliveryAttempt.id > since, DeliveryAttempt.id <= through)
            .order_by(DeliveryAttempt.id)
        ).all()
        lines = [
            f"{row.delivery_id}|{row.number}|{utc_text(row.finished_at)}|{row.outcome}|{row.reply_code}|{row.content_digest}\n"
            for row in rows
        ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_what_is_digested_ahead_and_what_comes_later_make_one_digest(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    _, campaign = a_running_wave(instance)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    with reading(instance) as session:
        ids = session.scalars(sa.select(DeliveryAttempt.id).order_by(DeliveryAttempt.id)).all()
        for cut in ids:
            found = AttemptsDigest(campaign, 0)
            found.read_on(session, cut)
            assert (found.value, found.through) == (expected_digest(instance, 0, cut), cut)
            found.read_on(session, ids[-1])
            assert (found.value, found.through) == (expected_digest(instance, 0, ids[-1]), ids[-1])
    assert dispatch.verify_attempts(instance, campaign)


def test_two_workers_that_see_the_end_at_once_report_it_once(
    instance: Engine, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident, campaign = a_running_wave(instance)
    actor = author(instance).actor
    with MailSink() as sink, monkeypatch.context() as patched:
        patched.setattr(dispatch, "finish_settled", lambda *_, **__: [])  # what a worker itself does at the end
        asyncio.run(a_worker(instance, sink.port, tmp_path / "j", clock).send(asyncio.Event()))
    together, failures, done = threading.Barrier(2), [], []

    def finish() -> None:
        together.wait()
        try:
            done.extend(dispatch.finish_settled(instance, actor=actor, now=NOW))
        except Exception as failure:  # noqa: BLE001 - told below
            failures.append(failure)

    threads = [threading.Thread(target=finish) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, done) == ([], [campaign])
    finished = [event for event in timeline.entries(instance, incident) if event.kind == "dispatch.finished"]
    assert len(finished) == 1
    assert waves.get_campaign(instance, campaign).status is CampaignStatus.FINISHED


def test_cancelling_withholds_a_long_queue_turn_by_turn(instance: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "CHUNK", 3)
    _, campaign = a_running_wave(instance)
    assert dispatch.cancel_campaign(instance, campaign, reason="誤り", actor=author(instance).actor, now=NOW) == 4
    assert states(instance) == {DeliveryState.WITHHELD: 4}
    assert waves.get_campaign(instance, campaign).totals.agrees


def test_a_claim_reads_the_queue_by_its_index_in_the_order_of_its_times(instance: Engine) -> None:
    _, campaign = a_running_wave(instance)
    now = microseconds(NOW + timedelta(days=1))
    statements: list[str] = []

    def keep(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM deliveries waiting" in statement:
            statements.append(statement)

    with reading(instance) as session:
        session.execute(sa.update(DeliveryRow).values(next_attempt_at=now - DeliveryRow.id))
        sa.event.listen(instance, "before_cursor_execute", keep)
        due = due_deliveries(session, 3, now, {campaign})
        sa.event.remove(instance, "before_cursor_execute", keep)
        ids = session.scalars(sa.select(DeliveryRow.id).order_by(DeliveryRow.id.desc())).all()
        assert [row.id for row in due] == list(ids[:3])
        (statement,) = statements
        plan = _plan(session, statement, campaign, now)
    assert "ix_deliveries_queued" in plan
    assert "TEMP B-TREE" not in plan
    assert "Seq Scan on deliveries" not in plan


def _plan(session: object, statement: str, campaign: int, now: int) -> str:
    values = {"campaign": campaign, "now": now, "most": 3}
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))  # the table holds four rows
        rows = session.connection().exec_driver_sql(f"EXPLAIN {statement}", values)
    else:
        rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (campaign, now, 3))
    return "\n".join(str(row) for row in rows)


def test_an_empty_list_of_keys_finds_nothing(instance: Engine) -> None:
    with reading(instance) as session:
        assert bulk.rows_with(session, "SELECT id FROM deliveries", "id", []) == []


def test_mails_are_signed_where_a_key_is_given_and_go_out_in_seven_bits(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    signer = Signer(domain="example.jp", selector="k1", key=ed25519.Ed25519PrivateKey.generate())
    a_running_wave(instance)
    with MailSink() as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        worker.settings = replace(worker.settings, signer=signer)
        run_until_idle(worker)
        mails = [message.content for message in sink.received]
    assert len(mails) == 4
    for mail in mails:
        assert mail.isascii()
        assert dkim.verify(mail, dnsfunc=lambda *_, **__: signer.dns_record().encode())
