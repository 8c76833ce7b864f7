"""Scope: what was touched, when, and how sure we are of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    evidence_id: int | None = None
    acquiring: bool = False
    """Data was taken while people typed it in (a tampered input page): what the store holds says nothing about whom."""
    key_compromised: bool = False
    """The key was touched too: encryption protects nobody (B10)."""


@dataclass(frozen=True, kw_only=True)
class TouchedList:
    """A loaded list of customers and what it does to the scope."""

    list_id: int
    list_digest: str
    relation: ListRelation
    certainty: Certainty
    evidence_id: int | None = None
    store: str | None = None
    """The store that these people used: whom the list of an input page names."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What an incident touched, as one version of it says."""

    harms: frozenset[Harm]
    cause: Cause
    stores: tuple[TouchedStore, ...] = ()
    lists: tuple[TouchedList, ...] = ()

    def content(self) -> Mapping[str, object]:
        """Return what decides the impact, ready to be digested. Reasons and evidence do not change who is affected.

        What came later into the model is named only where it is set: the digests of old scopes stay what they were.
        """
        return {"harms": self.harms, "stores": [*map(_of_store, self.stores)], "lists": [*map(_of_list, self.lists)]}


def _of_store(entry: TouchedStore) -> list[object]:
    words = {
        name: True
        for name, is_set in (("acquiring", entry.acquiring), ("key_compromised", entry.key_compromised))
        if is_set
    }
    fixed: list[object] = [entry.store, entry.items, entry.touched_from, entry.touched_until, entry.certainty]
    return [*fixed, words] if words else fixed


def _of_list(entry: TouchedList) -> list[object]:
    fixed: list[object] = [entry.list_digest, entry.relation, entry.certainty]
    return [*fixed, {"store": entry.store}] if entry.store else fixed


class ItemsLeftOut(BadInput):
    """{field}: say why the other items of this store were not touched."""

    ja = "{field}：この保管先のほかの項目が範囲に入らない理由を書いてください。"


class BackwardsWindow(BadInput):
    """{field}: the end lies before the beginning."""

    ja = "{field}：終わりが始まりより前です。"


class EvidenceNeeded(BadInput):
    """{field}: ruling {what} out needs evidence. Add the file with `scope evidence add` and name its number."""

    ja = "{field}：{what} を除外するには証拠が必要です。証拠を保管し、その番号を示してください。"


class KeyNeedsReason(BadInput):
    """{field}: say why the key counts as touched, or name the evidence."""

    ja = "{field}：鍵にも触れられたとする理由を書くか、証拠を示してください。"


class ContradictoryEntries(BadInput):
    """{field}: ruled out and {other} at the same time for the same items ({items}). Part the windows or the items."""

    ja = "{field}：同じ時間・同じ項目（{items}）が「除外」と「{other}」の両方です。期間か項目を分けてください。"


class NamedTwice(BadInput):
    """{field}: {what} stands in this scope twice."""

    ja = "{field}：{what} が二度書かれています。"


class ListTwice(BadInput):
    """{field}: list {list_id} stands in this scope twice ({relations}). A list does one thing to a scope."""

    ja = "{field}：一覧 {list_id} が二度使われています（{relations}）。一つの範囲では一つの使い方だけです。"


class ListAddsNobody(BadInput):
    """{field}: list {list_id} is ruled out, yet its relation is {relation}. To rule people out, say rules_out."""

    ja = "{field}：一覧 {list_id} は「除外」なのに使い方が「{relation}」です。除外には rules_out を選んでください。"


class NarrowingNeedsReason(BadInput):
    """{field}: this version takes something out of the scope ({what}). Say why."""

    ja = "{field}：前の版から外れるものがあります（{what}）。理由を書いてください。"


def check_scope(
    scope: Scope, *, items_of_store: Mapping[str, frozenset[str]], all_items: frozenset[str], outsiders: int = 0
) -> None:
    """Refuse a scope that names nothing, an unknown store or item, a backwards window, or leaves items out unexplained.

    Where affected people outside the inventory are on record, a scope may say cause and harm only.
    Choosing a store fills in its items; taking some of them away needs a reason (B3). Ruling out needs evidence, and
    what is ruled out cannot be touched as well.
    """
    if not scope.stores and not scope.lists and not outsiders:
        raise BadInput(
            field="scope", problem="name at least one store, list of customers or person outside the register"
        )
    if not scope.harms:
        raise BadInput(field="harms", problem="say what happened to the data: confidentiality, integrity, availability")
    for entry in scope.stores:
        if entry.store not in items_of_store:
            raise NotFound(what="store", name=entry.store)
        _check_items(entry, items_of_store[entry.store], all_items)
        _check_window(entry)
        _check_evidence(entry)
    _check_pairs(scope, items_of_store)
    _check_lists(scope, items_of_store)


def _check_items(entry: TouchedStore, held: frozenset[str], all_items: frozenset[str]) -> None:
    if entry.items is None:
        return
    if unknown := sorted(entry.items - all_items):
        raise NotFound(what="data item", name=", ".join(unknown))
    if not entry.items:
        raise BadInput(field=entry.store, problem="name at least one item, or none to take all of them")
    if held - entry.items and not (entry.reason or "").strip():
        raise ItemsLeftOut(field=entry.store)


def _check_window(entry: TouchedStore) -> None:
    for field, moment in (("touched_from", entry.touched_from), ("touched_until", entry.touched_until)):
        if moment is not None and moment.tzinfo is None:
            raise BadInput(field=field, problem="the time has no UTC offset; write it like 2026-11-24T17:20+09:00")
    if entry.touched_from and entry.touched_until and entry.touched_until < entry.touched_from:
        raise BackwardsWindow(field="touched_until")


