"""Readiness: the scores that were recorded, and the counts they rest on, taken by the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from incident_app.domain.gaps import PeopleCounts, StoreFacts
from incident_app.domain.inventory import Inventory, Store
from incident_app.domain.vocabulary import Channel, PersonKind
from incident_app.domain.zones import JST
from incident_app.persistence.accounts import RoleGrant, User
from incident_app.persistence.customers import Customer, CustomerContact, Holding
from incident_app.persistence.database import Base, Json, Key
from incident_app.persistence.inventory import DataStore
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.triggers import append_only


class ReadinessScore(Base):
    """One score as it was recorded, with the facts and the version of the rules it follows from."""

    __tablename__ = "readiness_scores"
    __table_args__ = (
        sa.CheckConstraint("value >= 0 AND value <= 100", name="between_0_and_100"),
        sa.Index("ix_readiness_scores_at", "at"),
        {"info": append_only()},
    )

    id: Mapped[Key]
    at: Mapped[datetime]
    value: Mapped[int]
    facts: Mapped[Json]
    rules_version: Mapped[int]
    actor: Mapped[str] = mapped_column(sa.String(60))


def without_contact(*channels: Channel) -> sa.ColumnElement[bool]:
    """Say that a customer has no contact in force in any of these channels."""
    return ~sa.exists().where(
        CustomerContact.customer_id == Customer.id,
        CustomerContact.channel.in_(channels),
        CustomerContact.valid_until.is_(None),
        CustomerContact.address != "",
    )


def count_people(session: Session) -> PeopleCounts:
    """Count customers and those whom nobody can reach, in one pass of the database."""
    is_organisation = Customer.kind == PersonKind.ORGANISATION
    no_mail, no_contact = without_contact(Channel.EMAIL), without_contact(*Channel)
    row = session.execute(
        sa.select(
            sa.func.count(),
            _how_many(no_mail),
            _how_many(is_organisation),
            _how_many(sa.and_(is_organisation, no_contact)),
        ).where(Customer.erased_at.is_(None)),
    ).one()
    return PeopleCounts(customers=row[0], without_email=row[1], organisations=row[2], organisations_unreachable=row[3])


def _how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def store_facts(session: Session, inventory: Inventory, *, today: date) -> dict[str, StoreFacts]:
    """Return, per store, what its holdings show: whether there are any, unknown items, data past its period."""
    in_use = sa.select(DataStore.code, DataStore.id).where(DataStore.retired_at.is_(None))
    ids: Mapping[str, int] = dict(session.execute(in_use).all())
    return {
        store.code: _facts(session, store, ids[store.code], today) for store in inventory.stores if store.code in ids
    }


def _facts(session: Session, store: Store, store_id: int, today: date) -> StoreFacts:
    periods = sorted({item.keep_for_days for item in store.items if item.keep_for_days is not None})
    counts = session.execute(
        sa.select(
            Holding.item_set_id,
            sa.func.count(),
            *(_how_many(_past(today, days)) for days in periods),
        )
        .where(Holding.store_id == store_id, Holding.retracted_at.is_(None))
        .group_by(Holding.item_set_id),
    ).all()
    sets = item_codes(session, [row[0] for row in counts])
    listed = {item.item for item in store.items}
    keep = {item.item: item.keep_for_days for item in store.items if item.keep_for_days is not None}
    unknown = frozenset(code for codes in sets.values() for code in codes if code not in listed)
    past = 0
    for set_id, _, *by_period in counts:
        shortest = min((keep[code] for code in sets[set_id] if code in keep), default=None)
        past += by_period[periods.index(shortest)] if shortest is not None else 0
    return StoreFacts(holdings=sum(row[1] for row in counts), unknown_items=unknown, past_retention=past)


def _past(today: date, days: int) -> sa.ColumnElement[bool]:
    """Say that a holding is still held although it came in longer ago than its items may be kept."""
    limit = datetime.combine(today - timedelta(days=min(days, today.toordinal() - 1)), time(), tzinfo=JST)
    return sa.and_(Holding.held_until.is_(None), Holding.held_from < limit)


def roles_held(session: Session) -> frozenset[str]:
    """Return the roles that an active account holds, outside of any single incident."""
    rows = session.scalars(
        sa.select(RoleGrant.role)
        .join(User, User.id == RoleGrant.user_id)
        .where(User.active, RoleGrant.revoked_at.is_(None), RoleGrant.incident_id.is_(None))
        .distinct(),
    )
    return frozenset(role.value for role in rows)
