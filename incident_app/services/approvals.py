"""Approval by a second person, bound to a digest: whatever changes afterwards voids it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignEvent, next_campaign_status
from incident_app.domain.digests import ContentDigest
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import ApprovalGranted, ApprovalRejected, ApprovalRequested, ApprovalVoided
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.reports import check_ready
from incident_app.domain.vocabulary import Subject, Verdict
from incident_app.persistence.approvals import ApprovalAuthor, ApprovalDecision, ApprovalRequest
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import Campaign
from incident_app.persistence.reports import Report, ReportVersion
from incident_app.services.accounts import user_of
from incident_app.services.approved_content import check_audience, check_languages, current_campaign_digest
from incident_app.services.approved_texts import authors_of_notice, digest_of_notice
from incident_app.services.consistency import check_paper
from incident_app.services.notice_checks import check_fit
from incident_app.services.report_versions import current_version, filled_form
from incident_app.services.transaction import Transaction, reading, transaction


class OwnWork(IncidentAppError):
    """The author cannot approve. Ask somebody else."""

    ja = "作成した人は承認できません。ほかの人に依頼してください。"


class ApprovalOutdated(IncidentAppError):
    """The content was changed after approval was asked for. Ask for approval again."""

    ja = "承認を依頼した後に内容が変わりました。もう一度、承認を依頼してください。"


class NotApproved(IncidentAppError):
    """A second person must approve this first."""

    ja = "先に、ほかの人の承認が必要です。"


class AlreadyDecided(IncidentAppError):
    """This request was decided or withdrawn already."""

    ja = "この依頼はすでに決裁または取り下げられています。"


@dataclass(frozen=True, kw_only=True)
class PendingApproval:
    """A request that waits for a decision."""

    id: int
    incident_id: IncidentId
    subject: Subject
    subject_id: int
    content_digest: str
    requested_by: int
    requested_at: datetime


def request_approval(
    engine: Engine, incident_id: IncidentId, subject: Subject, subject_id: int, *, actor: Actor, now: datetime
) -> int:
    """Put something before a second person, exactly as it is now; return the request's number."""
    if subject is Subject.CAMPAIGN:
        check_audience(engine, subject_id)
    _check_papers(engine, incident_id, subject, subject_id, now)
    with transaction(engine, actor=actor, now=now) as act:
        digest = _current_digest(act.session, incident_id, subject, subject_id)
        _check_complete(act.session, subject, subject_id)
        for earlier in _open_requests(act.session, subject, subject_id):
            earlier.withdrawn_at = now
        if subject is Subject.CAMPAIGN:
            campaign = act.session.get_one(Campaign, subject_id)
            check_languages(act.session, campaign)
            campaign.status = next_campaign_status(campaign.status, CampaignEvent.APPROVAL_REQUESTED)
        authors = _authors(act.session, subject, subject_id)
        return open_request(act, incident_id, subject, subject_id, digest, authors=authors)


def open_request(
    act: Transaction,
    incident_id: IncidentId,
    subject: Subject,
    subject_id: int,
    digest: ContentDigest,
    *,
    authors: AbstractSet[int] = frozenset(),
) -> int:
    """Record a request inside a larger act, with those who made what it is about."""
    request = ApprovalRequest(
        incident_id=incident_id,
        subject=subject,
        subject_id=subject_id,
        content_digest=digest,
        requested_by=user_of(act.actor),
        requested_at=act.now,
    )
    act.session.add(request)
    act.session.flush()
    act.session.add_all(ApprovalAuthor(request_id=request.id, user_id=author) for author in sorted(authors))
    act.record(
        ApprovalRequested(request_id=request.id, subject=subject, subject_id=subject_id, content_digest=digest),
        incident=incident_id,
    )
    return request.id


def grant(engine: Engine, request_id: int, *, actor: Actor, now: datetime) -> None:
    """Approve exactly what was put forward. Refused to the authors, and when the content has changed since."""
    _check_rows(engine, request_id, now)
    with transaction(engine, actor=actor, now=now) as act:
        request = _undecided(act.session, request_id)
        incident_id = IncidentId(request.incident_id)
        current = _current_digest(act.session, incident_id, request.subject, request.subject_id)
        if current != request.content_digest:
            raise ApprovalOutdated
        _check_complete(act.session, request.subject, request.subject_id)
        _decide(act, request, Verdict.GRANTED, None)
        if request.subject is Subject.CAMPAIGN:
            campaign = act.session.get_one(Campaign, request.subject_id)
            campaign.approved_digest = request.content_digest
            campaign.status = next_campaign_status(campaign.status, CampaignEvent.APPROVED)
        act.record(
            ApprovalGranted(
                request_id=request.id,
                subject=request.subject,
                subject_id=request.subject_id,
                content_digest=request.content_digest,
            ),
            incident=incident_id,
        )


