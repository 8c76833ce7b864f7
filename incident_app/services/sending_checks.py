"""Whether a wave may be sent as it stands: asked at its start, whenever it goes on, and by each worker."""

from __future__ import annotations

from sqlalchemy.orm import Session

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.vocabulary import Subject
from incident_app.persistence.incidents import Incident
from incident_app.persistence.outbox import Campaign
from incident_app.services.approvals import ApprovalOutdated, NotApproved, is_approved
from incident_app.services.approved_content import current_campaign_digest


class ExerciseNotSent(IncidentAppError):
    """This incident is an exercise: nothing of it is ever sent to a real address."""

    ja = "この事案は演習です。実在の宛先には送信できません。"


def check_may_send(session: Session, campaign: Campaign) -> None:
    """Refuse a wave of an exercise, and one that nobody approved exactly as it is now."""
    if session.get_one(Incident, campaign.incident_id).exercise:
        raise ExerciseNotSent
    current = current_campaign_digest(session, campaign.id)
    if campaign.approved_digest is None:
        raise NotApproved
    if campaign.approved_digest != current:
        raise ApprovalOutdated
    if not is_approved(session, Subject.CAMPAIGN, campaign.id, current):
        raise NotApproved
