"""A version of a scope as people read it: items filled in, what was left out and why, numbers that are maxima."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId, ScopeId
from incident_app.domain.scopes import Scope, ScopeDiff, TouchedList, TouchedStore, diff_scopes, without_people
from incident_app.domain.vocabulary import DisclosureBasis, Protection, ScopeFindingKind
from incident_app.persistence.findings import known_at, list_is_missing
from incident_app.persistence.incidents import CustomerList, IncidentScope
from incident_app.persistence.inventory import DataItem, DataStore, Disclosure, StoreItem, ThirdParty
from incident_app.persistence.timeline import TextRow
from incident_app.services.scope_findings import Finding, findings_of, is_outstanding
from incident_app.services.scopes import get_scope_version, read_scope
from incident_app.services.transaction import reading


@dataclass(frozen=True, kw_only=True)
class ItemView:
    """An item of a store, and how it lies there."""

    code: str
    name_ja: str
    name_en: str
    protection: Protection
    mitigated: bool
    """Protected, and the key was not touched."""


@dataclass(frozen=True, kw_only=True)
class PartyView:
    """What a party holds of ours: by the published policy, by contract or transfer list, and which of them counts."""

    code: str
    name_ja: str
    name_en: str
    published: tuple[str, ...]
    actual: tuple[str, ...]
    used: DisclosureBasis | None


@dataclass(frozen=True, kw_only=True)
class EntryView:
    """One entry: the items it takes, those it leaves out, and what is not known of its people."""

    entry: TouchedStore
    name_ja: str
    name_en: str
    items: tuple[ItemView, ...]
    left_out: tuple[ItemView, ...]
    party: PartyView | None
    list_missing: bool
    at_most: int | None
    """The most people there can be while the list of the party is missing, as counted when the version was set."""
    people_unknown: bool
    """Data was being taken and no list says from whom: unknown, never zero."""


@dataclass(frozen=True, kw_only=True)
class ListUse:
    """A list in a scope: what it does there, where it comes from, and how its rows were matched."""

    listed: TouchedList
    source: str
    people: int
    unmatched: int
    rows_read: int | None
    matched_by: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ScopeVersion:
    """Everything that one version says."""

    version: int
    set_at: datetime
    set_by: str
    note: str | None
    scope: Scope
    entries: tuple[EntryView, ...]
    lists: tuple[ListUse, ...]
    findings: tuple[Finding, ...]
    """Items held past their retention period when the version was set."""
    counts_outstanding: bool
    """What would stand in `findings` is too much to be counted at once: the determination counts it."""


def list_versions(engine: Engine, incident_id: IncidentId) -> list[tuple[int, datetime]]:
    """Return the versions of a scope and when each was set, newest first."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(IncidentScope.version, IncidentScope.set_at)
            .where(IncidentScope.incident_id == incident_id)
            .order_by(IncidentScope.version.desc()),
        )
        return [(version, at) for version, at in rows]


def show_scope(engine: Engine, incident_id: IncidentId, *, version: int | None = None) -> ScopeVersion:
    """Return one version, or the newest, with all that it says; NotFound otherwise."""
    with reading(engine) as session:
        row = get_scope_version(session, incident_id, version)
        scope = read_scope(session, ScopeId(row.id))
        findings = findings_of(session, row.id)
        return ScopeVersion(
            version=row.version,
            set_at=row.set_at,
            set_by=row.set_by,
            note=session.scalar(sa.select(TextRow.body).where(TextRow.id == row.text_id)),
            scope=scope,
            entries=_entry_views(session, scope, row.set_at, findings),
            lists=tuple(_list_use(session, listed) for listed in scope.lists),
            findings=tuple(found for found in findings if found.kind is ScopeFindingKind.PAST_RETENTION),
            counts_outstanding=is_outstanding(session, row.id, scope),
        )


def compare_versions(engine: Engine, incident_id: IncidentId, before: int, after: int) -> ScopeDiff:
    """Return what version `after` says that version `before` does not, and the other way round."""
    with reading(engine) as session:
        rows = [get_scope_version(session, incident_id, version) for version in (before, after)]
        one, other = (read_scope(session, ScopeId(row.id)) for row in rows)
        return diff_scopes(one, other)


