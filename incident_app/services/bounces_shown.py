"""Returned mail and closed addresses as people see them: masked, with what somebody may have to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.ids import IncidentId
from incident_app.domain.returned_mail import CLOSED_TO, OPEN_KINDS, BounceKind, BounceSettled, SuppressionReason
from incident_app.domain.vocabulary import Purpose
from incident_app.persistence.bounces import Bounce, Suppression
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.incidents import Incident
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow, PersonToInform
from incident_app.services.bounces_by_hand import SENT
from incident_app.services.evidence import path_of
from incident_app.services.impact_views import mask
from incident_app.services.transaction import reading
from notifications.bounces.classifier import read_returned
from notifications.bounces.parts import LARGEST_MAIL

SHOWN_AT_ONCE = 50
IS_OPEN = sa.and_(Bounce.settled_how.is_(None), Bounce.kind.in_(OPEN_KINDS))


@dataclass(frozen=True, kw_only=True, repr=False)
class ReturnedView:
    """One returned mail."""

    id: int
    digest: str
    kind: BounceKind
    permanent: bool | None
    status: str | None
    read_at: datetime
    settled_how: BounceSettled | None
    delivery_id: int | None = None
    wave: int | None = None
    customer_numbers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class OpenItem:
    """A returned mail of which nobody knows yet which message it is about."""

    mail: ReturnedView
    recipients: tuple[str, ...]
    """Whom the mail names, else who wrote it, masked."""
    candidates: tuple[tuple[str, str], ...]
    """Incident and customer number of those who were written to at such an address."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SuppressionView:
    """An address that mail is not sent to, and to what it is closed."""

    id: int
    reason: SuppressionReason
    closed_to: tuple[Purpose, ...]
    since: datetime
    bounce_id: int
    lifted_at: datetime | None
    recipient: str
    """The address, masked; empty once it was erased."""
    customer_numbers: tuple[str, ...]


def mask_address(address: str) -> str:
    """Return the first character and the domain of an address."""
    local_part, _, domain = address.rpartition("@")
    return f"{mask(local_part)}@{domain}" if domain else ""


