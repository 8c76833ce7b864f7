"""Filling the pack of a customer who entrusted data, from the same rows that pages, notices and reports show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.deadlines import due_time, moment_en, moment_ja
from incident_app.domain.entrusting import EntrustingCustomer, subject_of
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.inventory import Inventory
from incident_app.domain.person_counts import Count
from incident_app.domain.regimes import read_regime
from incident_app.domain.tenant_packs import Estimate, TenantPack, nine_items
from incident_app.domain.vocabulary import Certainty, CountKind, Medium, MessageKind, OurRole, Purpose
from incident_app.domain.words import Words
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.incidents import Incident
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.parties import PartyMessage
from incident_app.services.entrusting import entrusting_customers, pattern_ids
from incident_app.services.incidents import get_row, newest_clocks
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.people import newest_determination
from incident_app.services.person_counts import number_for_law
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.transaction import reading

JST = ZoneInfo("Asia/Tokyo")
KINDS: Mapping[CountKind, Words] = {
    CountKind.EXACT: Words(ja="確定", en="exact"),
    CountKind.ESTIMATE: Words(ja="推定", en="estimate"),
    CountKind.MAXIMUM: Words(ja="最大", en="maximum"),
}
REGIME, REPORT = "jp-appi", "preliminary"
"""The report that the customer's own deadline is estimated by."""
DESK = ("desk_name", "desk_phone", "desk_mail", "desk_hours")


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
    known = _from_notice(session, incident_id, offers_report=offers_report)
    known["1"] = _summary(row, aware.at if aware else None, known.get("1"))
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
        estimate=_estimate(session, incident_id, customer.customer_id, now),
        notice_hours=customer.notice_hours,
        contract_reference=customer.contract_reference,
        offers_report=offers_report,
    )


def get_entrusting(session: Session, incident_id: IncidentId, customer_number: str) -> EntrustingCustomer:
    """Return a customer who entrusted affected data; NotFound otherwise."""
    for customer in entrusting_customers(session, incident_id):
        if customer.customer_number == customer_number:
            return customer
    raise NotFound(what="entrusting customer", name=customer_number)


def _summary(row: Incident, aware_at: datetime | None, happened: Words | None) -> Words:
    lines_ja, lines_en = ([happened.ja], [happened.en]) if happened else ([], [])
    for label, moment in (
        (Words(ja="発生日", en="Occurred"), row.occurred_from),
        (Words(ja="発覚日", en="Discovered"), row.detected_at),
        (Words(ja="当社が知った時刻", en="We became aware"), aware_at),
    ):
        if moment is not None:
            lines_ja.append(f"{label.ja}：{moment_ja(moment, JST)}")
            lines_en.append(f"{label.en}: {moment_en(moment, JST)}")
    return Words(ja="\n".join(lines_ja), en="\n".join(lines_en))


def _items(session: Session, determination: ImpactDetermination, customer: EntrustingCustomer) -> Words:
    """Name the customer's own items, how sure that is, and whether they lay on paper."""
    inventory = read_inventory_snapshot(session, determination.inventory_digest)
    wanted = pattern_ids(session, determination, customer.customer_id)
    patterns = session.scalars(sa.select(ImpactPattern).where(ImpactPattern.id.in_(wanted))).all()
    sets = item_codes(session, {pattern.item_set_id for pattern in patterns})
    codes = {code for pattern in patterns for code in sets[pattern.item_set_id]}
    items = [item for item in inventory.items if item.code in codes]
    if not items:
        return Words(ja="確認中", en="being looked into")
    sure = any(pattern.certainty is Certainty.CONFIRMED for pattern in patterns)
    medium = _medium(patterns, inventory)
    ja, en = "、".join(item.name_ja for item in items), ", ".join(item.name_en for item in items)
    state = Words(ja="漏えい等を確認" if sure else "おそれ", en="confirmed" if sure else "cannot be excluded")
    return Words(ja=f"{ja}（{state.ja}、媒体：{medium.ja}）", en=f"{en} ({state.en}; medium: {medium.en})")


