"""Texts of notices that a second person approved: by themselves, or as the texts of a wave."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest
from incident_app.domain.errors import NotFound
from incident_app.domain.letters import text_digest
from incident_app.domain.vocabulary import Purpose, Subject, Verdict
from incident_app.persistence.approvals import ApprovalDecision, ApprovalRequest
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.outbox import Campaign

FOLLOW_UPS = ("update", "all_clear")
"""How the kinds of notice begin that speak of an earlier one: who never got that one is not sent them unasked."""


@dataclass(frozen=True, kw_only=True)
class ApprovedText:
    """One version of a notice that may be printed."""

    notice_id: int
    version: int
    approval_id: int
    digest: ContentDigest


def current_text_digest(session: Session, notice_id: int, version: int) -> ContentDigest:
    """Return what whoever approves this text signs: all its languages."""
    rows = session.execute(
        sa.select(NoticeVersion.language, NoticeVersion.content_digest).where(
            NoticeVersion.notice_id == notice_id, NoticeVersion.version == version
        ),
    )
    return text_digest({language.value: digest for language, digest in rows})


def digest_of_notice(session: Session, incident_id: int, notice_id: int) -> ContentDigest:
    """Return what an approver of this notice would sign now; NotFound when it is none of this incident."""
    notice = session.get(Notice, notice_id)
    if notice is None or notice.incident_id != incident_id:
        raise NotFound(what="notice", name=notice_id)
    return current_text_digest(session, notice.id, notice.current_version)


def authors_of_notice(session: Session, notice_id: int) -> set[int]:
    """Return who wrote the current version of a notice."""
    notice = session.get_one(Notice, notice_id)
    texts = sa.select(NoticeVersion.written_by).where(
        NoticeVersion.notice_id == notice_id, NoticeVersion.version == notice.current_version
    )
    return set(session.scalars(texts))


def find_approved_text(
    session: Session, incident_id: int, purpose: Purpose, notice_id: int | None
) -> ApprovedText | None:
    """Return the text that may be printed: of this notice, else of the newest first notice; None for none."""
    notices = sa.select(Notice).where(Notice.incident_id == incident_id, Notice.purpose == purpose)
    if notice_id is not None:
        notices = notices.where(Notice.id == notice_id)
    else:
        notices = notices.where(*(~Notice.kind.startswith(word) for word in FOLLOW_UPS))
    for notice in session.scalars(notices.order_by(Notice.id.desc())):
        found = _approved(session, notice)
        if found is not None:
            return found
    return None


def _approved(session: Session, notice: Notice) -> ApprovedText | None:
    digest = current_text_digest(session, notice.id, notice.current_version)
    decision = session.scalar(_by_itself(notice.id, digest)) or session.scalar(_in_a_wave(notice))
    if decision is None:
        return None
    return ApprovedText(notice_id=notice.id, version=notice.current_version, approval_id=decision, digest=digest)


def _granted(subject: Subject) -> sa.Select[int]:
    return (
        sa.select(ApprovalDecision.id)
        .join(ApprovalRequest, ApprovalRequest.id == ApprovalDecision.request_id)
        .where(ApprovalRequest.subject == subject, ApprovalDecision.verdict == Verdict.GRANTED)
        .order_by(ApprovalDecision.id.desc())
        .limit(1)
    )


def _by_itself(notice_id: int, digest: str) -> sa.Select[int]:
    return _granted(Subject.NOTICE).where(
        ApprovalRequest.subject_id == notice_id, ApprovalDecision.content_digest == digest
    )


def _in_a_wave(notice: Notice) -> sa.Select[int]:
    return (
        _granted(Subject.CAMPAIGN)
        .join(Campaign, Campaign.id == ApprovalRequest.subject_id)
        .where(
            Campaign.notice_id == notice.id,
            Campaign.notice_version == notice.current_version,
            Campaign.approved_digest == ApprovalDecision.content_digest,
        )
    )