def returned_of(
    engine: Engine, incident_id: IncidentId, *, kind: BounceKind | None = None, wave: int | None = None, after: int = 0
) -> list[ReturnedView]:
    """Return what came back of the messages of an incident or of one wave, newest first, SHOWN_AT_ONCE at a time."""
    query = (
        sa.select(Bounce, Campaign.wave_number)
        .join(DeliveryRow, DeliveryRow.id == Bounce.delivery_id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .where(_of(incident_id, wave))
        .order_by(Bounce.id.desc())
        .limit(SHOWN_AT_ONCE)
    )
    if kind is not None:
        query = query.where(Bounce.kind == kind)
    if after:
        query = query.where(Bounce.id < after)
    with reading(engine) as session:
        rows = session.execute(query).all()
        numbers = _customer_numbers(session, {row.delivery_id for row, _ in rows if row.delivery_id})
        return [_view(row, wave=number, numbers=numbers.get(row.delivery_id or 0, ())) for row, number in rows]


def counts_of(engine: Engine, incident_id: IncidentId, *, wave: int | None = None) -> dict[BounceKind, int]:
    """Count what came back of the messages of an incident or of one wave, by its kind."""
    query = (
        sa.select(Bounce.kind, sa.func.count())
        .join(DeliveryRow, DeliveryRow.id == Bounce.delivery_id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .where(_of(incident_id, wave))
        .group_by(Bounce.kind)
    )
    with reading(engine) as session:
        found = {kind: number for kind, number in session.execute(query)}  # noqa: C416 - rows are no pairs to mypy
    return {kind: found[kind] for kind in BounceKind if kind in found}


def _of(incident_id: IncidentId, wave: int | None) -> sa.ColumnElement[bool]:
    of_incident = Campaign.incident_id == incident_id
    return of_incident if wave is None else sa.and_(of_incident, Campaign.wave_number == wave)


def open_items(engine: Engine, incidents: Collection[IncidentId], *, folder: Path, after: int = 0) -> list[OpenItem]:
    """Return the unmatched mails that somebody must look at, oldest first; candidates only of these incidents."""
    query = sa.select(Bounce).where(IS_OPEN, Bounce.id > after).order_by(Bounce.id).limit(SHOWN_AT_ONCE)
    with reading(engine) as session:
        rows = session.scalars(query).all()
        candidates = _candidates(session, rows, incidents)
    return [
        OpenItem(mail=_view(row), recipients=_recipients(folder, row.raw_digest), candidates=candidates[row.id])
        for row in rows
    ]


def count_open_items(engine: Engine) -> int:
    """Count the unmatched mails that somebody must look at."""
    with reading(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Bounce).where(IS_OPEN)) or 0


def list_suppressions(engine: Engine, *, lifted: bool = False, after: int = 0) -> list[SuppressionView]:
    """Return the closed addresses in force, or those that were lifted, oldest first."""
    query = (
        sa.select(Suppression, CustomerContact.address, Bounce.delivery_id)
        .join(Bounce, Bounce.id == Suppression.bounce_id)
        .join(DeliveryRow, DeliveryRow.id == Bounce.delivery_id)
        .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
        .where(Suppression.lifted_at.is_not(None) if lifted else Suppression.lifted_at.is_(None))
        .where(Suppression.id > after)
        .order_by(Suppression.id)
        .limit(SHOWN_AT_ONCE)
    )
    with reading(engine) as session:
        rows = session.execute(query).all()
        numbers = _customer_numbers(session, {delivery_id for _, _, delivery_id in rows if delivery_id})
        return [
            SuppressionView(
                id=row.id,
                reason=row.reason,
                closed_to=tuple(purpose for purpose in Purpose if purpose in CLOSED_TO[row.reason]),
                since=row.since,
                bounce_id=row.bounce_id,
                lifted_at=row.lifted_at,
                recipient=mask_address(address or ""),
                customer_numbers=numbers.get(delivery_id or 0, ()),
            )
            for row, address, delivery_id in rows
        ]


def _view(row: Bounce, *, wave: int | None = None, numbers: Sequence[str] = ()) -> ReturnedView:
    return ReturnedView(
        id=row.id,
        digest=row.raw_digest,
        kind=row.kind,
        permanent=row.permanent,
        status=row.enhanced_code,
        read_at=row.read_at,
        settled_how=row.settled_how,
        delivery_id=row.delivery_id,
        wave=wave,
        customer_numbers=tuple(numbers),
    )


def _recipients(folder: Path, digest: str) -> tuple[str, ...]:
    """Read the mail again for whom it names: addresses stand in no table of returned mail."""
    path = path_of(folder, digest)
    if not path.is_file():
        return ()
    with path.open("rb") as file:
        named = read_returned(file.read(LARGEST_MAIL)).concerned
    return tuple(mask_address(address) for address in named[:3])


def _customer_numbers(session: Session, delivery_ids: Collection[int]) -> Mapping[int, tuple[str, ...]]:
    found: dict[int, list[str]] = defaultdict(list)
    rows = session.execute(
        sa.select(DeliveryPerson.delivery_id, Customer.customer_number)
        .join(PersonToInform, PersonToInform.id == DeliveryPerson.person_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(DeliveryPerson.delivery_id.in_(delivery_ids))
        .order_by(Customer.customer_number),
    )
    for delivery_id, number in rows:
        found[delivery_id].append(number)
    return {delivery_id: tuple(numbers) for delivery_id, numbers in found.items()}


def _candidates(
    session: Session, rows: Sequence[Bounce], incidents: Collection[IncidentId]
) -> Mapping[int, tuple[tuple[str, str], ...]]:
    """Return who was written to at an address that a mail names."""
    digests = {str(digest) for row in rows for digest in row.recipient_digests}
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    query = (
        sa.select(CustomerContact.address_digest, Incident.reference, Customer.customer_number)
        .select_from(DeliveryRow)
        .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
        .join(Campaign, Campaign.id == DeliveryRow.campaign_id)
        .join(Incident, Incident.id == Campaign.incident_id)
        .join(DeliveryPerson, DeliveryPerson.delivery_id == DeliveryRow.id)
        .join(PersonToInform, PersonToInform.id == DeliveryPerson.person_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(
            DeliveryRow.campaign_id.in_(sa.select(Campaign.id).where(Campaign.incident_id.in_(incidents))),
            DeliveryRow.address_digest.in_(digests),  # by its beginning: there the index leads
            CustomerContact.address_digest.in_(digests),
            DeliveryRow.state.in_(SENT),
        )
        .distinct()
        .order_by(Incident.reference, Customer.customer_number)
    )
    for digest, reference, number in session.execute(query):
        found[digest].append((reference, number))
    return {
        row.id: tuple(dict.fromkeys(pair for digest in row.recipient_digests for pair in found[str(digest)]))
        for row in rows
    }
