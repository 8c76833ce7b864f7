"""Companies that the touched data concerns: operators, recipients, processors and joint users, with the reason.

What we published of a company and what contracts or transfer lists say are kept apart: where they differ, that is a
finding of its own, and each may ask for another duty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from incident_app.domain.impact import Answer
from incident_app.domain.inventory import Disclosure, Inventory, JointUseGroup
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import Certainty, DisclosureBasis, PartyRole
from incident_app.domain.words import Words


@dataclass(frozen=True, kw_only=True)
class AffectedPartyFinding:
    """One company in one role, by what we published or by what is known, and why it is concerned."""

    party: str
    role: PartyRole
    basis: DisclosureBasis
    items: frozenset[str]
    uncertain: frozenset[str]
    """Items of which a published list leaves open whether the company has them."""
    reason: Words


@dataclass(frozen=True, kw_only=True)
class _Reason:
    """One ground for which one company is concerned."""

    party: str
    role: PartyRole
    basis: DisclosureBasis
    items: frozenset[str]
    uncertain: frozenset[str] = frozenset()
    words: Words


def affected_parties(scope: Scope, inventory: Inventory, answers: Iterable[Answer]) -> tuple[AffectedPartyFinding, ...]:
    """Return the companies, other than ourselves, that have what was touched; nothing ruled out counts."""
    touched = _touched(scope, inventory)
    leaked = frozenset().union(*touched.values(), *_affected_items(answers))
    found: dict[tuple[str, PartyRole, DisclosureBasis], list[_Reason]] = {}
    for reason in (*_operators(inventory, touched), *_disclosed(inventory, leaked), *_joint_users(inventory, leaked)):
        if not inventory.party(reason.party).is_ourselves:
            found.setdefault((reason.party, reason.role, reason.basis), []).append(reason)
    return tuple(_finding(*key, found[key]) for key in sorted(found))


def _finding(party: str, role: PartyRole, basis: DisclosureBasis, reasons: Iterable[_Reason]) -> AffectedPartyFinding:
    known = list(reasons)
    items = frozenset().union(*(reason.items for reason in known))
    said = dict.fromkeys(reason.words for reason in known)
    return AffectedPartyFinding(
        party=party,
        role=role,
        basis=basis,
        items=items,
        uncertain=frozenset().union(*(reason.uncertain for reason in known)) - items,
        reason=Words(ja="".join(words.ja for words in said), en=" ".join(words.en for words in said)),
    )


def _touched(scope: Scope, inventory: Inventory) -> dict[str, frozenset[str]]:
    """Return what was touched in each store; no items named means all that the store holds."""
    found: dict[str, frozenset[str]] = {}
    for entry in scope.stores:
        if entry.certainty is not Certainty.RULED_OUT:
            held = frozenset(item.item for item in inventory.store(entry.store).items)
            found[entry.store] = found.get(entry.store, frozenset()) | (held if entry.items is None else entry.items)
    return found


def _affected_items(answers: Iterable[Answer]) -> Iterator[frozenset[str]]:
    for answer in answers:
        if answer.judgement.certainty is not Certainty.RULED_OUT:
            yield answer.judgement.items


def _operators(inventory: Inventory, touched: dict[str, frozenset[str]]) -> Iterator[_Reason]:
    """Yield who operates a store that was touched, in each role in which it got data from us."""
    for code, items in sorted(touched.items()):
        store = inventory.store(code)
        roles = {entry.role for entry in inventory.disclosures if entry.party == store.operator}
        for role in sorted(roles) or [PartyRole.UNDECIDED]:
            words = Words(
                ja=f"触れられた「{store.name_ja}」を運用しています。",
                en=f"It operates {store.name_en}, which was touched.",
            )
            yield _Reason(party=store.operator, role=role, basis=DisclosureBasis.ACTUAL, items=items, words=words)


def _disclosed(inventory: Inventory, leaked: frozenset[str]) -> Iterator[_Reason]:
    """Yield who received items that leaked, for what, by the policy or by a contract or transfer list."""
    for entry in inventory.disclosures:
        if items := entry.items & leaked:
            yield _Reason(party=entry.party, role=entry.role, basis=entry.basis, items=items, words=_received(entry))


_SOURCES = {
    DisclosureBasis.PUBLISHED: Words(ja="公表したポリシー", en="the published policy"),
    DisclosureBasis.ACTUAL: Words(ja="契約または提供記録", en="a contract or transfer list"),
}


def _received(entry: Disclosure) -> Words:
    source = _SOURCES[entry.basis]
    purpose_ja = f"（目的：{entry.purpose_ja}）" if entry.purpose_ja else ""
    purpose_en = f" (purpose: {entry.purpose_en})" if entry.purpose_en else ""
    return Words(
        ja=f"{source.ja}によれば、影響を受けた項目を受け取っています{purpose_ja}。",
        en=f"By {source.en} it received affected items{purpose_en}.",
    )


def _joint_users(inventory: Inventory, leaked: frozenset[str]) -> Iterator[_Reason]:
    """Yield the members of groups that use items jointly which leaked, or that may be among those they use."""
    for group in inventory.joint_use:
        items, uncertain = group.items & leaked, group.uncertain & leaked
        if items or uncertain:
            for member in group.members:
                yield _Reason(
                    party=member.party,
                    role=PartyRole.JOINT_USER,
                    basis=DisclosureBasis.PUBLISHED,
                    items=items,
                    uncertain=uncertain,
                    words=_shared(group, member.party),
                )


def _shared(group: JointUseGroup, party: str) -> Words:
    if party == group.responsible:
        return Words(
            ja=f"共同利用「{group.name_ja}」の管理責任者です。",
            en=f"It is responsible for: {group.name_en}.",
        )
    return Words(ja=f"共同利用「{group.name_ja}」の利用者です。", en=f"It takes part in: {group.name_en}.")