def _check_evidence(entry: TouchedStore) -> None:
    if entry.certainty is Certainty.RULED_OUT and entry.evidence_id is None:
        raise EvidenceNeeded(field="evidence", what=entry.store)
    if entry.key_compromised and entry.evidence_id is None and not (entry.reason or "").strip():
        raise KeyNeedsReason(field=entry.store)


def _check_pairs(scope: Scope, items_of_store: Mapping[str, frozenset[str]]) -> None:
    """Refuse an entry that stands twice, and one that is ruled out where another says it was touched."""
    for place, one in enumerate(scope.stores):
        for other in scope.stores[place + 1 :]:
            if one.store != other.store or not _overlap(one, other):
                continue
            held = items_of_store[one.store]
            shared = (held if one.items is None else one.items) & (held if other.items is None else other.items)
            if _of_store(one) == _of_store(other):
                raise NamedTwice(field="stores", what=one.store)
            certainties = {one.certainty, other.certainty}
            if shared and Certainty.RULED_OUT in certainties and len(certainties) > 1:
                touched = one.certainty if other.certainty is Certainty.RULED_OUT else other.certainty
                raise ContradictoryEntries(field=one.store, other=touched, items=", ".join(sorted(shared)))


def _overlap(one: TouchedStore, other: TouchedStore) -> bool:
    return _begins_by_the_end(one, other) and _begins_by_the_end(other, one)


def _begins_by_the_end(one: TouchedStore, other: TouchedStore) -> bool:
    return one.touched_from is None or other.touched_until is None or one.touched_from <= other.touched_until


def _check_lists(scope: Scope, items_of_store: Mapping[str, frozenset[str]]) -> None:
    relations: dict[int, list[str]] = {}
    for listed in scope.lists:
        relations.setdefault(listed.list_id, []).append(listed.relation)
        if listed.store is not None and listed.store not in items_of_store:
            raise NotFound(what="store", name=listed.store)
        rules_out = listed.relation is ListRelation.RULES_OUT
        if rules_out and listed.evidence_id is None:
            raise EvidenceNeeded(field="evidence", what="people")
        if listed.certainty is Certainty.RULED_OUT and not rules_out:
            raise ListAddsNobody(field="certainty", list_id=listed.list_id, relation=listed.relation)
    for list_id, found in relations.items():
        if len(found) > 1:
            raise ListTwice(field="lists", list_id=list_id, relations=", ".join(found))


def check_narrowing(
    before: Scope, after: Scope, *, items_of_store: Mapping[str, frozenset[str]], reason: str | None
) -> None:
    """Refuse to take a store, an item, a time or a list out of a scope without a reason (B3)."""
    if (reason or "").strip():
        return
    lost = [entry for entry in before.stores if not _is_kept(entry, after, items_of_store)]
    unexplained = [
        entry.store
        for entry in lost
        if not any(now.store == entry.store and (now.reason or "").strip() for now in after.stores)
    ]
    kept = {listed.list_id for listed in after.lists}
    unexplained += [f"list {listed.list_id}" for listed in before.lists if listed.list_id not in kept]
    if unexplained:
        raise NarrowingNeedsReason(field="reason", what=", ".join(dict.fromkeys(unexplained)))


def _is_kept(entry: TouchedStore, after: Scope, items_of_store: Mapping[str, frozenset[str]]) -> bool:
    if entry.certainty is Certainty.RULED_OUT:
        return True
    held = items_of_store.get(entry.store, frozenset())
    items = held if entry.items is None else entry.items & held
    return any(
        now.store == entry.store
        and now.certainty is not Certainty.RULED_OUT
        and items <= (held if now.items is None else now.items)
        and _contains(now, entry)
        for now in after.stores
    )


def _contains(outer: TouchedStore, inner: TouchedStore) -> bool:
    begins = outer.touched_from is None or (inner.touched_from is not None and outer.touched_from <= inner.touched_from)
    ends = outer.touched_until is None or (
        inner.touched_until is not None and outer.touched_until >= inner.touched_until
    )
    return begins and ends


@dataclass(frozen=True, kw_only=True)
class ScopeDiff:
    """What one version of a scope says that another does not."""

    added_stores: tuple[TouchedStore, ...]
    removed_stores: tuple[TouchedStore, ...]
    added_lists: tuple[TouchedList, ...]
    removed_lists: tuple[TouchedList, ...]
    harms_before: frozenset[Harm]
    harms_after: frozenset[Harm]
    cause_before: Cause
    cause_after: Cause

    @property
    def is_empty(self) -> bool:
        """Tell whether both versions say the same."""
        entries = (*self.added_stores, *self.removed_stores, *self.added_lists, *self.removed_lists)
        return not entries and (self.harms_before, self.cause_before) == (self.harms_after, self.cause_after)


def diff_scopes(before: Scope, after: Scope) -> ScopeDiff:
    """Compare two versions entry by entry; an entry that changed is named on both sides."""
    return ScopeDiff(
        added_stores=tuple(entry for entry in after.stores if entry not in before.stores),
        removed_stores=tuple(entry for entry in before.stores if entry not in after.stores),
        added_lists=tuple(entry for entry in after.lists if entry not in before.lists),
        removed_lists=tuple(entry for entry in before.lists if entry not in after.lists),
        harms_before=before.harms,
        harms_after=after.harms,
        cause_before=before.cause,
        cause_after=after.cause,
    )


def without_people(scope: Scope) -> Iterator[TouchedStore]:
    """Yield the entries of data being taken for which no list says who they were: unknown, never zero."""
    named = {listed.store for listed in scope.lists if listed.relation is not ListRelation.RULES_OUT}
    for entry in scope.stores:
        if entry.acquiring and entry.certainty is not Certainty.RULED_OUT and entry.store not in named:
            yield entry
