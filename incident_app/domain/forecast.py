"""When a wave will have been sent, held against the nearest deadline of the duty toward people (K7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from incident_app.domain.sending_hours import SendingHours, closes_at, opens_at

MOST = 2_000
"""So many of the last attempts tell the rate; fewer when they lie further back than LATELY."""
LATELY = timedelta(minutes=5)
LONGEST = timedelta(days=365)
"""What would take longer has no end worth naming."""


UNKNOWN = ""
"""A country of which nothing is known counts as Japan."""


class RateBasis(StrEnum):
    """Where the rate of a forecast comes from."""

    CONFIGURED = "configured"
    MEASURED = "measured"


class Bound(StrEnum):
    """What decides when a wave ends."""

    RATE = "rate"
    PER_SECOND = "per_second"
    PER_HOUR = "per_hour"
    CEILING = "ceiling"
    DOMAIN = "domain"
    RETRIES = "retries"


@dataclass(frozen=True, kw_only=True)
class DomainQueue:
    """What is left of a wave for one limited mail domain."""

    left: int
    per_second: float | None
    paused_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """What lets a wave leave more slowly than the mail server takes it."""

    rates: Mapping[Bound, float] = field(default_factory=dict)
    """Messages a second by each limit that is set."""
    domains: Sequence[DomainQueue] = ()
    hours: SendingHours | None = None
    countries: Sequence[str] = ()
    retries: int = 0
    """How many of what is left were refused for now and are tried again."""
    last_retry_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """When what is left of a wave will have been tried once, if it goes on as fast."""

    left: int
    basis: RateBasis
    per_minute: float
    ends_at: datetime | None
    """None when nothing leaves, or so slowly that no end can be named."""
    deadline: datetime | None
    """The nearest deadline of an open duty toward people, or our own target where the law names no time."""
    bound_by: Bound = Bound.RATE
    """What decides the end."""
    within_hours: SendingHours | None = None
    """The sending hours that the end counts with."""
    retries: int = 0
    """How many of what is left wait to be tried again."""

    @property
    def is_late(self) -> bool:
        """True when the wave would end after the deadline, or never."""
        return self.deadline is not None and (self.ends_at is None or self.ends_at > self.deadline)


def measured_per_second(newest_first: Sequence[datetime], *, began_at: datetime, now: datetime) -> float:
    """Return how many messages a second were dealt with lately, from the ends of the last MOST attempts."""
    since = max(now - LATELY, began_at)
    lately = [ended_at for ended_at in newest_first if ended_at > since][:MOST]
    if len(lately) == MOST:
        since = lately[-1]
    return len(lately) / max((now - since).total_seconds(), 1.0)


NO_OBSTACLES = Obstacles()


def foresee(
    *,
    left: int,
    per_second: float,
    basis: RateBasis,
    deadline: datetime | None,
    now: datetime,
    obstacles: Obstacles = NO_OBSTACLES,
) -> Forecast:
    """Say when `left` messages will have been tried at this rate, or as slowly as limits, hours and retries make it."""
    rates = {Bound.RATE: per_second, **obstacles.rates}
    slowest = min(rates, key=lambda bound: rates[bound])
    ends = [(_after(obstacles, _seconds(left, rates[slowest]), now), slowest)]
    for queue in obstacles.domains:
        since = max(now, queue.paused_until or now)
        per = rates[slowest] if queue.per_second is None else min(rates[slowest], queue.per_second)
        ends.append((_after(obstacles, _seconds(queue.left, per), since), Bound.DOMAIN))
    if obstacles.last_retry_at is not None:
        ends.append((max(obstacles.last_retry_at, now), Bound.RETRIES))
    ends_at, bound_by = _latest(ends)
    return Forecast(
        left=left,
        basis=basis,
        per_minute=round(rates[slowest] * 60, 1),
        ends_at=ends_at if left else now,
        deadline=deadline,
        bound_by=bound_by,
        within_hours=obstacles.hours,
        retries=obstacles.retries,
    )


def _seconds(left: int, per_second: float) -> float:
    return 0.0 if left == 0 else left / per_second if per_second > 0 else math.inf


def _latest(ends: Sequence[tuple[datetime | None, Bound]]) -> tuple[datetime | None, Bound]:
    """Return the last of several ends and what makes it so; one that cannot be named is later than any."""
    return max(ends, key=lambda end: (end[0] is None, end[0].timestamp() if end[0] else 0.0))


def _after(obstacles: Obstacles, seconds: float, since: datetime) -> datetime | None:
    """Return when so many seconds of sending will have passed, within the hours of the country that is last."""
    if seconds > LONGEST.total_seconds():
        return None
    work, hours = timedelta(seconds=math.ceil(seconds)), obstacles.hours
    if hours is None:
        return since + work
    ends = [_within_hours(hours, country, work, since) for country in obstacles.countries or (UNKNOWN,)]
    return None if None in ends else max(end for end in ends if end is not None)


def _within_hours(hours: SendingHours, country: str, work: timedelta, since: datetime) -> datetime | None:
    """Spend the work within the hours of each day, as if everybody were there."""
    at = since
    while at - since <= LONGEST:
        at = opens_at(hours, country, at)
        closing = closes_at(hours, country, at)
        if work <= closing - at:
            return at + work
        work -= closing - at
        at = closing
    return None