def _medium(patterns: Sequence[ImpactPattern], inventory: Inventory) -> Words:
    pairs = [pair for pattern in patterns if isinstance(pattern.pairs, list) for pair in pattern.pairs]
    stores = {str(pair["store"]) for pair in pairs if isinstance(pair, dict) and "store" in pair}
    paper = {inventory.store(code).medium is Medium.PAPER for code in stores}
    words = {True: Words(ja="紙", en="paper"), False: Words(ja="電子媒体", en="electronic")}
    found = [words[kind] for kind in sorted(paper)]
    return Words(ja="・".join(word.ja for word in found), en=" and ".join(word.en for word in found))


def _number(count: Count) -> Words:
    kind = KINDS[count.kind]
    return Words(
        ja=f"{count.value:,}人（{kind.ja}、{count.basis_ja}）", en=f"{count.value:,} ({kind.en}; {count.basis_en})"
    )


def _from_notice(session: Session, incident_id: IncidentId, *, offers_report: bool) -> dict[str, Words]:
    """Take over what the newest notice of the leak says, so that two papers never differ (K5)."""
    facts = _notice_facts(session, incident_id)
    known = {number: facts[name] for number, name in _BY_ITEM.items() if name in facts}
    if facts:
        known["6"] = Words(
            ja="貴社のお客様等への通知は、当社からは行っていません。", en="We have not told your people ourselves."
        )
    desk = [facts[name] for name in DESK if name in facts]
    other = [Words(ja="、".join(word.ja for word in desk), en=", ".join(word.en for word in desk))] if desk else []
    if offers_report:
        other.append(
            Words(
                ja="ご希望があれば、当社が代わって報告します。窓口へお知らせください。",
                en="We can file the report on your behalf if you wish: tell the desk.",
            )
        )
    if other:
        known["9"] = Words(ja="\n".join(word.ja for word in other), en="\n".join(word.en for word in other))
    return known


_BY_ITEM: Mapping[str, str] = {"1": "what_happened", "4": "cause", "5": "secondary_harm", "8": "prevention"}


def _notice_facts(session: Session, incident_id: IncidentId) -> dict[str, Words]:
    rows = session.execute(
        sa.select(NoticeVersion.language, NoticeVersion.facts)
        .join(Notice, sa.and_(Notice.id == NoticeVersion.notice_id, Notice.current_version == NoticeVersion.version))
        .where(Notice.incident_id == incident_id, Notice.purpose == Purpose.LEAK_NOTICE)
        .order_by(NoticeVersion.id),
    )
    by_language: dict[str, dict[str, str]] = {
        str(language): facts for language, facts in rows if isinstance(facts, dict)
    }
    japanese, english = by_language.get("ja", {}), by_language.get("en", {})
    names = {name for name in (*japanese, *english) if japanese.get(name) or english.get(name)}
    return {
        name: Words(ja=japanese.get(name) or english.get(name, ""), en=english.get(name) or japanese.get(name, ""))
        for name in names
    }


def _estimate(session: Session, incident_id: IncidentId, customer_id: int, now: datetime) -> Estimate | None:
    """Estimate the customer's own deadline: it counts from when they know, at the latest from when we told them.

    They may have known earlier, and whether their case is reportable is theirs to judge (Guideline 3-5-3-3, 3-5-3-5).
    """
    told_at = session.scalar(
        sa.select(sa.func.min(PartyMessage.at)).where(
            PartyMessage.incident_id == incident_id,
            PartyMessage.customer_id == customer_id,
            PartyMessage.kind == MessageKind.TENANT_DATA_SHEET,
        ),
    )
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
            explanation_ja=due.explanation_ja,
            explanation_en=due.explanation_en,
            source=report.source,
        )
    return None
