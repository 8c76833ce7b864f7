"""Affected people outside the inventory among those who are counted and told: with the next determination, by hand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import SETTLED_STANDINGS, Standing
from incident_app.domain.ids import IncidentId
from incident_app.domain.vocabulary import Certainty, InvolvedRole, Language, Purpose
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.incidents import InvolvedPerson
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.counts import ALL
from incident_app.services.involved import count_affected
from incident_app.services.person_counts import composition_of, determined_numbers
from incident_app.services.transaction import reading


def not_counted_in(session: Session, incident_id: IncidentId) -> int:
    """Return how many affected people outside the inventory were added after people were last counted."""
    determined = determined_numbers(session, incident_id).get(ALL)
    if determined is None:
        return 0  # the first determination counts them
    composition = composition_of(session, determined.id)
    return max(0, count_affected(session, incident_id) - (composition.outside if composition else 0))


def not_counted(engine: Engine, incident_id: IncidentId) -> int:
    """Return how many affected people outside the inventory wait for the next determination."""
    with reading(engine) as session:
        return not_counted_in(session, incident_id)


def left_to_tell_in(session: Session, incident_id: IncidentId, purpose: Purpose = Purpose.LEAK_NOTICE) -> int:
    """Return how many people outside the inventory are still to be told: no wave carries them, somebody has to."""
    return session.scalar(sa.select(sa.func.count()).where(*_left(incident_id, purpose))) or 0


def _left(incident_id: IncidentId, purpose: Purpose) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        PersonToInform.incident_id == incident_id,
        PersonToInform.purpose == purpose,
        PersonToInform.involved_person_id.is_not(None),
        PersonToInform.standing.not_in(sorted(SETTLED_STANDINGS)),
    )


def people_left_to_tell(
    session: Session, incident_id: IncidentId, purpose: Purpose = Purpose.LEAK_NOTICE
) -> list[tuple[InvolvedPerson, tuple[str, ...]]]:
    """Return the people outside the inventory who are still to be told, with what they are to be told of."""
    rows = session.execute(
        sa.select(InvolvedPerson, PersonToInform.item_set_id)
        .join(PersonToInform, PersonToInform.involved_person_id == InvolvedPerson.id)
        .where(*_left(incident_id, purpose))
        .order_by(InvolvedPerson.id),
    ).all()
    sets = item_codes(session, {set_id for _, set_id in rows})
    return [(person, sets[set_id]) for person, set_id in rows]


def left_to_tell(engine: Engine, incident_id: IncidentId) -> int:
    """Return how many people outside the inventory are still to be told by hand."""
    with reading(engine) as session:
        return left_to_tell_in(session, incident_id)


def bring_outsiders_in_step(
    session: Session, incident_id: IncidentId, determination_id: int, purpose: Purpose, now: datetime
) -> int:
    """Put affected people outside the inventory among those to inform; return how many are new.

    Nobody else: not who received the data, not who found it. What was affected was written down when they were added,
    by somebody who knew, so it is confirmed.
    """
    present = (
        PersonToInform.incident_id == incident_id,
        PersonToInform.purpose == purpose,
        PersonToInform.involved_person_id.is_not(None),
    )
    session.execute(sa.update(PersonToInform).where(*present).values(determination_id=determination_id))
    listed = sa.select(PersonToInform.involved_person_id).where(*present)
    new = session.execute(
        sa.select(InvolvedPerson.id, InvolvedPerson.item_set_id)
        .where(
            InvolvedPerson.incident_id == incident_id,
            InvolvedPerson.role == InvolvedRole.AFFECTED,
            InvolvedPerson.item_set_id.is_not(None),
            InvolvedPerson.id.not_in(listed),
        )
        .order_by(InvolvedPerson.id),
    ).all()
    common = {
        "incident_id": incident_id,
        "purpose": purpose,
        "language": Language.JA,
        "certainty": Certainty.CONFIRMED,
        "determination_id": determination_id,
        "standing": Standing.TO_INFORM,
        "standing_since": now,
    }
    sets = ("item_set_id", "confirmed_item_set_id")
    rows = [{**common, **dict.fromkeys(sets, set_id), "involved_person_id": person_id} for person_id, set_id in new]
    insert_new(session, PersonToInform, rows)
    return len(rows)


def named_outside(
    session: Session, incident_id: IncidentId, purpose: Purpose, person_ids: Collection[int]
) -> Sequence[PersonToInform]:
    """Return the people to inform among these people outside the inventory."""
    return session.scalars(
        sa.select(PersonToInform).where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == purpose,
            PersonToInform.involved_person_id.in_(person_ids),
        ),
    ).all()
