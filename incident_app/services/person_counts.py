"""Numbers of natural persons: setting them, their history, what drives the law, and what contradicts what (B8)."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import Standing as NoticeStanding
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.ids import Actor, DeterminationId, IncidentId
from incident_app.domain.impact_summary import Summary
from incident_app.domain.merging import person_keys, surplus
from incident_app.domain.people import NOBODY, People, people
from incident_app.domain.person_counts import (
    Composition,
    Count,
    CountOrigin,
    Standing,
    findings,
    objections,
    sentence,
    standing,
)
from incident_app.domain.vocabulary import BuildStatus, Certainty, CountKind, ItemFlag, PersonKind, Purpose
from incident_app.domain.words import Words
from incident_app.persistence.affected import people_by_pattern
from incident_app.persistence.bulk import chunks
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern, PersonCount
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.merging import affected_among, confirmed_links
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.person_counts import PersonCountOrigin
from incident_app.persistence.timeline import TextRow
from incident_app.services.counts import ALL, CARD, keep_count
from incident_app.services.transaction import Transaction, reading, transaction

SUBJECT = re.compile(r"[a-z][a-z0-9:_-]{0,79}")
LONGEST_BASIS = 300
AT_ONCE = 10_000
HIGHEST = 2_147_483_647
TOLD = (NoticeStanding.INFORMED, NoticeStanding.INFORMED_OTHERWISE)


class CountDoubted(IncidentAppError):
    """The number {value} contradicts what is known: {problem}. Check it, or give a reason to set it anyway."""

    ja = "人数 {value}は、わかっていることと食い違います：{problem}。確認するか、理由を添えて記録してください。"

    def message(self, language: str, **words: object) -> str:
        """Say what speaks against the number in the reader's language."""
        problem = self.facts.get("problem_ja" if language == "ja" else "problem", "")
        return super().message(language, **{**words, "problem": problem})


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """One number as the history shows it."""

    count: Count
    replaces_id: int | None
    composition: Composition | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class NumberView:
    """What stands for one subject: the number that drives the law, everything said about it, and contradictions."""

    subject: str
    for_law: Count | None
    standing: Standing
    composition: Composition | None
    told: int
    findings: tuple[Words, ...]


def set_count(
    engine: Engine,
    incident_id: IncidentId,
    *,
    kind: CountKind,
    value: int,
    basis: str,
    subject: str = ALL,
    reason: str | None = None,
    actor: Actor,
    now: datetime,
) -> int:
    """Record a number of natural persons that somebody knows better than the records say; return its id.

    An exact number or a maximum below the people already told, a maximum below an exact number, and anything else that
    contradicts what stands is refused unless a reason is given, which is kept.
    """
    _check(value, basis, subject)
    with transaction(engine, actor=actor, now=now) as act:
        before = standing(_counts(act.session, incident_id, subject))
        told = people_told(act.session, incident_id) if subject == ALL else 0
        _check_doubts(kind, value, before, told=told, reason=reason)
        replaced = before.exact or before.maximum or before.estimate
        return keep_count(
            act,
            PersonCount(
                incident_id=incident_id,
                subject=subject,
                kind=kind,
                value=value,
                basis_ja=basis.strip(),
                basis_en=basis.strip(),
                at=now,
                by=actor,
            ),
            CountOrigin.PERSON,
            replaces_id=replaced.id if replaced else None,
            reason=(reason or "").strip() or None,
        )


def _check_doubts(kind: CountKind, value: int, before: Standing, *, told: int, reason: str | None) -> None:
    problems = objections(kind, value, now=before, told=told)
    if problems and not (reason or "").strip():
        raise CountDoubted(value=f"{value:,}", problem=sentence(problems, "en"), problem_ja=sentence(problems, "ja"))


def _check(value: int, basis: str, subject: str) -> None:
    if not 0 <= value <= HIGHEST:
        raise BadInput(field="value", problem=f"a number of people lies between 0 and {HIGHEST:,}")
    if not basis.strip():
        raise BadInput(field="basis", problem="say what the number rests on")
    if len(basis.strip()) > LONGEST_BASIS:
        raise BadInput(field="basis", problem=f"at most {LONGEST_BASIS} characters")
    if SUBJECT.fullmatch(subject) is None:
        raise BadInput(field="subject", problem="write all, card, or a code of your own in lower-case letters")


def number_for_law(session: Session, incident_id: IncidentId, subject: str = ALL) -> Count | None:
    """Return the number that thresholds compare: exact if a person knows it, else the greatest that stands.

    Without any, none: the caller falls back to the rows of the determination, assumed ones included.
    """
    return standing(_counts(session, incident_id, subject)).for_law