def _check_rows(engine: Engine, request_id: int, now: datetime) -> None:
    with reading(engine) as session:
        request = session.get(ApprovalRequest, request_id)
    if request is None:
        return
    if request.subject is Subject.CAMPAIGN:
        check_audience(engine, request.subject_id)
    _check_papers(engine, IncidentId(request.incident_id), request.subject, request.subject_id, now)


def _check_papers(engine: Engine, incident_id: IncidentId, subject: Subject, subject_id: int, now: datetime) -> None:
    """Refuse what contradicts other papers (E11), before the act: it counts everybody who was told."""
    with reading(engine) as session:
        campaign = session.get(Campaign, subject_id) if subject is Subject.CAMPAIGN else None
        if subject is Subject.REPORT:
            check_paper(session, incident_id, f"report:{subject_id}", now=now)
        elif campaign is not None:
            check_paper(session, incident_id, f"notice:{campaign.notice_id}", now=now)
        elif subject is Subject.NOTICE:
            check_paper(session, incident_id, f"notice:{subject_id}", now=now)


def reject(engine: Engine, request_id: int, *, reason: str, actor: Actor, now: datetime) -> None:
    """Send something back with a reason."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say what must be changed")
    with transaction(engine, actor=actor, now=now) as act:
        request = _undecided(act.session, request_id)
        text = act.keep_text(reason)
        _decide(act, request, Verdict.REJECTED, text.id)
        if request.subject is Subject.CAMPAIGN:
            campaign = act.session.get_one(Campaign, request.subject_id)
            campaign.status = next_campaign_status(campaign.status, CampaignEvent.SENT_BACK)
        act.record(
            ApprovalRejected(
                request_id=request.id,
                subject=request.subject,
                subject_id=request.subject_id,
                reason_digest=text.digest,
            ),
            incident=IncidentId(request.incident_id),
        )


def void_approvals(act: Transaction, incident_id: IncidentId, subject: Subject, subject_id: int) -> None:
    """Withdraw open requests because the content changed, and say so on the timeline (E9)."""
    for request in _open_requests(act.session, subject, subject_id):
        request.withdrawn_at = act.now
    act.record(ApprovalVoided(subject=subject, subject_id=subject_id), incident=incident_id)


def has_open_request(session: Session, subject: Subject, subject_id: int) -> bool:
    """Tell whether somebody was asked about this and has not decided."""
    return bool(_open_requests(session, subject, subject_id))


def is_approved(session: Session, subject: Subject, subject_id: int, digest: str) -> bool:
    """Tell whether somebody approved exactly this content."""
    return find_grant(session, subject, subject_id, digest) is not None


def find_grant(session: Session, subject: Subject, subject_id: int, digest: str) -> ApprovalDecision | None:
    """Return the approval of exactly this content, or None."""
    return session.scalars(
        sa.select(ApprovalDecision)
        .join(ApprovalRequest, ApprovalRequest.id == ApprovalDecision.request_id)
        .where(
            ApprovalRequest.subject == subject,
            ApprovalRequest.subject_id == subject_id,
            ApprovalDecision.content_digest == digest,
            ApprovalDecision.verdict == Verdict.GRANTED,
        )
        .order_by(ApprovalDecision.id.desc())
        .limit(1),
    ).one_or_none()


def pending_approvals(engine: Engine, incident_id: IncidentId | None = None) -> list[PendingApproval]:
    """Return the requests that wait for a decision, oldest first."""
    with reading(engine) as session:
        query = _undecided_requests().order_by(ApprovalRequest.id)
        if incident_id is not None:
            query = query.where(ApprovalRequest.incident_id == incident_id)
        return [_pending(row) for row in session.scalars(query)]


def get_pending_approval(engine: Engine, request_id: int) -> PendingApproval:
    """Return one request that waits for a decision."""
    with reading(engine) as session:
        return _pending(_undecided(session, request_id))


def check_belongs(engine: Engine, request_id: int, incident_id: IncidentId) -> None:
    """Refuse as unknown a request that belongs to another incident (need to know)."""
    if get_pending_approval(engine, request_id).incident_id != incident_id:
        raise NotFound(what="approval request", name=request_id)


def _pending(row: ApprovalRequest) -> PendingApproval:
    return PendingApproval(
        id=row.id,
        incident_id=IncidentId(row.incident_id),
        subject=row.subject,
        subject_id=row.subject_id,
        content_digest=row.content_digest,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
    )


def _decide(act: Transaction, request: ApprovalRequest, verdict: Verdict, reason_id: int | None) -> None:
    decided_by = user_of(act.actor)
    made_by = act.session.scalars(sa.select(ApprovalAuthor.user_id).where(ApprovalAuthor.request_id == request.id))
    if decided_by in {request.requested_by, *made_by}:  # the database refuses it as well; here it is explained
        raise OwnWork
    decision = ApprovalDecision(
        request_id=request.id,
        requested_by=request.requested_by,
        decided_by=decided_by,
        verdict=verdict,
        content_digest=request.content_digest,
        reason_text_id=reason_id,
        decided_at=act.now,
    )
    act.session.add(decision)
    act.session.flush()


def _undecided_requests() -> sa.Select[ApprovalRequest]:
    decided = sa.select(ApprovalDecision.request_id)
    return sa.select(ApprovalRequest).where(ApprovalRequest.withdrawn_at.is_(None), ApprovalRequest.id.not_in(decided))


def _open_requests(session: Session, subject: Subject, subject_id: int) -> list[ApprovalRequest]:
    query = _undecided_requests().where(ApprovalRequest.subject == subject, ApprovalRequest.subject_id == subject_id)
    return list(session.scalars(query))


def _undecided(session: Session, request_id: int) -> ApprovalRequest:
    if session.get(ApprovalRequest, request_id) is None:
        raise NotFound(what="approval request", name=request_id)
    request = session.scalars(_undecided_requests().where(ApprovalRequest.id == request_id)).one_or_none()
    if request is None:
        raise AlreadyDecided
    return request


def _current_digest(session: Session, incident_id: IncidentId, subject: Subject, subject_id: int) -> ContentDigest:
    if subject not in _DIGESTS:
        raise BadInput(field="subject", problem=f"{subject} is not approved by itself")
    return _DIGESTS[subject](session, incident_id, subject_id)


def _check_complete(session: Session, subject: Subject, subject_id: int) -> None:
    """Refuse a report with an unexplained gap and a notice with open findings: nobody is asked or approves (E5)."""
    if subject is Subject.CAMPAIGN:
        check_fit(session, session.get_one(Campaign, subject_id).notice_id)
    if subject is Subject.REPORT:
        check_ready(filled_form(current_version(session, session.get_one(Report, subject_id))))


def _authors(session: Session, subject: Subject, subject_id: int) -> set[int]:
    """Return who wrote the text and put the wave together, or wrote the report: asking is not what makes an author."""
    if subject is Subject.CAMPAIGN:
        campaign = session.get_one(Campaign, subject_id)
        texts = sa.select(NoticeVersion.written_by).where(
            NoticeVersion.notice_id == campaign.notice_id, NoticeVersion.version == campaign.notice_version
        )
        return {campaign.created_by, *session.scalars(texts)}
    if subject is Subject.NOTICE:
        return authors_of_notice(session, subject_id)
    written = sa.select(ReportVersion.written_by).join(
        Report, sa.and_(Report.id == ReportVersion.report_id, Report.current_version == ReportVersion.version)
    )
    return set(session.scalars(written.where(Report.id == subject_id))) if subject is Subject.REPORT else set()


def _of_campaign(session: Session, incident_id: IncidentId, subject_id: int) -> ContentDigest:
    campaign = session.get(Campaign, subject_id)
    if campaign is None or campaign.incident_id != incident_id:
        raise NotFound(what="wave", name=subject_id)
    return current_campaign_digest(session, subject_id)


def _of_report(session: Session, incident_id: IncidentId, subject_id: int) -> ContentDigest:
    report = session.get(Report, subject_id)
    if report is None or report.incident_id != incident_id:
        raise NotFound(what="report", name=subject_id)
    return ContentDigest(current_version(session, report).content_digest)


def _of_waiver(session: Session, incident_id: IncidentId, subject_id: int) -> ContentDigest:
    open_waivers = [
        row for row in _open_requests(session, Subject.WAIVER, subject_id) if row.incident_id == incident_id
    ]
    if not open_waivers:
        raise NotFound(what="waiver", name=subject_id)
    return ContentDigest(open_waivers[-1].content_digest)


_DIGESTS: Mapping[Subject, Callable[[Session, IncidentId, int], ContentDigest]] = {
    Subject.CAMPAIGN: _of_campaign,
    Subject.NOTICE: digest_of_notice,
    Subject.REPORT: _of_report,
    Subject.WAIVER: _of_waiver,
}
