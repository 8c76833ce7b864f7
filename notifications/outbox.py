"""The port to whoever keeps the deliveries: claim, record, renew, give back; and the port to who writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from notifications.addresses import Address
from notifications.outcome import Outcome
from notifications.transport import Envelope


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one recipient, claimed for the attempt with this number."""

    id: int
    attempt: int
    recipient: Address
    facts: object = field(default=None, repr=False)
    """What the composer needs; the mailer does not look inside."""

    def __post_init__(self) -> None:
        if self.attempt < 1:
            raise ValueError("attempts are counted from 1")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What came of one attempt."""

    delivery_id: int
    number: int
    outcome: Outcome
    finished_at: datetime
    content_digest: str
    """Empty when no message could be composed."""


class Outbox(Protocol):
    """Keeps the deliveries. Calls come from a thread, one at a time; those that answer at once, from anywhere."""

    def claim(self, *, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease up to `limit` deliveries that are due to this worker."""
        ...

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Store what came of these attempts, all or none, and end their leases."""
        ...

    def renew(self, *, lease: timedelta) -> None:
        """Prolong every lease of this worker."""
        ...

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Queue deliveries again whose attempt never began; the attempt does not count."""
        ...

    def hold(self, delivery: Delivery, reason: str) -> None:
        """Give a delivery back and send none like it until a person has looked: the fault is ours, not its own."""
        ...

    def opens_in(self) -> float | None:
        """Tell at once in how many seconds a limit lets the next message leave that is due; None when none waits so."""
        ...

    def sending_allowed(self) -> bool:
        """Tell at once, from memory at most a second old, whether any message may leave now."""
        ...

    def may_send(self, delivery: Delivery) -> bool:
        """Tell at once, from memory at most a second old, whether this message may still leave."""
        ...


class Composer(Protocol):
    """Makes messages of deliveries."""

    def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Fetch what these deliveries share, in a thread, after each claim and before any of them is composed."""
        ...

    def compose(self, delivery: Delivery, *, eight_bit: bool) -> Envelope:
        """Return the message without any I/O.

        CannotCompose says that this one cannot be made; SharedFault that none like it can, for a reason of ours.
        """
        ...
