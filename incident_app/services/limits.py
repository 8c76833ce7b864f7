"""Limits of sending: how much leaves altogether and to each mail domain, whatever number of workers send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import DeliveryState
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.events import DomainLimited, DomainReleased, LimitsSet
from incident_app.domain.ids import Actor
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.outbox import DeliveryRow, MailDomain
from incident_app.persistence.pacing import OVERALL, SendingLimit, bucket_of_domain, forget_bucket
from incident_app.services.transaction import reading, transaction
from notifications.addresses import Address, domain_of, parse_address
from notifications.errors import AddressRefused

HIGHEST = 10_000_000


@dataclass(frozen=True, kw_only=True)
class LimitOfDomain:
    """What is set for a mail domain, and how many messages to it wait in its queue."""

    domain: str
    per_minute: int | None
    connections: int | None
    paused_until: datetime | None
    waiting: int


@dataclass(frozen=True, kw_only=True)
class LimitsShown:
    """Every limit that is set."""

    per_second: int | None
    per_hour: int | None
    domains: tuple[LimitOfDomain, ...]


def show_limits(engine: Engine) -> LimitsShown:
    """Return what is set now; a domain whose limit was lifted is not among them."""
    waiting = (
        sa.select(DeliveryRow.domain_id, sa.func.count().label("number"))
        .where(DeliveryRow.state == DeliveryState.QUEUED, sa.text("paced"))
        .group_by(DeliveryRow.domain_id)
        .subquery()
    )
    with reading(engine) as session:
        row = session.get(SendingLimit, 1)
        domains = session.execute(
            sa.select(MailDomain, sa.func.coalesce(waiting.c.number, 0))
            .outerjoin(waiting, waiting.c.domain_id == MailDomain.id)
            .where(MailDomain.paced.is_(True), _IS_LIMITED)
            .order_by(MailDomain.name)
        )
        return LimitsShown(
            per_second=row.per_second if row else None,
            per_hour=row.per_hour if row else None,
            domains=tuple(
                LimitOfDomain(
                    domain=domain.name,
                    per_minute=domain.per_minute,
                    connections=domain.connections,
                    paused_until=domain.paused_until,
                    waiting=number,
                )
                for domain, number in domains
            ),
        )


_IS_LIMITED = sa.or_(
    MailDomain.per_minute.is_not(None), MailDomain.connections.is_not(None), MailDomain.paused_until.is_not(None)
)


def set_limits(engine: Engine, *, per_second: int | None, per_hour: int | None, actor: Actor, now: datetime) -> None:
    """Say how much may leave altogether; None stands for no limit. Workers obey within two seconds."""
    if _is_none(per_second):
        raise BadInput(field="per_second", problem="a limit is a whole number from 1 on")
    if _is_none(per_hour):
        raise BadInput(field="per_hour", problem="a limit is a whole number from 1 on")
    with transaction(engine, actor=actor, now=now) as act:
        insert_new(act.session, SendingLimit, [{"id": 1}])
        row = act.session.get_one(SendingLimit, 1)
        row.per_second, row.per_hour = per_second, per_hour
        for name in OVERALL:
            forget_bucket(act.session, name)
        act.record(LimitsSet(per_second=per_second, per_hour=per_hour))


def limit_domain(
    engine: Engine,
    domain: str,
    *,
    per_minute: int | None = None,
    connections: int | None = None,
    paused_until: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Say how much may leave to one mail domain, how much of it at once, or that nothing may until a moment."""
    if per_minute is None and connections is None and paused_until is None:
        raise BadInput(field="per_minute", problem="say what is limited")
    if paused_until is not None and paused_until <= now:
        raise BadInput(field="paused_until", problem="a pause ends in the future")
    if _is_none(per_minute):
        raise BadInput(field="per_minute", problem="a limit is a whole number from 1 on")
    if _is_none(connections):
        raise BadInput(field="connections", problem="a limit is a whole number from 1 on")
    name = _checked_domain(domain)
    with transaction(engine, actor=actor, now=now) as act:
        insert_new(act.session, MailDomain, [{"name": name}])
        row = _find(act.session, name)
        row.per_minute, row.connections, row.paused_until, row.paced = per_minute, connections, paused_until, True
        forget_bucket(act.session, bucket_of_domain(row.id))
        act.record(
            DomainLimited(
                domain_id=row.id,
                per_minute=per_minute,
                connections=connections,
                paused_until=paused_until.isoformat() if paused_until else None,
            )
        )


def lift_limit(engine: Engine, domain: str, *, actor: Actor, now: datetime) -> None:
    """Let messages to a domain leave as those to any other; its queue is worked off as it stands."""
    with transaction(engine, actor=actor, now=now) as act:
        row = _find(act.session, _checked_domain(domain))
        if row.per_minute is None and row.connections is None and row.paused_until is None:
            raise NotFound(what="limit", name=domain)
        row.per_minute = row.connections = row.paused_until = None
        forget_bucket(act.session, bucket_of_domain(row.id))
        act.record(DomainReleased(domain_id=row.id))


def _find(session: Session, name: str) -> MailDomain:
    row = session.scalars(sa.select(MailDomain).where(MailDomain.name == name)).one_or_none()
    if row is None:
        raise NotFound(what="limit", name=name)
    return row


def _checked_domain(domain: str) -> str:
    try:
        return domain_of(parse_address(Address(f"a@{domain.strip().rpartition('@')[2]}")))
    except AddressRefused as refusal:
        raise BadInput(field="domain", problem="this is no mail domain") from refusal


def _is_none(limit: int | None) -> bool:
    """Tell whether a number that was given limits nothing, or lets nothing through."""
    return limit is not None and not 1 <= limit <= HIGHEST
