"""Filing a report: once per version, with time, channel, receipt number and proof; only this fulfils a duty (E10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, IllegalMove
from incident_app.domain.events import ChangeAccepted, ReportFiled
from incident_app.domain.ids import Actor, IncidentId, ReportId
from incident_app.domain.incidents import AWARENESS, check_moment
from incident_app.domain.lengths import REFERENCE, check_length
from incident_app.domain.obligations import LIVE
from incident_app.domain.report_difference import FieldDifference
from incident_app.domain.reports import FactsChanged, FiledTooEarly, check_ready
from incident_app.domain.vocabulary import DutyStatus, FulfilmentKind, Subject
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.reports import Report, ReportSubmission, ReportVersion
from incident_app.rendering.reports import ReportForms
from incident_app.services.accounts import user_of
from incident_app.services.approvals import NotApproved, is_approved
from incident_app.services.entrusting import entrusting_customers
from incident_app.services.evidence import Source, keep_file, measure, record_evidence
from incident_app.services.incidents import get_row, newest_clocks
from incident_app.services.obligations import derive_inside, fulfil, is_determined
from incident_app.services.report_changes import find_changed
from incident_app.services.report_versions import current_version, filled_form
from incident_app.services.report_views import report_row, submission_of
from incident_app.services.transaction import Transaction, reading, transaction

JST = ZoneInfo("Asia/Tokyo")
LONGEST_CHANNEL = 80
LONGEST_SUFFIX = 10


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A file that proves a filing: a screen, a receipt, a record of delivery. It is kept as evidence, by its digest."""

    source: Source
    file_name: str
    folder: Path


def file_report(
    engine: Engine,
    incident_id: IncidentId,
    report_id: ReportId,
    *,
    channel: str,
    receipt: str | None = None,
    submitted_at: datetime | None = None,
    proof: Proof | None = None,
    forms: ReportForms,
    nonetheless: str = "",
    designated_operator: bool = False,
    actor: Actor,
    now: datetime,
) -> None:
    """Record that an approved report was transmitted: write-once, with receipt and proof; it fulfils its duty.

    It is held against the facts as they are now: where they changed, `nonetheless` must say why it is filed as it was
    approved. What counts from this filing is derived with it.
    """
    _check_words(channel, receipt)
    changed = _changed(engine, incident_id, report_id, forms, nonetheless, now)
    kept = _keep(proof) if proof else None
    with reading(engine) as session:  # looked up before the act: nobody waits for it
        entrusting = entrusting_customers(session, incident_id)
    with transaction(engine, actor=actor, now=now) as act:
        report = report_row(act.session, incident_id, report_id)
        version = _ready_version(act.session, report)
        at = submitted_at or now
        _check_filing_time(act, incident_id, at)
        submission = _submission(act, version, channel, receipt, at)
        submission.evidence_id = _as_evidence(act, incident_id, kept) if kept else None
        submission.nonetheless_text_id = _keep_reason(act, report, version, changed, nonetheless) if changed else None
        act.session.add(submission)
        _record(act, report, version, submission)
        _fulfil_duty(act, report, at)
        if report.obligation_id is not None and is_determined(act.session, incident_id):
            act.session.flush()
            derive_inside(act, incident_id, entrusting, designated_operator=designated_operator)


def _submission(
    act: Transaction, version: ReportVersion, channel: str, receipt: str | None, at: datetime
) -> ReportSubmission:
    return ReportSubmission(
        report_version_id=version.id,
        channel=channel.strip(),
        submitted_at=at,
        submitted_by=user_of(act.actor),
        receipt_reference=receipt,
    )


def _changed(
    engine: Engine, incident_id: IncidentId, report_id: ReportId, forms: ReportForms, nonetheless: str, now: datetime
) -> tuple[FieldDifference, ...]:
    """Return what changed since the approved text; refused without a reason for filing it as it is."""
    with reading(engine) as session:
        report = report_row(session, incident_id, report_id)
        version = _ready_version(session, report)
        changed = find_changed(session, report, version, forms, now=now)
    if changed and not nonetheless.strip():
        raise FactsChanged(
            fields=", ".join(one.label.en for one in changed), fields_ja="、".join(one.label.ja for one in changed)
        )
    return changed


def _keep_reason(
    act: Transaction,
    report: Report,
    version: ReportVersion,
    changed: Sequence[FieldDifference],
    nonetheless: str,
) -> int:
    text = act.keep_text(nonetheless.strip())
    facts = ChangeAccepted(
        report_id=report.id,
        version=version.version,
        fields=", ".join(one.code for one in changed),
        reason_digest=text.digest,
    )
    act.record(facts, incident=IncidentId(report.incident_id))
    return text.id


def _as_evidence(act: Transaction, incident_id: IncidentId, kept: tuple[str, int, str]) -> int:
    digest, size, name = kept
    return record_evidence(act, incident_id, digest, size, file_name=name)


def _record(act: Transaction, report: Report, version: ReportVersion, submission: ReportSubmission) -> None:
    receipt = submission.receipt_reference
    act.record(
        ReportFiled(
            report_id=report.id,
            version=version.version,
            form=report.form,
            digest=version.content_digest,
            receipt_digest=digest_of(receipt) if receipt else None,
        ),
        incident=IncidentId(report.incident_id),
        occurred_at=submission.submitted_at,
    )


def _check_words(channel: str, receipt: str | None) -> None:
    if not channel.strip():
        raise BadInput(field="channel", problem="say how the report was transmitted")
    check_length(channel, field="channel", longest=LONGEST_CHANNEL)
    check_length(receipt, field="receipt", longest=REFERENCE)


def _keep(proof: Proof) -> tuple[str, int, str]:
    """Keep the bytes of a proof before anything is written about it; return digest, length and what it is called."""
    digest, size = measure(proof.source)
    if not size:
        raise BadInput(field="file", problem="the file is empty")
    keep_file(proof.folder, proof.source, digest=digest)
    return digest, size, f"proof{_suffix(proof.file_name)}"


def _suffix(name: str) -> str:
    """Return the kind of a file and nothing of its name, which may name people."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= LONGEST_SUFFIX else ""


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
    if submission_of(session, version) is not None:
        raise IllegalMove(thing="report", state="filed", event="file")
    check_ready(filled_form(version))
    if not is_approved(session, Subject.REPORT, report.id, version.content_digest):
        raise NotApproved
    return version


def _fulfil_duty(act: Transaction, report: Report, at: datetime) -> None:
    """Fulfil the duty that the report was drafted for, or its living successor, also when it was waived since."""
    if report.obligation_id is None:
        return
    first = act.session.get_one(Obligation, report.obligation_id)
    living = act.session.scalars(
        sa.select(Obligation).where(
            Obligation.incident_id == report.incident_id,
            Obligation.rule_code == first.rule_code,
            Obligation.stage == first.stage,
            Obligation.addressee_ref == first.addressee_ref,
            Obligation.status.in_([*LIVE, DutyStatus.WAIVED]),
        ),
    ).one_or_none()
    if living is not None:
        fulfil(act, living, kind=FulfilmentKind.REPORT_SUBMISSION, reference=f"report:{report.id}", at=at)
