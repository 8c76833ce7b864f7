"""Bad input at each step: a clear message, and nothing half-done."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, FaultyFile, IllegalMove, NaiveTime, NotFound
from incident_app.domain.events import IncidentClosed
from incident_app.domain.incidents import ReasonNeeded
from incident_app.domain.notices import MissingFacts
from incident_app.domain.reports import GapsNotStated
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import (
    Cause,
    Certainty,
    ClockSource,
    DutyStatus,
    Harm,
    ListRelation,
    StepStatus,
    Subject,
)
from incident_app.persistence.incidents import Incident, IncidentScope
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.timeline import EventRow
from incident_app.rendering.notices import NoticeTemplates, TemplateFaulty
from incident_app.services import (
    accounts,
    approvals,
    campaigns,
    dispatch,
    incidents,
    notices,
    obligations,
    policies,
    reports,
    scopes,
    sending_checks,
    steps,
)
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, approver, author


def events(engine: Engine) -> int:
    with reading(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(EventRow)) or 0


def rows(engine: Engine, table: type) -> int:
    with reading(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"detected_at": datetime(2026, 11, 20, 8)}, NaiveTime),  # noqa: DTZ001 - naive on purpose
        ({"aware_at": NOW - timedelta(minutes=1)}, ReasonNeeded),
        ({"detected_at": NOW + timedelta(hours=1), "aware_at": None}, BadInput),
        ({"title": "  "}, BadInput),
        ({"occurred_from": NOW - timedelta(hours=2), "occurred_until": NOW - timedelta(hours=3)}, BadInput),
        ({"kind": "no-such-playbook"}, NotFound),
    ],
)
def test_an_opening_that_cannot_be_is_refused_and_leaves_nothing(
    instance: Engine, changes: dict[str, object], refusal: type[Exception]
) -> None:
    before = events(instance)
    with pytest.raises(refusal):
        builders.an_incident(instance, **changes)
    assert rows(instance, Incident) == 0
    assert events(instance) == before


def test_awareness_later_than_detection_is_taken_with_its_reason_and_a_correction_needs_one(instance: Engine) -> None:
    view = builders.an_incident(instance, aware_at=NOW - timedelta(minutes=5), aware_reason="痕跡を確認した時刻")
    assert view.aware_at == NOW - timedelta(minutes=5)
    with pytest.raises(BadInput, match="corrected"):
        incidents.record_awareness(
            instance,
            view.id,
            aware_at=view.detected_at,
            source=ClockSource.DEPARTMENT,
            actor=author(instance).actor,
            now=NOW,
        )
    incidents.record_awareness(
        instance,
        view.id,
        aware_at=view.detected_at,
        source=ClockSource.DEPARTMENT,
        reason="請求担当が先に知っていた",
        actor=author(instance).actor,
        now=NOW,
    )
    assert incidents.get_incident(instance, view.reference, author(instance)).aware_at == view.detected_at


def test_without_awareness_deadlines_are_provisional_and_become_firm(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance, aware_at=None)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    duty = next(d for d in obligations.list_obligations(instance, view.id) if d.rule == "jp-appi:preliminary")
    assert duty.provisional
    incidents.record_awareness(
        instance,
        view.id,
        aware_at=view.detected_at,
        source=ClockSource.DEPARTMENT,
        actor=author(instance).actor,
        now=NOW,
    )
    obligations.derive_obligations(instance, view.id, actor=author(instance).actor, now=NOW)
    live = [d for d in obligations.list_obligations(instance, view.id) if d.rule == "jp-appi:preliminary"]
    assert [d.provisional for d in live] == [False]
    everything = obligations.list_obligations(instance, view.id, superseded=True)
    assert DutyStatus.SUPERSEDED in {d.status for d in everything if d.rule == "jp-appi:preliminary"}


def test_an_external_reference_opens_one_incident_only(instance: Engine) -> None:
    first = builders.an_incident(instance, external_reference="SOC-1")
    assert builders.an_incident(instance, external_reference="SOC-1").id == first.id
    assert rows(instance, Incident) == 1


def test_without_membership_an_incident_does_not_exist(instance: Engine) -> None:
    view = builders.an_incident(instance)
    auditor = accounts.get_account_by_email(instance, "auditor@example.jp")
    with pytest.raises(accounts.NotAMember):
        incidents.get_incident(instance, view.reference, auditor)
    assert incidents.list_incidents(instance, auditor) == []


@pytest.mark.parametrize(
    ("entry", "refusal", "named"),
    [
        (TouchedStore(store="nowhere", certainty=Certainty.CONFIRMED), NotFound, "nowhere"),
        (
            TouchedStore(store="member-db", certainty=Certainty.CONFIRMED, items=frozenset({"nickname"})),
            NotFound,
            "nickname",
        ),
        (
            TouchedStore(store="member-db", certainty=Certainty.CONFIRMED, items=frozenset({"name"})),
            BadInput,
            "say why",
        ),
        (
            TouchedStore(
                store="member-db",
                certainty=Certainty.CONFIRMED,
                touched_from=NOW,
                touched_until=NOW - timedelta(days=1),
            ),
            BadInput,
            "before the beginning",
        ),
    ],
)
def test_a_scope_that_names_what_is_not_there_is_refused(
    instance: Engine, entry: TouchedStore, refusal: type[Exception], named: str
) -> None:
    view = builders.an_incident(instance)
    scope = Scope(harms=frozenset({Harm.CONFIDENTIALITY}), cause=Cause.UNKNOWN, stores=(entry,))
    with pytest.raises(refusal, match=named):
        scopes.set_scope(instance, view.id, scope, actor=author(instance).actor, now=NOW)
    assert rows(instance, IncidentScope) == 0


def test_ruling_out_needs_evidence(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    listed = builders.a_list(instance, view.id, "customer_number\nC1\n", relation=ListRelation.RULES_OUT)
    from dataclasses import replace

    with pytest.raises(BadInput, match="evidence"):
        scopes.set_scope(
            instance,
            view.id,
            builders.a_scope("member-db", lists=[replace(listed, evidence_id=None)]),
            actor=author(instance).actor,
            now=NOW,
        )


def test_naming_a_recipient_counts_an_upper_bound_of_exactly_its_categories(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance, kind="leak-at-processor")
    entries = scopes.stores_at_party(instance, "payment-gateway", certainty=Certainty.CONFIRMED)
    scope = Scope(harms=frozenset({Harm.CONFIDENTIALITY}), cause=Cause.AT_PROCESSOR, stores=entries)
    found = builders.determined(instance, view.id, scope)
    assert found.by_certainty == {Certainty.ASSUMED: 1}  # C1 pays by card; nobody else has transaction data
    from incident_app.services import impact_views

    explained = impact_views.explain_customer(instance, view.id, "C1")
    assert set(explained.items_en) == {"method of payment", "card number", "card holder"}


def test_a_faulty_policy_leaves_everything_as_it_was(instance: Engine) -> None:
    before = events(instance)
    with pytest.raises(FaultyFile):
        policies.load_policy(instance, "[policy]\n", file="mine.toml", actor=builders.SYSTEM, now=NOW)
    assert events(instance) == before


def test_a_missing_fact_stops_the_notice_and_nothing_is_stored(instance: Engine) -> None:
    view = builders.an_incident(instance)
    with pytest.raises(MissingFacts, match="cause"):
        builders.a_notice(instance, view.id, cause="")
    with pytest.raises(BadInput, match=r"\[\["):
        builders.a_notice(instance, view.id, cause="[[your_items]]")
    with pytest.raises(notices.NoticeNotFit, match="advertising"):
        builders.a_notice(instance, view.id, next_update="お得なキャンペーンも実施中です")
    assert rows(instance, NoticeVersion) == 0


def test_a_template_that_asks_for_an_unknown_fact_is_named(tmp_path: object) -> None:
    import shutil
    from pathlib import Path

    root = Path(str(tmp_path)) / "templates"
    shutil.copytree(builders.ROOT / "templates", root)
    body = root / "notices/leak_notice/ja/body.txt"
    body.write_text(body.read_text(encoding="utf-8") + "{{ colour_of_the_sky }}\n", encoding="utf-8")
    with pytest.raises(TemplateFaulty, match=r"leak_notice/ja/body.txt.*colour_of_the_sky"):
        NoticeTemplates([root]).facts_needed("leak_notice", "ja")


def test_the_author_cannot_approve_and_nobody_can_after_an_edit(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    notice = builders.a_notice(instance, view.id)
    wave = builders.a_wave(instance, view.id, notice, approved=False)
    with pytest.raises(approvals.OwnWork):
        approvals.grant(instance, wave.request_id, actor=author(instance).actor, now=NOW)
    builders.a_notice(instance, view.id, notice_id=notice, cause="書き直した原因")
    with pytest.raises(approvals.AlreadyDecided):
        approvals.grant(instance, wave.request_id, actor=approver(instance).actor, now=NOW)


def test_a_text_changed_after_approval_is_not_sent(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    notice = builders.a_notice(instance, view.id)
    wave = builders.a_wave(instance, view.id, notice)
    builders.a_notice(instance, view.id, notice_id=notice, cause="書き直した原因")
    with pytest.raises(approvals.NotApproved):
        dispatch.start_campaign(
            instance, wave.filled.campaign_id, typed_count=wave.filled.planned, actor=author(instance).actor, now=NOW
        )


def test_a_wrong_count_and_a_missing_approval_stop_the_start(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id), approved=False)
    start = {"actor": author(instance).actor, "now": NOW}
    with pytest.raises(approvals.NotApproved):
        dispatch.start_campaign(instance, wave.filled.campaign_id, typed_count=wave.filled.planned, **start)
    approvals.grant(instance, wave.request_id, actor=approver(instance).actor, now=NOW)
    with pytest.raises(dispatch.WrongCount) as refusal:
        dispatch.start_campaign(instance, wave.filled.campaign_id, typed_count=wave.filled.planned + 1, **start)
    assert str(wave.filled.planned) not in str(refusal.value)


def test_an_exercise_is_never_sent(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance, exercise=True)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id))
    with pytest.raises(sending_checks.ExerciseNotSent):
        dispatch.start_campaign(
            instance, wave.filled.campaign_id, typed_count=wave.filled.planned, actor=author(instance).actor, now=NOW
        )


def test_nobody_is_in_two_open_messages_of_one_purpose(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    notice = builders.a_notice(instance, view.id)
    builders.a_wave(instance, view.id, notice, approved=False)
    with pytest.raises(campaigns.NobodyToInform):
        builders.a_wave(instance, view.id, notice, approved=False)


def test_a_duty_is_not_required_only_with_reason_and_a_second_person(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    duty = next(d for d in obligations.list_obligations(instance, view.id) if d.rule == "jp-appi:preliminary")
    act = {"actor": author(instance).actor, "now": NOW}
    with pytest.raises(BadInput):
        obligations.ask_waiver(instance, view.id, duty.id, reason=" ", **act)
    request = obligations.ask_waiver(instance, view.id, duty.id, reason="全件が閲覧前に回収された", **act)
    with pytest.raises(approvals.NotApproved):
        obligations.waive(instance, view.id, duty.id, **act)
    with pytest.raises(IntegrityError, match="waiver"), Session(instance) as session, session.begin():
        session.get_one(Obligation, duty.id).status = DutyStatus.WAIVED
    approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    obligations.waive(instance, view.id, duty.id, **act)
    assert {d.id: d.status for d in obligations.list_obligations(instance, view.id)}[duty.id] is DutyStatus.WAIVED


def test_a_report_with_a_gap_is_drafted_but_not_filed_and_a_late_one_stays_late(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    duty = next(d for d in obligations.list_obligations(instance, view.id) if d.rule == "jp-appi:preliminary")
    act = {"actor": author(instance).actor, "now": NOW}
    draft = reports.draft_report(
        instance, view.id, builders.FORMS, form="jp-appi-preliminary", obligation_id=duty.id, **act
    )
    assert "contact" in draft.filled.gaps
    with pytest.raises(GapsNotStated, match="contact"):
        reports.file_report(instance, view.id, draft.id, forms=builders.FORMS, channel="web form", **act)
    reasons = dict.fromkeys(draft.filled.gaps, "調査中")
    again = reports.draft_report(
        instance,
        view.id,
        builders.FORMS,
        form="jp-appi-preliminary",
        stated_gaps=reasons,
        report_id=draft.id,
        **act,
    )
    with pytest.raises(approvals.NotApproved):
        reports.file_report(instance, view.id, again.id, forms=builders.FORMS, channel="web form", **act)
    request = approvals.request_approval(instance, view.id, Subject.REPORT, again.id, **act)
    approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    late = {"actor": author(instance).actor, "now": NOW + timedelta(days=9)}
    reports.file_report(instance, view.id, again.id, forms=builders.FORMS, channel="web form", **late)
    filed = {d.id: d for d in obligations.list_obligations(instance, view.id)}[duty.id]
    assert filed.was_late is True
    with pytest.raises(IllegalMove):
        reports.file_report(instance, view.id, again.id, forms=builders.FORMS, channel="web form", **late)
    incidents.record_awareness(
        instance,
        view.id,
        aware_at=NOW - timedelta(minutes=1),
        source=ClockSource.DEPARTMENT,
        reason="訂正",
        actor=author(instance).actor,
        now=late["now"],
    )
    obligations.derive_obligations(instance, view.id, **late)
    assert {d.id: d for d in obligations.list_obligations(instance, view.id)}[duty.id].was_late is True


def test_a_step_waits_for_its_needs_and_needs_its_result(instance: Engine) -> None:
    view = builders.an_incident(instance)
    act = {"actor": author(instance).actor, "now": NOW}
    with pytest.raises(steps.StepBlocked, match="block-logins"):
        steps.finish_step(instance, view.id, "list-accounts", result="done", **act)
    with pytest.raises(BadInput, match="result"):
        steps.finish_step(instance, view.id, "block-logins", result=None, **act)
    steps.finish_step(instance, view.id, "block-logins", result="遮断した", **act)
    steps.finish_step(instance, view.id, "list-accounts", result="一覧にした", **act)
    with pytest.raises(BadInput, match="why"):
        steps.skip_step(instance, view.id, "publish", reason="", **act)
    done = {step.code: step.status for step in steps.list_steps(instance, view.id)}
    assert done["list-accounts"] is StepStatus.DONE


def test_an_incident_with_open_duties_cannot_be_closed(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    with pytest.raises(BadInput, match="open or undecided"):
        incidents.close_incident(instance, view.id, actor=author(instance).actor, now=NOW)
    assert IncidentClosed.kind == "incident.closed"
