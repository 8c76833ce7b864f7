"""Changing a scope: what the next version says when a store, a party or a list is added or taken out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.scopes import Scope, TouchedList, TouchedStore
from incident_app.domain.vocabulary import Cause, Harm

NOTHING_YET = Scope(harms=frozenset({Harm.CONFIDENTIALITY}), cause=Cause.UNKNOWN)
"""Where the first version of a scope begins."""


class CategoryElsewhere(BadInput):
    """{field}: nothing of the category {category} lies in this store."""

    ja = "{field}：この保管先にはカテゴリ「{category}」の項目がありません。"


class StoreWithoutItems(BadInput):
    """{field}: nobody has written down what this store holds. Enter its items in the register, then add it."""

    ja = "{field}：この保管先に何があるかが台帳にありません。先に台帳に項目を登録してから加えてください。"


def choose_items(
    held: frozenset[str],
    *,
    items: Collection[str] = (),
    categories: Iterable[tuple[str, frozenset[str]]] = (),
    without: Collection[str] = (),
) -> frozenset[str] | None:
    """Return the chosen items of a store: all (None), those named, those of categories (B2), less `without`."""
    chosen = set(items)
    for category, under in categories:
        if not under & held:
            raise CategoryElsewhere(field="category", category=category)
        chosen |= under & held
    if unknown := sorted(set(without) - held):
        raise NotFound(what="data item of this store", name=", ".join(unknown))
    if not chosen and not held:
        raise StoreWithoutItems(field="store")
    left = (chosen or held) - set(without)
    if not left:
        raise BadInput(field="items", problem="name at least one item, or none to take all of them")
    return frozenset(left) if chosen or without else None


def with_store(scope: Scope, entry: TouchedStore, *, beside: bool = False) -> Scope:
    """Add a store; what was said of it before is replaced, unless the entry shall stand `beside` it."""
    kept = tuple(known for known in scope.stores if beside or known.store != entry.store)
    return replace(scope, stores=(*kept, entry))


def with_party(scope: Scope, entries: Collection[TouchedStore]) -> Scope:
    """Add the stores that a party operates; the cause lies with it."""
    named = {entry.store for entry in entries}
    kept = tuple(known for known in scope.stores if known.store not in named)
    return replace(scope, stores=(*kept, *entries), cause=Cause.AT_PROCESSOR)


def without_store(scope: Scope, store: str) -> Scope:
    """Take every entry of a store out; NotFound when there is none."""
    kept = tuple(known for known in scope.stores if known.store != store)
    if len(kept) == len(scope.stores):
        raise NotFound(what="store in this scope", name=store)
    return replace(scope, stores=kept)


def with_list(scope: Scope, listed: TouchedList) -> Scope:
    """Add a list; what it did to the scope before is replaced."""
    kept = tuple(known for known in scope.lists if known.list_id != listed.list_id)
    return replace(scope, lists=(*kept, listed))


def without_list(scope: Scope, list_id: int) -> Scope:
    """Take a list out; NotFound when it is not in this scope."""
    kept = tuple(known for known in scope.lists if known.list_id != list_id)
    if len(kept) == len(scope.lists):
        raise NotFound(what="list in this scope", name=list_id)
    return replace(scope, lists=kept)
