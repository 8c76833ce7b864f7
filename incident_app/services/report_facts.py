"""The facts that reports draw on: the same rows that pages and notices show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId, ScopeId
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.inventory import Inventory, Store
from incident_app.domain.vocabulary import CountKind, Harm, Medium
from incident_app.domain.words import Words
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.incidents import Incident
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.obligations import Obligation
from incident_app.services.counts import ALL, CARD, Count, newest_counts_in
from incident_app.services.incidents import newest_clocks
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.people import newest_determination
from incident_app.services.people_told import people_told_in
from incident_app.services.policies import any_policy
from incident_app.services.scopes import read_scope

JST = ZoneInfo("Asia/Tokyo")

KIND_WORDS: Mapping[CountKind, Words] = {
    CountKind.EXACT: Words(ja="確定", en="exact"),
    CountKind.ESTIMATE: Words(ja="推定", en="estimate"),
    CountKind.MAXIMUM: Words(ja="最大", en="maximum"),
}
HARM_WORDS: Mapping[Harm, Words] = {
    Harm.CONFIDENTIALITY: Words(ja="漏えい", en="leak"),
    Harm.INTEGRITY: Words(ja="毀損", en="damage"),
    Harm.AVAILABILITY: Words(ja="滅失", en="loss"),
}


MEDIA = (Words(ja="紙", en="paper"), Words(ja="電子媒体", en="electronic"))


def report_facts(session: Session, row: Incident) -> dict[str, Words]:
    """Return everything that is known, by fact name, in both languages. What is not known is not there."""
    incident_id = IncidentId(row.id)
    facts = _from_notice(session, incident_id)
    facts |= _times(session, row)
    company = any_policy(session).ourselves
    facts["company_name"] = Words(ja=company.name_ja, en=company.name_en)
    try:
        determination = newest_determination(session, incident_id)
    except NotFound:
        return facts
    facts |= _impact(session, incident_id, determination)
    facts |= _people_told(session, incident_id)
    facts |= _rule_items(session, incident_id)
    return facts


def _from_notice(session: Session, incident_id: IncidentId) -> dict[str, Words]:
    """Take over what the newest notice says, so that two papers never differ (K5)."""
    rows = session.execute(
        sa.select(NoticeVersion.language, NoticeVersion.facts)
        .join(Notice, sa.and_(Notice.id == NoticeVersion.notice_id, Notice.current_version == NoticeVersion.version))
        .where(Notice.incident_id == incident_id)
        .order_by(NoticeVersion.id),
    )
    by_language: dict[str, dict[str, str]] = {}
    for language, facts in rows:
        by_language[language] = dict(facts) if isinstance(facts, dict) else {}
    japanese, english = by_language.get("ja", {}), by_language.get("en", {})
    names = {*japanese, *english} - {"sent_on", "service_name", "next_update"}
    return {
        name: Words(ja=japanese.get(name) or english.get(name, ""), en=english.get(name) or japanese.get(name, ""))
        for name in names
    }


def _times(session: Session, row: Incident) -> dict[str, Words]:
    facts = {"discovered_on": _moment(row.detected_at)}
    if row.occurred_from:
        facts["occurred_on"] = _moment(row.occurred_from)
    aware = newest_clocks(session, IncidentId(row.id)).get(AWARENESS)
    if aware is not None:
        facts["aware_at"] = _moment(aware.at)
    return facts


def _impact(session: Session, incident_id: IncidentId, determination: ImpactDetermination) -> dict[str, Words]:
    summary = determination.summary if isinstance(determination.summary, dict) else {}
    inventory = read_inventory_snapshot(session, determination.inventory_digest)
    scope = read_scope(session, ScopeId(determination.scope_id))
    counts = newest_counts_in(session, incident_id)
    codes = set(summary.get("by_item", {}))
    harms = [HARM_WORDS[harm] for harm in sorted(scope.harms)]
    stores = [inventory.store(entry.store) for entry in scope.stores]
    facts = {
        "items": _names(inventory, codes),
        "event_kind": Words(ja="、".join(word.ja for word in harms), en=", ".join(word.en for word in harms)),
        "medium": _media(stores),
        "kinds_of_people": _relations(summary.get("by_relation", {})),
        "processor": _processors(inventory, scope.stores),
        "people_in_eea": _eea(summary.get("by_jurisdiction", {})),
    }
    for fact, subject in (("people", ALL), ("people_with_cards", CARD)):
        if subject in counts:
            facts[fact] = _count(counts[subject])
    return facts


def _media(stores: Sequence[Store]) -> Words:
    """Say paper or electronic; a scope of lists alone names no store, and nobody but its author knows the medium."""
    paper = any(store.medium is Medium.PAPER for store in stores)
    electronic = any(store.medium is not Medium.PAPER for store in stores)
    words = [word for held, word in ((paper, MEDIA[0]), (electronic, MEDIA[1])) if held]
    return Words(ja="、".join(word.ja for word in words), en=", ".join(word.en for word in words))


def _names(inventory: Inventory, codes: set[str]) -> Words:
    items = [item for item in inventory.items if item.code in codes]
    return Words(ja="、".join(item.name_ja for item in items), en=", ".join(item.name_en for item in items))


def _relations(by_relation: Mapping[str, int]) -> Words:
    words = {
        "customer": ("顧客情報", "customers"),
        "business_partner": ("取引先情報", "business partners"),
        "shareholder": ("株主情報", "shareholders"),
        "staff": ("従業者情報", "staff"),
    }
    return Words(
        ja="、".join(f"{words[relation][0]}（{number:,}人）" for relation, number in by_relation.items()),
        en=", ".join(f"{words[relation][1]} ({number:,})" for relation, number in by_relation.items()),
    )


def _processors(inventory: Inventory, stores: object) -> Words:
    names = []
    for entry in stores if isinstance(stores, tuple) else ():
        party = inventory.party(inventory.store(entry.store).operator)
        if not party.is_ourselves and party not in names:
            names.append(party)
    if not names:
        return Words(ja="無", en="none")
    return Words(
        ja="有：" + "、".join(party.name_ja for party in names),
        en="yes: " + ", ".join(party.name_en for party in names),
    )


EEA = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "HR",
        "CY",
        "CZ",
        "DK",
        "EE",
        "FI",
        "FR",
        "DE",
        "GR",
        "HU",
        "IE",
        "IT",
        "LV",
        "LT",
        "LU",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SK",
        "SI",
        "ES",
        "SE",
        "IS",
        "LI",
        "NO",
    ],
)


def _eea(by_jurisdiction: Mapping[str, int]) -> Words:
    number = sum(count for country, count in by_jurisdiction.items() if country in EEA)
    return Words(ja=f"{number:,}人", en=f"{number:,}")


def _count(count: Count) -> Words:
    kind = KIND_WORDS[count.kind]
    return Words(
        ja=f"{count.value:,}人（{kind.ja}、{count.basis_ja}）", en=f"{count.value:,} ({kind.en}; {count.basis_en})"
    )


def _people_told(session: Session, incident_id: IncidentId) -> dict[str, Words]:
    """Say how many of the people of this report were told, so that the number of people and this one agree."""
    found = people_told_in(session, incident_id)
    if not found.total:
        return {}
    lost, exempt = found.affected.get(Standing.NOT_REACHED, 0), found.affected.get(Standing.EXEMPT, 0)
    earlier = found.told_and_no_longer_affected
    ja = f"対象 {found.total:,}人のうち {found.told:,}人に通知済み、未達 {lost:,}人"
    en = f"{found.told:,} of {found.total:,} people told; {lost:,} not reached"
    if exempt:
        ja, en = f"{ja}、通知不要 {exempt:,}人", f"{en}; {exempt:,} exempt"
    if earlier:
        ja = f"{ja}（ほかに、通知後に対象外と分かった人 {earlier:,}人）"
        en = f"{en} ({earlier:,} more were told before they were found not to be affected)"
    return {"people_told": Words(ja=ja, en=en)}


def _rule_items(session: Session, incident_id: IncidentId) -> dict[str, Words]:
    because = session.scalars(
        sa.select(Obligation.because).where(
            Obligation.incident_id == incident_id,
            Obligation.regime == "jp-appi",
            Obligation.stage == "preliminary",
            Obligation.status != "superseded",
        ),
    ).first()
    if not isinstance(because, dict):
        return {"rule_items": Words(ja="該当なし", en="none")}
    return {"rule_items": Words(ja=str(because["ja"]), en=str(because["en"]))}


def _moment(moment: datetime) -> Words:
    local = moment.astimezone(JST)
    return Words(
        ja=f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}（日本時間）", en=f"{local:%Y-%m-%d %H:%M} JST"
    )
