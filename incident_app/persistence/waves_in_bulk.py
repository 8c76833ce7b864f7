"""The rows of a wave by the thousand: messages, and who is in each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.audience import PlannedMessage
from incident_app.domain.contact_safety import ContactTerms
from incident_app.domain.delivery import DeliveryState
from incident_app.domain.vocabulary import Purpose
from incident_app.persistence.bounces import closed_addresses
from incident_app.persistence.bulk import insert_many, insert_new, rows_with
from incident_app.persistence.contact_safety import usable
from incident_app.persistence.outbox import DeliveryPerson, DeliveryRow, MailDomain
from incident_app.persistence.reserving import reserve_ids
from notifications.addresses import domain_of

TOKEN_BYTES = 12
_MESSAGE = (
    "id",
    "campaign_id",
    "contact_id",
    "address_digest",
    "told_apart_by",
    "domain_id",
    "language",
    "token",
    "state",
    "attempt_count",
    "next_attempt_at",
)
_PERSON = ("delivery_id", "person_id", "item_set_id", "confirmed_item_set_id", "certainty", "open")


def mail_contacts(
    session: Session, customer_ids: Sequence[int], purpose: Purpose, terms: ContactTerms
) -> dict[int, tuple[int, str, str]]:
    """Return for each customer the newest mail contact that may be used: id, digest of the address, name."""
    contacts = (
        "SELECT customer_id, id, address_digest, name FROM (SELECT c.customer_id, c.id, c.address_digest, c.name "  # noqa: S608
        f"FROM customer_contacts c WHERE {usable(session, 'c', terms)}) mail"
    )
    rows = sorted(rows_with(session, contacts, "customer_id", customer_ids), key=_by_id)
    closed = closed_addresses(session, {digest for _, _, digest, _ in rows}, purpose)
    return {customer_id: (key, digest, name or "") for customer_id, key, digest, name in rows if digest not in closed}


def _by_id(row: Sequence[int]) -> int:
    return row[1]


def store_messages(session: Session, campaign_id: int, messages: Sequence[PlannedMessage], queued_at: int) -> None:
    """Insert messages, queued at a time in microseconds since 1970, and who is in each."""
    domains = _domains(session, [message.first.contact_id for message in messages])
    ids = reserve_ids(session, DeliveryRow, len(messages))
    insert_many(
        session,
        DeliveryRow,
        _MESSAGE,
        [
            (
                key,
                campaign_id,
                message.first.contact_id,
                message.first.address_digest,
                message.told_apart_by,
                domains[message.first.contact_id],
                str(message.first.language),
                token,
                DeliveryState.QUEUED.value,
                0,
                queued_at,
            )
            for key, message, token in zip(ids, messages, _tokens(len(messages)), strict=True)
        ],
    )
    insert_many(
        session,
        DeliveryPerson,
        _PERSON,
        [
            (key, person.person_id, person.item_set_id, person.confirmed_item_set_id, str(person.certainty), True)
            for key, message in zip(ids, messages, strict=True)
            for person in message.people
        ],
    )


def _tokens(count: int) -> Iterator[str]:
    """Yield tokens that nobody can guess."""
    chance, width = os.urandom(TOKEN_BYTES * count).hex(), 2 * TOKEN_BYTES
    return (chance[at : at + width] for at in range(0, width * count, width))


def _domains(session: Session, contact_ids: Sequence[int]) -> dict[int, int]:
    """Return the key of the mail domain of each contact; new domains are noted."""
    rows = rows_with(session, "SELECT id, address FROM customer_contacts", "id", contact_ids)
    names = {key: domain_of(address or "") for key, address in rows}
    known = _known_domains(session, set(names.values()))
    if new := sorted(set(names.values()) - set(known)):
        insert_new(session, MailDomain, [{"name": name} for name in new])
        known = _known_domains(session, set(names.values()))
    return {key: known[name] for key, name in names.items()}


def _known_domains(session: Session, names: AbstractSet[str]) -> dict[str, int]:
    rows = session.execute(sa.select(MailDomain.name, MailDomain.id).where(MailDomain.name.in_(sorted(names))))
    return dict(rows.all())
