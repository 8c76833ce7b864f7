"""The audience of a wave: whom a rule chooses, who of them can be written to, and what they are told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.audience import AudienceDigest, Candidate, PlannedMessage, Record, belonging, plan_messages
from incident_app.domain.contact_safety import ContactTerms
from incident_app.domain.delivery import AudienceRule, Standing
from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.merging import person_keys
from incident_app.domain.vocabulary import Certainty, PersonKind, Purpose, Relation
from incident_app.persistence.address_fixes import dead_at_the_same_address
from incident_app.persistence.bulk import CHUNK, rows_with
from incident_app.persistence.customers import Customer, ItemSet
from incident_app.persistence.database import address_key
from incident_app.persistence.merging import confirmed_links
from incident_app.persistence.notices import Notice
from incident_app.persistence.outbox import Campaign, DeliveryPerson, PersonToInform
from incident_app.persistence.waiting import (
    domains_of_waiting,
    ends_of_waiting,
    item_sets_of_waiting,
    keep_waiting,
    lines_of_waiting,
    take_shared,
)


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


def chosen_people(
    session: Session, campaign: Campaign, rule: AudienceRule, items: frozenset[str]
) -> sa.Select[*tuple[Any, ...]]:
    """Return the question for the people whom the rule chooses, in the order of their keys.

    None with an open delivery is among them, and none outside the inventory: they are told by hand.
    """
    # Compared with a value it would not be what the index says of its rows, and SQLite would read the whole table.
    is_open = sa.text("delivery_people.open")
    busy = sa.exists().where(DeliveryPerson.person_id == PersonToInform.id, is_open)
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
            ~busy,
            PersonToInform.customer_id.is_not(None),
            _RULES[rule],
            *([~dead_at_the_same_address(campaign.incident_id)] if rule is AudienceRule.FAILED_ONLY else []),
            *_meant_by(session.get_one(Notice, campaign.notice_id)),
        )
        .order_by(PersonToInform.id)
    )
    return query.where(PersonToInform.item_set_id.in_(_sets_with(session, items))) if items else query


def _meant_by(notice: Notice) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what a person must be for a variant of a notice."""
    if isinstance(notice.rings, list):
        yield PersonToInform.certainty.in_([Certainty(word) for word in notice.rings])
    if notice.relations == []:
        raise ToldByHand
    if isinstance(notice.relations, list):
        relations = [Relation(word) for word in notice.relations]
        yield sa.exists().where(Customer.id == PersonToInform.customer_id, Customer.relation.in_(relations))


def left_by(session: Session, chosen: sa.Select[*tuple[Any, ...]]) -> Iterator[Chosen]:
    """Yield whom a rule chooses, one after the other."""
    for row in session.execute(chosen.execution_options(yield_per=CHUNK)):
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


@dataclass(frozen=True, kw_only=True)
class Census:
    """What is known of an audience before its first message is stored."""

    people: int
    """Those who can be written to."""
    chosen: int
    item_sets: frozenset[int]
    digest: ContentDigest
    numbers: range
    """The numbers of those who wait for a message of their own."""
    shared: tuple[Candidate, ...]
    """Those whose address others of them may have too."""
    domains: tuple[str, ...]


def census(session: Session, chosen: sa.Select[*tuple[Any, ...]], purpose: Purpose, terms: ContactTerms) -> Census:
    """Let the audience wait in a temporary table, count it, and refuse it when of some people no item is known.

    Leaving them out would be silent, writing to them would say nothing.
    """
    per_set = _numbers_by_set(session, chosen)
    empty = set(session.scalars(sa.select(ItemSet.id).where(ItemSet.digest == digest_of([]))))
    if unknown := sum(number for set_id, number in per_set.items() if set_id in empty):
        raise ItemsNotKnown(people=unknown)
    keep_waiting(session, chosen, purpose, terms)
    people, first, last = ends_of_waiting(session)
    digest = AudienceDigest()
    for lines in lines_of_waiting(session, first, last):
        digest.add_lines(lines)
    return Census(
        people=people,
        chosen=sum(per_set.values()),
        item_sets=frozenset(item_sets_of_waiting(session)),
        digest=digest.finish(),
        domains=tuple(domains_of_waiting(session)),
        shared=tuple(take_shared(session)),
        numbers=range(first, last + 1),
    )


def _numbers_by_set(session: Session, chosen: sa.Select[*tuple[Any, ...]]) -> dict[int, int]:
    people = chosen.order_by(None).subquery()
    rows = session.execute(sa.select(people.c.item_set_id, sa.func.count()).group_by(people.c.item_set_id))
    return dict(rows.all())


def messages_of_shared(session: Session, shared: Sequence[Candidate]) -> Iterator[PlannedMessage]:
    """Return the messages of people whose addresses others may have too.

    Where addresses differ and only begin alike, the messages are told apart as well: the database keeps the beginning.
    """
    planned = plan_messages(shared, _together(session, shared))
    alike = Counter(address_key(message.first.address_digest) for message in planned)
    return (
        message
        if alike[address_key(message.first.address_digest)] == 1 or message.told_apart_by
        else replace(message, told_apart_by=str(message.first.customer_id))
        for message in planned
    )


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
