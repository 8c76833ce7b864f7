"""Reports to authorities: drafted from the same facts as everything else, gaps stated, approved, filed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import IllegalMove, NotFound
from incident_app.domain.events import ReportDrafted, ReportFiled
from incident_app.domain.ids import Actor, IncidentId, ReportId
from incident_app.domain.incidents import AWARENESS, check_moment
from incident_app.domain.reports import FiledTooEarly, FilledForm, check_ready, check_serves, fill_form
from incident_app.domain.vocabulary import DutyStatus, FulfilmentKind, Subject
from incident_app.domain.words import Words
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.reports import Report, ReportSubmission, ReportVersion
from incident_app.rendering.papers import written
from incident_app.rendering.reports import ReportForms, report_json
from incident_app.services.accounts import user_of
from incident_app.services.approvals import NotApproved, is_approved, void_approvals
from incident_app.services.incidents import get_row, newest_clocks
from incident_app.services.obligations import fulfil, get_obligation
from incident_app.services.person_counts import number_for_law
from incident_app.services.report_drafts import as_kept, facts_for, read_typed
from incident_app.services.report_versions import current_version, filled_form
from incident_app.services.timeline import chain_head
from incident_app.services.transaction import Transaction, reading, transaction

JST = ZoneInfo("Asia/Tokyo")


@dataclass(frozen=True, kw_only=True)
class ReportView:
    """A report in its current version."""

    id: ReportId
    incident_id: IncidentId
    form: str
    obligation_id: int | None
    addressee_ref: str
    version: int
    filled: FilledForm
    content_digest: str
    written_at: datetime
    submitted_at: datetime | None
    receipt_reference: str | None
    approved: bool
    given_facts: Mapping[str, str]
    stated_gaps: Mapping[str, str]


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
    template, known = forms.form(form), forms.facts()
    template.check_names(given or {}, stated_gaps or {})
    typed = read_typed(template, given or {})
    with transaction(engine, actor=actor, now=now) as act:
        report = _report(act, incident_id, form, obligation_id, report_id)
        facts = facts_for(act.session, report, template, known, now=now) | typed
        filled = fill_form(template, facts, stated_gaps or {}, addressee=_addressee(act.session, report))
        count = number_for_law(act.session, incident_id)
        version = ReportVersion(
            report_id=report.id,
            version=report.current_version,
            form_digest=template.digest,
            facts=as_kept(given or {}, typed),
            fields=asdict(filled),
            stated_gaps=dict(stated_gaps or {}),
            person_count_id=count.id if count else None,
            content_digest=filled.digest,
            written_by=user_of(actor),
            at=now,
        )
        _store(act, incident_id, report, version, filled)
        return _view(act.session, report)


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


def _report(
    act: Transaction, incident_id: IncidentId, form: str, obligation_id: int | None, report_id: ReportId | None
) -> Report:
    if report_id is not None:
        report = _get(act.session, incident_id, report_id)
        if report.form != form:
            raise NotFound(what="report of this form", name=report_id)
        report.current_version += 1
        act.session.flush()
        return report
    addressee = ""
    if obligation_id is not None:
        duty = get_obligation(act.session, incident_id, obligation_id)
        check_serves(form, duty=duty.rule_code, needed=duty.form)
        addressee = duty.addressee_ref
    report = Report(
        incident_id=incident_id,
        obligation_id=obligation_id,
        form=form,
        addressee_ref=addressee,
        current_version=1,
        created_at=act.now,
    )
    act.session.add(report)
    act.session.flush()
    return report


def _addressee(session: Session, report: Report) -> Words | None:
    """Return who the duty of this report is owed to."""
    if report.obligation_id is None:
        return None
    owed_to = session.get_one(Obligation, report.obligation_id).addressee
    return Words(**owed_to) if isinstance(owed_to, dict) else None


def file_report(
    engine: Engine,
    incident_id: IncidentId,
    report_id: ReportId,
    *,
    channel: str,
    receipt: str | None = None,
    submitted_at: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Record that an approved report was transmitted: write-once, with its receipt; it fulfils its duty (E10)."""
    with transaction(engine, actor=actor, now=now) as act:
        report = _get(act.session, incident_id, report_id)
        version = _ready_version(act.session, report)
        at = submitted_at or now
        _check_filing_time(act, incident_id, at)
        act.session.add(
            ReportSubmission(
                report_version_id=version.id,
                channel=channel,
                submitted_at=at,
                submitted_by=user_of(actor),
                receipt_reference=receipt,
            ),
        )
        act.record(
            ReportFiled(
                report_id=report.id,
                version=version.version,
                form=report.form,
                digest=version.content_digest,
                receipt_digest=digest_of(receipt) if receipt else None,
            ),
            incident=incident_id,
            occurred_at=at,
        )
        _fulfil_duty(act, report, at)


