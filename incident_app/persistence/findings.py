"""Counts behind a scope, by aggregate: records held past their retention, people at most behind a missing list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.scopes import TouchedStore
from incident_app.domain.vocabulary import ImportStatus, Relation
from incident_app.persistence.customers import Customer, Holding, Import
from incident_app.persistence.inventory import DataStore, StoreItem, ThirdParty
from incident_app.persistence.item_sets import item_codes

SECONDS_A_DAY = 86_400


def known_at(session: Session) -> datetime | None:
    """Return when we last learnt something: the newest sealed import."""
    return session.scalar(sa.select(sa.func.max(Import.at)).where(Import.status == ImportStatus.SEALED))


def held_in_window(entry: TouchedStore, known: datetime) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for what was held in the window of an entry, as far as we knew it at `known`."""
    conditions: list[sa.ColumnElement[bool]] = [
        Holding.recorded_at <= known,
        sa.or_(Holding.retracted_at.is_(None), Holding.retracted_at > known),
    ]
    if entry.touched_until is not None:
        conditions.append(sa.or_(Holding.held_from.is_(None), Holding.held_from <= entry.touched_until))
    if entry.touched_from is not None:
        conditions.append(sa.or_(Holding.held_until.is_(None), Holding.held_until >= entry.touched_from))
    return conditions


def retention_days(session: Session, store_id: int) -> dict[str, int]:
    """Return the items of a store that have a retention period, with its days."""
    rows = session.execute(
        sa.select(StoreItem.item_code, StoreItem.keep_for_days).where(
            StoreItem.store_id == store_id, StoreItem.retracted_at.is_(None), StoreItem.keep_for_days.is_not(None)
        ),
    )
    return {item: days for item, days in rows if days is not None}


def past_retention(
    session: Session, store_id: int, entry: TouchedStore, days: Mapping[str, int], *, known: datetime, now: datetime
) -> dict[str, int]:
    """Count, item by item, the records of a store that were touched although their retention period was over.

    Every period is counted in the same pass over the records.
    """
    until = min(entry.touched_until or now, now)
    lengths = sorted(set(days.values()))
    query = (
        sa.select(Holding.item_set_id, *(_how_many(_kept_longer(session, until, length)) for length in lengths))
        .where(
            Holding.store_id == store_id,
            *held_in_window(entry, known),
            Holding.held_from < until - timedelta(days=lengths[0]),
        )
        .group_by(Holding.item_set_id)
    )
    found = {set_id: dict(zip(lengths, numbers, strict=True)) for set_id, *numbers in session.execute(query)}
    counts: Counter[str] = Counter()
    for set_id, codes in item_codes(session, found).items():
        for code in codes:
            if code in days and (entry.items is None or code in entry.items):
                counts[code] += found[set_id][days[code]]
    return {code: number for code, number in counts.items() if number}


def _kept_longer(session: Session, until: datetime, length: int) -> sa.ColumnElement[bool]:
    """Say that a record was held for more than `length` days."""
    longer = sa.or_(Holding.held_until.is_(None), _seconds_held(session) > length * SECONDS_A_DAY)
    return sa.and_(Holding.held_from < until - timedelta(days=length), longer)


def _how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def _seconds_held(session: Session) -> sa.ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        days = sa.func.julianday(Holding.held_until) - sa.func.julianday(Holding.held_from)
        return sa.func.round(days * SECONDS_A_DAY)
    return sa.func.extract("epoch", Holding.held_until - Holding.held_from)


def list_is_missing(session: Session, store_id: int, known: datetime | None) -> bool:
    """Tell whether a third party operates the store and has not yet said whose data lies there."""
    theirs = sa.select(ThirdParty.is_ourselves).join(DataStore, DataStore.operator_id == ThirdParty.id)
    return not session.scalar(theirs.where(DataStore.id == store_id)) and not is_listed(session, store_id, known)


def is_listed(session: Session, store_id: int, known: datetime | None) -> bool:
    """Tell whether anybody had said by then whose data lies in a store."""
    if known is None:
        return False
    listed = sa.select(Holding.store_id).where(
        Holding.store_id == store_id,
        Holding.recorded_at <= known,
        # What an abandoned import added was never known: it is taken back as of the moment it was recorded.
        sa.or_(Holding.retracted_at.is_(None), Holding.retracted_at > Holding.recorded_at),
    )
    return session.scalar(listed.limit(1)) is not None


def people_at_most(session: Session, entry: TouchedStore, items: Collection[str], known: datetime | None) -> int:
    """Count the customers of whom we hold any of these items: the most whom a party without a list can have."""
    if known is None:
        return 0
    ours = (
        sa.select(DataStore.id).join(ThirdParty, ThirdParty.id == DataStore.operator_id).where(ThirdParty.is_ourselves)
    )
    held = sa.select(Holding.item_set_id).where(Holding.store_id.in_(ours)).distinct()
    sets = [
        set_id
        for set_id, codes in item_codes(session, session.scalars(held)).items()
        if not set(items).isdisjoint(codes)
    ]
    query = (
        sa.select(sa.func.count(sa.distinct(Holding.customer_id)))
        .join(Customer, Customer.id == Holding.customer_id)
        .where(
            Customer.relation == Relation.CUSTOMER,
            Holding.store_id.in_(ours),
            Holding.item_set_id.in_(sets),
            *held_in_window(entry, known),
        )
    )
    return session.scalar(query) or 0
