"""The README's story, end to end, over a real mail server, on both databases."""

import email
import email.policy
import json
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.demo.texts import REPORT_FACTS, REPORT_GAPS
from incident_app.domain.delivery import AudienceRule, CampaignStatus, Standing
from incident_app.domain.errors import BadInput
from incident_app.domain.vocabulary import Certainty, DutyStatus, Phase, Subject
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from incident_app.persistence.timeline import EventRow
from incident_app.services import (
    approvals,
    closing,
    commitment,
    dispatch,
    exports,
    impact_verification,
    impact_views,
    incidents,
    obligations,
    people,
    reports,
    steps,
    timeline,
    waves,
)
from incident_app.services.transaction import reading
from notifications.sink import MailSink, SinkScript
from tests import builders
from tests.conftest import NOW, Clock

SEEN_FIRST = "customer_number,items\nC1,name email\nC3,name email\n"
SEEN_LATER = (
    "customer_number,items\nC1,card-number card-holder\nC2,name email\nC4,organisation email\nC5,name address\n"
)


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


def texts_of(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content().replace("\r\n", "\n"), html.get_content()


def refusing_and_once_busy(busy: str) -> Callable[[str], str | None]:
    """Refuse a mailbox that is not there for good, and one person's for now, the first time it is tried."""
    tried: set[str] = set()

    def answer(address: str) -> str | None:
        if address.startswith("info@"):
            return "550 5.1.1 no such mailbox"
        if address == busy and address not in tried:
            tried.add(address)
            return "451 4.2.1 try again later"
        return None

    return answer


def message_ids(engine: Engine) -> set[str]:
    """The identities that the messages were given when the wave was filled."""
    with reading(engine) as session:
        return {f"<{token}@example.jp>" for token in session.scalars(sa.select(DeliveryRow.token))}


@pytest.fixture
def sink(tmp_path: Path) -> object:
    with MailSink(script=SinkScript(recipient=refusing_and_once_busy("juergen@example.com"))) as running:
        yield running


def test_a_breach_from_alarm_to_closure(
    instance: Engine, clock: Clock, tmp_path: Path, sink: MailSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    builders.with_customers(instance)
    author, approver = builders.author(instance).actor, builders.approver(instance).actor
    worker = builders.a_worker(instance, sink.port, tmp_path / "journals", clock)

    # The alarm: an incident with its clock, its steps and its playbooks.
    incident = builders.an_incident(instance, occurred_from=NOW - timedelta(hours=2))
    assert incident.reference == "INC-2026-0001"
    assert any(step.code == "block-logins" for step in steps.list_steps(instance, incident.id))

    # List one: two people are certain.
    first_list = builders.a_list(instance, incident.id, SEEN_FIRST)
    first = builders.determined(instance, incident.id, builders.a_scope(lists=[first_list]))
    assert first.by_certainty == {Certainty.CONFIRMED: 2}
    duties = {(duty.rule, duty.addressee_ref): duty for duty in obligations.list_obligations(instance, incident.id)}
    assert duties["jp-appi:preliminary", "mic-bureau"].status is DutyStatus.OPEN
    assert duties["eu-gdpr:authority", "eu-authorities-de"].due_at == incident.aware_at + timedelta(hours=72)
    assert duties["policy:leak-response", "people"] is not None

    # The notice is written, approved by somebody else, and leaves.
    notice = builders.a_notice(instance, incident.id)
    wave_one = builders.a_wave(instance, incident.id, notice)
    identities = message_ids(instance)
    dispatch.start_campaign(instance, wave_one.filled.campaign_id, typed_count=2, actor=author, now=clock())
    builders.run_until_idle(worker)
    assert [received.recipients[0] for received in sink.received] == ["ichiro@example.jp"]
    clock.forward(timedelta(minutes=6))  # the other server was busy: the same message is tried again
    builders.run_until_idle(worker)
    assert waves.get_campaign(instance, wave_one.filled.campaign_id).status is CampaignStatus.FINISHED

    mails = {received.recipients[0]: parsed(received.content) for received in sink.received}
    assert set(mails) == {"ichiro@example.jp", "juergen@example.com"}
    japanese, english = mails["ichiro@example.jp"], mails["juergen@example.com"]
    assert japanese["Subject"] == "【重要】GPUクラウド（デモ）における個人情報の漏えい等に関するお詫びとお知らせ"
    assert japanese["To"] == "ichiro@example.jp"
    plain, html = texts_of(japanese)
    assert "髙橋 一郎 様" in plain
    assert "・氏名\n・メールアドレス\n" in plain
    own_items = plain.split("■ お客様の情報")[1].split("■ 原因")[0]
    assert "カード番号" not in own_items
    assert "パスワード" not in own_items
    assert "<li>氏名</li><li>メールアドレス</li>" in html
    english_plain, _ = texts_of(english)
    assert english["Subject"] == "Important notice about your personal data at GPU cloud (demonstration)"
    assert "Dear Jürgen Meyer" in english_plain
    assert "- name\n- e-mail address\n" in english_plain
    assert all(len(received.recipients) == 1 for received in sink.received)
    assert not any(message["Cc"] or message["Bcc"] for message in mails.values())
    assert {message["Message-ID"] for message in mails.values()} == identities  # over the retry as well
    assert len(identities) == len(mails)

    # List two: a wider circle; one of those told before had opened the payment page.
    second_list = builders.a_list(instance, incident.id, SEEN_LATER)
    second = builders.determined(instance, incident.id, builders.a_scope(lists=[first_list, second_list]))
    assert second.version == 2
    difference = impact_views.diff_versions(instance, incident.id, 1, 2)
    assert (difference.added, difference.removed, difference.changed) == (3, 0, 1)
    explanation = impact_views.explain_customer(instance, incident.id, "C1")
    assert explanation.items_ja == ("氏名", "メールアドレス", "カード番号", "カード名義")
    assert explanation.told_items_ja == ("氏名", "メールアドレス")

    wave_two = builders.a_wave(instance, incident.id, notice, rule=AudienceRule.NEWLY_AFFECTED)
    assert wave_two.filled.unreachable == 1  # C5 has no mail address: counted, not dropped
    dispatch.start_campaign(instance, wave_two.filled.campaign_id, typed_count=2, actor=author, now=clock())
    builders.run_until_idle(worker)
    totals = waves.get_campaign(instance, wave_two.filled.campaign_id).totals
    assert (totals.planned, totals.sent, totals.failed, totals.waiting, totals.in_doubt) == (2, 1, 1, 0, 0)
    assert totals.agrees
    update = builders.a_notice(instance, incident.id, kind="update")
    wave_three = builders.a_wave(instance, incident.id, update, rule=AudienceRule.ITEMS_CHANGED)
    dispatch.start_campaign(instance, wave_three.filled.campaign_id, typed_count=1, actor=author, now=clock())
    builders.run_until_idle(worker)
    last = sink.received[-1]
    assert list(last.recipients) == ["ichiro@example.jp"]
    assert "・カード番号" in texts_of(parsed(last.content))[0]

    # Whoever mail does not reach is told otherwise; then nobody is left.
    counts = people.standings(instance, incident.id)
    assert counts == {Standing.INFORMED: 3, Standing.NOT_REACHED: 1, Standing.TO_INFORM: 1}
    for numbers, how in ((["C4"], "phone"), (["C5"], "letter")):
        people.record_told(
            instance,
            incident.id,
            numbers,
            standing=Standing.INFORMED_OTHERWISE,
            how=how,
            reason="記録済み",
            actor=author,
            now=clock(),
        )

    # The report to the authority: gaps stated, approved by somebody else, filed once.
    duty = next(
        duty for duty in obligations.list_obligations(instance, incident.id) if duty.rule == "jp-appi:preliminary"
    )
    draft = reports.draft_report(
        instance,
        incident.id,
        builders.FORMS,
        form="jp-appi-preliminary",
        given=dict(REPORT_FACTS),
        stated_gaps=dict(REPORT_GAPS),
        obligation_id=duty.id,
        actor=author,
        now=clock(),
    )
    assert draft.filled.gaps == ()
    request = approvals.request_approval(instance, incident.id, Subject.REPORT, draft.id, actor=author, now=clock())
    approvals.grant(instance, request, actor=approver, now=clock())
    reports.file_report(
        instance,
        incident.id,
        draft.id,
        forms=builders.FORMS,
        channel="web form",
        receipt="R-1",
        actor=author,
        now=clock(),
    )
    document = json.loads(reports.report_as_json(instance, incident.id, draft.id))
    values = {field["code"]: field["value"] for field in document["fields"]}
    assert values["people"]["en"].startswith("5 (exact")
    assert values["items"]["ja"].startswith("組織名、氏名、住所")
    filed = {duty.id: duty for duty in obligations.list_obligations(instance, incident.id)}[duty.id]
    assert filed.status is DutyStatus.FULFILLED
    assert filed.was_late is False

    # The promise: what was kept, and what is still missing.
    commitment.discharge_promises(instance, incident.id, actor=author, now=clock())
    promise = {
        row.part: row for row in commitment.commitment_rows(instance, incident.id) if row.clause == "leak-response"
    }
    assert promise["the_facts"].discharged
    assert promise["promptly"].discharged
    assert promise["to_the_people"].discharged
    assert not promise["quick_and_proper"].discharged  # steps are left

    # The end: steps are finished or left out with a reason, the other duties filed or judged not required by two.
    with pytest.raises(BadInput, match="still open"):
        closing.settle_and_close(instance, incident.id, actor=author, now=clock())
    for step in steps.list_steps(instance, incident.id):
        steps.skip_step(instance, incident.id, step.code, reason="この物語では扱わない", actor=author, now=clock())
    for duty in obligations.list_obligations(instance, incident.id):
        if duty.is_live and duty.regime != "policy":
            asked = obligations.ask_waiver(
                instance, incident.id, duty.id, reason="確報で報告する", actor=author, now=clock()
            )
            approvals.grant(instance, asked, actor=approver, now=clock())
            obligations.waive(instance, incident.id, duty.id, actor=author, now=clock())
    closing.settle_and_close(instance, incident.id, actor=author, now=clock())
    assert incidents.get_incident(instance, incident.reference, builders.author(instance)).phase is Phase.CLOSED
    statuses = {duty.status for duty in obligations.list_obligations(instance, incident.id)}
    assert statuses == {DutyStatus.FULFILLED, DutyStatus.WAIVED}

    # The proof: repeated from its inputs, unbroken, the same rows in every export.
    repeated = dict.fromkeys((1, 2), impact_verification.Repetition.REPEATS)
    assert impact_verification.verify_impact(instance, incident.id) == repeated
    assert dispatch.verify_attempts(instance, wave_two.filled.campaign_id)
    rows = json.loads(
        exports.export_timeline(instance, incident.id, "json", purpose="振り返り", actor=author, now=clock())
    )["events"]
    assert [row["kind"] for row in rows][:2] == ["incident.opened", "member.added"]
    assert "incident.closed" in [row["kind"] for row in rows]
    assert timeline.verify_timeline(instance).broken is None

    # No name and no address ever entered events, results of deliveries, or logs.
    with reading(instance) as session:
        kept = "".join(session.scalars(sa.select(EventRow.body)))
        kept += "".join(session.scalars(sa.select(DeliveryAttempt.reply_text)))
    for personal in ("髙橋", "山﨑", "Jürgen", "ichiro", "juergen", "hana..ko", "info@", "試験町"):
        assert personal not in kept + caplog.text
