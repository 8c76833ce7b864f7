"""Claiming: which messages are due, whom each is for, and which of them must no longer be sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import (
    CampaignStatus,
    DeliveryEvent,
    DeliveryState,
    Standing,
    WithheldBecause,
    next_state,
    reason_to_withhold,
)
from incident_app.domain.vocabulary import Certainty, Language, PersonKind, Relation
from incident_app.persistence.bulk import key_list, one_of, rows_with
from incident_app.persistence.contact_safety import closed_since_filled
from incident_app.persistence.database import Json
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import Campaign


@dataclass(frozen=True, kw_only=True, repr=False)
class ClaimedPerson:
    """One person in a message, as the composer needs them."""

    name: str
    customer_number: str
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


class Due(NamedTuple):
    """A message whose time has come."""

    id: int
    campaign_id: int
    language: str
    token: str
    attempt_count: int
    address: str | None
    valid_until: object


class RunningWave(NamedTuple):
    """A wave that sends, with what of it may leave now."""

    id: int
    first: int | None
    last: int | None
    hours_from: int | None
    hours_until: int | None
    per_hour: int | None
    countries: Json | None

    @property
    def canary(self) -> tuple[str, dict[str, int | None]]:
        """Return the condition that only the first messages may leave, and its values; empty without a canary."""
        if self.last is None:
            return "", {}
        return "AND waiting.id BETWEEN :first AND :last ", {"first": self.first, "last": self.last}


QUEUED = "waiting.campaign_id = :campaign AND waiting.state = 'queued' AND waiting.paced IS NULL "
COLUMNS = (
    "waiting.id, waiting.campaign_id, waiting.language, waiting.token, waiting.attempt_count, "
    "contact.address, contact.valid_until"
)
"""What a `Due` holds, in its order."""
TABLES = "FROM deliveries waiting JOIN customer_contacts contact ON contact.id = waiting.contact_id "
IN_TURN = "ORDER BY waiting.next_attempt_at, waiting.id LIMIT :most"


def locking(session: Session) -> str:
    """Return what keeps other workers from the rows of a claim."""
    return " FOR UPDATE OF waiting SKIP LOCKED" if session.get_bind().dialect.name == "postgresql" else ""


def running_waves(session: Session, campaigns: Collection[int]) -> list[RunningWave]:
    """Return those of the waves that run now, urgent ones first."""
    columns = (
        Campaign.id,
        Campaign.canary_from,
        Campaign.canary_through,
        Campaign.hours_from,
        Campaign.hours_until,
        Campaign.per_hour_ceiling,
        Campaign.countries,
    )
    running = sa.select(*columns).where(Campaign.id.in_(campaigns), Campaign.status == CampaignStatus.RUNNING)
    return [RunningWave(*row) for row in session.execute(running.order_by(Campaign.priority, Campaign.id))]


def due_deliveries(session: Session, limit: int, now: int, campaigns: Collection[int]) -> list[Due]:
    """Return up to `limit` messages whose time has come, urgent waves first, and keep other workers from them.

    Each wave is asked for by itself: its queue stands in an index in the order of its times, so that a claim reads what
    it takes and no more, however many wait. Of a wave that shows its canary only those first messages are due: whatever
    number of workers ask, and whichever of them die, no other message can leave.
    """
    due: list[Due] = []
    for wave in running_waves(session, campaigns):
        if len(due) == limit:
            break
        canary_only, within = wave.canary
        found = session.execute(
            sa.text(
                f"SELECT {COLUMNS} {TABLES}WHERE {QUEUED}"
                f"AND waiting.next_attempt_at <= :now {canary_only}{IN_TURN}{locking(session)}"
            ),
            {"campaign": wave.id, "now": now, "most": limit - len(due), **within},
        )
        due += [Due(*row) for row in found]
    return due


def lease(session: Session, taken: Sequence[Due], *, owner: str, now: int, until: int) -> dict[tuple[int, str], int]:
    """Lease queued messages and write on each the version it is sent with; return it by campaign and language."""
    found = session.execute(
        sa.select(Campaign.id, NoticeVersion.language, NoticeVersion.id)
        .join(
            NoticeVersion,
            sa.and_(NoticeVersion.notice_id == Campaign.notice_id, NoticeVersion.version == Campaign.notice_version),
        )
        .where(Campaign.id.in_({row.campaign_id for row in taken})),
    )
    versions: dict[tuple[int, str], int] = {(campaign_id, language): key for campaign_id, language, key in found}
    alike: dict[int, list[int]] = defaultdict(list)
    for row in taken:
        alike[versions[row.campaign_id, row.language]].append(row.id)
    for version, ids in alike.items():
        # The state is asked for as a calculated text: by name it would lead PostgreSQL to the index of queued rows,
        # which is full of those that no longer are.
        session.execute(
            sa.text(
                f"UPDATE deliveries SET state = '{next_state(DeliveryState.QUEUED, DeliveryEvent.CLAIMED)}', "  # noqa: S608
                "lease_owner = :owner, lease_until = :until, attempt_count = attempt_count + 1, "
                "first_attempt_at = coalesce(first_attempt_at, :now), notice_version_id = :version "
                f"WHERE {one_of(session, 'id', 'ids')} AND state || '' = 'queued'"
            ),
            {"owner": owner, "until": until, "now": now, "version": version, "ids": key_list(session, ids)},
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
    closed = closed_since_filled(session, [row.id for row in due])
    held_back |= {key: WithheldBecause.ADDRESS_CLOSED for key in closed if key not in held_back}
    inside = rows_with(session, _INSIDE, "inside.delivery_id", [row.id for row in due])
    inside.sort(key=itemgetter(0, 1))
    for delivery_id, _, items, confirmed, certainty, standing, told, *now_and_who in inside:
        items_now, confirmed_now, certain_now, name, number, kind, relation = now_and_who
        reason = reason_to_withhold(
            standing=_STANDINGS[standing],
            told=told,
            planned=(items, confirmed, certainty),
            known_now=(items_now, confirmed_now, certain_now),
        )
        if reason is not None:
            held_back.setdefault(delivery_id, reason)
        people[delivery_id].append(
            ClaimedPerson(
                name=name or "",
                customer_number=number,
                kind=_KINDS[kind],
                relation=_RELATIONS[relation],
                item_set_id=items,
                confirmed_item_set_id=confirmed,
                certainty=_CERTAINTIES[certainty],
            ),
        )
    by_reason: dict[WithheldBecause, list[int]] = defaultdict(list)
    for delivery_id, because in held_back.items():
        people.pop(delivery_id, None)
        by_reason[because].append(delivery_id)
    return dict(people), by_reason


_STANDINGS = {member.value: member for member in Standing}
_KINDS = {member.value: member for member in PersonKind}
_RELATIONS = {member.value: member for member in Relation}
_CERTAINTIES = {member.value: member for member in Certainty}
_INSIDE = """
SELECT inside.delivery_id, inside.person_id, inside.item_set_id, inside.confirmed_item_set_id, inside.certainty,
    person.standing, person.told_item_set_id, person.item_set_id, person.confirmed_item_set_id, person.certainty,
    contact.name, customer.customer_number, customer.kind, customer.relation
FROM delivery_people inside
JOIN deliveries waiting ON waiting.id = inside.delivery_id
JOIN customer_contacts contact ON contact.id = waiting.contact_id
JOIN people_to_inform person ON person.id = inside.person_id
JOIN customers customer ON customer.id = person.customer_id
"""
