"""Customers by kind, relation and jurisdiction, as sets of people."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.impact_summary import Segment
from incident_app.domain.people import People, people
from incident_app.domain.vocabulary import PersonKind, Relation
from incident_app.persistence.customers import Customer
from incident_app.persistence.gathering import gather, keys_of

SAMPLE = 10_000


def segments_of(session: Session, whom: People) -> dict[Segment, People]:
    """Cut a set of people into their segments.

    Only those outside the commonest segment are read from the database; the others are who is left.
    """
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
