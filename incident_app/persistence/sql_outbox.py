"""The outbox in the application's database: claiming with a lease, recording results, recovering after a crash."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import (
    CampaignStatus,
    DeliveryEvent,
    DeliveryState,
    Standing,
    WithheldBecause,
    next_state,
)
from incident_app.domain.vocabulary import Language
from incident_app.persistence import claims
from incident_app.persistence.attempts import (
    Leased,
    insert_attempts,
    leased_rows,
    move_people,
    queue_again,
    settle,
)
from incident_app.persistence.bulk import CHUNK, chunks
from incident_app.persistence.claims import ClaimedFacts, ClaimedPerson, Due, due_deliveries, people_of
from incident_app.persistence.limited_claims import Claim, LimitedClaim, bring_forward
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow
from incident_app.persistence.pacing import NO_LIMITS, read_limits
from notifications.addresses import Address
from notifications.journal import Fate, Replay
from notifications.outbox import Attempt, Delivery
from notifications.outcome import Accepted, RefusedForGood, RefusedForNow, Unknown, outcome_of_reply
from notifications.retry import RetryPolicy, next_attempt_at
from notifications.throttle import MICROSECONDS

Opener = Callable[[], AbstractContextManager[Session]]
"""Opens a session that is saved at its end; only services know how."""

GO_STALE_SECONDS = 1.0
CRASHED = "the worker ended before the reply"
"""What is written of an attempt whose outcome a crash of ours has hidden."""


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
        on_hold: Callable[[int, str], None],
        admit: Callable[[int], bool],
        hold_canaries: Callable[[], Collection[int]],
        brake: Callable[[], Collection[int]],
        policy: RetryPolicy | None = None,
    ) -> None:
        """Make an outbox.

        `on_hold` stops a campaign, with the reason, of which nothing can be sent; `admit` tells once for each that
        runs whether it may be sent as it stands; `hold_canaries` stops those whose canary is sent, and names them;
        `brake` does so with those that fail too often, asked whenever an attempt ended badly.
        """
        self._open = open_session
        self._read = read
        self.owner = owner
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._on_hold = on_hold
        self._admit = admit
        self._hold_canaries = hold_canaries
        self._brake = brake
        self._admitted: set[int] = set()
        self._running, self._looked_at = frozenset[int](), float("-inf")
        self._limits, self._limits_read_at = NO_LIMITS, float("-inf")
        self._hours: dict[int, tuple[int | None, int | None]] = {}
        self._is_limited = False
        self._opens_at: int | None = None

    def claim(self, *, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease up to `limit` due deliveries of running campaigns; withhold what must no longer be sent."""
        admitted = self._admitted_now()
        if self.opens_in():  # all that is due waits for a limit
            return []
        self._opens_at = None
        while admitted:
            with self._open() as session:
                now = microseconds(self._clock())
                limited = LimitedClaim(session, self._limits, admitted, now) if self._is_limited else None
                found = limited.collect(limit) if limited else Claim(due=due_deliveries(session, limit, now, admitted))
                people, held_back = people_of(session, found.due)
                for because, ids in held_back.items():
                    withhold(session, ids, because)
                taken = [row for row in found.due if row.id in people]
                if limited:
                    limited.charge(taken)
                if taken:
                    return self._lease(session, taken, people, lease)
            if not found.due and not found.moved:
                # Somebody may lift the limit or start another wave meanwhile.
                self._opens_at = None if found.opens_at is None else min(found.opens_at, now + MICROSECONDS)
                break
        return []

    def opens_in(self) -> float | None:
        """Return in how many seconds a limit lets the next message leave that is due, if that is soon."""
        if self._opens_at is None:
            return None
        return max(0, self._opens_at - microseconds(self._clock())) / MICROSECONDS

    def _admitted_now(self) -> set[int]:
        """Return the running campaigns that may be sent; each is tested anew whenever it begins to run."""
        with self._read() as session:
            found = session.execute(
                sa.select(
                    Campaign.id,
                    Campaign.canary_through,
                    Campaign.hours_from,
                    Campaign.hours_until,
                    Campaign.per_hour_ceiling,
                ).where(Campaign.status == CampaignStatus.RUNNING)
            ).all()
            self._read_limits(session)
        running = {wave.id for wave in found}
        if any(wave.canary_through is not None for wave in found):
            running -= set(self._hold_canaries())
        self._admitted &= running
        self._admitted |= {campaign_id for campaign_id in running - self._admitted if self._admit(campaign_id)}
        own = any(wave.hours_from is not None or wave.per_hour_ceiling is not None for wave in found)
        self._is_limited = own or bool(self._limits.overall or self._limits.domains)
        self._obey_hours({wave.id: (wave.hours_from, wave.hours_until) for wave in found})
        return set(self._admitted)

    def _read_limits(self, session: Session) -> None:
        if time.monotonic() - self._limits_read_at > GO_STALE_SECONDS:
            self._limits, self._limits_read_at = read_limits(session), time.monotonic()

    def _obey_hours(self, hours: dict[int, tuple[int | None, int | None]]) -> None:
        """Let what waits for the hours of a wave be asked again once those were changed, or this worker is new."""
        changed = [campaign_id for campaign_id, pair in hours.items() if self._hours.get(campaign_id) != pair]
        for campaign_id in changed:
            moved = CHUNK
            while moved >= CHUNK:
                with self._open() as session:
                    moved = bring_forward(session, campaign_id, microseconds(self._clock()), CHUNK)
        self._hours = hours

    def _lease(
        self, session: Session, taken: Sequence[Due], people: Mapping[int, Sequence[ClaimedPerson]], lease: timedelta
    ) -> Sequence[Delivery]:
        now = self._clock()
        versions = claims.lease(
            session, taken, owner=self.owner, now=microseconds(now), until=microseconds(now + lease)
        )
        return [
            Delivery(
                id=row.id,
                attempt=row.attempt_count + 1,
                recipient=Address(row.address or ""),
                facts=ClaimedFacts(
                    campaign_id=row.campaign_id,
                    notice_version_id=versions[row.campaign_id, row.language],
                    language=Language(row.language),
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
        if any(isinstance(attempt.outcome, RefusedForGood | Unknown) for attempt in attempts) and self._brake():
            self._looked_at = float("-inf")

    def record_in(self, session: Session, attempts: Sequence[Attempt], *, owner: str | None = None) -> None:
        """Store results within an open session. A row that is no longer leased to `owner` is left as it is."""
        owner = owner or self.owner
        leased = leased_rows(session, [attempt.delivery_id for attempt in attempts], owner)
        ours = [
            attempt
            for attempt in attempts
            if (row := leased.get(attempt.delivery_id)) is not None and row.attempt_count == attempt.number
        ]
        insert_attempts(session, ours)
        settled: dict[DeliveryState, list[int]] = defaultdict(list)
        later: dict[int, int] = {}
        for attempt in ours:
            event, again_at = self._event(leased[attempt.delivery_id], attempt)
            state = next_state(DeliveryState.SENDING, event)
            if again_at is None:
                settled[state].append(attempt.delivery_id)
            else:
                later[attempt.delivery_id] = again_at
        for state, ids in settled.items():
            settle(session, ids, state, owner)
        if later:
            queue_again(session, later, owner)
        for state, standing in (
            (DeliveryState.ACCEPTED, Standing.INFORMED),
            (DeliveryState.FAILED, Standing.NOT_REACHED),
        ):
            if settled[state]:
                move_people(session, settled[state], standing, at=self._clock())

    def _event(self, row: Leased, attempt: Attempt) -> tuple[DeliveryEvent, int | None]:
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
                    delivery_id=attempt.delivery_id,
                )
                if again_at is None and attempt.outcome.about_us:  # nobody is given up for a refusal of us
                    again_at = attempt.finished_at + self._policy.longest_delay
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

    def hold(self, delivery: Delivery, reason: str) -> None:
        """Queue a delivery again and stop its campaign: whatever is at fault would fail everybody in it."""
        self.give_back([delivery])
        if isinstance(delivery.facts, ClaimedFacts):
            self._on_hold(delivery.facts.campaign_id, reason)
        self._looked_at = float("-inf")

    def sending_allowed(self) -> bool:
        """Tell whether any campaign runs, from memory at most a second old."""
        return bool(self._running_now())

    def may_send(self, delivery: Delivery) -> bool:
        """Tell whether this message's campaign runs, from memory at most a second old; asked before each message."""
        return isinstance(delivery.facts, ClaimedFacts) and delivery.facts.campaign_id in self._running_now()

    def _running_now(self) -> frozenset[int]:
        if time.monotonic() - self._looked_at > GO_STALE_SECONDS:
            with self._read() as session:
                running = sa.select(Campaign.id).where(Campaign.status == CampaignStatus.RUNNING)
                self._running, self._looked_at = frozenset(session.scalars(running)), time.monotonic()
        return self._running

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
                    outcome=outcome_of_reply(code) if code else Unknown(text=CRASHED),
                    finished_at=self._clock(),
                    content_digest="",
                ),
            )
        _never_begun(session, never_begun, owner)
        self.record_in(session, attempts, owner=owner)
        return sum(isinstance(attempt.outcome, Unknown) for attempt in attempts)


def withhold(session: Session, ids: Sequence[int], because: WithheldBecause) -> None:
    """Withhold queued messages on purpose; their people keep their standing and are free for another message.

    A message that a worker took meanwhile is not withheld, and its people are not free.
    """
    withheld = sa.select(DeliveryRow.id).where(DeliveryRow.state == DeliveryState.WITHHELD)
    for chunk in chunks(ids):
        session.execute(
            sa.update(DeliveryRow)
            .where(DeliveryRow.id.in_(chunk), DeliveryRow.state == DeliveryState.QUEUED)
            .values(state=next_state(DeliveryState.QUEUED, DeliveryEvent.WITHHELD), withheld_because=because),
        )
        free = DeliveryPerson.delivery_id.in_(withheld.where(DeliveryRow.id.in_(chunk)))
        session.execute(sa.update(DeliveryPerson).where(free).values(open=False))


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