def show_party(engine: Engine, party: str) -> PartyView:
    """Return what a party holds by the published policy and by contract, and which of them counts."""
    with reading(engine) as session:
        return _party_view(session, party)


def _entry_views(
    session: Session, scope: Scope, set_at: datetime, findings: tuple[Finding, ...]
) -> tuple[EntryView, ...]:
    stores = {row.code: row for row in session.scalars(sa.select(DataStore))}
    unknown = list(without_people(scope))
    at_most = {found.store: found.number for found in findings if found.kind is ScopeFindingKind.UPPER_BOUND}
    known = known_at(session)
    views = []
    for entry in scope.stores:
        store = stores[entry.store]
        held = _items_then(session, store.id, _while_in_use(store, set_at), entry)
        chosen = {item.code for item in held} if entry.items is None else entry.items
        missing = not entry.acquiring and list_is_missing(session, store.id, known)
        views.append(
            EntryView(
                entry=entry,
                name_ja=store.name_ja,
                name_en=store.name_en,
                items=tuple(item for item in held if item.code in chosen),
                left_out=tuple(item for item in held if item.code not in chosen),
                party=_party_view(session, entry.via_party) if entry.via_party else None,
                list_missing=missing,
                at_most=at_most.get(entry.store) if missing else None,
                people_unknown=entry in unknown,
            ),
        )
    return tuple(views)


def _while_in_use(store: DataStore, moment: datetime) -> datetime:
    """Return the moment, or the last one at which the store was in use: what it held then is what can have leaked."""
    if store.retired_at is None or store.retired_at > moment:
        return moment
    return store.retired_at - timedelta(microseconds=1)


def _items_then(session: Session, store_id: int, moment: datetime, entry: TouchedStore) -> list[ItemView]:
    """Return what the store held by the inventory of that moment, in the order of the policy."""
    rows = session.execute(
        sa.select(DataItem, StoreItem.protection)
        .join(StoreItem, StoreItem.item_code == DataItem.code)
        .where(
            StoreItem.store_id == store_id,
            StoreItem.recorded_at <= moment,
            sa.or_(StoreItem.retracted_at.is_(None), StoreItem.retracted_at > moment),
        )
        .order_by(DataItem.position),
    )
    return [
        ItemView(
            code=item.code,
            name_ja=item.name_ja,
            name_en=item.name_en,
            protection=protection,
            mitigated=protection is not Protection.NONE and not entry.key_compromised,
        )
        for item, protection in rows
    ]


def _party_view(session: Session, code: str) -> PartyView:
    party = session.scalars(sa.select(ThirdParty).where(ThirdParty.code == code)).one_or_none()
    if party is None:
        raise NotFound(what="third party", name=code)
    received: dict[DisclosureBasis, set[str]] = {basis: set() for basis in DisclosureBasis}
    rows = session.execute(
        sa.select(Disclosure.basis, Disclosure.item_code).where(
            Disclosure.party_id == party.id, Disclosure.until.is_(None)
        ),
    )
    for basis, item in rows:
        received[basis].add(item)
    used = next((basis for basis in (DisclosureBasis.ACTUAL, DisclosureBasis.PUBLISHED) if received[basis]), None)
    return PartyView(
        code=code,
        name_ja=party.name_ja,
        name_en=party.name_en,
        published=tuple(sorted(received[DisclosureBasis.PUBLISHED])),
        actual=tuple(sorted(received[DisclosureBasis.ACTUAL])),
        used=used,
    )


def _list_use(session: Session, listed: TouchedList) -> ListUse:
    row = session.get_one(CustomerList, listed.list_id)
    return ListUse(
        listed=listed,
        source=row.source,
        people=row.row_count,
        unmatched=row.unmatched_count,
        rows_read=row.rows_read,
        matched_by=dict(row.matched_by) if isinstance(row.matched_by, dict) else {},
    )
