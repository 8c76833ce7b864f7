"""Limits that all workers share: what is set, and the moments until which each limit is spoken for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from incident_app.persistence.bulk import insert_new
from incident_app.persistence.database import Base, BigInt, Key
from incident_app.persistence.outbox import MailDomain
from notifications.throttle import SharedRate

SECOND, MINUTE, HOUR = 1, 60, 3600
OVERALL = ("second", "hour")


class SendingLimit(Base):
    """How much may leave altogether; one row, or none while nothing is limited."""

    __tablename__ = "sending_limits"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[Key]
    per_second: Mapped[int | None]
    per_hour: Mapped[int | None]


class RateBucket(Base):
    """Until when a limit is spoken for, in microseconds since 1970. Whoever claims keeps its row from others."""

    __tablename__ = "rate_buckets"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    free_at: Mapped[BigInt]


@dataclass(frozen=True, kw_only=True)
class DomainLimit:
    """What is set for one mail domain; a domain whose limit was lifted is unlimited, but still has its own queue."""

    rate: SharedRate | None = None
    connections: int | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Everything that is set, apart from what a wave has of its own."""

    overall: Mapping[str, SharedRate] = field(default_factory=dict)
    domains: Mapping[int, DomainLimit] = field(default_factory=dict)


NO_LIMITS = Limits()


def bucket_of_domain(domain_id: int) -> str:
    """Return the name under which the limit of a domain is kept."""
    return f"domain:{domain_id}"


def bucket_of_wave(campaign_id: int) -> str:
    """Return the name under which the ceiling of a wave is kept."""
    return f"wave:{campaign_id}"


def per_minute(count: int | None) -> SharedRate | None:
    """Return so many a minute as a rate."""
    return None if count is None else SharedRate(count=count, seconds=MINUTE)


def per_hour(count: int | None) -> SharedRate | None:
    """Return so many an hour as a rate."""
    return None if count is None else SharedRate(count=count, seconds=HOUR)


def read_limits(session: Session) -> Limits:
    """Return what is set now."""
    row = session.get(SendingLimit, 1)
    domains = session.execute(
        sa.select(MailDomain.id, MailDomain.per_minute, MailDomain.connections, MailDomain.paused_until).where(
            sa.text("paced")
        )
    )
    overall: dict[str, SharedRate] = {}
    if row is not None and row.per_second is not None:
        overall["second"] = SharedRate(count=row.per_second, seconds=SECOND)
    if row is not None and row.per_hour is not None:
        overall["hour"] = SharedRate(count=row.per_hour, seconds=HOUR)
    return Limits(
        overall=overall,
        domains={
            key: DomainLimit(rate=per_minute(count), connections=connections, paused_until=paused_until)
            for key, count, connections, paused_until in domains
        },
    )


def take_buckets(session: Session, names: Collection[str]) -> dict[str, int]:
    """Return until when each limit is spoken for, and keep other workers from it until this is saved."""
    wanted = sorted(names)
    found = _buckets(session, wanted)
    if new := [name for name in wanted if name not in found]:
        insert_new(session, RateBucket, [{"name": name, "free_at": 0} for name in new])
        found = _buckets(session, wanted)
    return found


def _buckets(session: Session, wanted: Collection[str]) -> dict[str, int]:
    query = sa.select(RateBucket.name, RateBucket.free_at).where(RateBucket.name.in_(wanted)).order_by(RateBucket.name)
    return dict(session.execute(query.with_for_update()).all())


def store_buckets(session: Session, free_at: Mapping[str, int]) -> None:
    """Keep until when limits are spoken for."""
    if free_at:
        session.execute(
            sa.text("UPDATE rate_buckets SET free_at = :free_at WHERE name = :name"),
            [{"name": name, "free_at": moment} for name, moment in free_at.items()],
        )


def forget_bucket(session: Session, name: str) -> None:
    """Begin anew with a limit that was changed: what the old one had spoken for does not bind the new one."""
    session.execute(sa.delete(RateBucket).where(RateBucket.name == name))