def numbers_for_law(session: Session, incident_id: IncidentId) -> dict[str, Count]:
    """Return the number of each subject that drives the law; papers quote these rows."""
    by_subject: dict[str, list[Count]] = defaultdict(list)
    for count in _counts(session, incident_id):
        by_subject[count.subject].append(count)
    found = {subject: standing(counts).for_law for subject, counts in by_subject.items()}
    return {subject: count for subject, count in found.items() if count is not None}


def counts_of(session: Session, incident_id: IncidentId, subject: str) -> list[Count]:
    """Return the whole history of one number, oldest first."""
    return _counts(session, incident_id, subject)


def show_numbers(engine: Engine, incident_id: IncidentId) -> list[NumberView]:
    """Return every number of an incident with what it is made of and what contradicts it; all people first."""
    with reading(engine) as session:
        counts = _counts(session, incident_id)
        subjects = sorted({count.subject for count in counts}, key=lambda subject: (subject != ALL, subject))
        told = people_told(session, incident_id) if subjects else 0
        return [_number(session, counts, subject, told if subject == ALL else 0) for subject in subjects]


def _number(session: Session, counts: list[Count], subject: str, told: int) -> NumberView:
    found = standing(count for count in counts if count.subject == subject)
    return NumberView(
        subject=subject,
        for_law=found.for_law,
        standing=found,
        composition=composition_of(session, found.determined.id) if found.determined else None,
        told=told,
        findings=findings(found, told=told),
    )


def history(engine: Engine, incident_id: IncidentId, subject: str | None = None) -> list[HistoryRow]:
    """Return every number that was ever recorded, oldest first, with what it replaced and why."""
    with reading(engine) as session:
        rows = session.execute(
            sa.select(PersonCountOrigin, TextRow.body)
            .join(PersonCount, PersonCount.id == PersonCountOrigin.count_id)
            .outerjoin(TextRow, TextRow.id == PersonCountOrigin.reason_text_id)
            .where(PersonCount.incident_id == incident_id),
        )
        origins = {origin.count_id: (origin, body) for origin, body in rows}
        found = []
        for count in _counts(session, incident_id, subject):
            origin, body = origins.get(count.id, (None, None))
            found.append(
                HistoryRow(
                    count=count,
                    replaces_id=origin.replaces_id if origin else None,
                    composition=_composition(origin),
                    reason=body,
                ),
            )
        return found


def people_told(session: Session, incident_id: IncidentId) -> int:
    """Return how many natural persons were told of the leak; records of one person count once."""
    told = sa.select(sa.func.count()).where(
        PersonToInform.incident_id == incident_id,
        PersonToInform.purpose == Purpose.LEAK_NOTICE,
        PersonToInform.standing.in_(TOLD),
    )
    rows = session.scalar(told) or 0
    keys = person_keys(confirmed_links(session))
    if not keys or not rows:
        return rows
    linked = session.scalars(
        sa.select(PersonToInform.customer_id).where(
            PersonToInform.incident_id == incident_id,
            PersonToInform.purpose == Purpose.LEAK_NOTICE,
            PersonToInform.standing.in_(TOLD),
            PersonToInform.customer_id.in_(sorted(keys)),
        ),
    )
    return rows - surplus((customer_id for customer_id in linked if customer_id), keys)


def compose(
    session: Session, determination_id: DeterminationId, summary: Summary, *, outside: int = 0
) -> dict[str, Composition]:
    """Say what the numbers of a determination are made of, per subject.

    `outside` is the number of affected people who stand in no inventory. Everybody is counted by the summary; only
    organisations and merged records are looked up.
    """
    keys = person_keys(confirmed_links(session))
    certain = summary["by_certainty"]
    rows = {
        ALL: certain.get(Certainty.CONFIRMED, 0) + certain.get(Certainty.ASSUMED, 0),
        CARD: summary["by_flag"].get(ItemFlag.CARD_NUMBER, 0),
    }
    found = {}
    for subject, pattern_ids in subject_patterns(session, determination_id).items():
        organisations = contact_persons = 0
        if summary["by_kind"].get(PersonKind.ORGANISATION, 0):
            organisations, contact_persons = _organisations(session, determination_id, pattern_ids)
        found[subject] = Composition(
            rows=rows[subject],
            organisations=organisations,
            contact_persons=contact_persons,
            merged=surplus(affected_among(session, determination_id, keys, pattern_ids), keys),
            outside=outside if subject == ALL else 0,
        )
    return found


