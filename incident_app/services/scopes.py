"""Setting the scope of an incident: a new version each time, earlier ones stay as they were."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import NotFound
from incident_app.domain.events import ScopeSet
from incident_app.domain.ids import Actor, IncidentId, ScopeId
from incident_app.domain.scopes import Scope, TouchedList, TouchedStore, check_scope
from incident_app.domain.vocabulary import Certainty, Harm
from incident_app.persistence.incidents import CustomerList, IncidentScope, ScopeList, ScopeStore
from incident_app.persistence.inventory import DataItem, DataStore, ThirdParty
from incident_app.services.checking import stores_and_items
from incident_app.services.transaction import Transaction, reading, transaction


def set_scope(
    engine: Engine, incident_id: IncidentId, scope: Scope, *, note: str | None = None, actor: Actor, now: datetime
) -> int:
    """Store a new version of the scope; return its number."""
    with reading(engine) as session:
        items = {store: frozenset(codes) for store, codes in stores_and_items(session).items()}
        all_items = frozenset(session.scalars(sa.select(DataItem.code)))
    check_scope(scope, items_of_store=items, all_items=all_items)
    with transaction(engine, actor=actor, now=now) as act:
        newest = sa.select(sa.func.max(IncidentScope.version)).where(IncidentScope.incident_id == incident_id)
        row = IncidentScope(
            incident_id=incident_id,
            version=1 + (act.session.scalar(newest) or 0),
            harms=sorted(scope.harms),
            cause=scope.cause,
            text_id=act.keep_text(note).id if note else None,
            set_at=now,
            set_by=actor,
        )
        act.session.add(row)
        act.session.flush()
        _add_entries(act, row.id, scope)
        act.record(
            ScopeSet(
                version=row.version,
                stores=len(scope.stores),
                lists=len(scope.lists),
                cause=scope.cause,
                digest=digest_of(scope.content()),
            ),
            incident=incident_id,
        )
        return row.version


def stores_at_party(
    engine: Engine,
    party: str,
    *,
    certainty: Certainty,
    touched_from: datetime | None = None,
    touched_until: datetime | None = None,
) -> tuple[TouchedStore, ...]:
    """Return the stores that a third party of the policy operates, as entries of a scope."""
    with reading(engine) as session:
        party_id = session.scalar(sa.select(ThirdParty.id).where(ThirdParty.code == party))
        if party_id is None:
            raise NotFound(what="third party", name=party)
        codes = session.scalars(
            sa.select(DataStore.code)
            .where(DataStore.operator_id == party_id, DataStore.retired_at.is_(None))
            .order_by(DataStore.code),
        ).all()
    if not codes:
        raise NotFound(what="store operated by", name=party)
    return tuple(
        TouchedStore(
            store=code, certainty=certainty, touched_from=touched_from, touched_until=touched_until, via_party=party
        )
        for code in codes
    )


def newest_scope(session: Session, incident_id: IncidentId) -> IncidentScope:
    """Return the row of the newest scope; NotFound when none was set."""
    row = session.scalars(
        sa.select(IncidentScope)
        .where(IncidentScope.incident_id == incident_id)
        .order_by(IncidentScope.version.desc())
        .limit(1),
    ).one_or_none()
    if row is None:
        raise NotFound(what="scope", name="of this incident")
    return row


def find_newest_scope(engine: Engine, incident_id: IncidentId) -> tuple[int, Scope] | None:
    """Return the newest version and its scope, or None."""
    with reading(engine) as session:
        try:
            row = newest_scope(session, incident_id)
        except NotFound:
            return None
        return row.version, read_scope(session, ScopeId(row.id))


def read_scope(session: Session, scope_id: ScopeId) -> Scope:
    """Return a stored scope as the rules see it, its entries in a fixed order."""
    row = session.get_one(IncidentScope, scope_id)
    return Scope(
        harms=frozenset(Harm(word) for word in row.harms),
        cause=row.cause,
        stores=tuple(_touched_stores(session, scope_id)),
        lists=tuple(_touched_lists(session, scope_id)),
    )


def _touched_stores(session: Session, scope_id: ScopeId) -> Iterable[TouchedStore]:
    rows = session.execute(
        sa.select(ScopeStore, DataStore.code, ThirdParty.code)
        .join(DataStore, DataStore.id == ScopeStore.store_id)
        .outerjoin(ThirdParty, ThirdParty.id == ScopeStore.via_party_id)
        .where(ScopeStore.scope_id == scope_id)
        .order_by(ScopeStore.id),
    )
    entries: dict[tuple[object, ...], list[str | None]] = {}
    for row, store_code, party_code in rows:
        key = (store_code, row.touched_from, row.touched_until, row.certainty, party_code)
        entries.setdefault(key, []).append(row.item_code)
    for (store, touched_from, touched_until, certainty, party), items in entries.items():
        yield TouchedStore(
            store=str(store),
            items=None if None in items else frozenset(item for item in items if item is not None),
            touched_from=touched_from if isinstance(touched_from, datetime) else None,
            touched_until=touched_until if isinstance(touched_until, datetime) else None,
            certainty=Certainty(str(certainty)),
            via_party=str(party) if party else None,
        )


def _touched_lists(session: Session, scope_id: ScopeId) -> Iterable[TouchedList]:
    rows = session.execute(
        sa.select(ScopeList, CustomerList.digest)
        .join(CustomerList, CustomerList.id == ScopeList.list_id)
        .where(ScopeList.scope_id == scope_id)
        .order_by(ScopeList.id),
    )
    for row, digest in rows:
        yield TouchedList(
            list_id=row.list_id,
            list_digest=digest,
            relation=row.relation,
            certainty=row.certainty,
            evidence_id=row.evidence_id,
        )


def _add_entries(act: Transaction, scope_id: int, scope: Scope) -> None:
    stores = dict(act.session.execute(sa.select(DataStore.code, DataStore.id)).all())
    parties = dict(act.session.execute(sa.select(ThirdParty.code, ThirdParty.id)).all())
    for entry in scope.stores:
        reason_id = act.keep_text(entry.reason).id if entry.reason else None
        for item in sorted(entry.items) if entry.items is not None else [None]:
            act.session.add(
                ScopeStore(
                    scope_id=scope_id,
                    store_id=stores[entry.store],
                    item_code=item,
                    touched_from=entry.touched_from,
                    touched_until=entry.touched_until,
                    certainty=entry.certainty,
                    via_party_id=parties[entry.via_party] if entry.via_party else None,
                    reason_text_id=reason_id,
                ),
            )
    for listed in scope.lists:
        act.session.add(
            ScopeList(
                scope_id=scope_id,
                list_id=listed.list_id,
                relation=listed.relation,
                certainty=listed.certainty,
                evidence_id=listed.evidence_id,
            ),
        )
    act.session.flush()
