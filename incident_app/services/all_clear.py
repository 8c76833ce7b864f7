"""All-clear: people who were told and who, by a later determination, turned out not to be concerned."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.events import PeopleListed
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.vocabulary import Certainty, Purpose
from incident_app.persistence.bulk import CHUNK
from incident_app.persistence.item_sets import item_set_id
from incident_app.persistence.outbox import PersonToInform
from incident_app.services.people import Listed, newest_determination
from incident_app.services.transaction import building, reading, transaction

TOLD = (Standing.INFORMED, Standing.INFORMED_OTHERWISE)
_KEPT = ("incident_id", "customer_id", "language")


def list_cleared(engine: Engine, incident_id: IncidentId, *, actor: Actor, now: datetime) -> Listed:
    """Bring the people to be told of the all-clear in step with the newest determination.

    On it are customers who were told of the leak and whom the newest determination no longer affects; who is affected
    again is exempted. Doing it twice changes nothing.
    """
    with reading(engine) as session:
        determination = newest_determination(session, incident_id)
        cleared = list(session.scalars(_cleared(incident_id, determination.id)))
    added = 0
    for start in range(0, len(cleared), CHUNK):
        with building(engine) as session:
            added += _list(session, incident_id, determination.id, cleared[start : start + CHUNK], now)
    with transaction(engine, actor=actor, now=now) as act:
        exempted = _exempt_affected(act.session, incident_id, determination.id, now)
        act.record(
            PeopleListed(
                purpose=Purpose.ALL_CLEAR,
                determination_version=determination.version,
                added=added,
                changed=0,
                exempted=exempted,
            ),
            incident=incident_id,
        )
    return Listed(added=added, changed=0, exempted=exempted)


def _cleared(incident_id: IncidentId, determination_id: int) -> sa.Select[int]:
    return (
        sa.select(PersonToInform.id)
        .where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == Purpose.LEAK_NOTICE,
            PersonToInform.customer_id.is_not(None),
            PersonToInform.told_item_set_id.is_not(None),
            PersonToInform.standing.in_(TOLD),
            PersonToInform.determination_id != determination_id,
        )
        .order_by(PersonToInform.id)
    )


def _list(session: Session, incident_id: IncidentId, determination_id: int, ids: list[int], now: datetime) -> int:
    told = session.scalars(sa.select(PersonToInform).where(PersonToInform.id.in_(ids))).all()
    present = {
        row.customer_id: row
        for row in session.scalars(
            sa.select(PersonToInform).where(
                PersonToInform.incident_id == incident_id,
                PersonToInform.purpose == Purpose.ALL_CLEAR,
                PersonToInform.customer_id.in_([row.customer_id for row in told]),
            ),
        )
    }
    nothing = item_set_id(session, ())
    for row in told:
        known = present.get(row.customer_id)
        if known is None:
            session.add(
                PersonToInform(
                    **{name: getattr(row, name) for name in _KEPT},
                    purpose=Purpose.ALL_CLEAR,
                    item_set_id=row.told_item_set_id,
                    confirmed_item_set_id=nothing,
                    certainty=Certainty.RULED_OUT,
                    determination_id=determination_id,
                    standing=Standing.TO_INFORM,
                    standing_since=now,
                ),
            )
        else:
            known.determination_id = determination_id
            if known.standing is Standing.EXEMPT:
                known.standing, known.standing_since = Standing.TO_INFORM, now
    return len(told) - len(present)


def _exempt_affected(session: Session, incident_id: IncidentId, determination_id: int, now: datetime) -> int:
    affected = sa.select(PersonToInform.customer_id).where(
        PersonToInform.incident_id == incident_id,
        PersonToInform.purpose == Purpose.LEAK_NOTICE,
        PersonToInform.customer_id.is_not(None),
        PersonToInform.determination_id == determination_id,
        PersonToInform.standing != Standing.EXEMPT,
    )
    waiting = session.scalars(
        sa.select(PersonToInform).where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == Purpose.ALL_CLEAR,
            PersonToInform.standing == Standing.TO_INFORM,
            PersonToInform.customer_id.in_(affected),
        ),
    ).all()
    for row in waiting:
        row.standing, row.standing_since = Standing.EXEMPT, now
    return len(waiting)
