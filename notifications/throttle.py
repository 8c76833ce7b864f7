"""How fast messages may leave: a token bucket whose state and clock are passed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """So many messages a second on average, and at most `burst` at one moment."""

    per_second: float
    burst: float = 1.0

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1:
            raise ValueError("a rate limit lets something through: per_second > 0 and burst >= 1")


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The tokens left at a moment; fewer than none are promised to those who wait."""

    tokens: float
    at: float


def full_bucket(limit: RateLimit, now: float) -> Bucket:
    """Return the bucket with which a run begins."""
    return Bucket(tokens=limit.burst, at=now)


def take(limit: RateLimit, bucket: Bucket, now: float) -> tuple[Bucket, float]:
    """Take one token and return the bucket after it and the seconds to wait before sending."""
    now = max(now, bucket.at)
    tokens = min(limit.burst, bucket.tokens + (now - bucket.at) * limit.per_second) - 1
    return Bucket(tokens=tokens, at=now), max(0.0, -tokens / limit.per_second)


MICROSECONDS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SharedRate:
    """At most `count` messages in any `seconds`, wherever these begin, for all who share the limit.

    Whoever shares it keeps one moment in common, `free_at` in microseconds: until then all is spoken for. What may
    leave at one moment is a tenth of the count, and never more than two seconds of work.
    """

    count: int
    seconds: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.seconds < 1:
            raise ValueError("a rate lets something through: count >= 1 and seconds >= 1")

    @property
    def burst(self) -> int:
        """Return how many may leave at one moment."""
        return max(1, min(self.count // 10, 2 * self.count // self.seconds))

    @property
    def interval(self) -> int:
        """Return the microseconds after which one more may leave.

        A little longer than the count alone asks for: what leaves at one moment and what follows it within the
        seconds make the count together.
        """
        return -(-self.seconds * MICROSECONDS // (self.count - self.burst + 1))

    @property
    def per_second(self) -> float:
        """Return how many leave in a second while there is no lack of messages."""
        return MICROSECONDS / self.interval

    def allowed(self, free_at: int, now: int) -> int:
        """Return how many may leave now."""
        return max(0, (now + self.burst * self.interval - max(free_at, now)) // self.interval)

    def charged(self, free_at: int, now: int, number: int) -> int:
        """Return until when all is spoken for once `number` more have left now."""
        return max(free_at, now) + number * self.interval

    def opens_at(self, free_at: int) -> int:
        """Return when the next may leave."""
        return free_at - (self.burst - 1) * self.interval
