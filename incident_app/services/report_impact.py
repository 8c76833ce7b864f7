"""What reports say of the newest determination: which data, whose, how many, where and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.entrusting import EntrustingCustomer
from incident_app.domain.ids import IncidentId, ScopeId
from incident_app.domain.inventory import Inventory, Store
from incident_app.domain.person_counts import Count
from incident_app.domain.regimes import read_regime
from incident_app.domain.report_facts import Codes, FactList, FactValue
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import (
    Cause,
    Certainty,
    CountKind,
    DutyStatus,
    Harm,
    ItemFlag,
    Medium,
    OurRole,
    Relation,
)
from incident_app.domain.words import Words
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.playbooks import PlaybookVersion
from incident_app.services.counts import ALL, CARD
from incident_app.services.entrusting import entrusting_customers, organisation_names
from incident_app.services.facts import MY_NUMBER
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.person_counts import numbers_for_law
from incident_app.services.report_shares import PartOfImpact
from incident_app.services.scopes import read_scope

KIND_WORDS: Mapping[CountKind, Words] = {
    CountKind.EXACT: Words(ja="確定", en="exact"),
    CountKind.ESTIMATE: Words(ja="推定", en="estimate"),
    CountKind.MAXIMUM: Words(ja="最大", en="maximum"),
}
HARM_CODES: Mapping[Harm, str] = {Harm.CONFIDENTIALITY: "leak", Harm.INTEGRITY: "damage", Harm.AVAILABILITY: "loss"}
CAUSE_CODES: Mapping[Cause, str] = {
    Cause.UNAUTHORISED_ACCESS: "unauthorised-access",
    Cause.MALWARE: "malware",
    Cause.STAFF: "staff",
    Cause.MISCONFIGURATION: "misconfiguration",
    Cause.OUTSIDE_PURPOSE: "other",
    Cause.IMPROPER_ACQUISITION: "other",
}
"""A cause that forms divide further (sent, posted or handed to the wrong person; lost or stolen) is left to people."""
KINDS: Mapping[str, tuple[str, Words]] = {
    Relation.CUSTOMER: ("customer", Words(ja="顧客情報", en="customers")),
    Relation.BUSINESS_PARTNER: ("other", Words(ja="取引先情報", en="business partners")),
    Relation.SHAREHOLDER: ("other", Words(ja="株主情報", en="shareholders")),
    Relation.STAFF: ("staff", Words(ja="従業者情報", en="staff")),
}
PARTIES_NAMED = 20
"""So many entrusting parties are named in a paper; it says how many more there are."""
RULES = {"rule_items": "jp-appi", "number_rule_items": "jp-mynumber"}
"""The facts that say which situations of a regime hold."""
EEA = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO".split()  # noqa: SIM905
)


def impact_facts(
    session: Session,
    incident_id: IncidentId,
    determination: ImpactDetermination,
    known: FactList,
    part: PartOfImpact | None = None,
    country: str | None = None,
) -> dict[str, FactValue]:
    """Return what the newest determination answers: of the part that the recipient is told of, where there is one.

    `country` is the one whose authority is told: it reads how many of the people are there.
    """
    summary = cast("Mapping[str, Mapping[str, int]]", part.summary) if part else _summary(determination)
    inventory = read_inventory_snapshot(session, determination.inventory_digest)
    scope = read_scope(session, ScopeId(determination.scope_id))
    touched = [inventory.store(entry.store) for entry in scope.stores if entry.certainty is not Certainty.RULED_OUT]
    if part is not None:
        touched = [store for store in touched if store.code in part.stores]
    items = {item.code: item for item in inventory.items if item.code in summary.get("by_item", {})}
    facts: dict[str, FactValue] = {
        "event_kind": _event_kind(scope, summary.get("by_certainty", {})),
        "items": _joined([Words(ja=item.name_ja, en=item.name_en) for item in items.values()]),
        "item_kinds": known.kinds_of_items({code: frozenset(map(str, item.flags)) for code, item in items.items()}),
        "medium": _media(touched),
        "kinds_of_people": _relations(summary.get("by_relation", {})),
        "kinds_of_information": Codes(codes=tuple(KINDS[word][0] for word in summary.get("by_relation", {}))),
        "people_in_eea": _people_in_eea(summary, country),
        "people_in_uk": _people(_living_in(summary, {"GB"})),
        **_roles(inventory, scope, touched),
        **_entrusting_parties(session, incident_id),
        **_counts(numbers_for_law(session, incident_id) if part is None else part.counts),
        **_my_numbers(session, incident_id, determination, inventory, known),
    }
    if scope.cause in CAUSE_CODES:
        facts["cause_kind"] = Codes(codes=(CAUSE_CODES[scope.cause],))
    for fact, regime in RULES.items():
        if (found := _situations(session, incident_id, regime)) is not None:
            facts[fact] = found
    return facts


def _event_kind(scope: Scope, by_certainty: Mapping[str, int]) -> Codes:
    """Say what happened to the data, and whether for certain, of the people affected."""
    sure, possible = by_certainty.get(Certainty.CONFIRMED, 0), by_certainty.get(Certainty.ASSUMED, 0)
    marks = [mark for number, mark in ((sure, ""), (possible, "-possible")) if number] or [""]
    return Codes(codes=tuple(HARM_CODES[harm] + mark for harm in sorted(scope.harms) for mark in marks))


def _media(stores: Sequence[Store]) -> Codes:
    """Say paper or electronic; a scope of lists alone names no store, and nobody but its author knows the medium."""
    paper = any(store.medium is Medium.PAPER for store in stores)
    electronic = any(store.medium is not Medium.PAPER for store in stores)
    return Codes(codes=tuple(code for held, code in ((paper, "paper"), (electronic, "electronic")) if held))


def _joined(names: Sequence[Words]) -> Words:
    return Words(ja="、".join(name.ja for name in names), en=", ".join(name.en for name in names))


def _relations(by_relation: Mapping[str, int]) -> Words:
    return Words(
        ja="、".join(f"{KINDS[relation][1].ja}（{number:,}人）" for relation, number in by_relation.items()),
        en=", ".join(f"{KINDS[relation][1].en} ({number:,})" for relation, number in by_relation.items()),
    )


def _roles(inventory: Inventory, scope: Scope, touched: Sequence[Store]) -> dict[str, FactValue]:
    """Say who entrusted us with the data, whom we entrusted, and with whom it happened, as far as stores tell it."""
    parties = {store.operator: inventory.party(store.operator) for store in touched}
    others = [party for party in parties.values() if not party.is_ourselves]
    roles = {store.our_role for store in touched}
    facts: dict[str, FactValue] = {"processing": _yes(bool(others))}
    if others:
        facts["processor"] = _joined([Words(ja=party.name_ja, en=party.name_en) for party in others])
    if OurRole.PROCESSOR in roles or OurRole.UNDECIDED not in roles:
        facts["entrusting"] = _yes(OurRole.PROCESSOR in roles)
    if others or scope.cause is not Cause.AT_PROCESSOR:
        facts["where_it_happened"] = Codes(codes=("processor" if others else "reporter",))
    return facts


def _entrusting_parties(session: Session, incident_id: IncidentId) -> dict[str, FactValue]:
    """Name the organisations whose data we process; whose name was erased stands by its customer number."""
    parties = [one for one in entrusting_customers(session, incident_id) if OurRole.PROCESSOR in one.our_roles]
    if not parties:
        return {}
    names = organisation_names(session, parties[:PARTIES_NAMED])
    shared = {name for name, number in Counter(names.values()).items() if number > 1}
    named = [_party(one, names.get(one.customer_id), shared) for one in parties[:PARTIES_NAMED]]
    if more := len(parties) - len(named):
        named.append(Words(ja=f"ほか {more:,}社", en=f"and {more:,} more"))
    return {"entrusting_party": _joined(named)}


def _party(customer: EntrustingCustomer, name: str | None, shared: Collection[str]) -> Words:
    """Name a customer; two of one name are told apart by their numbers."""
    if not name:
        return customer.name
    if name not in shared:
        return Words(ja=name, en=name)
    return Words(ja=f"{name}（{customer.customer_number}）", en=f"{name} ({customer.customer_number})")


def _yes(answer: bool) -> Codes:  # noqa: FBT001 - it is the answer itself
    return Codes(codes=("yes" if answer else "no",))


def _living_in(summary: Mapping[str, Mapping[str, int]], countries: frozenset[str] | set[str]) -> int:
    return sum(count for country, count in summary.get("by_jurisdiction", {}).items() if country in countries)


def _people_in_eea(summary: Mapping[str, Mapping[str, int]], country: str | None) -> Words:
    everywhere = _people(_living_in(summary, EEA))
    if country not in EEA:
        return everywhere
    there = _people(_living_in(summary, {country}))
    return Words(
        ja=f"{everywhere.ja}（うちこの監督機関の加盟国 {there.ja}）",
        en=f"{everywhere.en} (of whom {there.en} in the member state of this authority)",
    )


def _people(number: int) -> Words:
    return Words(ja=f"{number:,}人", en=f"{number:,}")


def _summary(determination: ImpactDetermination) -> Mapping[str, Mapping[str, int]]:
    return determination.summary if isinstance(determination.summary, dict) else {}


def _counts(counts: Mapping[str, Count]) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {}
    for fact, plain, subject in (("people", "people_in_words", ALL), ("people_with_cards", "cards_in_words", CARD)):
        if subject in counts:
            facts[fact], facts[plain] = _count(counts[subject]), _published(counts[subject])
    if ALL in counts:
        facts["people_certainty"] = Codes(codes=(counts[ALL].kind,))
    return facts


def _my_numbers(
    session: Session,
    incident_id: IncidentId,
    determination: ImpactDetermination,
    inventory: Inventory,
    known: FactList,
) -> dict[str, FactValue]:
    """Return what is known of those alone whose My Number was affected: how many, and which of their items."""
    facts: dict[str, FactValue] = {}
    flagged = {item.code for item in inventory.items if ItemFlag.MY_NUMBER in item.flags}
    summary = determination.summary if isinstance(determination.summary, dict) else {}
    number = summary.get("by_flag", {}).get(ItemFlag.MY_NUMBER, 0)
    counts = numbers_for_law(session, incident_id)
    if MY_NUMBER in counts:
        facts["number_people"] = _count(counts[MY_NUMBER])
        facts["number_people_certainty"] = Codes(codes=(counts[MY_NUMBER].kind,))
    elif number:
        sure = summary.get("confirmed_by_flag", {}).get(ItemFlag.MY_NUMBER, 0) == number
        kind = CountKind.EXACT if sure else CountKind.MAXIMUM
        facts["number_people"] = Words(
            ja=f"{number:,}人（{KIND_WORDS[kind].ja}、影響の判定による）",
            en=f"{number:,} ({KIND_WORDS[kind].en}; by the determination of impact)",
        )
        facts["number_people_certainty"] = Codes(codes=(kind,))
    held = items_beside(session, determination.id, flagged)
    items = [item for item in inventory.items if item.code in held]
    if items:
        facts["number_items"] = _joined([Words(ja=item.name_ja, en=item.name_en) for item in items])
        facts["number_item_kinds"] = known.kinds_of_items({i.code: frozenset(map(str, i.flags)) for i in items})
    return facts


def items_beside(session: Session, determination_id: int, flagged: Collection[str]) -> set[str]:
    """Return every item of the people who are affected with one of these items."""
    if not flagged:
        return set()
    sets = session.scalars(
        sa.select(ImpactPattern.item_set_id).where(
            ImpactPattern.determination_id == determination_id, ImpactPattern.certainty != Certainty.RULED_OUT
        )
    ).all()
    return {code for codes in item_codes(session, sets).values() if set(codes) & set(flagged) for code in codes}


def _count(count: Count) -> Words:
    """Quote a number with what it rests on; which row of our history it stands in is kept beside the paper."""
    kind = KIND_WORDS[count.kind]
    return Words(
        ja=f"{count.value:,}人（{kind.ja}、{count.basis_ja.removesuffix('。')}）",
        en=f"{count.value:,} ({kind.en}; {count.basis_en.removesuffix('.')})",
    )


def _published(count: Count) -> Words:
    """Say a number to the public: how sure it is, and nothing of our records."""
    kind = KIND_WORDS[count.kind]
    number = Words(ja=f"{count.value:,}人", en=f"{count.value:,} {'person' if count.value == 1 else 'people'}")
    if count.kind is CountKind.EXACT:
        return number
    return Words(ja=f"{kind.ja} {number.ja}", en=f"{number.en} ({kind.en})")


def _situations(session: Session, incident_id: IncidentId, regime: str) -> Codes | None:
    """Say which situations of a regime hold, as its duties toward an authority say it; none while that is undecided.

    It is left to a person where we owe a tenant word and no authority: who told the tenant need not report, whatever
    the situation.
    """
    rows = session.execute(
        sa.select(Obligation.stage, Obligation.because, PlaybookVersion.content)
        .join(PlaybookVersion, PlaybookVersion.id == Obligation.playbook_version_id)
        .where(
            Obligation.incident_id == incident_id,
            Obligation.regime == regime,
            Obligation.status != DutyStatus.SUPERSEDED,
        )
    ).all()
    if not rows:
        return Codes(codes=("none",))
    found: list[str] = []
    for stage, because, content in rows:
        read = read_regime(content, file=regime)
        if not any(report.code == stage and report.answers_to("preliminary") for report in read.reports):
            continue
        said = str(because.get("ja", "")) if isinstance(because, dict) else ""
        found += [situation.code for situation in read.situations if f"{situation.name.ja}（該当）" in said]
    return Codes(codes=tuple(dict.fromkeys(found))) if found else None
