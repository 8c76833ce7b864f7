"""Filling the pack of a customer who entrusted data, from the same rows that pages, notices and reports show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.deadlines import due_time
from incident_app.domain.entrusting import ENTRUSTED, EntrustingCustomer, subject_of
from incident_app.domain.ids import IncidentId, ScopeId
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.inventory import Inventory
from incident_app.domain.person_counts import Count
from incident_app.domain.regimes import read_regime
from incident_app.domain.report_facts import FactList, FactValue
from incident_app.domain.scopes import Scope
from incident_app.domain.tenant_packs import (
    OFFER,
    ONLY_IN_BUSINESS,
    PEOPLE_NOT_TOLD,
    PERSONS_PEOPLE_NOT_TOLD,
    Estimate,
    TenantPack,
    nine_items,
)
from incident_app.domain.vocabulary import Certainty, Medium, MessageKind, OurRole
from incident_app.domain.words import Words
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.incidents import Incident
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.parties import PartyMessage
from incident_app.services.answer_words import ANSWERS
from incident_app.services.entrusting import get_entrusting, pattern_ids
from incident_app.services.incidents import get_row, newest_clocks
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.people import newest_determination
from incident_app.services.person_counts import number_for_law
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.report_drafts import typed_texts
from incident_app.services.report_facts import report_facts
from incident_app.services.report_impact import KIND_WORDS
from incident_app.services.scopes import read_scope
from incident_app.services.touched_pairs import pairs_that_count
from incident_app.services.transaction import reading

JST = ZoneInfo("Asia/Tokyo")
REGIME, REPORT = "jp-appi", "preliminary"
"""The report that the customer's own deadline is estimated by."""
NO_FACTS = FactList(facts={}, item_kinds=())


def tenant_pack(
    engine: Engine, incident_id: IncidentId, customer_number: str, *, offers_report: bool = False, now: datetime
) -> TenantPack:
    """Return the pack of one customer as it stands now; NotFound for one whose entrusted data is not affected."""
    with reading(engine) as session:
        return fill_pack(session, incident_id, customer_number, offers_report=offers_report, now=now)


def fill_pack(
    session: Session, incident_id: IncidentId, customer_number: str, *, offers_report: bool, now: datetime
) -> TenantPack:
    """Fill the pack inside a larger act."""
    customer = get_entrusting(session, incident_id, customer_number)
    determination = newest_determination(session, incident_id)
    row = get_row(session, incident_id)
    aware = newest_clocks(session, incident_id).get(AWARENESS)
    subject = subject_of(customer.customer_id)
    count = number_for_law(session, incident_id, subject)
    facts = _facts(session, row, now)
    known = _items_of_facts(facts, is_person=customer.is_person, offers_report=offers_report)
    known["2"] = _items(session, determination, customer)
    if count is not None:
        known["3"] = _number(count)
    return TenantPack(
        customer_id=customer.customer_id,
        customer_number=customer.customer_number,
        incident_reference=row.reference,
        determination_version=determination.version,
        our_roles=tuple(role for role in OurRole if role in customer.our_roles),
        aware_at=aware.at if aware else None,
        items=nine_items(known),
        person_count_id=count.id if count else None,
        count_subject=subject,
        estimate=_estimate(session, incident_id, customer, now),
        notice_hours=customer.notice_hours,
        contract_reference=customer.contract_reference,
        offers_report=offers_report,
        is_person=customer.is_person,
    )


def _summary(facts: Mapping[str, Words]) -> Words | None:
    lines = [facts[name] for name in ("what_happened", "course_of_events") if name in facts]
    lines += [_labelled(label, facts[name]) for name, label in _MOMENTS.items() if name in facts]
    return _lines(lines)


def _labelled(label: Words, text: Words) -> Words:
    return Words(ja=f"{label.ja}：{text.ja}", en=f"{label.en}: {text.en}")


def _lines(parts: Sequence[Words]) -> Words | None:
    """Put what is known of an item into lines, each said once."""
    once = list(dict.fromkeys(parts))
    return Words(ja="\n".join(part.ja for part in once), en="\n".join(part.en for part in once)) if once else None


def _items(session: Session, determination: ImpactDetermination, customer: EntrustingCustomer) -> Words:
    """Name the items that the customer entrusted, how sure that is, and whether they lay on paper.

    What we hold of the customer themselves, in stores of our own, is not theirs to report.
    """
    inventory = read_inventory_snapshot(session, determination.inventory_digest)
    wanted = pattern_ids(session, determination, customer.customer_id)
    patterns = session.scalars(sa.select(ImpactPattern).where(ImpactPattern.id.in_(wanted))).all()
    sets = item_codes(session, {pattern.item_set_id for pattern in patterns})
    scope = read_scope(session, ScopeId(determination.scope_id))
    entrusted = [(pattern, _entrusted_pairs(pattern, scope, inventory)) for pattern in patterns]
    codes = {
        code
        for pattern, pairs in entrusted
        for pair in pairs
        for code in pair["items"]
        if code in sets[pattern.item_set_id]
    }
    items = [item for item in inventory.items if item.code in codes]
    if not items:
        return Words(ja="確認中", en="being looked into")
    sure = any(pattern.certainty is Certainty.CONFIRMED for pattern in patterns)
    medium = _medium([pair for _, pairs in entrusted for pair in pairs], inventory)
    ja, en = "、".join(item.name_ja for item in items), ", ".join(item.name_en for item in items)
    state = Words(ja="漏えい等を確認" if sure else "おそれ", en="confirmed" if sure else "cannot be excluded")
    return Words(ja=f"{ja}（{state.ja}、媒体：{medium.ja}）", en=f"{en} ({state.en}; medium: {medium.en})")


