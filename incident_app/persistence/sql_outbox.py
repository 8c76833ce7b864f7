"""The outbox in the application's database: claiming with a lease, recording results, recovering after a crash."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignStatus, DeliveryEvent, DeliveryState, Standing, next_state
from incident_app.domain.vocabulary import Certainty, Language, PersonKind, Relation
from incident_app.persistence.bulk import chunks, insert_new
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import Campaign, DeliveryAttempt, DeliveryPerson, DeliveryRow, PersonToInform
from notifications.addresses import Address
from notifications.journal import Fate, Replay
from notifications.outbox import Attempt, Delivery
from notifications.outcome import Accepted, Outcome, RefusedForGood, RefusedForNow, Unknown, outcome_of_reply
from notifications.retry import RetryPolicy, next_attempt_at

Opener = Callable[[], AbstractContextManager[Session]]
"""Opens a session that is saved at its end; only services know how."""

GO_STALE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, repr=False)
class ClaimedPerson:
    """One person in a message, as the composer needs them."""

    name: str
    kind: PersonKind
    relation: Relation
    item_set_id: int
    confirmed_item_set_id: int
    certainty: Certainty


@dataclass(frozen=True, kw_only=True, repr=False)
class ClaimedFacts:
    """Everything the composer needs for one message."""

    campaign_id: int
    notice_version_id: int
    language: Language
    token: str
    people: tuple[ClaimedPerson, ...]


def microseconds(moment: datetime) -> int:
    """Return a queue time: whole microseconds since 1970 in UTC."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class SqlOutbox:
    """Fulfils notifications.outbox.Outbox for one worker."""

    def __init__(
        self,
        open_session: Opener,
        *,
        read: Opener,
        owner: str,
        clock: Callable[[], datetime],
        policy: RetryPolicy | None = None,
    ) -> None:
        self._open = open_session
        self._read = read
        self.owner = owner
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._allowed, self._looked_at = False, float("-inf")

    def claim(self, *, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease up to `limit` due deliveries of running campaigns; withhold those whose contact no longer holds."""
        now = self._clock()
        with self._open() as session:
            due = session.execute(_due(limit, microseconds(now))).all()
            gone = [row.id for row in due if row.valid_until is not None or not row.address]
            taken = [row for row in due if row.id not in set(gone)]
            if gone:
                withhold(session, gone)
            if not taken:
                return []
            session.execute(
                sa.update(DeliveryRow)
                .where(DeliveryRow.id.in_([row.id for row in taken]), DeliveryRow.state == DeliveryState.QUEUED)
                .values(
                    state=next_state(DeliveryState.QUEUED, DeliveryEvent.CLAIMED),
                    lease_owner=self.owner,
                    lease_until=microseconds(now + lease),
                    attempt_count=DeliveryRow.attempt_count + 1,
                    first_attempt_at=sa.func.coalesce(DeliveryRow.first_attempt_at, microseconds(now)),
                ),
            )
            versions = _pin_versions(session, taken)
            people = _people_of(session, [row.id for row in taken])
            return [
                Delivery(
                    id=row.id,
                    attempt=row.attempt_count + 1,
                    recipient=Address(row.address),
                    facts=ClaimedFacts(
                        campaign_id=row.campaign_id,
                        notice_version_id=versions[row.campaign_id, row.language],
                        language=row.language,
                        token=row.token,
                        people=tuple(people[row.id]),
                    ),
                )
                for row in taken
            ]

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Store what came of these attempts and move their deliveries and people, all or none."""
        with self._open() as session:
            self.record_in(session, attempts)

    def record_in(self, session: Session, attempts: Sequence[Attempt], *, owner: str | None = None) -> None:
        """Store results within an open session. A row that is no longer leased to `owner` is left as it is."""
        leased = {
            row.id: row
            for row in session.scalars(
                sa.select(DeliveryRow).where(
                    DeliveryRow.id.in_([attempt.delivery_id for attempt in attempts]),
                    DeliveryRow.state == DeliveryState.SENDING,
                    DeliveryRow.lease_owner == (owner or self.owner),
                ),
            )
        }
        ours = [
            attempt
            for attempt in attempts
            if attempt.delivery_id in leased and leased[attempt.delivery_id].attempt_count == attempt.number
        ]
        insert_new(session, DeliveryAttempt, [_attempt_row(attempt) for attempt in ours])
        settled: dict[DeliveryState, list[int]] = defaultdict(list)
        for attempt in ours:
            row = leased[attempt.delivery_id]
            event, again_at = self._event(row, attempt)
            row.state, row.lease_owner, row.lease_until = next_state(row.state, event), None, None
            if again_at is not None:
                row.next_attempt_at = again_at
            settled[row.state].append(row.id)
        session.flush()
        for state, standing in (
            (DeliveryState.ACCEPTED, Standing.INFORMED),
            (DeliveryState.FAILED, Standing.NOT_REACHED),
        ):
            if settled[state]:
                move_people(session, settled[state], standing, at=self._clock())

    def _event(self, row: DeliveryRow, attempt: Attempt) -> tuple[DeliveryEvent, int | None]:
        match attempt.outcome:
            case Accepted():
                return DeliveryEvent.SERVER_ACCEPTED, None
            case RefusedForGood():
                return DeliveryEvent.REFUSED_FOR_GOOD, None
            case Unknown():
                return DeliveryEvent.OUTCOME_UNKNOWN, None
            case RefusedForNow():
                first = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.first_attempt_at or 0)
                again_at = next_attempt_at(
                    attempt=attempt.number,
                    first_attempt_at=first,
                    now=attempt.finished_at,
                    policy=self._policy,
                    delivery_id=row.id,
                )
                if again_at is None:
                    return DeliveryEvent.GAVE_UP, None
                return DeliveryEvent.REFUSED_FOR_NOW, microseconds(again_at)

    def renew(self, *, lease: timedelta) -> None:
        """Prolong every lease of this worker."""
        until = microseconds(self._clock() + lease)
        with self._open() as session:
            session.execute(_leased_by(self.owner).values(lease_until=until))

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Queue deliveries again whose attempt never began; the attempt does not count."""
        with self._open() as session:
            _never_begun(session, [delivery.id for delivery in deliveries], self.owner)

    def sending_allowed(self) -> bool:
        """Tell whether any campaign runs, from memory at most a second old; asked before each message."""
        if time.monotonic() - self._looked_at > GO_STALE_SECONDS:
            with self._read() as session:
                running = sa.select(Campaign.id).where(Campaign.status == CampaignStatus.RUNNING).limit(1)
                self._allowed, self._looked_at = session.scalar(running) is not None, time.monotonic()
        return self._allowed

    def recover(self, session: Session, owner: str, journal: Replay) -> int:
        """Settle the leased rows of a dead worker by its journal; return how many are in doubt."""
        rows = session.execute(
            sa.select(DeliveryRow.id, DeliveryRow.attempt_count).where(
                DeliveryRow.state == DeliveryState.SENDING, DeliveryRow.lease_owner == owner
            ),
        ).all()
        attempts, never_begun = [], []
        for delivery_id, number in rows:
            fate = journal.fate_of(delivery_id, number)
            if fate is Fate.NEVER_BEGUN:
                never_begun.append(delivery_id)
                continue
            code = journal.ended.get((delivery_id, number)) if fate is Fate.ENDED else None
            attempts.append(
                Attempt(
                    delivery_id=delivery_id,
                    number=number,
                    outcome=outcome_of_reply(code) if code else Unknown(text="the worker ended before the reply"),
                    finished_at=self._clock(),
                    content_digest="",
                ),
            )
        _never_begun(session, never_begun, owner)
        self.record_in(session, attempts, owner=owner)
        return sum(isinstance(attempt.outcome, Unknown) for attempt in attempts)


def move_people(session: Session, delivery_ids: Sequence[int], standing: Standing, *, at: datetime) -> None:
    """Move the people of settled deliveries: told of the items of that message, or not reached."""
    inside = sa.select(DeliveryPerson.person_id).where(DeliveryPerson.delivery_id.in_(delivery_ids))
    values: dict[str, object] = {"standing": standing, "standing_since": at, "how": "mail"}
    query = sa.update(PersonToInform).where(PersonToInform.id.in_(inside))
    if standing is Standing.INFORMED:
        values["told_item_set_id"] = (
            sa.select(sa.func.max(DeliveryPerson.item_set_id))
            .where(DeliveryPerson.person_id == PersonToInform.id, DeliveryPerson.delivery_id.in_(delivery_ids))
            .scalar_subquery()
        )
    else:  # who was told before by another way stays told
        query = query.where(PersonToInform.standing.in_([Standing.TO_INFORM, Standing.NOT_REACHED, Standing.INFORMED]))
    session.execute(query.values(**values))
    session.execute(sa.update(DeliveryPerson).where(DeliveryPerson.delivery_id.in_(delivery_ids)).values(open=False))


def withhold(session: Session, ids: Sequence[int]) -> None:
    """Withhold queued messages on purpose; their people keep their standing and are free for another message."""
    for chunk in chunks(ids):
        session.execute(
            sa.update(DeliveryRow)
            .where(DeliveryRow.id.in_(chunk), DeliveryRow.state == DeliveryState.QUEUED)
            .values(state=next_state(DeliveryState.QUEUED, DeliveryEvent.WITHHELD)),
        )
        session.execute(sa.update(DeliveryPerson).where(DeliveryPerson.delivery_id.in_(chunk)).values(open=False))


def _due(limit: int, now: int) -> sa.Select[int, int, Language, str, int, str | None, datetime | None]:
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
            Campaign.status == CampaignStatus.RUNNING,
            DeliveryRow.state == DeliveryState.QUEUED,
            DeliveryRow.next_attempt_at <= now,
        )
        .order_by(Campaign.priority, DeliveryRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=DeliveryRow)
    )


def _pin_versions(
    session: Session, taken: Sequence[sa.Row[int, int, Language, str, int, str | None, datetime | None]]
) -> dict[tuple[int, Language], int]:
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


def _people_of(session: Session, delivery_ids: Sequence[int]) -> dict[int, list[ClaimedPerson]]:
    people: dict[int, list[ClaimedPerson]] = defaultdict(list)
    rows = session.execute(
        sa.select(
            DeliveryPerson.delivery_id,
            DeliveryPerson.item_set_id,
            DeliveryPerson.confirmed_item_set_id,
            DeliveryPerson.certainty,
            CustomerContact.name,
            Customer.kind,
            Customer.relation,
        )
        .join(DeliveryRow, DeliveryRow.id == DeliveryPerson.delivery_id)
        .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
        .join(PersonToInform, PersonToInform.id == DeliveryPerson.person_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(DeliveryPerson.delivery_id.in_(delivery_ids))
        .order_by(DeliveryPerson.delivery_id, DeliveryPerson.person_id),
    )
    for delivery_id, set_id, confirmed_id, certainty, name, kind, relation in rows:
        people[delivery_id].append(
            ClaimedPerson(
                name=name or "",
                kind=kind,
                relation=relation,
                item_set_id=set_id,
                confirmed_item_set_id=confirmed_id,
                certainty=Certainty(certainty),
            ),
        )
    return people


def _leased_by(owner: str) -> sa.Update:
    return sa.update(DeliveryRow).where(DeliveryRow.state == DeliveryState.SENDING, DeliveryRow.lease_owner == owner)


def _never_begun(session: Session, ids: Sequence[int], owner: str) -> None:
    if ids:
        session.execute(
            _leased_by(owner)
            .where(DeliveryRow.id.in_(ids))
            .values(
                state=next_state(DeliveryState.SENDING, DeliveryEvent.NEVER_BEGUN),
                lease_owner=None,
                lease_until=None,
                attempt_count=DeliveryRow.attempt_count - 1,
            ),
        )


def _attempt_row(attempt: Attempt) -> dict[str, object]:
    return {
        "delivery_id": attempt.delivery_id,
        "number": attempt.number,
        "finished_at": attempt.finished_at,
        "outcome": outcome_word(attempt.outcome),
        "reply_code": attempt.outcome.code,
        "enhanced_code": attempt.outcome.enhanced,
        "reply_text": attempt.outcome.text[:500],
        "content_digest": attempt.content_digest or None,
    }


def outcome_word(outcome: Outcome) -> str:
    """Return the word under which an outcome is stored."""
    words = {
        Accepted: "accepted",
        RefusedForNow: "refused_for_now",
        RefusedForGood: "refused_for_good",
        Unknown: "unknown",
    }
    return words[type(outcome)]
