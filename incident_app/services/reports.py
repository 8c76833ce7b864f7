"""Reports to authorities: drafted from the same facts as everything else, gaps stated, approved, filed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import NotFound
from incident_app.domain.events import ReportDrafted
from incident_app.domain.ids import Actor, IncidentId, ReportId
from incident_app.domain.report_forms import Form
from incident_app.domain.reports import FilledForm, check_serves, fill_form
from incident_app.domain.vocabulary import Subject
from incident_app.domain.words import Words
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.reports import Report, ReportVersion
from incident_app.rendering.papers import written
from incident_app.rendering.reports import ReportForms, report_json
from incident_app.services.accounts import user_of
from incident_app.services.approvals import void_approvals
from incident_app.services.consistency import keep_claims
from incident_app.services.incidents import get_row
from incident_app.services.obligations import get_obligation
from incident_app.services.person_counts import number_for_law
from incident_app.services.report_drafts import as_kept, facts_for, read_typed
from incident_app.services.report_filing import file_report
from incident_app.services.report_history import Planned
from incident_app.services.report_views import ReportView, get_report, list_reports, report_row, view_of
from incident_app.services.timeline import chain_head
from incident_app.services.transaction import Transaction, reading, transaction

__all__ = [
    "ReportView",
    "draft_report",
    "file_report",
    "get_report",
    "list_reports",
    "reference_of",
    "report_as_html",
    "report_as_json",
]

JST = ZoneInfo("Asia/Tokyo")


def draft_report(
    engine: Engine,
    incident_id: IncidentId,
    forms: ReportForms,
    *,
    form: str,
    given: Mapping[str, str] | None = None,
    stated_gaps: Mapping[str, str] | None = None,
    obligation_id: int | None = None,
    report_id: ReportId | None = None,
    actor: Actor,
    now: datetime,
) -> ReportView:
    """Draft a report, or a new version of one, from the facts of the incident.

    `given` holds facts that only a person knows (contact, registration number ...), in English too by a name that ends
    in .en; `stated_gaps` says by field why it is empty. A gap without reason may be drafted, not approved (E5).
    """
    given, stated_gaps = given or {}, stated_gaps or {}
    template, known = forms.form(form), forms.facts()
    typed = read_typed(template, given, stated_gaps)
    with reading(engine) as session:  # before the act: it counts everybody who was told
        planned = _plan(session, incident_id, form, obligation_id, report_id)
        facts = facts_for(session, planned, template, known, now=now) | typed
        addressee, count_id = _addressee(session, planned), _quoted_count(session, incident_id)
    filled = fill_form(template, facts, stated_gaps, addressee=addressee)
    with transaction(engine, actor=actor, now=now) as act:
        report = _report(act, planned)
        version = _version(act, report, template, filled, kept=as_kept(given, typed), gaps=stated_gaps)
        version.person_count_id = count_id
        _store(act, incident_id, report, version, filled)
        keep_claims(act.session, version, template, facts, given)
        return view_of(act.session, report)


def _version(
    act: Transaction,
    report: Report,
    template: Form,
    filled: FilledForm,
    *,
    kept: Mapping[str, str],
    gaps: Mapping[str, str],
) -> ReportVersion:
    return ReportVersion(
        report_id=report.id,
        version=report.current_version,
        form_digest=template.digest,
        facts=dict(kept),
        fields=asdict(filled),
        stated_gaps=dict(gaps),
        content_digest=filled.digest,
        written_by=user_of(act.actor),
        at=act.now,
    )


def _plan(
    session: Session, incident_id: IncidentId, form: str, obligation_id: int | None, report_id: ReportId | None
) -> Planned:
    """Say what is about to be written: a further version, or a new report, for a duty that asks for this form."""
    addressee = ""
    if report_id is not None:
        report = report_row(session, incident_id, report_id)
        if report.form != form:
            raise NotFound(what="report of this form", name=report_id)
        obligation_id, addressee = report.obligation_id, report.addressee_ref
    elif obligation_id is not None:
        duty = get_obligation(session, incident_id, obligation_id)
        check_serves(form, duty=duty.rule_code, needed=duty.form)
        addressee = duty.addressee_ref
    return Planned(
        incident_id=incident_id,
        form=form,
        report_id=report_id,
        obligation_id=obligation_id,
        addressee_ref=addressee,
    )


def _quoted_count(session: Session, incident_id: IncidentId) -> int | None:
    count = number_for_law(session, incident_id)
    return count.id if count else None


def _store(
    act: Transaction, incident_id: IncidentId, report: Report, version: ReportVersion, filled: FilledForm
) -> None:
    act.session.add(version)
    act.session.flush()
    if report.current_version > 1:
        void_approvals(act, incident_id, Subject.REPORT, report.id)
    act.record(
        ReportDrafted(
            report_id=report.id,
            version=report.current_version,
            form=report.form,
            gaps=len(filled.gaps),
            digest=filled.digest,
        ),
        incident=incident_id,
    )


def _report(act: Transaction, planned: Planned) -> Report:
    if planned.report_id is not None:
        report = report_row(act.session, planned.incident_id, planned.report_id)
        report.current_version += 1
        act.session.flush()
        return report
    report = Report(
        incident_id=planned.incident_id,
        obligation_id=planned.obligation_id,
        form=planned.form,
        addressee_ref=planned.addressee_ref,
        current_version=1,
        created_at=act.now,
    )
    act.session.add(report)
    act.session.flush()
    return report


def _addressee(session: Session, planned: Planned) -> Words | None:
    """Return who the duty of this report is owed to."""
    if planned.obligation_id is None:
        return None
    owed_to = session.get_one(Obligation, planned.obligation_id).addressee
    return Words(**owed_to) if isinstance(owed_to, dict) else None


def report_as_json(engine: Engine, incident_id: IncidentId, report_id: ReportId, *, version: int | None = None) -> str:
    """Write a report as JSON."""
    view = get_report(engine, incident_id, report_id, version=version)
    return report_json(
        view.filled,
        reference=reference_of(engine, incident_id),
        version=view.version,
        written_at=view.written_at.astimezone(JST).isoformat(),
        head=chain_head(engine),
        digest=view.content_digest,
    )


def report_as_html(
    engine: Engine,
    incident_id: IncidentId,
    report_id: ReportId,
    forms: ReportForms,
    *,
    language: str,
    version: int | None = None,
) -> str:
    """Write a report as a printable document."""
    view = get_report(engine, incident_id, report_id, version=version)
    return forms.html(
        view.filled,
        language=language,
        reference=reference_of(engine, incident_id),
        version=view.version,
        written_at=written(view.written_at),
        head=chain_head(engine),
        digest=view.content_digest,
    )


def reference_of(engine: Engine, incident_id: IncidentId) -> str:
    """Return the reference of an incident."""
    with reading(engine) as session:
        return get_row(session, incident_id).reference
