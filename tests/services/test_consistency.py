"""No paper goes to approval while it contradicts the records or another paper, unless somebody said why (E11)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from incident_app.domain.consistency import PapersDisagree
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.vocabulary import CountKind, Subject
from incident_app.services import approvals, consistency, person_counts, reports, timeline
from incident_app.services.incidents import IncidentView
from incident_app.services.transaction import recording
from tests import builders
from tests.builders import NOW, approver, author
from tests.services.test_report_facts import filed
from tests.services.test_reports import a_complete_draft, a_determined_incident, an_approved_report, draft


def found(engine: Engine, view: IncidentView) -> consistency.ConsistencyView:
    return consistency.show_consistency(engine, view.id, now=NOW)


def ask(engine: Engine, view: IncidentView, report: reports.ReportView) -> int:
    return approvals.request_approval(engine, view.id, Subject.REPORT, report.id, actor=author(engine).actor, now=NOW)


def explain(engine: Engine, view: IncidentView, digest: str, reason: str = "訂正前の数を引用するため") -> None:
    consistency.explain(engine, view.id, digest, reason=reason, actor=author(engine).actor, now=NOW)


def set_people(engine: Engine, view: IncidentView, number: int) -> None:
    person_counts.set_count(
        engine,
        view.id,
        kind=CountKind.EXACT,
        value=number,
        basis="名寄せの結果",
        reason="数え直した",
        actor=author(engine).actor,
        now=NOW,
    )


def test_a_number_typed_by_hand_that_is_not_on_record_stops_approval_until_it_is_explained(instance: Engine) -> None:
    view = a_determined_incident(instance)
    report = a_complete_draft(instance, view, "jp-appi-preliminary", given={"people": "9"})
    assert {one.question for one in found(instance, view).open} == {"people"}
    with pytest.raises(PapersDisagree, match="Number of people") as refused:
        ask(instance, view, report)
    assert "9人" in refused.value.message("ja")
    assert "5人" in refused.value.message("ja")
    assert approvals.pending_approvals(instance, view.id) == []
    mismatch = next(one for one in found(instance, view).open if f"report:{report.id}" in one.blamed)
    explain(instance, view, mismatch.digest)
    request = ask(instance, view, report)
    approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    (explained,) = [one for one in found(instance, view).explained if one.mismatch.digest == mismatch.digest]
    assert explained.reason == "訂正前の数を引用するため"
    again = draft(instance, view, "jp-appi-preliminary", report_id=report.id, given={"people": "8"})
    with pytest.raises(PapersDisagree):  # another number needs another reason
        consistency_check(instance, view, again)


def consistency_check(engine: Engine, view: IncidentView, report: reports.ReportView) -> None:
    with recording(engine) as session:
        consistency.check_paper(session, view.id, f"report:{report.id}", now=NOW)


def test_a_draft_grows_stale_when_the_records_move_and_a_new_version_cures_it(instance: Engine) -> None:
    view = a_determined_incident(instance)
    report = a_complete_draft(instance, view, "jp-appi-preliminary")
    request = ask(instance, view, report)
    set_people(instance, view, 6)
    with pytest.raises(PapersDisagree):  # it was right when approval was asked for, and is no longer
        approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)
    fresh = draft(instance, view, "jp-appi-preliminary", report_id=report.id, stated_gaps=dict(report.stated_gaps))
    consistency_check(instance, view, fresh)


def test_a_filed_report_is_overtaken_and_stops_nobody(instance: Engine) -> None:
    view = a_determined_incident(instance)
    first = an_approved_report(instance, view, "jp-telecom-first")
    filed(instance, first)
    set_people(instance, view, 6)
    seen = found(instance, view)
    assert [one.statements[1].value for one in seen.overtaken if one.question == "people"] == ["5"]
    assert all(f"report:{first.id}" not in one.blamed for one in seen.open)


def test_days_and_categories_are_compared_and_papers_where_no_record_answers(instance: Engine) -> None:
    view = a_determined_incident(instance)
    draft(instance, view, "jp-appi-preliminary", given={"discovered_on": "2026-11-01", "medium": "紙"})
    draft(instance, view, "jp-appi-definitive", given={"found_by": "自社"})
    draft(instance, view, "jp-appi-follow-up", given={"found_by": "委託先"})
    questions = {one.question: one for one in found(instance, view).open}
    assert questions["discovered_on"].blamed == {"report:1"}
    assert "2026年11月1日" in questions["discovered_on"].words.ja
    assert questions["medium"].blamed == {"report:1"}
    assert questions["found_by"].blamed == {"report:2", "report:3"}
    assert "自社" in questions["found_by"].words.ja


def test_a_notice_with_a_number_or_a_day_of_its_own_is_not_sent_to_approval(instance: Engine) -> None:
    view = a_determined_incident(instance)
    notice = builders.a_notice(
        instance,
        view.id,
        what_happened="409,362人の情報が閲覧されました。",
        course_of_events="2026年11月1日に検知しました。",
    )
    with pytest.raises(PapersDisagree) as refused:
        builders.a_wave(instance, view.id, notice)
    said = refused.value.message("ja")
    assert "409,362人" in said
    assert "発覚日" in said
    builders.a_notice(instance, view.id, notice_id=notice, what_happened="5人の情報が閲覧されました。")
    with recording(instance) as session:
        consistency.check_paper(session, view.id, f"notice:{notice}", now=NOW)


def test_the_statement_for_the_public_is_held_against_the_same_records(instance: Engine) -> None:
    view = a_determined_incident(instance)
    draft(instance, view, "public-statement", given={"what_happened": "最大1,000人の情報が漏えいしました。"})
    (mismatch,) = found(instance, view).open
    assert mismatch.question == "number_in_text"
    assert mismatch.blamed == {"report:1"}


def test_reports_of_an_undisturbed_incident_agree(instance: Engine) -> None:
    view = a_determined_incident(instance)
    builders.a_notice(instance, view.id)
    for code in builders.FORMS.codes():
        draft(instance, view, code)
    seen = found(instance, view)
    assert (seen.open, seen.explained, seen.overtaken) == ((), (), ())


def test_a_reason_is_needed_kept_and_told_on_the_timeline(instance: Engine) -> None:
    view = a_determined_incident(instance)
    draft(instance, view, "jp-appi-preliminary", given={"people": "9"})
    (mismatch,) = found(instance, view).open
    with pytest.raises(BadInput, match="say why"):
        explain(instance, view, mismatch.digest, " ")
    with pytest.raises(NotFound):
        explain(instance, view, "0" * 64)
    explain(instance, view, mismatch.digest)
    entry = timeline.entries(instance, view.id)[-1]
    assert entry.kind == "papers.explained"
    assert entry.summary_ja.startswith("書類の食い違い（本人の数）に理由を記録しました")
    for statement in ("UPDATE paper_explanations SET question = 'x'", "DELETE FROM report_claims"):
        with pytest.raises(DBAPIError), recording(instance) as session:
            session.execute(sa.text(statement))


def test_a_notice_whose_waves_are_over_is_history(instance: Engine) -> None:
    view = a_determined_incident(instance)
    notice = builders.a_notice(instance, view.id, what_happened="5人の情報が閲覧されました。")
    builders.a_wave(instance, view.id, notice)
    with recording(instance) as session:
        session.execute(sa.text("UPDATE campaigns SET status = 'finished'"))
    set_people(instance, view, 6)
    assert found(instance, view).open == ()
