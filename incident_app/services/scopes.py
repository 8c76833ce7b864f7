"""Setting the scope of an incident: a new version each time, earlier ones stay as they were."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound, NothingYet
from incident_app.domain.events import ScopeSet
from incident_app.domain.ids import Actor, IncidentId, ScopeId
from incident_app.domain.scope_changes import choose_items
from incident_app.domain.scopes import Scope, TouchedList, TouchedStore, check_narrowing, check_scope
from incident_app.domain.vocabulary import BuildStatus, Certainty, DisclosureBasis, Harm, Medium
from incident_app.persistence.incidents import (
    CustomerList,
    Evidence,
    IncidentScope,
    ScopeList,
    ScopeListStore,
    ScopeStore,
)
from incident_app.persistence.inventory import DataItem, DataStore, Disclosure, ThirdParty
from incident_app.persistence.timeline import TextRow
from incident_app.services.inventory import current_inventory
from incident_app.services.involved import count_affected
from incident_app.services.scope_findings import count_findings, keep_findings, must_wait
from incident_app.services.scope_inventory import check_in_use, inventory_of, inventory_with, items_by_store
from incident_app.services.transaction import Transaction, reading, transaction

ERASED = "消去済み / erased"
"""Stands where the reason of an entry was erased: the entry had one."""
HANDED_OVER = "契約または提供記録にある項目のみ / only what the contract or transfer list names"
"""The reason why items that the policy publishes are left out at a party."""


class NothingKept(NotFound):
    """No store is operated by {name}. If our data lies there, enter that store and its items in the register first."""

    ja = "{name} が運用する保管先は台帳にありません。データがあるなら、先に保管先とその項目を台帳に登録してください。"


class OurOwnStores(BadInput):
    """{field}: that is ourselves. Add the stores that were touched one by one; otherwise all we hold would be in."""

    ja = "{field}：自社です。触れられた保管先を一つずつ加えてください。でないと保有する全データが範囲に入ります。"


class ChangedMeanwhile(IncidentAppError):
    """Somebody else set version {version} of the scope in the same moment. Look at it and do this again."""

    ja = "同じ時に別の人が範囲の第{version}版を設定しました。内容を確かめて、もう一度行ってください。"


def set_scope(
    engine: Engine,
    incident_id: IncidentId,
    scope: Scope,
    *,
    note: str | None = None,
    based_on: int | None = None,
    actor: Actor,
    now: datetime,
) -> int:
    """Store a new version of the scope, with what was counted of it; return its number.

    What is too much to count while somebody waits is counted by the determination.
    Taking something out that the version before named needs a reason: that of the entry, or `note`. `based_on` is the
    version that this one was made from, 0 for none: if another one is there by now, it is not overwritten unseen.
    """
    with reading(engine) as session:
        check_in(session, incident_id, scope, note)
        findings = () if must_wait(session, scope) else count_findings(session, scope, now=now)
    with transaction(engine, actor=actor, now=now) as act:
        newest = sa.select(sa.func.max(IncidentScope.version)).where(IncidentScope.incident_id == incident_id)
        before = act.session.scalar(newest) or 0
        if based_on is not None and before != based_on:
            raise ChangedMeanwhile(version=before)
        row = _add_version(act, incident_id, 1 + before, scope, note)
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
        keep_findings(act, row.id, row.version, findings, incident=incident_id)
        return row.version


def _add_version(
    act: Transaction, incident_id: IncidentId, version: int, scope: Scope, note: str | None
) -> IncidentScope:
    row = IncidentScope(
        incident_id=incident_id,
        version=version,
        harms=sorted(scope.harms),
        cause=scope.cause,
        text_id=act.keep_text(note).id if note else None,
        set_at=act.now,
        set_by=act.actor,
    )
    act.session.add(row)
    act.session.flush()
    return row


def check_in(session: Session, incident_id: IncidentId, scope: Scope, note: str | None) -> None:
    """Refuse a scope that could not be set: unknown names, contradictions, or something taken out without a reason."""
    items = items_by_store(inventory_of(session, scope))
    check_scope(
        scope,
        items_of_store=items,
        all_items=frozenset(session.scalars(sa.select(DataItem.code))),
        outsiders=count_affected(session, incident_id),
    )
    check_in_use(session, scope)
    _check_references(session, incident_id, scope)
    before = _newest(session, incident_id)
    if before is not None:
        check_narrowing(read_scope(session, ScopeId(before.id)), scope, items_of_store=items, reason=note)


def _check_references(session: Session, incident_id: IncidentId, scope: Scope) -> None:
    """Refuse evidence of another incident, and parties and lists that do not exist."""
    mine = set(session.scalars(sa.select(Evidence.id).where(Evidence.incident_id == incident_id)))
    parties = set(session.scalars(sa.select(ThirdParty.code)))
    sealed = sa.select(CustomerList.id).where(CustomerList.status == BuildStatus.SEALED)
    known = set(session.scalars(sealed.where(CustomerList.id.in_([listed.list_id for listed in scope.lists]))))
    named = {entry.evidence_id for entry in scope.stores} | {listed.evidence_id for listed in scope.lists}
    if strange := sorted(number for number in named - mine if number is not None):
        raise NotFound(what="evidence", name=", ".join(map(str, strange)))
    for entry in scope.stores:
        if entry.via_party is not None and entry.via_party not in parties:
            raise NotFound(what="third party", name=entry.via_party)
    for listed in scope.lists:
        if listed.list_id not in known:
            raise NotFound(what="list", name=listed.list_id)


def chosen_items(
    engine: Engine,
    store: str,
    *,
    items: Collection[str] = (),
    categories: Collection[str] = (),
    without: Collection[str] = (),
) -> frozenset[str] | None:
    """Return the items of a store that are chosen by name and by category, less those left out; None means all."""
    with reading(engine) as session:
        inventory = inventory_with(session, [store])
    held = frozenset(item.item for item in inventory.store(store).items)
    under = [(category, inventory.items_under(category)) for category in categories]
    return choose_items(held, items=items, categories=under, without=without)


def is_input_page(engine: Engine, store: str) -> bool:
    """Tell whether a store is a page through which data is acquired: chosen for a scope it is so unless told otherwise.

    The medium says what the store is, the mark of an entry what happened there; only the mark decides the impact.
    """
    with reading(engine) as session:
        medium = session.scalar(sa.select(DataStore.medium).where(DataStore.code == store))
    return medium is Medium.INPUT_PAGE


def categories_of_store(engine: Engine, store: str) -> dict[str, frozenset[str]]:
    """Return the categories of which a store holds something, each with its items there, categories above included."""
    with reading(engine) as session:
        inventory = current_inventory(session)
    held = frozenset(item.item for item in inventory.store(store).items)
    found = {category.code: inventory.items_under(category.code) & held for category in inventory.categories}
    return {code: items for code, items in found.items() if items}


def stores_at_party(
    engine: Engine,
    party: str,
    *,
    certainty: Certainty,
    touched_from: datetime | None = None,
    touched_until: datetime | None = None,
) -> tuple[TouchedStore, ...]:
    """Return the stores that a third party of the policy operates, as entries of a scope.

    What was really handed over (contract, transfer list) beats what the policy publishes, where it is on record. A
    store that was retired since is among them when it was in use at the beginning of the window.
    """
    with reading(engine) as session:
        party_id = _key_of_third_party(session, party)
        media = _stores_of(session, party_id, touched_from)
        held = items_by_store(inventory_with(session, media))
        actual = _handed_over(session, party_id)
    if not media:
        raise NothingKept(name=party)
    narrower = {code: held[code] & actual for code in media if held[code] & actual and not held[code] <= actual}
    return tuple(
        TouchedStore(
            store=code,
            items=narrower.get(code),
            reason=HANDED_OVER if code in narrower else None,
            certainty=certainty,
            touched_from=touched_from,
            touched_until=touched_until,
            via_party=party,
            acquiring=medium is Medium.INPUT_PAGE,
        )
        for code, medium in media.items()
    )


def _key_of_third_party(session: Session, party: str) -> int:
    found = session.scalars(sa.select(ThirdParty).where(ThirdParty.code == party)).one_or_none()
    if found is None:
        raise NotFound(what="third party", name=party)
    if found.is_ourselves:
        raise OurOwnStores(field="party")
    return found.id


def _stores_of(session: Session, party_id: int, moment: datetime | None) -> dict[str, Medium]:
    """Return the stores that a party operates, or operated at that moment, with what each is made of."""
    live = DataStore.retired_at.is_(None)
    in_use = live if moment is None else sa.or_(live, DataStore.retired_at >= moment)
    rows = sa.select(DataStore.code, DataStore.medium).where(DataStore.operator_id == party_id, in_use)
    return dict(session.execute(rows.order_by(DataStore.code)).all())


def _handed_over(session: Session, party_id: int) -> set[str]:
    live = sa.select(Disclosure.item_code).where(Disclosure.party_id == party_id, Disclosure.until.is_(None))
    return set(session.scalars(live.where(Disclosure.basis == DisclosureBasis.ACTUAL)))


def newest_scope(session: Session, incident_id: IncidentId) -> IncidentScope:
    """Return the row of the newest scope; NotFound when none was set."""
    row = _newest(session, incident_id)
    if row is None:
        raise NothingYet(what="scope")
    return row


def get_scope_version(session: Session, incident_id: IncidentId, version: int | None = None) -> IncidentScope:
    """Return the row of one version, or of the newest; NotFound otherwise."""
    if version is None:
        return newest_scope(session, incident_id)
    row = session.scalars(
        sa.select(IncidentScope).where(IncidentScope.incident_id == incident_id, IncidentScope.version == version),
    ).one_or_none()
    if row is None:
        raise NotFound(what="version of the scope", name=version)
    return row


def _newest(session: Session, incident_id: IncidentId) -> IncidentScope | None:
    return session.scalars(
        sa.select(IncidentScope)
        .where(IncidentScope.incident_id == incident_id)
        .order_by(IncidentScope.version.desc())
        .limit(1),
    ).one_or_none()


def find_newest_scope(engine: Engine, incident_id: IncidentId) -> tuple[int, Scope] | None:
    """Return the newest version and its scope, or None."""
    with reading(engine) as session:
        row = _newest(session, incident_id)
        return None if row is None else (row.version, read_scope(session, ScopeId(row.id)))


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
    """Put the rows of a scope together again, entry by entry, in the order in which they were named."""
    rows = session.execute(
        sa.select(ScopeStore, DataStore.code, ThirdParty.code, TextRow.body)
        .join(DataStore, DataStore.id == ScopeStore.store_id)
        .outerjoin(ThirdParty, ThirdParty.id == ScopeStore.via_party_id)
        .outerjoin(TextRow, TextRow.id == ScopeStore.reason_text_id)
        .where(ScopeStore.scope_id == scope_id)
        .order_by(ScopeStore.id),
    )
    entries: dict[tuple[object, ...], TouchedStore] = {}
    for row, store, party, reason in rows:
        # Rows from before entries were numbered belong together when they say the same: their digests rest on it.
        same = (store, row.touched_from, row.touched_until, row.certainty, party)
        key = ("entry", row.entry) if row.entry is not None else same
        if key not in entries:
            entries[key] = _entry(row, store, party, reason)
        elif row.item_code is None:
            entries[key] = replace(entries[key], items=None)
        elif (known := entries[key].items) is not None:
            entries[key] = replace(entries[key], items=known | {row.item_code})
    return entries.values()


def _entry(row: ScopeStore, store: str, party: str | None, reason: str | None) -> TouchedStore:
    return TouchedStore(
        store=store,
        items=None if row.item_code is None else frozenset({row.item_code}),
        touched_from=row.touched_from,
        touched_until=row.touched_until,
        certainty=row.certainty,
        via_party=party,
        reason=reason if reason or row.reason_text_id is None else ERASED,
        evidence_id=row.evidence_id,
        acquiring=bool(row.acquiring),
        key_compromised=bool(row.key_compromised),
    )


def _touched_lists(session: Session, scope_id: ScopeId) -> Iterable[TouchedList]:
    rows = session.execute(
        sa.select(ScopeList, CustomerList.digest, DataStore.code)
        .join(CustomerList, CustomerList.id == ScopeList.list_id)
        .outerjoin(ScopeListStore, ScopeListStore.scope_list_id == ScopeList.id)
        .outerjoin(DataStore, DataStore.id == ScopeListStore.store_id)
        .where(ScopeList.scope_id == scope_id)
        .order_by(ScopeList.id),
    )
    for row, digest, store in rows:
        yield TouchedList(
            list_id=row.list_id,
            list_digest=digest,
            relation=row.relation,
            certainty=row.certainty,
            evidence_id=row.evidence_id,
            store=store,
        )


def _add_entries(act: Transaction, scope_id: int, scope: Scope) -> None:
    stores = dict(act.session.execute(sa.select(DataStore.code, DataStore.id)).all())
    parties = dict(act.session.execute(sa.select(ThirdParty.code, ThirdParty.id)).all())
    for number, entry in enumerate(scope.stores):
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
                    evidence_id=entry.evidence_id,
                    reason_text_id=reason_id,
                    entry=number,
                    acquiring=entry.acquiring or None,
                    key_compromised=entry.key_compromised or None,
                ),
            )
        act.session.flush()  # ids follow the order of the entries
    for listed in scope.lists:
        row = ScopeList(
            scope_id=scope_id,
            list_id=listed.list_id,
            relation=listed.relation,
            certainty=listed.certainty,
            evidence_id=listed.evidence_id,
        )
        act.session.add(row)
        act.session.flush()
        if listed.store is not None:
            act.session.add(ScopeListStore(scope_list_id=row.id, store_id=stores[listed.store]))
    act.session.flush()