def _entrusted_pairs(pattern: ImpactPattern, scope: Scope, inventory: Inventory) -> list[dict[str, Any]]:
    pairs = [pair for pair in pairs_that_count(scope, pattern.pairs) if "store" in pair]
    return [pair for pair in pairs if inventory.store(str(pair["store"])).our_role in ENTRUSTED]


def _medium(pairs: Sequence[Mapping[str, Any]], inventory: Inventory) -> Words:
    paper = {inventory.store(str(pair["store"])).medium is Medium.PAPER for pair in pairs}
    words = {True: Words(ja="紙", en="paper"), False: Words(ja="電子媒体", en="electronic")}
    found = [words[kind] for kind in sorted(paper)]
    return Words(ja="・".join(word.ja for word in found), en=" and ".join(word.en for word in found))


def _number(count: Count) -> Words:
    kind = KIND_WORDS[count.kind]
    return Words(
        ja=f"{count.value:,}人（{kind.ja}、{count.basis_ja}）", en=f"{count.value:,} ({kind.en}; {count.basis_en})"
    )


def _facts(session: Session, row: Incident, now: datetime) -> dict[str, Words]:
    """Return the facts that every paper of the incident is filled from, chosen answers in words (K5)."""
    incident_id = IncidentId(row.id)
    recorded = report_facts(session, row, NO_FACTS, now=now)
    said = {name: words for name, value in recorded.items() if (words := _in_words(name, value)) is not None}
    typed = {
        name: ANSWERS[name].get(words.ja, words) if name in ANSWERS else words
        for name, words in typed_texts(session, incident_id).items()
    }
    return typed | said


def _in_words(name: str, value: FactValue) -> Words | None:
    if isinstance(value, Words):
        return value
    known = [ANSWERS[name][code] for code in value.codes if code in ANSWERS.get(name, {})]
    joined = Words(ja="、".join(word.ja for word in known), en=", ".join(word.en for word in known))
    return joined if known else None


def _items_of_facts(facts: Mapping[str, Words], *, is_person: bool, offers_report: bool) -> dict[str, Words]:
    """Return the items that are the same for every customer: what the one fact base says of them."""
    known = {number: _lines([facts[name] for name in names if name in facts]) for number, names in _BY_ITEM.items()}
    known["1"] = _summary(facts)
    if "what_happened" in facts:  # there is a notice, and it went to others
        known["6"] = PERSONS_PEOPLE_NOT_TOLD if is_person else PEOPLE_NOT_TOLD
    other = [facts["desk"]] if "desk" in facts else []
    if offers_report:
        other.append(OFFER)
    known["9"] = _lines(other)
    return {number: text for number, text in known.items() if text is not None}


_BY_ITEM: Mapping[str, tuple[str, ...]] = {
    "4": ("where_it_leaked", "cause_kind", "cause"),
    "5": ("secondary_harm_known", "secondary_harm"),
    "7": ("publication",),
    "8": ("our_measures", "prevention", "prevention_planned"),
}
_MOMENTS: Mapping[str, Words] = {
    "occurred_on": Words(ja="発生日", en="Occurred"),
    "discovered_on": Words(ja="発覚日", en="Discovered"),
    "aware_at": Words(ja="当社が知った時刻", en="We became aware"),
}


def _estimate(
    session: Session, incident_id: IncidentId, customer: EntrustingCustomer, now: datetime
) -> Estimate | None:
    """Estimate the customer's own deadline: it counts from when they know, at the latest from when we told them.

    They may have known earlier, and whether their case is reportable is theirs to judge (Guideline 3-5-3-3, 3-5-3-5).
    """
    told_at = session.scalar(
        sa.select(sa.func.min(PartyMessage.at)).where(
            PartyMessage.incident_id == incident_id,
            PartyMessage.customer_id == customer.customer_id,
            PartyMessage.kind == MessageKind.TENANT_DATA_SHEET,
        ),
    )
    only = [ONLY_IN_BUSINESS] if customer.is_person else []
    for playbook in pinned(session, incident_id, [PlaybookKind.REGIME]):
        if playbook.code != REGIME:
            continue
        regime = read_regime(playbook.content, file=playbook.code).on((told_at or now).astimezone(JST).date())
        report = next((entry for entry in regime.reports if entry.code == REPORT), None)
        rule = next((entry.rule for entry in report.deadlines if not entry.situations), None) if report else None
        if report is None or rule is None or rule.calendar is not None:
            return None
        due = due_time(rule, anchor_at=told_at or now, calendar=None)
        return Estimate(
            due_at=due.due_at,
            told_at=told_at or now,
            is_assumed=told_at is None,
            explanation_ja=(*(words.ja for words in only), *due.explanation_ja),
            explanation_en=(*(words.en for words in only), *due.explanation_en),
            source=report.source,
        )
    return None
