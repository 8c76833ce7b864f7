"""The audience of a wave: whom a rule chooses, who of them can be written to, and what they are told of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.audience import Candidate
from incident_app.domain.delivery import AudienceRule, Standing
from incident_app.domain.digests import digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.vocabulary import Channel
from incident_app.persistence.bounces import is_suppressed
from incident_app.persistence.bulk import chunks
from incident_app.persistence.customers import CustomerContact, ItemSet
from incident_app.persistence.outbox import Campaign, DeliveryPerson, PersonToInform


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


def chosen_people(
    session: Session, campaign: Campaign, rule: AudienceRule, items: frozenset[str]
) -> Iterator[PersonToInform]:
    """Yield the people whom the rule chooses: none with an open delivery, none outside the inventory (told by hand)."""
    busy = sa.select(DeliveryPerson.person_id).where(DeliveryPerson.open)
    query = (
        sa.select(PersonToInform)
        .where(
            PersonToInform.incident_id == campaign.incident_id,
            PersonToInform.purpose == campaign.purpose,
            PersonToInform.determination_id == campaign.determination_id,
            PersonToInform.id.not_in(busy),
            PersonToInform.customer_id.is_not(None),
            _RULES[rule],
        )
        .order_by(PersonToInform.id)
    )
    wanted = _sets_with(session, items) if items else None
    for person in session.scalars(query):
        if wanted is None or person.item_set_id in wanted:
            yield person


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


def with_contacts(session: Session, chosen: Sequence[PersonToInform]) -> Iterator[Candidate]:
    """Yield those of the chosen people who have a valid e-mail address that is not closed to such messages."""
    for chunk in chunks(chosen, 2_000):
        contacts = {
            contact.customer_id: contact
            for contact in session.scalars(
                sa.select(CustomerContact)
                .where(
                    CustomerContact.customer_id.in_([person.customer_id for person in chunk]),
                    CustomerContact.channel == Channel.EMAIL,
                    CustomerContact.valid_until.is_(None),
                    CustomerContact.address.is_not(None),
                    ~is_suppressed(chunk[0].purpose),
                )
                .order_by(CustomerContact.id),
            )
        }
        for person in chunk:
            contact = contacts.get(person.customer_id or 0)
            if contact is not None and person.customer_id is not None:
                yield Candidate(
                    person_id=person.id,
                    customer_id=person.customer_id,
                    contact_id=contact.id,
                    address_digest=contact.address_digest,
                    name=contact.name or "",
                    language=person.language,
                    item_set_id=person.item_set_id,
                    confirmed_item_set_id=person.confirmed_item_set_id,
                    certainty=person.certainty,
                )


def check_items_known(session: Session, people: Sequence[PersonToInform]) -> None:
    """Refuse people of whom no item is known: leaving them out would be silent, writing to them would say nothing."""
    empty = set(session.scalars(sa.select(ItemSet.id).where(ItemSet.digest == digest_of([]))))
    if unknown := sum(person.item_set_id in empty for person in people):
        raise ItemsNotKnown(people=unknown)
