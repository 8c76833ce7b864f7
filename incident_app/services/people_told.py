"""How many of the people who are affected now were told, and how many were told who no longer are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import Purpose
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.people import newest_determination

TOLD = (Standing.INFORMED, Standing.INFORMED_OTHERWISE, Standing.COVERED_BY_PUBLIC_NOTICE)


@dataclass(frozen=True, kw_only=True)
class PeopleTold:
    """People of the newest determination by standing; apart from them, those told before who are not in it."""

    affected: Mapping[Standing, int]
    told_and_no_longer_affected: int

    @property
    def total(self) -> int:
        """Return how many people are affected now."""
        return sum(self.affected.values())

    @property
    def told(self) -> int:
        """Return how many of them were told."""
        return sum(self.affected.get(standing, 0) for standing in TOLD)


def people_told_in(session: Session, incident_id: IncidentId) -> PeopleTold:
    """Count within an open session; every person carries the newest determination that they are affected by."""
    try:
        determination_id = newest_determination(session, incident_id).id
    except NotFound:
        return PeopleTold(affected={}, told_and_no_longer_affected=0)
    rows = session.execute(
        sa.select(PersonToInform.standing, PersonToInform.determination_id, sa.func.count())
        .where(PersonToInform.incident_id == incident_id, PersonToInform.purpose == Purpose.LEAK_NOTICE)
        .group_by(PersonToInform.standing, PersonToInform.determination_id),
    ).all()
    affected = {standing: number for standing, newest, number in rows if newest == determination_id}
    earlier = sum(number for standing, newest, number in rows if newest != determination_id and standing in TOLD)
    return PeopleTold(affected=affected, told_and_no_longer_affected=earlier)
