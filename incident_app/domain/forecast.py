"""When a wave will have been sent, held against the nearest deadline of the duty toward people (K7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MOST = 2_000
"""So many of the last attempts tell the rate; fewer when they lie further back than LATELY."""
LATELY = timedelta(minutes=5)
LONGEST = timedelta(days=365)
"""What would take longer has no end worth naming."""


class RateBasis(StrEnum):
    """Where the rate of a forecast comes from."""

    CONFIGURED = "configured"
    MEASURED = "measured"


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


def foresee(*, left: int, per_second: float, basis: RateBasis, deadline: datetime | None, now: datetime) -> Forecast:
    """Say when `left` messages will have been tried at this rate."""
    seconds = 0.0 if left == 0 else left / per_second if per_second > 0 else math.inf
    return Forecast(
        left=left,
        basis=basis,
        per_minute=round(per_second * 60, 1),
        ends_at=now + timedelta(seconds=math.ceil(seconds)) if seconds <= LONGEST.total_seconds() else None,
        deadline=deadline,
    )
