"""Honest doubles of outbox and transport, for tests and dry runs: nothing leaves the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from notifications.errors import CannotConnect, ConnectFault
from notifications.journal import Fate, Replay
from notifications.outbox import Attempt, Delivery
from notifications.outcome import Accepted, Outcome, RefusedForGood, RefusedForNow, Unknown, outcome_of_reply
from notifications.retry import RetryPolicy, next_attempt_at
from notifications.transport import Envelope, Following


class MemoryState(StrEnum):
    """What is known about a delivery."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


@dataclass
class _Row:
    delivery: Delivery
    due_at: datetime
    state: MemoryState = MemoryState.QUEUED
    lease_until: datetime | None = None
    first_attempt_at: datetime | None = None


class MemoryOutbox:
    """Keeps deliveries as a table would: whatever a table would refuse is refused here."""

    def __init__(
        self,
        deliveries: Iterable[Delivery],
        *,
        clock: Callable[[], datetime],
        policy: RetryPolicy | None = None,
    ) -> None:
        now = clock()
        self._rows = {delivery.id: _Row(delivery=delivery, due_at=now) for delivery in deliveries}
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self.attempts: list[Attempt] = []
        self.allowed = True
        self.held: list[str] = []
        self.stopped: set[int] = set()

    def states(self) -> dict[int, MemoryState]:
        """Return the state of every delivery."""
        return {key: row.state for key, row in self._rows.items()}

    def claim(self, *, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease what is queued and due, in order."""
        now = self._clock()
        due = [row for row in self._rows.values() if row.state is MemoryState.QUEUED and row.due_at <= now][:limit]
        for row in due:
            row.state, row.lease_until = MemoryState.SENDING, now + lease
        return [row.delivery for row in due]

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Store attempts, all or none; one that was not leased is an error."""
        rows = [self._leased(attempt.delivery_id, attempt.number) for attempt in attempts]
        for row, attempt in zip(rows, attempts, strict=True):
            self.attempts.append(attempt)
            self._settle(row, attempt.outcome, attempt.finished_at)

    def renew(self, *, lease: timedelta) -> None:
        """Prolong all leases."""
        for row in self._rows.values():
            if row.state is MemoryState.SENDING:
                row.lease_until = self._clock() + lease

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Queue deliveries again for the same attempt."""
        for delivery in deliveries:
            row = self._leased(delivery.id, delivery.attempt)
            row.state, row.lease_until = MemoryState.QUEUED, None

    def hold(self, delivery: Delivery, reason: str) -> None:
        """Queue a delivery again, keep the reason and allow nothing more."""
        self.give_back([delivery])
        self.held.append(reason)
        self.allowed = False

    def opens_in(self) -> float | None:
        """Know no limits."""
        return None

    def sending_allowed(self) -> bool:
        """Tell what `allowed` says."""
        return self.allowed

    def may_send(self, delivery: Delivery) -> bool:
        """Tell whether any may be sent and this one was not stopped."""
        return delivery.id not in self.stopped and self.sending_allowed()

    def settle(self, replay: Replay) -> None:
        """Bring leased deliveries of a dead worker into the state that its journal proves."""
        for row in [row for row in self._rows.values() if row.state is MemoryState.SENDING]:
            key = (row.delivery.id, row.delivery.attempt)
            match replay.fate_of(*key):
                case Fate.ENDED:
                    self._settle(row, outcome_of_reply(replay.ended[key]), self._clock())
                case Fate.IN_DOUBT:
                    self._settle(row, Unknown(), self._clock())
                case Fate.NEVER_BEGUN:
                    self.give_back([row.delivery])

    def _leased(self, delivery_id: int, number: int) -> _Row:
        row = self._rows[delivery_id]
        if row.state is not MemoryState.SENDING or row.delivery.attempt != number:
            raise ValueError(f"attempt {number} of delivery {delivery_id} is not leased")
        return row

    def _settle(self, row: _Row, outcome: Outcome, at: datetime) -> None:
        row.lease_until = None
        match outcome:
            case Accepted():
                row.state = MemoryState.ACCEPTED
            case RefusedForGood():
                row.state = MemoryState.FAILED
            case Unknown():
                row.state = MemoryState.UNCERTAIN
            case RefusedForNow():
                self._queue_again(row, at)

    def _queue_again(self, row: _Row, at: datetime) -> None:
        row.first_attempt_at = row.first_attempt_at or at
        due_at = next_attempt_at(
            attempt=row.delivery.attempt,
            first_attempt_at=row.first_attempt_at,
            now=at,
            policy=self._policy,
            delivery_id=row.delivery.id,
        )
        if due_at is None:
            row.state = MemoryState.FAILED
        else:
            row.state, row.due_at = MemoryState.QUEUED, due_at
            row.delivery = replace(row.delivery, attempt=row.delivery.attempt + 1)


class MemoryTransport:
    """Answers each message as a script says and keeps what was handed over."""

    def __init__(
        self,
        script: Callable[[Envelope], Outcome] | None = None,
        *,
        failing_connects: int = 0,
        eight_bit: bool = True,
    ) -> None:
        self._script = script or (lambda _: Accepted(code=250, text="2.0.0 queued"))
        self._failing_connects = failing_connects
        self._eight_bit = eight_bit
        self.connects = 0
        self.open_connections = 0
        self.handed_over: list[Envelope] = []

    async def connect(self) -> MemoryConnection:
        """Open a connection, after the scripted number of failures."""
        self.connects += 1
        if self._failing_connects > 0:
            self._failing_connects -= 1
            raise CannotConnect(ConnectFault.UNREACHABLE)
        self.open_connections += 1
        return MemoryConnection(self, self._script, eight_bit=self._eight_bit)


class MemoryConnection:
    """A line that breaks where a real one would."""

    def __init__(self, transport: MemoryTransport, script: Callable[[Envelope], Outcome], *, eight_bit: bool) -> None:
        self._transport = transport
        self._script = script
        self._eight_bit = eight_bit
        self._unbroken = True

    @property
    def eight_bit(self) -> bool:
        """Tell what the transport was made with."""
        return self._eight_bit

    @property
    def is_usable(self) -> bool:
        """Tell whether the script has not broken the line yet."""
        return self._unbroken

    def refuses(self, _envelope: Envelope) -> Outcome | None:
        """Refuse nothing beforehand."""
        return None

    async def send(
        self, envelope: Envelope, *, before_data: Callable[[], None], following: Following | None = None
    ) -> Outcome | None:
        """Answer by the script; refusals come before the message's content."""
        outcome = await self._answer(envelope, before_data)
        while following is not None and isinstance(outcome, Accepted):
            following.ended(outcome)
            further = following.next()
            if further is None:
                return None
            outcome = await self._answer(further, before_data)
        return outcome

    async def _answer(self, envelope: Envelope, before_data: Callable[[], None]) -> Outcome:
        await asyncio.sleep(0)
        outcome = self._script(envelope)
        if isinstance(outcome, (Accepted, Unknown)):
            before_data()
            self._transport.handed_over.append(envelope)
            await asyncio.sleep(0)
        self._unbroken = not isinstance(outcome, Unknown) and outcome.code not in {None, 421}
        return outcome

    async def close(self) -> None:
        """Count the line as closed."""
        self._unbroken = False
        self._transport.open_connections -= 1
