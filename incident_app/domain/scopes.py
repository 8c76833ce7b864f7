"""Scope: what was touched, when, and how sure we are of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.vocabulary import Cause, Certainty, Harm, ListRelation


@dataclass(frozen=True, kw_only=True)
class TouchedStore:
    """One store, or some of its items, that was touched in a window of time. No items named means all of them."""

    store: str
    items: frozenset[str] | None = None
    touched_from: datetime | None = None
    touched_until: datetime | None = None
    certainty: Certainty
    via_party: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class TouchedList:
    """A loaded list of customers and what it does to the scope."""

    list_id: int
    list_digest: str
    relation: ListRelation
    certainty: Certainty
    evidence_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What an incident touched, as one version of it says."""

    harms: frozenset[Harm]
    cause: Cause
    stores: tuple[TouchedStore, ...] = ()
    lists: tuple[TouchedList, ...] = ()

    def content(self) -> Mapping[str, object]:
        """Return what decides the impact, ready to be digested. Reasons and evidence do not change who is affected."""
        return {
            "harms": self.harms,
            "stores": [
                [entry.store, entry.items, entry.touched_from, entry.touched_until, entry.certainty]
                for entry in self.stores
            ],
            "lists": [[entry.list_digest, entry.relation, entry.certainty] for entry in self.lists],
        }


def check_scope(scope: Scope, *, items_of_store: Mapping[str, frozenset[str]], all_items: frozenset[str]) -> None:
    """Refuse a scope that names nothing, an unknown store or item, a backwards window, or leaves items out unexplained.

    Choosing a store fills in its items; taking some of them away needs a reason (B3).
    """
    if not scope.stores and not scope.lists:
        raise BadInput(field="scope", problem="name at least one store or one list of customers")
    if not scope.harms:
        raise BadInput(field="harms", problem="say what happened to the data: confidentiality, integrity, availability")
    for entry in scope.stores:
        if entry.store not in items_of_store:
            raise NotFound(what="store", name=entry.store)
        _check_items(entry, items_of_store[entry.store], all_items)
        _check_window(entry)
    for listed in scope.lists:
        if listed.relation is ListRelation.RULES_OUT and listed.evidence_id is None:
            raise BadInput(field="evidence", problem="ruling people out needs evidence")


def _check_items(entry: TouchedStore, held: frozenset[str], all_items: frozenset[str]) -> None:
    if entry.items is None:
        return
    if unknown := sorted(entry.items - all_items):
        raise NotFound(what="data item", name=", ".join(unknown))
    if not entry.items:
        raise BadInput(field=entry.store, problem="name at least one item, or none to take all of them")
    if held - entry.items and not (entry.reason or "").strip():
        raise BadInput(field=entry.store, problem="say why the other items of this store were not touched")


def _check_window(entry: TouchedStore) -> None:
    for field, moment in (("touched_from", entry.touched_from), ("touched_until", entry.touched_until)):
        if moment is not None and moment.tzinfo is None:
            raise BadInput(field=field, problem="the time has no UTC offset; write it like 2026-11-24T17:20+09:00")
    if entry.touched_from and entry.touched_until and entry.touched_until < entry.touched_from:
        raise BadInput(field="touched_until", problem="the end lies before the beginning")
