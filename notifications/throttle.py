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
