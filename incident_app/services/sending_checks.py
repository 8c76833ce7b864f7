"""Whether a wave may be sent as it stands: asked at its start, whenever it goes on, and by each worker."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.vocabulary import Subject
from incident_app.persistence.incidents import Incident
from incident_app.persistence.notices import NoticeWithdrawal
from incident_app.persistence.outbox import Campaign
from incident_app.services.approvals import ApprovalOutdated, NotApproved, is_approved
from incident_app.services.approved_content import current_campaign_digest


class ExerciseNotSent(IncidentAppError):
    """This incident is an exercise: nothing of it is ever sent to a real address."""

    ja = "この事案は演習です。実在の宛先には送信できません。"


class WithdrawnNotSent(IncidentAppError):
    """Version {version} of the notice of this wave was withdrawn: it holds no longer and is not sent any more."""

    ja = "この波の通知文（第{version}版）は取り下げられています。送信できません。"


def check_may_send(session: Session, campaign: Campaign) -> None:
    """Refuse a wave of an exercise, of a withdrawn notice, and one that nobody approved exactly as it is now."""
    if session.get_one(Incident, campaign.incident_id).exercise:
        raise ExerciseNotSent
    withdrawn = sa.select(NoticeWithdrawal.id).where(
        NoticeWithdrawal.notice_id == campaign.notice_id, NoticeWithdrawal.version == campaign.notice_version
    )
    if session.scalar(withdrawn) is not None:
        raise WithdrawnNotSent(version=campaign.notice_version)
    current = current_campaign_digest(session, campaign.id)
    if campaign.approved_digest is None:
        raise NotApproved
    if campaign.approved_digest != current:
        raise ApprovalOutdated
    if not is_approved(session, Subject.CAMPAIGN, campaign.id, current):
        raise NotApproved
