"""Claiming: which messages are due, whom each is for, and which of them must no longer be sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignStatus, DeliveryState, WithheldBecause, reason_to_withhold
from incident_app.domain.vocabulary import Certainty, Language, PersonKind, Relation
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow, PersonToInform


@dataclass(frozen=True, kw_only=True, repr=False)
class ClaimedPerson:
    """One person in a message, as the composer needs them."""

    name: str
    kind: PersonKind
    relation: Relation
    item_set_id: int
    confirmed_item_set_id: int
    certainty: Certainty

    @property
    def sets(self) -> tuple[int, int]:
        """Return the item sets that the message needs."""
        return self.item_set_id, self.confirmed_item_set_id


@dataclass(frozen=True, kw_only=True, repr=False)
class ClaimedFacts:
    """Everything the composer needs for one message."""

    campaign_id: int
    notice_version_id: int
    language: Language
    token: str
    people: tuple[ClaimedPerson, ...]


Due: TypeAlias = "sa.Row[int, int, Language, str, int, str | None, datetime | None]"


def due_deliveries(
    limit: int, now: int, campaigns: Collection[int]
) -> sa.Select[int, int, Language, str, int, str | None, datetime | None]:
    return (
        sa.select(
            DeliveryRow.id,
            DeliveryRow.campaign_id,
            DeliveryRow.language,
            DeliveryRow.token,
            DeliveryRow.attempt_count,
            CustomerContact.address,
            CustomerContact.valid_until,
        )
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
        .where(
            Campaign.id.in_(campaigns),
            Campaign.status == CampaignStatus.RUNNING,
            DeliveryRow.state == DeliveryState.QUEUED,
            DeliveryRow.next_attempt_at <= now,
        )
        .order_by(Campaign.priority, DeliveryRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=DeliveryRow)
    )


def pin_versions(session: Session, taken: Sequence[Due]) -> dict[tuple[int, Language], int]:
    """Write on each claimed row the version it is sent with; return it by campaign and language."""
    campaigns = {row.campaign_id for row in taken}
    found = session.execute(
        sa.select(Campaign.id, NoticeVersion.language, NoticeVersion.id)
        .join(
            NoticeVersion,
            sa.and_(NoticeVersion.notice_id == Campaign.notice_id, NoticeVersion.version == Campaign.notice_version),
        )
        .where(Campaign.id.in_(campaigns)),
    )
    versions = {(campaign_id, language): version_id for campaign_id, language, version_id in found}
    for campaign_id, language in {(row.campaign_id, row.language) for row in taken}:
        ids = [row.id for row in taken if (row.campaign_id, row.language) == (campaign_id, language)]
        session.execute(
            sa.update(DeliveryRow)
            .where(DeliveryRow.id.in_(ids))
            .values(notice_version_id=versions[campaign_id, language]),
        )
    return versions


def people_of(
    session: Session, due: Sequence[Due]
) -> tuple[dict[int, list[ClaimedPerson]], dict[WithheldBecause, list[int]]]:
    """Return who is in each message that may leave, and the messages that must not, by the reason.

    A message is withheld as a whole: whoever in it is still to be told stays so, and is free for the next wave.
    """
    people: dict[int, list[ClaimedPerson]] = defaultdict(list)
    held_back = {row.id: WithheldBecause.CONTACT_GONE for row in due if row.valid_until is not None or not row.address}
    for row in session.execute(_inside([row.id for row in due])):
        reason = reason_to_withhold(
            standing=row.standing,
            told=row.told_item_set_id,
            planned=(row.item_set_id, row.confirmed_item_set_id, row.certainty),
            known_now=(row.set_now, row.confirmed_now, row.certainty_now),
        )
        if reason is not None:
            held_back.setdefault(row.delivery_id, reason)
        people[row.delivery_id].append(
            ClaimedPerson(
                name=row.name or "",
                kind=row.kind,
                relation=row.relation,
                item_set_id=row.item_set_id,
                confirmed_item_set_id=row.confirmed_item_set_id,
                certainty=Certainty(row.certainty),
            ),
        )
    by_reason: dict[WithheldBecause, list[int]] = defaultdict(list)
    for delivery_id, because in held_back.items():
        people.pop(delivery_id, None)
        by_reason[because].append(delivery_id)
    return dict(people), by_reason


def _inside(delivery_ids: Sequence[int]) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(
            DeliveryPerson.delivery_id,
            DeliveryPerson.item_set_id,
            DeliveryPerson.confirmed_item_set_id,
            DeliveryPerson.certainty,
            PersonToInform.standing,
            PersonToInform.told_item_set_id,
            PersonToInform.item_set_id.label("set_now"),
            PersonToInform.confirmed_item_set_id.label("confirmed_now"),
            PersonToInform.certainty.label("certainty_now"),
            CustomerContact.name,
            Customer.kind,
            Customer.relation,
        )
        .join(DeliveryRow, DeliveryRow.id == DeliveryPerson.delivery_id)
        .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
        .join(PersonToInform, PersonToInform.id == DeliveryPerson.person_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(DeliveryPerson.delivery_id.in_(delivery_ids))
        .order_by(DeliveryPerson.delivery_id, DeliveryPerson.person_id)
    )
