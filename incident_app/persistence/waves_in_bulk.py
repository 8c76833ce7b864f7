"""The rows of a wave by the thousand: messages, and who is in each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.audience import PlannedMessage
from incident_app.domain.delivery import DeliveryState
from incident_app.persistence.bulk import insert_many, insert_new, rows_with
from incident_app.persistence.database import address_key
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
_TOKEN = {
    "sqlite": ("randomblob(11)", "lower(hex(chance))"),
    # Drawn outside: a random UUID of PostgreSQL asks the system each time, which costs more than the row.
    "postgresql": ("substring(:chances FROM CAST((w.n - :low) * 11 + 1 AS integer) FOR 11)", "encode(chance, 'hex')"),
}


def store_waiting(session: Session, campaign_id: int, low: int, high: int, queued_at: int) -> None:
    """Insert a message for each who waits with a number in this range.

    Their tokens begin alike and go on with 88 bits of chance: nobody can guess one, and they stand side by side in the
    index, where tokens of pure chance would touch another page each.
    """
    dialect = session.get_bind().dialect.name
    chance, rest = _TOKEN[dialect]
    values: dict[str, object] = {
        "campaign": campaign_id,
        "ahead": 0 if dialect == "postgresql" else _newest(session) + 1 - low,
        "begins": os.urandom(1).hex(),
        "queued_at": queued_at,
        "low": low,
        "high": high,
    }
    if dialect == "postgresql":
        values["chances"] = os.urandom(11 * (high - low + 1))
    session.execute(
        sa.text(
            f"INSERT INTO deliveries ({', '.join(_MESSAGE)}) "  # noqa: S608 - our own words
            f"SELECT :ahead + n, :campaign, contact_id, address_key, '', domain_id, language, :begins || {rest}, "
            f"'queued', 0, :queued_at FROM (SELECT w.*, d.id AS domain_id, {chance} AS chance FROM wave_waiting w "
            "JOIN wave_domains d ON d.name = w.domain WHERE w.n BETWEEN :low AND :high ORDER BY w.n) each_one"
        ),
        values,
    )
    session.execute(
        sa.text(
            f"INSERT INTO delivery_people ({', '.join(_PERSON)}) "  # noqa: S608 - our own words
            "SELECT :ahead + n, person_id, item_set_id, confirmed_item_set_id, certainty, TRUE FROM wave_waiting "
            "WHERE n BETWEEN :low AND :high ORDER BY n"
        ),
        {name: values[name] for name in ("ahead", "low", "high")},
    )


def _newest(session: Session) -> int:
    return session.scalar(sa.select(sa.func.max(DeliveryRow.id))) or 0


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
                address_key(message.first.address_digest),
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
    known = noted_domains(session, sorted(set(names.values())))
    return {key: known[name] for key, name in names.items()}


def noted_domains(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return the key of each mail domain; new ones are noted."""
    known = _known_domains(session, names)
    if new := [name for name in names if name not in known]:
        insert_new(session, MailDomain, [{"name": name} for name in new])
        known = _known_domains(session, names)
    return known


def _known_domains(session: Session, names: Sequence[str]) -> dict[str, int]:
    return dict(rows_with(session, "SELECT name, id FROM mail_domains", "name", names))
