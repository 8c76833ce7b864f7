"""When to try again: a message refused for now, and a server that cannot be reached."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

_JITTER_STEPS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How delays grow and when a message is given up."""

    first_delay: timedelta = timedelta(minutes=5)
    factor: float = 2.0
    longest_delay: timedelta = timedelta(hours=4)
    give_up_after: timedelta = timedelta(days=2)
    jitter: float = 0.1
    """Share of the delay by which messages are spread, so that they do not all come back at once."""


def next_attempt_at(
    *,
    attempt: int,
    first_attempt_at: datetime,
    now: datetime,
    policy: RetryPolicy,
    delivery_id: int | None = None,
) -> datetime | None:
    """Return when to try again after failed attempt number `attempt`, or None when the message is too old."""
    delay = _grown(policy.first_delay, policy.factor, policy.longest_delay, attempt)
    if delivery_id is not None:
        delay += delay * policy.jitter * _share_of(delivery_id, attempt)
    due_at = now + delay
    return due_at if due_at <= first_attempt_at + policy.give_up_after else None


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to leave a server alone that could not be reached."""

    first_delay: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    longest_delay: timedelta = timedelta(minutes=1)


def reconnect_delay(failures: int, backoff: Backoff) -> timedelta:
    """Return how long to wait after so many failed connections in a row."""
    return _grown(backoff.first_delay, backoff.factor, backoff.longest_delay, failures)


def _grown(first: timedelta, factor: float, longest: timedelta, times: int) -> timedelta:
    delay = first
    for _ in range(times - 1):
        if delay >= longest:
            break
        delay *= factor
    return min(delay, longest)


def _share_of(delivery_id: int, attempt: int) -> float:
    """Return a number from 0 up to 1 that is always the same for one attempt."""
    digest = hashlib.sha256(f"{delivery_id}/{attempt}".encode()).digest()
    return (int.from_bytes(digest[:8]) % _JITTER_STEPS) / _JITTER_STEPS
