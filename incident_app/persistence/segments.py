"""Customers by kind, relation and jurisdiction, as sets of people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.impact_summary import Segment
from incident_app.domain.people import NOBODY, People, people
from incident_app.domain.vocabulary import PersonKind, Relation
from incident_app.persistence.customers import Customer, CustomerChange, Import
from incident_app.persistence.gathering import gather, keys_of

SAMPLE = 10_000


def segments_of(session: Session, whom: People, known_at: datetime) -> dict[Segment, People]:
    """Cut a set of people into their segments as they were known at one moment.

    Only those outside the commonest segment are read from the database, and those of whom we learnt otherwise later;
    the others are who is left.
    """
    now = _segments_now(session, whom)
    then = {segment: part & whom for segment, part in _changed_since(session, known_at).items()}
    changed = NOBODY.union(*then.values()) if then else NOBODY
    found = {segment: (now.get(segment, NOBODY) - changed) | then.get(segment, NOBODY) for segment in {**now, **then}}
    return {segment: part for segment, part in found.items() if part}


def _changed_since(session: Session, known_at: datetime) -> Mapping[Segment, People]:
    """Return what later imports changed, also one that is under way: the people by what they were before."""
    newest = session.scalar(sa.select(sa.func.max(Import.at)))
    if newest is None or newest <= known_at:
        return {}
    first = first_change_after(known_at)
    kind, relation, jurisdiction = CustomerChange.kind, CustomerChange.relation, CustomerChange.jurisdiction
    query = (
        sa.select(kind, relation, jurisdiction, gather(session, CustomerChange.customer_id))
        .join(
            first,
            sa.and_(first.c.customer_id == CustomerChange.customer_id, first.c.at == CustomerChange.changed_at),
        )
        .group_by(kind, relation, jurisdiction)
    )
    return {
        Segment(kind=row[0], relation=row[1], jurisdiction=row[2]): people(keys_of(row[3]))
        for row in session.execute(query)
    }


def first_change_after(moment: datetime) -> sa.Subquery:
    """Return for each customer who changed after a moment when that was first: what they were until then is kept."""
    changes = sa.select(CustomerChange.customer_id, sa.func.min(CustomerChange.changed_at).label("at"))
    return changes.where(CustomerChange.changed_at > moment).group_by(CustomerChange.customer_id).subquery()


def _segments_now(session: Session, whom: People) -> dict[Segment, People]:
    common = _commonest(session)
    if common is None or not whom:
        return {}
    others = (
        sa.select(Customer.kind, Customer.relation, Customer.jurisdiction, gather(session, Customer.id))
        .where(
            sa.not_(
                sa.and_(
                    Customer.kind == common.kind,
                    Customer.relation == common.relation,
                    Customer.jurisdiction == common.jurisdiction,
                ),
            ),
            Customer.id.between(whom.min(), whom.max()),
        )
        .group_by(Customer.kind, Customer.relation, Customer.jurisdiction)
    )
    found: dict[Segment, People] = {}
    left = whom
    for kind, relation, jurisdiction, keys in session.execute(others):
        part = people(keys_of(keys)) & whom
        if part:
            found[Segment(kind=kind, relation=relation, jurisdiction=jurisdiction)] = part
            left = left - part
    if left:
        found[common] = left
    return found


def _commonest(session: Session) -> Segment | None:
    """Return the commonest segment among the first customers: wrong only costs time, never a count."""
    first = sa.select(Customer.kind, Customer.relation, Customer.jurisdiction).order_by(Customer.id).limit(SAMPLE)
    sample = first.subquery()
    row = session.execute(
        sa.select(sample.c.kind, sample.c.relation, sample.c.jurisdiction)
        .group_by(sample.c.kind, sample.c.relation, sample.c.jurisdiction)
        .order_by(sa.func.count().desc())
        .limit(1),
    ).one_or_none()
    if row is None:
        return None
    return Segment(kind=PersonKind(row.kind), relation=Relation(row.relation), jurisdiction=row.jurisdiction)
