"""Reports: the right form for a duty, gaps with reasons, times that can be, and one story in every field."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput
from incident_app.domain.reports import (
    DutyWithoutForm,
    FiledTooEarly,
    GapsNotStated,
    UnknownNames,
    WrongForm,
)
from incident_app.domain.vocabulary import DutyStatus, Subject
from incident_app.services import approvals, facts, obligations, reports
from incident_app.services.incidents import IncidentView
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
    reports.file_report(instance, view.id, report.id, channel="post", actor=author(instance).actor, now=NOW)
    assert duty(instance, view, "jp-telecom:detailed").status is DutyStatus.FULFILLED
    assert duty(instance, view, "jp-telecom:first").status is DutyStatus.OPEN


def test_a_time_of_filing_that_cannot_be_is_refused_and_the_duty_stays_open(instance: Engine) -> None:
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    act = {"channel": "web form", "actor": author(instance).actor, "now": NOW}
    with pytest.raises(BadInput, match="future"):
        reports.file_report(instance, view.id, report.id, submitted_at=NOW + timedelta(seconds=1), **act)
    with pytest.raises(FiledTooEarly, match="known from"):
        reports.file_report(instance, view.id, report.id, submitted_at=view.detected_at - timedelta(seconds=1), **act)
    assert duty(instance, view, "jp-appi:preliminary").status is DutyStatus.OPEN
    assert reports.get_report(instance, view.id, report.id).submitted_at is None
    reports.file_report(instance, view.id, report.id, submitted_at=view.detected_at, **act)
    assert duty(instance, view, "jp-appi:preliminary").first_filed_at == view.detected_at


def test_unknown_facts_and_gaps_are_refused_with_the_known_ones(instance: Engine) -> None:
    view = a_determined_incident(instance)
    with pytest.raises(UnknownNames, match="registration_number"):
        draft(instance, view, "jp-telecom-first", given={"registration": "A-1"})
    with pytest.raises(UnknownNames, match="measures-planned"):
        draft(instance, view, "jp-appi-preliminary", stated_gaps={"nonsense": "1"})
    assert reports.list_reports(instance, view.id) == []
