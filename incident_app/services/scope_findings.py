"""What is counted when a scope is set: records past their retention, people at most behind a missing list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.events import RetentionExceeded, ScopeCounted
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import BuildStatus, Certainty, ScopeFindingKind
from incident_app.persistence import findings as counting
from incident_app.persistence.customers import Customer
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.incidents import IncidentScope, ScopeFinding
from incident_app.persistence.inventory import DataStore, StoreItem
from incident_app.services.transaction import Transaction, reading, transaction


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A number that was counted for one store of a scope; for one item of it, when retention is over."""

    kind: ScopeFindingKind
    store: str
    item: str | None
    number: int


MOST_AT_ONCE = 1_000_000
"""Records of stores that may be read while somebody waits for a version: about a second. More wait for the worker."""


def must_wait(session: Session, scope: Scope) -> bool:
    """Tell whether counting takes too long to be done while somebody waits: the determination does it then."""
    highest = session.scalar(sa.select(sa.func.max(Customer.id))) or 0
    known = counting.known_at(session)
    stores = dict(session.execute(sa.select(DataStore.code, DataStore.id)).all())
    read = 0
    for entry in scope.stores:
        if entry.certainty is Certainty.RULED_OUT or entry.acquiring:
            continue
        upper_bound = counting.list_is_missing(session, stores[entry.store], known)
        read += highest * (STORES_BEHIND_A_MISSING_LIST if upper_bound else 1)
    return read > MOST_AT_ONCE


STORES_BEHIND_A_MISSING_LIST = 5
"""How many stores' worth of records an upper bound reads: everything that we hold, joined with the customers."""


def count_outstanding(
    engine: Engine, incident_id: IncidentId, scope_id: int, scope: Scope, *, actor: Actor, now: datetime
) -> None:
    """Count what was too much to count when the version was set; a version that has its counts keeps them."""
    with reading(engine) as session:
        row = session.get_one(IncidentScope, scope_id)
        if findings_of(session, scope_id) or not must_wait(session, scope):
            return
        findings = count_findings(session, scope, now=row.set_at)
    if findings:
        with transaction(engine, actor=actor, now=now) as act:
            keep_findings(act, scope_id, row.version, findings, incident=incident_id)
            act.record(ScopeCounted(version=row.version, findings=len(findings)), incident=incident_id)


def is_outstanding(session: Session, scope_id: int, scope: Scope) -> bool:
    """Tell whether a version still waits for its counts: it was too much, and nothing determined it yet."""
    if findings_of(session, scope_id) or not must_wait(session, scope):
        return False
    determined = sa.select(ImpactDetermination.id).where(
        ImpactDetermination.scope_id == scope_id, ImpactDetermination.status == BuildStatus.SEALED
    )
    return session.scalar(determined.limit(1)) is None


def count_findings(session: Session, scope: Scope, *, now: datetime) -> tuple[Finding, ...]:
    """Count what is to be said of the touched stores. Entries that overlap count a record once: the larger number."""
    stores = dict(session.execute(sa.select(DataStore.code, DataStore.id)).all())
    known = counting.known_at(session)
    found: dict[tuple[ScopeFindingKind, str, str | None], int] = {}
    for entry in scope.stores:
        if entry.certainty is Certainty.RULED_OUT or entry.acquiring:
            continue
        for finding in _findings_of(session, stores[entry.store], entry, known, now):
            key = (finding.kind, finding.store, finding.item)
            found[key] = max(found.get(key, 0), finding.number)
    return tuple(
        Finding(kind=kind, store=store, item=item, number=number) for (kind, store, item), number in found.items()
    )


def _findings_of(
    session: Session, store_id: int, entry: TouchedStore, known: datetime | None, now: datetime
) -> list[Finding]:
    if counting.list_is_missing(session, store_id, known):
        there = session.scalars(
            sa.select(StoreItem.item_code).where(StoreItem.store_id == store_id, StoreItem.retracted_at.is_(None)),
        )
        items = frozenset(there) if entry.items is None else entry.items & frozenset(there)
        number = counting.people_at_most(session, entry, items, known)
        return [Finding(kind=ScopeFindingKind.UPPER_BOUND, store=entry.store, item=None, number=number)]
    days = counting.retention_days(session, store_id)
    if not days or known is None:
        return []
    counts = counting.past_retention(session, store_id, entry, days, known=known, now=now)
    return [
        Finding(kind=ScopeFindingKind.PAST_RETENTION, store=entry.store, item=item, number=number)
        for item, number in sorted(counts.items())
    ]


def keep_findings(
    act: Transaction, scope_id: int, version: int, findings: tuple[Finding, ...], *, incident: IncidentId
) -> None:
    """Store the counts with their version; what is held too long is said on the timeline."""
    stores = dict(act.session.execute(sa.select(DataStore.code, DataStore.id)).all())
    for finding in findings:
        act.session.add(
            ScopeFinding(
                scope_id=scope_id,
                kind=finding.kind,
                store_id=stores[finding.store],
                item_code=finding.item,
                number=finding.number,
            ),
        )
    act.session.flush()
    late = [finding for finding in findings if finding.kind is ScopeFindingKind.PAST_RETENTION]
    if late:
        act.record(
            RetentionExceeded(
                version=version,
                stores=len({finding.store for finding in late}),
                items=len({finding.item for finding in late}),
                records=sum(finding.number for finding in late),
                digest=digest_of(late),
            ),
            incident=incident,
        )


def findings_of(session: Session, scope_id: int) -> tuple[Finding, ...]:
    """Return what was counted when a version was set."""
    rows = session.execute(
        sa.select(ScopeFinding, DataStore.code)
        .join(DataStore, DataStore.id == ScopeFinding.store_id)
        .where(ScopeFinding.scope_id == scope_id)
        .order_by(ScopeFinding.id),
    )
    return tuple(Finding(kind=row.kind, store=store, item=row.item_code, number=row.number) for row, store in rows)