def subject_patterns(session: Session, determination_id: int) -> dict[str, list[int]]:
    """Return the patterns that each subject counts: all that are not ruled out, and those with an open card number."""
    cards = {item.code for item in session.scalars(sa.select(DataItem)) if ItemFlag.CARD_NUMBER in item.flags}
    patterns = session.scalars(
        sa.select(ImpactPattern).where(
            ImpactPattern.determination_id == determination_id, ImpactPattern.certainty != Certainty.RULED_OUT
        ),
    ).all()
    sets = item_codes(session, {pattern.item_set_id for pattern in patterns})
    return {
        ALL: [pattern.id for pattern in patterns],
        CARD: [pattern.id for pattern in patterns if (cards & set(sets[pattern.item_set_id])) - set(pattern.mitigated)],
    }


def _organisations(session: Session, determination_id: int, pattern_ids: list[int]) -> tuple[int, int]:
    found = people_by_pattern(session, determination_id, pattern_ids).values()
    return organisations_among(session, NOBODY.union(*found))


def organisations_among(session: Session, affected: People) -> tuple[int, int]:
    """Count affected organisations and their contact persons: the names that stand on their contacts now."""
    is_organisation = sa.text("customers.kind = 'organisation'")  # written out, so that the partial index is used
    organisations = people(session.scalars(sa.select(Customer.id).where(is_organisation))) & affected
    if not organisations:
        return 0, 0
    persons = 0
    for chunk in chunks(list(organisations), AT_ONCE):  # by key: reading through all contacts takes a second a million
        named = (
            sa.select(CustomerContact.customer_id, CustomerContact.name)
            .where(
                CustomerContact.customer_id.in_(chunk),
                CustomerContact.valid_until.is_(None),
                CustomerContact.name.is_not(None),
            )
            .distinct()
        )
        persons += session.scalar(sa.select(sa.func.count()).select_from(named.subquery())) or 0
    return len(organisations), persons


def recount_merged(act: Transaction, incident_id: IncidentId, determined: Count, more: int, *, undone: bool) -> Count:
    """Write the number that a merge leads to, as a further row of the history."""
    value = determined.value - more
    before = composition_of(act.session, determined.id)
    row = PersonCount(
        incident_id=incident_id,
        determination_id=act.session.get_one(PersonCount, determined.id).determination_id,
        subject=determined.subject,
        kind=determined.kind,
        value=value,
        basis_ja=f"変更前 {determined.value:,}人、変更後 {value:,}人："
        + ("記録の統合を取り消しました" if undone else "同じ人の記録を統合しました"),
        basis_en=f"before {determined.value:,}, after {value:,}: "
        + ("merging of records undone" if undone else "records of one person merged"),
        at=act.now,
        by=act.actor,
    )
    keep_count(
        act,
        row,
        CountOrigin.MERGING,
        composition=before.with_merged(more) if before else None,
        replaces_id=determined.id,
    )
    return _count(row, CountOrigin.MERGING)


def newest_sealed(session: Session, incident_id: IncidentId) -> int | None:
    """Return the newest determination of an incident, if there is one."""
    return session.scalar(
        sa.select(ImpactDetermination.id)
        .where(ImpactDetermination.incident_id == incident_id, ImpactDetermination.status == BuildStatus.SEALED)
        .order_by(ImpactDetermination.version.desc())
        .limit(1),
    )


def determined_numbers(session: Session, incident_id: IncidentId) -> dict[str, Count]:
    """Return what determination and merging give for each subject at present."""
    found = {}
    for count in _counts(session, incident_id):
        if count.origin is not CountOrigin.PERSON:
            found[count.subject] = count
    return found


def composition_of(session: Session, count_id: int) -> Composition | None:
    """Return what a number is made of, where that was recorded."""
    return _composition(session.get(PersonCountOrigin, count_id))


def _composition(origin: PersonCountOrigin | None) -> Composition | None:
    if origin is None or not isinstance(origin.composition, dict):
        return None
    return Composition(**origin.composition)


def _counts(session: Session, incident_id: IncidentId, subject: str | None = None) -> list[Count]:
    query = (
        sa.select(PersonCount, PersonCountOrigin.origin)
        .outerjoin(PersonCountOrigin, PersonCountOrigin.count_id == PersonCount.id)
        .where(PersonCount.incident_id == incident_id)
        .order_by(PersonCount.id)
    )
    if subject is not None:
        query = query.where(PersonCount.subject == subject)
    return [_count(row, origin) for row, origin in session.execute(query)]


def _count(row: PersonCount, origin: CountOrigin | None) -> Count:
    return Count(
        id=row.id,
        subject=row.subject,
        kind=row.kind,
        value=row.value,
        basis_ja=row.basis_ja,
        basis_en=row.basis_en,
        at=row.at,
        by=row.by,
        origin=origin or (CountOrigin.DETERMINATION if row.determination_id else CountOrigin.PERSON),
    )
