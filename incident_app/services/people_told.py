"""How many of the people who are affected now were told, and how many were told who no longer are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.people import People
from incident_app.domain.vocabulary import Purpose
from incident_app.persistence.bulk import chunks
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.people import newest_determination

AT_ONCE = 10_000
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


@dataclass(frozen=True, kw_only=True)
class Among:
    """Some of the affected: these customers, and those who stand in no inventory or not."""

    people: People
    outside: bool


@dataclass(frozen=True, kw_only=True)
class ToldBy:
    """How many people were told by one means, and from when to when."""

    people: int
    first_at: datetime
    last_at: datetime


def told_by_means(session: Session, incident_id: IncidentId, among: Among | None = None) -> dict[Standing, ToldBy]:
    """Return how people were told, all of them or those among some."""
    found: dict[Standing, ToldBy] = {}
    for mine in _among(among):
        rows = session.execute(
            sa.select(
                PersonToInform.standing,
                sa.func.count(),
                sa.func.min(PersonToInform.standing_since),
                sa.func.max(PersonToInform.standing_since),
            )
            .where(
                PersonToInform.incident_id == incident_id,
                PersonToInform.purpose == Purpose.LEAK_NOTICE,
                PersonToInform.standing.in_(TOLD),
                *mine,
            )
            .group_by(PersonToInform.standing)
        )
        for standing, number, first, last in rows:
            before = found.get(standing, ToldBy(people=0, first_at=first, last_at=last))
            found[standing] = ToldBy(
                people=before.people + number, first_at=min(before.first_at, first), last_at=max(before.last_at, last)
            )
    return found


def _among(among: Among | None) -> Iterator[tuple[sa.ColumnElement[bool], ...]]:
    """Return the conditions that together cover those people: in stretches, so that no statement is too long."""
    if among is None:
        yield ()
        return
    for chunk in chunks(list(among.people), AT_ONCE):
        yield (PersonToInform.customer_id.in_(chunk),)
    if among.outside:
        yield (PersonToInform.involved_person_id.is_not(None),)


def people_told_in(session: Session, incident_id: IncidentId, among: Among | None = None) -> PeopleTold:
    """Count within an open session; every person carries the newest determination that they are affected by."""
    try:
        determination_id = newest_determination(session, incident_id).id
    except NotFound:
        return PeopleTold(affected={}, told_and_no_longer_affected=0)
    affected: Counter[Standing] = Counter()
    earlier = 0
    for mine in _among(among):
        rows = session.execute(
            sa.select(PersonToInform.standing, PersonToInform.determination_id, sa.func.count())
            .where(PersonToInform.incident_id == incident_id, PersonToInform.purpose == Purpose.LEAK_NOTICE, *mine)
            .group_by(PersonToInform.standing, PersonToInform.determination_id),
        )
        for standing, newest, number in rows:
            if newest == determination_id:
                affected[standing] += number
            elif standing in TOLD:
                earlier += number
    return PeopleTold(affected=dict(affected), told_and_no_longer_affected=earlier)