def _check_filing_time(act: Transaction, incident_id: IncidentId, at: datetime) -> None:
    """Refuse a time that cannot be: lateness is judged by it, once and for ever (C9)."""
    check_moment(at, field="submitted_at", now=act.now)
    row, aware = get_row(act.session, incident_id), newest_clocks(act.session, incident_id).get(AWARENESS)
    known_at = min(row.detected_at, aware.at) if aware else row.detected_at
    if at < known_at:
        raise FiledTooEarly(at=at.astimezone(JST).isoformat(), known_at=known_at.astimezone(JST).isoformat())


def _ready_version(session: Session, report: Report) -> ReportVersion:
    """Return the version that may be filed now; refused when filed, with unstated gaps, or not approved."""
    version = current_version(session, report)
    if _submission(session, version) is not None:
        raise IllegalMove(thing="report", state="filed", event="file")
    check_ready(filled_form(version))
    if not is_approved(session, Subject.REPORT, report.id, version.content_digest):
        raise NotApproved
    return version


def _fulfil_duty(act: Transaction, report: Report, at: datetime) -> None:
    """Fulfil the duty that the report was drafted for, or its living successor."""
    if report.obligation_id is None:
        return
    first = act.session.get_one(Obligation, report.obligation_id)
    living = act.session.scalars(
        sa.select(Obligation).where(
            Obligation.incident_id == report.incident_id,
            Obligation.rule_code == first.rule_code,
            Obligation.stage == first.stage,
            Obligation.addressee_ref == first.addressee_ref,
            Obligation.status.in_([DutyStatus.OPEN, DutyStatus.TO_DECIDE, DutyStatus.CLOCK_NOT_STARTED]),
        ),
    ).one_or_none()
    if living is not None:
        fulfil(act, living, kind=FulfilmentKind.REPORT_SUBMISSION, reference=f"report:{report.id}", at=at)


def list_reports(engine: Engine, incident_id: IncidentId) -> list[ReportView]:
    """Return the reports of an incident in their current versions."""
    with reading(engine) as session:
        rows = session.scalars(sa.select(Report).where(Report.incident_id == incident_id).order_by(Report.id))
        return [_view(session, row) for row in rows]


def get_report(engine: Engine, incident_id: IncidentId, report_id: ReportId) -> ReportView:
    """Return one report of this incident; NotFound otherwise."""
    with reading(engine) as session:
        return _view(session, _get(session, incident_id, report_id))


def report_as_json(engine: Engine, incident_id: IncidentId, report_id: ReportId) -> str:
    """Write a report as JSON."""
    view = get_report(engine, incident_id, report_id)
    return report_json(
        view.filled,
        reference=reference_of(engine, incident_id),
        version=view.version,
        written_at=view.written_at.astimezone(JST).isoformat(),
        head=chain_head(engine),
        digest=view.content_digest,
    )


def report_as_html(
    engine: Engine, incident_id: IncidentId, report_id: ReportId, forms: ReportForms, *, language: str
) -> str:
    """Write a report as a printable document."""
    view = get_report(engine, incident_id, report_id)
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


def _get(session: Session, incident_id: IncidentId, report_id: ReportId) -> Report:
    report = session.get(Report, report_id)
    if report is None or report.incident_id != incident_id:
        raise NotFound(what="report", name=report_id)
    return report


def _submission(session: Session, version: ReportVersion) -> ReportSubmission | None:
    return session.scalars(
        sa.select(ReportSubmission).where(ReportSubmission.report_version_id == version.id),
    ).one_or_none()


def _view(session: Session, report: Report) -> ReportView:
    version = current_version(session, report)
    submission = _submission(session, version)
    return ReportView(
        id=ReportId(report.id),
        incident_id=IncidentId(report.incident_id),
        form=report.form,
        obligation_id=report.obligation_id,
        addressee_ref=report.addressee_ref,
        version=version.version,
        filled=filled_form(version),
        content_digest=version.content_digest,
        written_at=version.at,
        submitted_at=submission.submitted_at if submission else None,
        receipt_reference=submission.receipt_reference if submission else None,
        approved=is_approved(session, Subject.REPORT, report.id, version.content_digest),
        given_facts=dict(version.facts) if isinstance(version.facts, dict) else {},
        stated_gaps=dict(version.stated_gaps) if isinstance(version.stated_gaps, dict) else {},
    )
