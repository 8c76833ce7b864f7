"""Previewing a scope: the exact effect it would have, shown before anything is stored."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, cast

import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.impact import Answer, answer
from incident_app.domain.impact_difference import difference
from incident_app.domain.impact_summary import Segment, Summary, summarise
from incident_app.domain.inventory import Inventory
from incident_app.domain.people import People, people
from incident_app.domain.person_counts import CountOrigin
from incident_app.domain.scopes import Scope, TouchedStore, without_people
from incident_app.domain.vocabulary import Certainty
from incident_app.persistence.customers import Customer
from incident_app.persistence.gathering import gather, keys_of
from incident_app.persistence.segments import segments_of
from incident_app.persistence.touched import BySet, Listed, Sources, customer_ranges, touched_people
from incident_app.services.facts import affected_in, facts_of
from incident_app.services.foreseen_duties import ForeseenDuties, foresee_duties
from incident_app.services.impact import newest_knowledge
from incident_app.services.impact_views import Said, said_of_people
from incident_app.services.people import newest_determination
from incident_app.services.person_counts import number_for_law
from incident_app.services.scope_inventory import inventory_of
from incident_app.services.scopes import check_in
from incident_app.services.transaction import reading

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a scope would do. Nothing of it is stored."""

    summary: Summary
    compared_with: int | None
    """The newest version of the impact, if there is one."""
    added: int
    removed: int
    changed: int
    """People against that version; without one everybody is new."""
    upper_bounds: tuple[str, ...]
    """Stores of third parties whose lists are missing: what stands for them is a maximum."""
    duties: ForeseenDuties
    people_unknown: tuple[str, ...]
    """Stores whose input was being taken and of whose users there is no list yet: unknown, not zero."""


class PreviewCache:
    """What previews have read, by store and window: editing a scope moves set algebra, not the database.

    Nothing in it can be stale: it is emptied as soon as an import was sealed or the inventory changed. Safe for
    several threads; at most `limit` readings are kept (each a few megabytes at ten million customers).
    """

    def __init__(self, *, limit: int = 100) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._stands_for: tuple[datetime, ContentDigest] | None = None
        self._kept: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, stands_for: tuple[datetime, ContentDigest], key: Hashable, read: Callable[[], Value]) -> Value:
        """Return what was read before for the same knowledge and inventory, else read it."""
        with self._lock:
            if self._stands_for != stands_for:
                self._kept.clear()
                self._stands_for = stands_for
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]  # type: ignore[return-value] # kept under its own key only
        value = read()  # outside the lock: another preview need not wait for it
        with self._lock:
            if self._stands_for == stands_for:
                self._kept[key] = value
                while len(self._kept) > self._limit:
                    self._kept.popitem(last=False)
        return value


class _CachedSources(Sources):
    """Sources that read the database only for what the cache does not hold yet."""

    def __init__(self, session: Session, known_at: datetime, inventory: Inventory, cache: PreviewCache) -> None:
        super().__init__(session, known_at, inventory)
        self._cache = cache
        self._stands_for = (known_at, inventory.digest)

    def kept(self, key: Hashable, read: Callable[[], Value]) -> Value:
        """Return what the cache holds for this knowledge and inventory, else read it."""
        return self._cache.get(self._stands_for, key, read)

    def holders(self, entry: TouchedStore) -> tuple[bool, BySet]:
        key = ("store", entry.store, entry.touched_from, entry.touched_until)
        return self.kept(key, lambda: super(_CachedSources, self).holders(entry))

    def listed(self, list_id: int) -> Listed:
        return self.kept(("list", list_id), lambda: super(_CachedSources, self).listed(list_id))

    def segments(self) -> Mapping[Segment, People]:
        """Return all customers by segment."""
        return self.kept("segments", lambda: segments_of(self.session, self._everybody(), self.known_at))

    def _everybody(self) -> People:
        whom = BitMap()
        for low, high in customer_ranges(self.session):
            query = sa.select(gather(self.session, Customer.id)).where(Customer.id.between(low, high))
            whom.update(keys_of(self.session.scalar(query) or []))
        return people(whom)


def preview_scope(
    engine: Engine, cache: PreviewCache, incident_id: IncidentId, scope: Scope, *, designated_operator: bool = False
) -> Preview:
    """Answer a scope as a determination would at this moment: exact, never sampled, and nothing is stored.

    What could not be set is refused here too, but for the reason of taking something out: that is asked for later.
    """
    with reading(engine) as session:
        check_in(session, incident_id, scope, "preview")
        inventory = inventory_of(session, scope)
        known_at = newest_knowledge(session)
        sources = _CachedSources(session, known_at, inventory, cache)
        answers = answer(touched_people(scope, inventory, sources), scope, inventory)
        summary = summarise(answers, sources.segments(), inventory)
        version, before = _newest_said(session, incident_id, sources)
        found = difference(before, _said(answers))
        facts = facts_of(
            session,
            incident_id,
            scope=scope,
            inventory=inventory,
            summary=cast("Mapping[str, Mapping[str, int]]", summary),
            people=_people(session, incident_id, summary),
            designated_operator=designated_operator,
        )
        return Preview(
            summary=summary,
            compared_with=version,
            added=len(found.added),
            removed=len(found.removed),
            changed=len(found.changed),
            upper_bounds=_upper_bounds(scope, answers),
            duties=foresee_duties(session, incident_id, facts),
            people_unknown=tuple(entry.store for entry in without_people(scope)),
        )


def _people(session: Session, incident_id: IncidentId, summary: Summary) -> int:
    """Return the number that the law would count: what a person knows goes before what the scope says."""
    stated = number_for_law(session, incident_id)
    if stated is not None and stated.origin is CountOrigin.PERSON:
        return stated.value
    return affected_in(cast("Mapping[str, Mapping[str, int]]", summary))


def _newest_said(
    session: Session, incident_id: IncidentId, sources: _CachedSources
) -> tuple[int | None, Mapping[Said, People]]:
    try:
        newest = newest_determination(session, incident_id)
    except NotFound:
        return None, {}
    return newest.version, sources.kept(("determination", newest.id), lambda: said_of_people(session, newest.id))


def _said(answers: tuple[Answer, ...]) -> dict[Said, People]:
    said: dict[Said, People] = {}
    for found in answers:
        if found.judgement.certainty is not Certainty.RULED_OUT:
            key = Said(items=found.judgement.items, confirmed=found.judgement.confirmed)
            said[key] = said.get(key, people(())) | found.people
    return said


def _upper_bounds(scope: Scope, answers: tuple[Answer, ...]) -> tuple[str, ...]:
    pairs = {pair for found in answers for pair in found.pattern.pairs if pair.upper_bound}
    return tuple(sorted({scope.stores[pair.entry].store for pair in pairs}))
