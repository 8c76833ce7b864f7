"""Impact: who is affected, with which data, how sure, and why. The rule judges patterns, never single holdings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.inventory import Inventory, Store
from incident_app.domain.people import People, digest_of_people, partition
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import Certainty, ListRelation, Protection
from incident_app.domain.zones import JST

RULES_VERSION = 3
"""Raised whenever an old question would be answered, or its answer digested, differently."""


@dataclass(frozen=True, kw_only=True, order=True)
class TouchedPair:
    """One thing that the scope touches for a person: an entry of the scope, and the items held there."""

    entry: int
    items: tuple[str, ...]
    upper_bound: bool = False
    """True when a third party's own list is missing, so that what we hold stands in for what it may hold."""


@dataclass(frozen=True, kw_only=True, order=True)
class Listing:
    """A person's place on a list of the scope; no items named means those of the stores touched."""

    entry: int
    items: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Everything the scope touches for one person. Ten million people fall into a few dozen patterns."""

    pairs: frozenset[TouchedPair] = field(default_factory=frozenset)
    listings: frozenset[Listing] = field(default_factory=frozenset)


Part: TypeAlias = TouchedPair | Listing


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The answer for one pattern."""

    items: frozenset[str]
    confirmed: frozenset[str]
    """Those of the items whose leak is confirmed; of the others it cannot be excluded."""
    certainty: Certainty
    """How sure it is that these people are affected at all: the ring they fall into (K3)."""
    mitigated: Mapping[str, Protection]
    stores: frozenset[str]
    """The stores that it leaked from, as far as known."""
    because_ja: tuple[str, ...]
    because_en: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One pattern, what is to be said of it, and the people who share it."""

    key: ContentDigest
    pattern: Pattern
    judgement: Judgement
    people: People


def judge(pattern: Pattern, scope: Scope, inventory: Inventory) -> Judgement | None:
    """Say which items of these people are affected, how sure that is, and why; None when nothing of theirs is.

    A person on a list that rules out is ruled out unless something confirms them: contradictory evidence is shown,
    never resolved in silence. Where the scope has lists with relation `only`, others are not affected by stores, and of
    those on them only the items that the lists name; a list that names none leaves the items as they are.

    Certainty belongs to each item: a confirmed list that names items confirms those; one that names none confirms
    what the touched stores hold of the person, but never what a third party may hold (upper bound). A person whom
    evidence adds without naming items is affected even if we find nothing of theirs: what leaked is then not known.
    """
    confined = any(entry.relation is ListRelation.ONLY for entry in scope.lists)
    listed = {
        entry: listing for entry in ListRelation for listing in pattern.listings if _relation(scope, listing) is entry
    }
    if confined and ListRelation.ONLY not in listed and ListRelation.ADDS not in listed:
        return None
    findings = _Findings(inventory, confirms_stores=any(_confirms_stores(scope, place) for place in pattern.listings))
    for listing in sorted(pattern.listings, key=lambda listing: listing.entry):
        findings.take_input_pages(scope, listing)
    if not confined or ListRelation.ONLY in listed:
        within = _only_these(scope, pattern.listings)
        for pair in sorted(pattern.pairs):
            findings.take_pair(scope.stores[pair.entry], pair, within)
    for listing in sorted(pattern.listings, key=lambda listing: listing.entry):
        findings.take_listing(scope, listing)
    return findings.judgement(ruled_out=ListRelation.RULES_OUT in listed, added=ListRelation.ADDS in listed)


def _only_these(scope: Scope, listings: Iterable[Listing]) -> frozenset[str] | None:
    """Return the items to which lists with relation `only` confine a person; None when one of them names none."""
    confining = [place.items for place in listings if _relation(scope, place) is ListRelation.ONLY]
    if not confining or None in confining:
        return None
    return frozenset(code for items in confining for code in items or ())


def _confirms_stores(scope: Scope, listing: Listing) -> bool:
    entry = scope.lists[listing.entry]
    names_people = entry.relation in {ListRelation.ADDS, ListRelation.ONLY}
    return names_people and entry.certainty is Certainty.CONFIRMED and listing.items is None


def _relation(scope: Scope, listing: Listing) -> ListRelation:
    return scope.lists[listing.entry].relation


_WEAKEST_FIRST = (Protection.NONE, Protection.PSEUDONYMISED, Protection.HASHED, Protection.ENCRYPTED_KEY_ELSEWHERE)


def _protection(store: Store, code: str, entry: TouchedStore) -> Protection:
    """Return the weakest protection that an item had in the window; what the inventory does not list lay open."""
    first = entry.touched_from.astimezone(JST).date() if entry.touched_from else date.min
    last = entry.touched_until.astimezone(JST).date() if entry.touched_until else date.max
    periods = [item for item in store.items if item.item == code]
    within = [
        item.protection
        for item in periods
        if (item.held_from or date.min) <= last and (item.held_until or date.max) >= first
    ]
    found = within or [item.protection for item in periods] or [Protection.NONE]
    return min(found, key=_WEAKEST_FIRST.index)


def _left_of(protection: Protection, entry: TouchedStore) -> Protection:
    """Return what still protects an item: encryption protects nobody once the key was touched too (B10)."""
    broken = entry.key_compromised and protection is Protection.ENCRYPTED_KEY_ELSEWHERE
    return Protection.NONE if broken else protection


class _Findings:
    """Collects what each source says about one pattern."""

    def __init__(self, inventory: Inventory, *, confirms_stores: bool) -> None:
        self.inventory = inventory
        self.confirms_stores = confirms_stores
        self.items: dict[str, bool] = {}
        """Item -> touched somewhere without protection."""
        self.protections: dict[str, Protection] = {}
        self.sure: set[str] = set()
        self.confirmed = False
        self.stores: set[str] = set()
        self.because_ja: list[str] = []
        self.because_en: list[str] = []

    def take_pair(self, entry: TouchedStore, pair: TouchedPair, within: frozenset[str] | None) -> None:
        """Take one touched store: the items held there that the scope entry and the lists of `only` name."""
        touched = set(pair.items)
        for named in (entry.items, within):
            touched &= touched if named is None else named
        if entry.certainty is Certainty.RULED_OUT or not touched:
            return
        store = self.inventory.store(entry.store)
        self.stores.add(store.code)
        for code in touched:
            self._touch(code, _left_of(_protection(store, code, entry), entry))
        confirmed = not pair.upper_bound and (entry.certainty is Certainty.CONFIRMED or self.confirms_stores)
        self.confirmed |= confirmed
        self.sure |= touched if confirmed else set()
        names_ja, names_en = self._names(touched, "ja"), self._names(touched, "en")
        if pair.upper_bound:
            self.because_ja.append(
                f"「{store.name_ja}」の一覧がまだないため、渡した可能性のある項目（{names_ja}）を上限として数えています。"
            )
            self.because_en.append(f"No list from {store.name_en} yet: counted as an upper bound ({names_en}).")
            return
        sure_ja, sure_en = (
            ("確認されています", "is confirmed") if confirmed else ("否定できません", "cannot be excluded")
        )
        self.because_ja.append(f"「{store.name_ja}」に保管（{names_ja}）。ここからの流出は{sure_ja}。")
        self.because_en.append(f"Held in {store.name_en} ({names_en}); a leak from it {sure_en}.")

    def take_input_pages(self, scope: Scope, listing: Listing) -> None:
        """Take the pages whose input was being taken while the people of a list used them: nothing is stored there."""
        listed = scope.lists[listing.entry]
        if listed.relation is ListRelation.RULES_OUT or listed.store is None:
            return
        for entry in scope.stores:
            if not entry.acquiring or entry.store != listed.store or entry.certainty is Certainty.RULED_OUT:
                continue
            store = self.inventory.store(entry.store)
            typed = frozenset(item.item for item in store.items) if entry.items is None else entry.items
            taken = typed if listing.items is None else typed & set(listing.items)
            for code in taken:
                self._touch(code, Protection.NONE)
            if entry.certainty is listed.certainty is Certainty.CONFIRMED:
                self.sure |= taken
            self.stores.add(store.code)
            names_ja, names_en = self._names(taken, "ja"), self._names(taken, "en")
            self.because_ja.append(f"「{store.name_ja}」に入力した情報（{names_ja}）が、入力の際に取得されました。")
            self.because_en.append(f"Typed into {store.name_en} ({names_en}) while input was being taken there.")

    def take_listing(self, scope: Scope, listing: Listing) -> None:
        """Take one place on a list."""
        entry = scope.lists[listing.entry]
        if entry.relation is ListRelation.RULES_OUT:
            self.because_ja.append("調査により、影響を受けていない人の一覧に載っています。")
            self.because_en.append("On a list of people whom the investigation ruled out.")
            return
        for code in listing.items or ():
            self._touch(code, Protection.NONE)
        if entry.certainty is Certainty.CONFIRMED:
            self.confirmed = True
            self.sure |= set(listing.items or ())
        named_ja = f"（{self._names(listing.items, 'ja')}）" if listing.items else ""
        named_en = f" ({self._names(listing.items, 'en')})" if listing.items else ""
        sure_ja = "確定" if entry.certainty is Certainty.CONFIRMED else "推定"
        self.because_ja.append(f"調査で得た一覧（{sure_ja}）に載っています{named_ja}。")
        self.because_en.append(f"On a list from the investigation ({entry.certainty}){named_en}.")

    def judgement(self, *, ruled_out: bool, added: bool) -> Judgement | None:
        """Return the answer, or None when nothing is affected."""
        if not self.items and not ruled_out and not added:
            return None
        if not self.items and added:
            self.because_ja.append("どの項目が漏えいしたかは、まだ分かっていません。")
            self.because_en.append("Which items leaked is not known yet.")
        certainty = Certainty.CONFIRMED if self.confirmed else Certainty.ASSUMED
        if ruled_out and not self.confirmed:
            certainty = Certainty.RULED_OUT
        elif ruled_out:
            self.because_ja.append("除外の一覧と確定の根拠が食い違っています。確定として扱います。")
            self.because_en.append("The list that rules out contradicts what confirms; treated as confirmed.")
        return Judgement(
            items=frozenset(self.items),
            confirmed=frozenset(self.sure),
            certainty=certainty,
            mitigated={code: self.protections[code] for code, bare in sorted(self.items.items()) if not bare},
            stores=frozenset(self.stores),
            because_ja=tuple(self.because_ja),
            because_en=tuple(self.because_en),
        )

    def _touch(self, code: str, protection: Protection) -> None:
        bare = protection is Protection.NONE
        self.items[code] = self.items.get(code, False) or bare
        if not bare:
            self.protections[code] = protection

    def _names(self, codes: Iterable[str], language: str) -> str:
        items = [self.inventory.item(code) for code in sorted(codes)]
        return ("・" if language == "ja" else ", ").join(
            item.name_ja if language == "ja" else item.name_en for item in items
        )


def answer(touched: Mapping[Part, People], scope: Scope, inventory: Inventory) -> tuple[Answer, ...]:
    """Group people by what touches them and judge each group once, in a fixed order."""
    answers = []
    for parts, whom in partition(touched).items():
        pattern = Pattern(
            pairs=frozenset(part for part in parts if isinstance(part, TouchedPair)),
            listings=frozenset(part for part in parts if isinstance(part, Listing)),
        )
        judgement = judge(pattern, scope, inventory)
        if judgement is not None:
            answers.append(Answer(key=pattern_key(pattern), pattern=pattern, judgement=judgement, people=whom))
    return tuple(sorted(answers, key=lambda found: found.key))


def inputs_digest(scope: Scope, inventory_digest: str, known_at: object) -> ContentDigest:
    """Return the digest of the question: the same question is stored once."""
    return digest_of({"scope": scope.content(), "inventory": inventory_digest, "known_at": known_at})


def pattern_key(pattern: Pattern) -> ContentDigest:
    """Return what tells one pattern from another, the same in every run."""
    return digest_of(
        {
            "pairs": [[pair.entry, pair.items, pair.upper_bound] for pair in sorted(pattern.pairs)],
            "listings": [[listing.entry, listing.items] for listing in sorted(pattern.listings, key=_listing_order)],
        },
    )


def _listing_order(listing: Listing) -> tuple[int, tuple[str, ...]]:
    return (listing.entry, listing.items or ())


def result_digest(answers: Iterable[Answer]) -> ContentDigest:
    """Return the digest of a whole answer: each pattern with its judgement and exactly which people it holds."""
    return digest_of(
        {
            found.key: [
                found.judgement.items,
                found.judgement.confirmed,
                found.judgement.certainty,
                found.judgement.mitigated,
                found.judgement.because_en,
                len(found.people),
                digest_of_people(found.people),
            ]
            for found in answers
        },
    )
