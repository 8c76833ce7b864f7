"""The facts that reports draw on: the same rows that pages and notices show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.report_facts import Codes, FactList, FactValue
from incident_app.domain.report_values import day_words, local_day, moment_words
from incident_app.domain.words import Words
from incident_app.persistence.incidents import Incident
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.obligations import Obligation
from incident_app.services.incidents import newest_clocks
from incident_app.services.people import newest_determination
from incident_app.services.people_told import Among, PeopleTold, people_told_in, told_by_means
from incident_app.services.policies import any_policy
from incident_app.services.report_history import Planned, history_facts
from incident_app.services.report_impact import impact_facts
from incident_app.services.report_shares import PartOfImpact, country_of_duty, part_for

DESK = ("desk_name", "desk_phone", "desk_mail", "desk_hours")


def report_facts(
    session: Session, row: Incident, known: FactList, *, now: datetime, planned: Planned | None = None
) -> dict[str, FactValue]:
    """Return everything that is known, by fact name. What is not known is not there."""
    incident_id = IncidentId(row.id)
    facts: dict[str, FactValue] = {**_from_notice(session, incident_id), **_times(session, row, now)}
    company = any_policy(session).ourselves
    facts["company_name"] = Words(ja=company.name_ja, en=company.name_en)
    facts |= history_facts(session, incident_id, planned, now=now)
    try:
        determination = newest_determination(session, incident_id)
    except NotFound:
        return facts
    duty = session.get(Obligation, planned.obligation_id) if planned and planned.obligation_id else None
    part = part_for(session, duty, determination)
    country = country_of_duty(session, duty) if duty is not None else None
    found = impact_facts(session, incident_id, determination, known, part, country)
    found |= _people_told(session, incident_id, part)
    return facts | {name: value for name, value in found.items() if not _is_empty(value)}


def _is_empty(value: FactValue) -> bool:
    """Tell whether the records leave a fact open: then it is not known, and what a person says of it stands."""
    return not value.codes if isinstance(value, Codes) else not value.ja.strip()


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
    found = {
        name: Words(ja=japanese.get(name) or english.get(name, ""), en=english.get(name) or japanese.get(name, ""))
        for name in {*japanese, *english} - {"sent_on"}
    }
    if desk := [found[name] for name in DESK if name in found]:
        found["desk"] = Words(ja="\n".join(line.ja for line in desk), en="\n".join(line.en for line in desk))
    return found


def _times(session: Session, row: Incident, now: datetime) -> dict[str, Words]:
    facts = {"discovered_on": moment_words(row.detected_at), "reported_on": day_words(local_day(now))}
    if row.occurred_from:
        facts["occurred_on"] = moment_words(row.occurred_from)
    aware = newest_clocks(session, IncidentId(row.id)).get(AWARENESS)
    if aware is not None:
        facts["aware_at"] = moment_words(aware.at)
    return facts


def _people_told(session: Session, incident_id: IncidentId, part: PartOfImpact | None) -> dict[str, FactValue]:
    """Say how many of the people of this report were told, so that the number of people and this one agree."""
    among = Among(people=part.people, outside=part.outside) if part else None
    found = people_told_in(session, incident_id, among)
    if not found.total:
        return {}
    words = _told_words(found)
    if when := _when_told(session, incident_id, among):
        words = Words(ja=f"{words.ja}。{when.ja}", en=f"{words.en}. {when.en}")
    facts: dict[str, FactValue] = {"people_told": words}
    if found.told:
        rest = found.total - found.told - found.affected.get(Standing.EXEMPT, 0)
        facts["people_told_state"] = Codes(codes=("done-part" if rest else "done-all",))
    elif session.scalar(sa.select(Notice.id).where(Notice.incident_id == incident_id).limit(1)) is not None:
        facts["people_told_state"] = Codes(codes=("planned",))
    return facts


def _told_words(found: PeopleTold) -> Words:
    lost, exempt = found.affected.get(Standing.NOT_REACHED, 0), found.affected.get(Standing.EXEMPT, 0)
    earlier = found.told_and_no_longer_affected
    ja = f"対象 {found.total:,}人のうち {found.told:,}人に通知済み、未達 {lost:,}人"
    en = f"{found.told:,} of {found.total:,} people told; {lost:,} not reached"
    if exempt:
        ja, en = f"{ja}、通知不要 {exempt:,}人", f"{en}; {exempt:,} exempt"
    if earlier:
        ja = f"{ja}（ほかに、通知後に対象外と分かった人 {earlier:,}人）"
        en = f"{en} ({earlier:,} more were told before they were found not to be affected)"
    return Words(ja=ja, en=en)


MEANS: Mapping[Standing, Words] = {
    Standing.INFORMED: Words(ja="電子メール", en="by e-mail"),
    Standing.INFORMED_OTHERWISE: Words(ja="書面・電話等", en="by letter, telephone or otherwise"),
    Standing.COVERED_BY_PUBLIC_NOTICE: Words(ja="公表による代替", en="by public notice instead"),
}


def _when_told(session: Session, incident_id: IncidentId, among: Among | None) -> Words | None:
    """Say by which means people were told, and between which days."""
    told = told_by_means(session, incident_id, among)
    if not told:
        return None
    first = day_words(local_day(min(entry.first_at for entry in told.values())))
    last = day_words(local_day(max(entry.last_at for entry in told.values())))
    ja = "、".join(f"{MEANS[standing].ja} {told[standing].people:,}人" for standing in MEANS if standing in told)
    en = "; ".join(f"{told[standing].people:,} {MEANS[standing].en}" for standing in MEANS if standing in told)
    if first == last:
        return Words(ja=f"通知の方法：{ja}（{first.ja}）", en=f"Means: {en} ({first.en})")
    return Words(ja=f"通知の方法：{ja}（{first.ja}から{last.ja}まで）", en=f"Means: {en} ({first.en} to {last.en})")
