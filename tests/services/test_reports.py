"""Reports: the right form for a duty, gaps with reasons, times that can be, and one story in every field."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput
from incident_app.domain.inventory import Store
from incident_app.domain.reports import (
    DutyWithoutForm,
    FactsChanged,
    FiledTooEarly,
    GapsNotStated,
    UnknownNames,
    WrongForm,
)
from incident_app.domain.vocabulary import CountKind, DutyStatus, OurRole, Subject
from incident_app.persistence.reports import ReportSubmission
from incident_app.persistence.timeline import EventRow, TextRow
from incident_app.services import approvals, facts, obligations, recounting, report_changes, reports, setup
from incident_app.services.incidents import IncidentView
from incident_app.services.inventory import current_inventory
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, approver, author


def a_determined_incident(engine: Engine, *stores: str) -> IncidentView:
    builders.with_customers(engine)
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope(*(stores or ("member-db",))))
    return view


def duty(engine: Engine, view: IncidentView, rule: str) -> obligations.ObligationView:
    return next(duty for duty in obligations.list_obligations(engine, view.id) if duty.rule == rule)


def draft(engine: Engine, view: IncidentView, form: str, **changes: object) -> reports.ReportView:
    values: dict[str, object] = {"form": form, "actor": author(engine).actor, "now": NOW, **changes}
    return reports.draft_report(engine, view.id, builders.FORMS, **values)


def a_complete_draft(engine: Engine, view: IncidentView, form: str, **changes: object) -> reports.ReportView:
    gaps = draft(engine, view, form, **changes).filled.gaps
    return draft(engine, view, form, stated_gaps=dict.fromkeys(gaps, "調査中"), **changes)


def an_approved_report(engine: Engine, view: IncidentView, form: str, **changes: object) -> reports.ReportView:
    report = a_complete_draft(engine, view, form, **changes)
    request = approvals.request_approval(
        engine, view.id, Subject.REPORT, report.id, actor=author(engine).actor, now=NOW
    )
    approvals.grant(engine, request, actor=approver(engine).actor, now=NOW)
    return report


def test_a_report_with_unstated_gaps_is_put_before_nobody_and_approved_by_nobody(instance: Engine) -> None:
    view = a_determined_incident(instance)
    report = draft(instance, view, "jp-appi-preliminary")
    assert report.filled.gaps
    with pytest.raises(GapsNotStated):
        approvals.request_approval(instance, view.id, Subject.REPORT, report.id, actor=author(instance).actor, now=NOW)
    assert approvals.pending_approvals(instance, view.id) == []


def test_a_form_other_than_the_duty_asks_for_is_refused(instance: Engine) -> None:
    view = a_determined_incident(instance)
    facts.decide_fact(
        instance,
        view.id,
        "communications_secrecy",
        value=True,
        reason="本文あり",
        actor=author(instance).actor,
        now=NOW,
    )
    obligations.derive_obligations(instance, view.id, actor=author(instance).actor, now=NOW)
    detailed = duty(instance, view, "jp-telecom:detailed")
    with pytest.raises(WrongForm, match="jp-telecom-detailed"):
        draft(instance, view, "jp-telecom-first", obligation_id=detailed.id)
    with pytest.raises(DutyWithoutForm):
        draft(instance, view, "jp-telecom-first", obligation_id=duty(instance, view, "jp-appi:people").id)
    assert reports.list_reports(instance, view.id) == []
    report = an_approved_report(instance, view, "jp-telecom-detailed", obligation_id=detailed.id)
    reports.file_report(
        instance, view.id, report.id, forms=builders.FORMS, channel="post", actor=author(instance).actor, now=NOW
    )
    assert duty(instance, view, "jp-telecom:detailed").status is DutyStatus.FULFILLED
    assert duty(instance, view, "jp-telecom:first").status is DutyStatus.OPEN


def test_a_time_of_filing_that_cannot_be_is_refused_and_the_duty_stays_open(instance: Engine) -> None:
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    act = {"channel": "web form", "actor": author(instance).actor, "now": NOW}
    with pytest.raises(BadInput, match="future"):
        reports.file_report(
            instance, view.id, report.id, submitted_at=NOW + timedelta(seconds=1), forms=builders.FORMS, **act
        )
    with pytest.raises(FiledTooEarly, match="known from"):
        reports.file_report(
            instance,
            view.id,
            report.id,
            submitted_at=view.detected_at - timedelta(seconds=1),
            forms=builders.FORMS,
            **act,
        )
    assert duty(instance, view, "jp-appi:preliminary").status is DutyStatus.OPEN
    assert reports.get_report(instance, view.id, report.id).submitted_at is None
    reports.file_report(instance, view.id, report.id, submitted_at=view.detected_at, forms=builders.FORMS, **act)
    assert duty(instance, view, "jp-appi:preliminary").first_filed_at == view.detected_at


def test_unknown_facts_and_gaps_are_refused_with_the_known_ones(instance: Engine) -> None:
    view = a_determined_incident(instance)
    with pytest.raises(UnknownNames, match="registration_number"):
        draft(instance, view, "jp-telecom-first", given={"registration": "A-1"})
    with pytest.raises(UnknownNames, match="measures-planned"):
        draft(instance, view, "jp-appi-preliminary", stated_gaps={"nonsense": "1"})
    assert reports.list_reports(instance, view.id) == []


def values(report: reports.ReportView) -> dict[str, str]:
    return {field.code: field.value.ja for field in report.filled.fields if field.value}


def test_a_report_is_addressed_to_whom_its_duty_is_owed(instance: Engine) -> None:
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = draft(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    assert report.filled.addressee.ja == wanted.addressee_ja
    assert "総合通信局" in report.filled.addressee.ja
    again = draft(instance, view, "jp-appi-preliminary", report_id=report.id)
    assert again.filled.addressee == report.filled.addressee
    voluntary = draft(instance, view, "jp-appi-preliminary")
    assert voluntary.filled.addressee == builders.FORMS.form("jp-appi-preliminary").addressee


def test_the_medium_is_paper_or_electronic_and_a_gap_when_only_lists_are_in_scope(instance: Engine) -> None:
    view = a_determined_incident(instance)
    assert values(draft(instance, view, "jp-appi-preliminary"))["medium"] == "電子媒体"
    listed = builders.a_list(instance, view.id, "customer_number,items\nC1,name\n")
    builders.determined(instance, view.id, builders.a_scope(lists=[listed]))
    assert "medium" in draft(instance, view, "jp-appi-preliminary").filled.gaps
    given = draft(instance, view, "jp-appi-preliminary", given={"medium": "紙"})
    assert values(given)["medium"] == "紙"


def test_what_is_planned_never_quotes_what_was_done(instance: Engine) -> None:
    view = a_determined_incident(instance)
    builders.a_notice(instance, view.id, prevention="実施済み：検知の強化\n予定：二要素認証")
    report = draft(instance, view, "jp-appi-definitive")
    assert "measures-planned" in report.filled.gaps
    assert "measures-done" in values(report)
    planned = draft(instance, view, "jp-appi-definitive", given={"prevention_planned": "二要素認証"})
    assert values(planned)["measures-planned"] == "二要素認証"


def test_a_leak_at_a_recipient_of_undecided_role_is_to_decide(instance: Engine) -> None:
    view = a_determined_incident(instance)
    codes = [store.code for store in _stores(instance) if store.our_role is OurRole.UNDECIDED]
    assert codes
    builders.import_text(instance, f"customer_number,store,items\nC1,{codes[0]},*\n")
    builders.determined(instance, view.id, builders.a_scope(codes[0]))
    found = [d for d in obligations.list_obligations(instance, view.id) if d.regime == "jp-appi"]
    assert {d.status for d in found} == {DutyStatus.TO_DECIDE}
    assert {d.rule for d in found} >= {"jp-appi:preliminary", "jp-appi:people"}
    assert all("our roles" in (d.decide_en or "") for d in found)


def _stores(engine: Engine) -> tuple[Store, ...]:
    with reading(engine) as session:
        return current_inventory(session).stores


def test_a_report_whose_facts_changed_since_its_approval_is_filed_only_with_a_reason(instance: Engine) -> None:
    """More people came to light between approval and filing: the paper would have gone out with the old number."""
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    later = NOW + timedelta(hours=1)
    act = {"channel": "web form", "actor": author(instance).actor, "now": later}
    assert report_changes.changed_since(instance, view.id, report.id, builders.FORMS, now=later) == ()
    counted(instance, view, 4321, later)
    changed = report_changes.changed_since(instance, view.id, report.id, builders.FORMS, now=later)
    number = next(one for one in changed if one.after and one.after.value and "4,321" in one.after.value.ja)
    with pytest.raises(FactsChanged, match=number.label.en) as refusal:
        reports.file_report(instance, view.id, report.id, forms=builders.FORMS, **act)
    assert number.label.ja in refusal.value.message("ja")
    assert duty(instance, view, "jp-appi:preliminary").status is DutyStatus.OPEN
    reports.file_report(instance, view.id, report.id, nonetheless="速報後に続報で訂正する", forms=builders.FORMS, **act)
    assert duty(instance, view, "jp-appi:preliminary").status is DutyStatus.FULFILLED
    with reading(instance) as session:
        filed = session.scalars(sa.select(ReportSubmission)).one()
        kept = session.get_one(TextRow, filed.nonetheless_text_id)
        said = session.scalars(sa.select(EventRow.body).where(EventRow.kind == "change.accepted")).one()
    assert kept.body == "速報後に続報で訂正する"
    assert number.code in said
    assert "続報" not in said


def test_a_report_that_is_filed_after_its_duty_was_waived_fulfils_it(instance: Engine) -> None:
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    act = {"actor": author(instance).actor, "now": NOW}
    request = obligations.ask_waiver(instance, view.id, wanted.id, reason="該当しない", **act)
    approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    obligations.waive(instance, view.id, wanted.id, **act)
    reports.file_report(instance, view.id, report.id, forms=builders.FORMS, channel="web form", **act)
    standing = duty(instance, view, "jp-appi:preliminary")
    assert (standing.status, standing.first_filed_at, standing.id != wanted.id) == (DutyStatus.FULFILLED, NOW, True)


def test_a_duty_that_counts_from_a_filing_starts_with_it_and_not_at_the_next_derivation(
    instance: Engine, tmp_path: Path
) -> None:
    """A rule of the company counts its second report from the filing of the first one to the Commission."""
    mine = tmp_path / "own-second.toml"
    mine.write_text(COUNTED_FROM_FILING, encoding="utf-8")

    def files(folder: str) -> list[Path]:
        return [*builders.playbook_files(folder), *([mine] if folder == "regimes" else [])]

    setup.load_playbooks(instance, files, policy="gpu-cloud-bygmo", actor=builders.SYSTEM, now=NOW)
    view = a_determined_incident(instance)
    assert duty(instance, view, "own-second:second").status is DutyStatus.CLOCK_NOT_STARTED
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    filed_at = NOW + timedelta(hours=2)
    act = {"actor": author(instance).actor, "now": filed_at}
    reports.file_report(instance, view.id, report.id, forms=builders.FORMS, channel="web form", **act)
    begun = duty(instance, view, "own-second:second")
    assert (begun.status, begun.due_at) == (DutyStatus.OPEN, filed_at + timedelta(hours=48))


COUNTED_FROM_FILING = """code = "own-second"
version = "1"
name_ja = "自社の規定"
name_en = "own rule"
source = "company rule"
[[situations]]
code = "any"
name_ja = "影響あり"
name_en = "somebody is affected"
source = "company rule"
  [[situations.all]]
  fact = "anybody_affected"
  value = true
