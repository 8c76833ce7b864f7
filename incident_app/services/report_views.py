"""Reports as they are shown: the version that counts, every version before it, and what changed between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId, ReportId
from incident_app.domain.report_difference import FieldDifference, difference
from incident_app.domain.reports import FilledForm
from incident_app.domain.vocabulary import Subject
from incident_app.persistence.incidents import Evidence
from incident_app.persistence.reports import Report, ReportSubmission, ReportVersion
from incident_app.services.approvals import is_approved
from incident_app.services.report_versions import current_version, filled_form, get_version
from incident_app.services.transaction import reading


@dataclass(frozen=True, kw_only=True)
class ReportView:
    """A report in one of its versions, the current one unless another was asked for."""

    id: ReportId
    incident_id: IncidentId
    form: str
    obligation_id: int | None
    addressee_ref: str
    version: int
    is_current: bool
    filled: FilledForm
    content_digest: str
    written_at: datetime
    submitted_at: datetime | None
    channel: str | None
    receipt_reference: str | None
    proof: str | None
    """The digest of the file that proves the filing."""
    approved: bool
    given_facts: Mapping[str, str]
    stated_gaps: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class VersionView:
    """One version of a report in a list of all."""

    version: int
    written_at: datetime
    written_by: str
    gaps: int
    content_digest: str
    submitted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two papers side by side, and the fields that do not say the same."""

    before: ReportView
    after: ReportView
    fields: tuple[FieldDifference, ...]


def list_reports(engine: Engine, incident_id: IncidentId) -> list[ReportView]:
    """Return the reports of an incident in their current versions."""
    with reading(engine) as session:
        rows = session.scalars(sa.select(Report).where(Report.incident_id == incident_id).order_by(Report.id))
        return [view_of(session, row) for row in rows]


def get_report(
    engine: Engine, incident_id: IncidentId, report_id: ReportId, *, version: int | None = None
) -> ReportView:
    """Return one report of this incident, as it is now or as it was in an earlier version; NotFound otherwise."""
    with reading(engine) as session:
        return view_of(session, report_row(session, incident_id, report_id), version)


def list_versions(engine: Engine, incident_id: IncidentId, report_id: ReportId) -> list[VersionView]:
    """Return every version of a report, newest first."""
    with reading(engine) as session:
        report = report_row(session, incident_id, report_id)
        rows = session.execute(
            sa.select(ReportVersion, ReportSubmission.submitted_at)
            .outerjoin(ReportSubmission, ReportSubmission.report_version_id == ReportVersion.id)
            .where(ReportVersion.report_id == report.id)
            .order_by(ReportVersion.version.desc())
        )
        return [
            VersionView(
                version=version.version,
                written_at=version.at,
                written_by=f"user:{version.written_by}",
                gaps=len(filled_form(version).gaps),
                content_digest=version.content_digest,
                submitted_at=submitted_at,
            )
            for version, submitted_at in rows
        ]


def compare_reports(
    engine: Engine,
    incident_id: IncidentId,
    report_id: ReportId,
    *,
    version: int | None = None,
    against: ReportId | None = None,
    against_version: int | None = None,
) -> Comparison:
    """Compare a version of a report with another: of itself (the one before, unless named), or of another report."""
    with reading(engine) as session:
        report = report_row(session, incident_id, report_id)
        after = view_of(session, report, version)
        if against is None or against == report_id:
            before = view_of(session, report, against_version or after.version - 1)
        else:
            before = view_of(session, report_row(session, incident_id, against), against_version)
        return Comparison(before=before, after=after, fields=difference(before.filled, after.filled))


def report_row(session: Session, incident_id: IncidentId, report_id: ReportId) -> Report:
    """Return a report of this incident within an open session; NotFound otherwise."""
    report = session.get(Report, report_id)
    if report is None or report.incident_id != incident_id:
        raise NotFound(what="report", name=report_id)
    return report


def submission_of(session: Session, version: ReportVersion) -> ReportSubmission | None:
    """Return the filing of a version."""
    return session.scalars(
        sa.select(ReportSubmission).where(ReportSubmission.report_version_id == version.id),
    ).one_or_none()


def view_of(session: Session, report: Report, number: int | None = None) -> ReportView:
    """Show a report within an open session."""
    version = current_version(session, report) if number is None else get_version(session, report, number)
    submission = submission_of(session, version)
    proof = session.get(Evidence, submission.evidence_id) if submission and submission.evidence_id else None
    return ReportView(
        id=ReportId(report.id),
        incident_id=IncidentId(report.incident_id),
        form=report.form,
        obligation_id=report.obligation_id,
        addressee_ref=report.addressee_ref,
        version=version.version,
        is_current=version.version == report.current_version,
        filled=filled_form(version),
        content_digest=version.content_digest,
        written_at=version.at,
        submitted_at=submission.submitted_at if submission else None,
        channel=submission.channel if submission else None,
        receipt_reference=submission.receipt_reference if submission else None,
        proof=proof.sha256 if proof else None,
        approved=is_approved(session, Subject.REPORT, report.id, version.content_digest),
        given_facts=dict(version.facts) if isinstance(version.facts, dict) else {},
        stated_gaps=dict(version.stated_gaps) if isinstance(version.stated_gaps, dict) else {},
    )
