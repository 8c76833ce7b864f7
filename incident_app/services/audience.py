"""The audience of a wave: whom a rule chooses, who of them can be written to, and what they are told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.audience import (
    AudienceDigest,
    Candidate,
    PlannedMessage,
    Record,
    SharedAddresses,
    belonging,
    plan_messages,
)
from incident_app.domain.contact_safety import ContactTerms
from incident_app.domain.delivery import AudienceRule, Standing
from incident_app.domain.digests import digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.merging import person_keys
from incident_app.domain.vocabulary import Certainty, PersonKind, Purpose, Relation
from incident_app.persistence.bulk import CHUNK, rows_with
from incident_app.persistence.customers import Customer, ItemSet
from incident_app.persistence.merging import confirmed_links
from incident_app.persistence.notices import Notice
from incident_app.persistence.outbox import Campaign, DeliveryPerson, PersonToInform
from incident_app.persistence.waves_in_bulk import mail_contacts


class ItemsNotKnown(IncidentAppError):
    """Of {people} people in this wave it is not known which data was affected, so nothing could be said to them.

    Name the items in the list that names these people, or add a store that holds their data to the scope, and
    determine the impact again. To write to the others first, fill a wave for people with certain items only.
    """

    ja = (
        "この波の {people}人については、どの情報が対象かが分からないため、通知文を作成できません。"
        "対象者リストに情報の項目を記入するか、その人の情報を保管するデータストアを影響範囲に加えて、影響を特定し直してください。"
        "ほかの人に先に通知するときは、項目を指定して波を作成してください。"
    )


class ToldByHand(IncidentAppError):
    """This notice goes to people who are in no wave: preview it for each of them and hand it over by your own means."""

    ja = "この通知文は、波で送る相手向けのものではありません。一人ずつ文面を表示して、個別に渡してください。"


class Chosen(NamedTuple):
    """One person whom a rule chooses."""

    id: int
    customer_id: int
    language: str
    item_set_id: int
    confirmed_item_set_id: int
    certainty: str


def chosen_people(session: Session, campaign: Campaign, rule: AudienceRule, items: frozenset[str]) -> Iterator[Chosen]:
    """Yield the people whom the rule chooses, in the order of their keys, as they are when the first is asked for.

    None with an open delivery is among them, and none outside the inventory: they are told by hand.
    """
    busy = sa.select(DeliveryPerson.person_id).where(DeliveryPerson.person_id == PersonToInform.id, DeliveryPerson.open)
    query = (
        sa.select(
            PersonToInform.id,
            PersonToInform.customer_id,
            PersonToInform.language,
            PersonToInform.item_set_id,
            PersonToInform.confirmed_item_set_id,
            PersonToInform.certainty,
        )
        .where(
            PersonToInform.incident_id == campaign.incident_id,
            PersonToInform.purpose == campaign.purpose,
            PersonToInform.determination_id == campaign.determination_id,
            ~busy.exists(),
            PersonToInform.customer_id.is_not(None),
            _RULES[rule],
        )
        .order_by(PersonToInform.id)
        .execution_options(yield_per=CHUNK)
    )
    notice = session.get_one(Notice, campaign.notice_id)
    if isinstance(notice.rings, list):
        query = query.where(PersonToInform.certainty.in_([Certainty(word) for word in notice.rings]))
    if notice.relations == []:
        raise ToldByHand
    if isinstance(notice.relations, list):
        of_relation = sa.select(Customer.id).where(
            Customer.id == PersonToInform.customer_id, Customer.relation.in_([Relation(w) for w in notice.relations])
        )
        query = query.where(of_relation.exists())
    wanted = _sets_with(session, items) if items else None
    for row in session.execute(query):
        if wanted is None or row.item_set_id in wanted:
            yield Chosen._make(row)


_RULES: Mapping[AudienceRule, sa.ColumnElement[bool]] = {
    AudienceRule.EVERYONE_TO_INFORM: PersonToInform.standing == Standing.TO_INFORM,
    AudienceRule.NEWLY_AFFECTED: sa.and_(
        PersonToInform.standing == Standing.TO_INFORM, PersonToInform.told_item_set_id.is_(None)
    ),
    AudienceRule.ITEMS_CHANGED: sa.and_(
        PersonToInform.told_item_set_id.is_not(None),
        PersonToInform.told_item_set_id != PersonToInform.item_set_id,
        PersonToInform.standing != Standing.EXEMPT,
    ),
    AudienceRule.FAILED_ONLY: PersonToInform.standing == Standing.NOT_REACHED,
}


def _sets_with(session: Session, items: frozenset[str]) -> set[int]:
    return {
        set_id for set_id, codes in session.execute(sa.select(ItemSet.id, ItemSet.item_codes)) if items & set(codes)
    }


def with_contacts(
    session: Session, chosen: Iterable[Chosen], purpose: Purpose, terms: ContactTerms
) -> Iterator[Candidate]:
    """Yield those of the chosen people who have a valid e-mail address that may be used on these terms."""
    people = iter(chosen)
    while chunk := list(islice(people, CHUNK)):
        contacts = mail_contacts(session, [person.customer_id for person in chunk], purpose, terms)
        for person in chunk:
            if (contact := contacts.get(person.customer_id)) is not None:
                yield Candidate(
                    person_id=person.id,
                    customer_id=person.customer_id,
                    contact_id=contact[0],
                    address_digest=contact[1],
                    name=contact[2],
                    language=person.language,
                    item_set_id=person.item_set_id,
                    confirmed_item_set_id=person.confirmed_item_set_id,
                    certainty=person.certainty,
                )


@dataclass(kw_only=True)
class Census:
    """What is known of an audience before its first message is stored."""

    people: int = 0
    """Those who can be written to."""
    chosen: int = 0
    item_sets: set[int] = field(default_factory=set)
    shared: SharedAddresses = field(default_factory=SharedAddresses)
    digest: AudienceDigest = field(default_factory=AudienceDigest)


def census(session: Session, chosen: Iterable[Chosen], purpose: Purpose, terms: ContactTerms) -> Census:
    """Count an audience, and refuse it when there are people of whom no item is known.

    Leaving them out would be silent, writing to them would say nothing.
    """
    found = Census()
    empty = set(session.scalars(sa.select(ItemSet.id).where(ItemSet.digest == digest_of([]))))
    unknown = 0

    def counted() -> Iterator[Chosen]:
        nonlocal unknown
        for person in chosen:
            found.chosen += 1
            unknown += person.item_set_id in empty
            yield person

    for candidate in with_contacts(session, counted(), purpose, terms):
        found.people += 1
        found.item_sets.add(candidate.item_set_id)
        found.shared.add(candidate.address_digest)
        found.digest.add(
            candidate.person_id, candidate.item_set_id, candidate.confirmed_item_set_id, candidate.address_digest
        )
    if unknown:
        raise ItemsNotKnown(people=unknown)
    return found


def messages_of(session: Session, candidates: Iterable[Candidate], shared: SharedAddresses) -> Iterator[PlannedMessage]:
    """Yield the messages of an audience: first of those whose address is theirs alone, then of those who share one."""
    kept = []
    for candidate in candidates:
        if shared.may_be_shared(candidate.address_digest):
            kept.append(candidate)
        else:
            yield PlannedMessage(people=(candidate,), told_apart_by="")
    yield from plan_messages(kept, _together(session, kept))


def _together(session: Session, candidates: Sequence[Candidate]) -> dict[int, str]:
    """Return who of the people behind shared addresses belongs together: see decision 0050."""
    rows = rows_with(session, "SELECT id, kind, relation FROM customers", "id", [one.customer_id for one in candidates])
    known = {key: (PersonKind(kind), Relation(relation)) for key, kind, relation in rows}
    records = [
        Record(
            customer_id=one.customer_id,
            kind=known[one.customer_id][0],
            relation=known[one.customer_id][1],
            language=one.language,
            name=one.name,
        )
        for one in candidates
    ]
    return belonging(records, person_keys(confirmed_links(session)))