[[reports]]
code = "second"
title_ja = "二度目の報告"
title_en = "second report"
kind = "party"
situations = ["any"]
clock = "filed:jp-appi:preliminary"
source = "company rule"
confidence = "found"
decide_ja = "社長が判断します"
decide_en = "the president decides"
  [[reports.addressees]]
  ref = "board"
  name_ja = "役員会"
  name_en = "the board"
  [[reports.deadlines]]
  unit = "hours"
  amount = 48
"""


def counted(engine: Engine, view: IncidentView, value: int, now: datetime) -> None:
    recounting.set_count_and_derive(
        engine,
        view.id,
        kind=CountKind.MAXIMUM,
        value=value,
        basis="log",
        subject="all",
        reason="数え直した",
        actor=author(engine).actor,
        now=now,
    )


def test_a_report_that_says_what_the_facts_say_needs_no_reason_a_day_later(instance: Engine) -> None:
    view = a_determined_incident(instance)
    first = an_approved_report(instance, view, "jp-appi-preliminary")
    second = an_approved_report(instance, view, "jp-common-ransomware")
    later = NOW + timedelta(days=1)
    for report in (first, second):  # the day of the report and the filing of the other paper are no facts
        reports.file_report(
            instance,
            view.id,
            report.id,
            channel="web form",
            forms=builders.FORMS,
            actor=author(instance).actor,
            now=later,
        )
    with reading(instance) as session:
        assert set(session.scalars(sa.select(ReportSubmission.nonetheless_text_id))) == {None}
