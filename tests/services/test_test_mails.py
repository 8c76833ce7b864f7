"""Test mails: one person's mail as it would leave, to ourselves only, visibly a test, and counted for nobody."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path

import dkim
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ed25519
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import DeliveryState
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.persistence.outbox import DeliveryAttempt
from incident_app.persistence.timeline import EventRow
from incident_app.services import dispatch, test_mails, waves
from incident_app.services.sending_checks import ExerciseNotSent
from incident_app.services.test_mails import Outgoing
from incident_app.services.timeline import entries
from incident_app.services.transaction import reading
from notifications.dkim import Signer
from notifications.sink import MailSink, SinkScript
from notifications.smtp import Security, SmtpSettings, SmtpTransport
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock


def outgoing(port: int, signer: Signer | None = None) -> Outgoing:
    return Outgoing(
        transport=SmtpTransport(
            SmtpSettings(host="127.0.0.1", port=port, security=Security.PLAINTEXT_LOOPBACK_ONLY, timeout=5.0)
        ),
        bounce_domain="bounce.example.jp",
        message_domain="example.jp",
        signer=signer,
    )


@pytest.fixture
def wave(instance: Engine) -> tuple[IncidentId, CampaignId]:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    filled = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id)).filled
    return view.id, filled.campaign_id


def send(engine: Engine, campaign: CampaignId, port: int, to: str, **more: object) -> test_mails.Tested:
    return test_mails.send_test(engine, campaign, outgoing(port), to=to, actor=author(engine).actor, now=NOW, **more)


def without(content: bytes, *names: str) -> list[bytes]:
    """The lines of a mail but for these headers, which may be folded."""
    kept, leave_out = [], False
    for line in content.split(b"\r\n"):
        if not line.startswith(b" "):
            leave_out = line.split(b":")[0].decode("latin-1") in names
        if not leave_out:
            kept.append(line)
    return kept


def test_a_test_is_the_persons_own_mail_octet_for_octet_but_for_to_subject_and_number(
    instance: Engine, wave: tuple[IncidentId, CampaignId], clock: Clock, tmp_path: Path
) -> None:
    incident, campaign = wave
    with MailSink() as sink:
        for number in ("C1", "C3"):
            tested = send(instance, campaign, sink.port, "approver@example.jp", customer_number=number)
            assert (tested.outcome, tested.reply_code) == ("accepted", 250)
        tests = list(sink.received)
    assert waves.get_campaign(instance, campaign).totals.waiting == 4
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DeliveryAttempt)) == 0
    dispatch.start_campaign(instance, campaign, typed_count=4, actor=author(instance).actor, now=NOW)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        real = {mail.recipients[0]: mail for mail in sink.received}
    for test, person, mark in (
        (tests[0], "ichiro@example.jp", "【試験送信】"),
        (tests[1], "juergen@example.com", "[TEST] "),
    ):
        other = real[person]
        assert test.recipients == ("approver@example.jp",)
        assert without(test.content, "To", "Subject", "Message-ID") == without(
            other.content, "To", "Subject", "Message-ID"
        )
        mine, theirs = (message_from_bytes(one.content, policy=policy.default) for one in (test, other))
        assert mine["To"] == "approver@example.jp"
        assert mine["Subject"] == mark + theirs["Subject"]
        assert mine["Message-ID"] != theirs["Message-ID"]
        assert "bounce" not in test.sender
        assert test.sender != other.sender
    told = [entry for entry in entries(instance, incident) if entry.kind == "dispatch.tested"]
    assert len(told) == 2
    assert "sent to ourselves as a test (accepted, reply 250)" in told[0].summary_en
    with reading(instance) as session:
        bodies = "".join(session.scalars(sa.select(EventRow.body).where(EventRow.kind == "dispatch.tested")))
    assert "@" not in bodies
    assert dispatch.verify_attempts(instance, campaign)


def test_a_test_never_goes_to_anybody_but_ourselves(instance: Engine, wave: tuple[IncidentId, CampaignId]) -> None:
    _, campaign = wave
    sender = "notice@" + builders_domain(instance, campaign)
    with MailSink() as sink:
        for stranger in (
            "ichiro@keitai.example",
            "x@sub." + sender.rpartition("@")[2],
            "author@example.jp.evil.example",
        ):
            with pytest.raises(test_mails.OnlyToOurselves):
                send(instance, campaign, sink.port, stranger)
        with pytest.raises(BadInput):
            send(instance, campaign, sink.port, "nobody")
        assert sink.received == ()
        send(instance, campaign, sink.port, "AUTHOR@example.jp")
        send(instance, campaign, sink.port, "anybody@" + sender.rpartition("@")[2])
        assert len(sink.received) == 2
        with pytest.raises(test_mails.NothingToTest):
            send(instance, campaign, sink.port, "author@example.jp", customer_number="C5")


def builders_domain(engine: Engine, campaign: CampaignId) -> str:
    with reading(engine) as session:
        return waves.get_campaign_row(session, campaign).sender_address.rpartition("@")[2]


def test_a_test_of_an_exercise_is_not_sent(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance, exercise=True)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    campaign = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id)).filled.campaign_id
    with MailSink() as sink:
        with pytest.raises(ExerciseNotSent):
            send(instance, campaign, sink.port, "author@example.jp")
        assert sink.received == ()


def test_what_the_server_says_and_that_it_cannot_be_reached_is_told(
    instance: Engine, wave: tuple[IncidentId, CampaignId]
) -> None:
    incident, campaign = wave
    with MailSink(script=SinkScript(recipient=lambda _: "550 5.1.1 no such mailbox")) as sink:
        refused = send(instance, campaign, sink.port, "author@example.jp")
        port = sink.port
    assert (refused.outcome, refused.reply_code) == ("refused_for_good", 550)
    with pytest.raises(test_mails.TestNotSent):
        send(instance, campaign, port, "author@example.jp")
    assert [one.kind for one in entries(instance, incident) if one.kind == "dispatch.tested"] == ["dispatch.tested"]
    totals = waves.get_campaign(instance, campaign).totals
    assert totals.by_state == {DeliveryState.QUEUED: 4}


def test_a_test_is_signed_as_the_notices_are(instance: Engine, wave: tuple[IncidentId, CampaignId]) -> None:
    _, campaign = wave
    signer = Signer(domain="example.jp", selector="k1", key=ed25519.Ed25519PrivateKey.generate())
    with MailSink() as sink:
        test_mails.send_test(
            instance,
            campaign,
            outgoing(sink.port, signer),
            to="author@example.jp",
            actor=author(instance).actor,
            now=NOW,
        )
        (mail,) = sink.received
    assert dkim.verify(mail.content, dnsfunc=lambda *_, **__: signer.dns_record().encode())
