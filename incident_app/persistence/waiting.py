"""The audience of a wave in a temporary table: chosen at one moment, then stored range by range by the database itself.

The table belongs to one connection and ends with it. It holds keys and digests, no name and no address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from incident_app.domain.audience import Candidate
from incident_app.domain.contact_safety import ContactTerms
from incident_app.domain.returned_mail import CLOSED_TO
from incident_app.domain.vocabulary import Channel, Purpose
from incident_app.persistence.bounces import Suppression
from incident_app.persistence.bulk import make_room
from incident_app.persistence.contact_safety import usable
from incident_app.persistence.customers import CustomerContact
from incident_app.persistence.database import AddressKey, BigKey, address_key

PAGE = 10_000
"""People whose lines of the digest come in one text."""
_SORTED_IN_MEMORY = "SET LOCAL work_mem = '64MB'"
_TABLES = (
    (
        "CREATE TEMPORARY TABLE wave_waiting (n {key} PRIMARY KEY, person_id BIGINT NOT NULL, "
        "contact_id BIGINT NOT NULL, address_digest TEXT NOT NULL, address_key {octets} NOT NULL, "
        "domain TEXT NOT NULL, language TEXT NOT NULL, item_set_id BIGINT NOT NULL, "
        "confirmed_item_set_id BIGINT NOT NULL, certainty TEXT NOT NULL)"
    ),
    "CREATE TEMPORARY TABLE wave_shared (address_key {octets} PRIMARY KEY)",
    "CREATE TEMPORARY TABLE wave_domains (name TEXT PRIMARY KEY, id BIGINT NOT NULL)",
)
_TYPES = {
    "sqlite": {"key": "INTEGER", "octets": "BLOB"},
    # The key of the message that will be: given out ahead, so that no other fill gets it.
    "postgresql": {"key": "BIGINT DEFAULT nextval(pg_get_serial_sequence('deliveries', 'id'))", "octets": "BYTEA"},
}
_WAITING = sa.table(
    "wave_waiting",
    sa.column("n", BigKey),
    sa.column("person_id", BigKey),
    sa.column("contact_id", BigKey),
    sa.column("address_digest", sa.String()),
    sa.column("address_key", AddressKey()),
    sa.column("domain", sa.String()),
    sa.column("language", sa.String()),
    sa.column("item_set_id", BigKey),
    sa.column("confirmed_item_set_id", BigKey),
    sa.column("certainty", sa.String()),
)
_SHARED = sa.table("wave_shared", sa.column("address_key", AddressKey()))


def keep_waiting(session: Session, chosen: sa.Select[*tuple[Any, ...]], purpose: Purpose, terms: ContactTerms) -> None:
    """Put those of the chosen people who can be written to into the table, in the order of their keys.

    Each with the newest mail contact that may be used on these terms and is not closed to messages of this purpose.
    """
    dialect = session.get_bind().dialect.name
    if dialect == "postgresql":
        session.execute(sa.text(_SORTED_IN_MEMORY))
    else:
        driver: Any = session.connection().connection.driver_connection
        driver.create_function("address_key", 1, address_key, deterministic=True)
        make_room(session)
    for table in _TABLES:
        session.execute(sa.text(table.format(**_TYPES[dialect])))
    columns = [column.name for column in _WAITING.columns if column.name != "n"]
    session.execute(sa.insert(_WAITING).from_select(columns, _with_contacts(session, chosen, purpose, terms)))
    if dialect == "postgresql":
        session.execute(sa.text("ANALYZE wave_waiting"))


def _with_contacts(
    session: Session, chosen: sa.Select[*tuple[Any, ...]], purpose: Purpose, terms: ContactTerms
) -> sa.Select[*tuple[Any, ...]]:
    dialect = session.get_bind().dialect.name
    person = chosen.order_by(None).subquery("person")
    contact = aliased(CustomerContact, name="contact")
    found = (
        sa.select(
            person.c.id,
            contact.id if dialect == "postgresql" else sa.func.max(contact.id),
            contact.address_digest,
            _key_of(dialect, contact.address_digest),
            _domain_of(dialect, contact.address),
            person.c.language,
            person.c.item_set_id,
            person.c.confirmed_item_set_id,
            person.c.certainty,
        )
        .join(contact, contact.customer_id == person.c.customer_id)
        .where(sa.text(usable(session, "contact", terms).replace(":", "\\:")))
    )
    for closed in _closed_to(purpose, contact.address_digest):
        found = found.where(~closed)
    if dialect == "postgresql":
        return found.ext(distinct_on(person.c.id)).order_by(person.c.id, contact.id.desc())
    # Beside a max() SQLite takes the other columns from the row that has it; its documentation promises so.
    return found.group_by(person.c.id).order_by(person.c.id)


def _closed_to(purpose: Purpose, digest: sa.SQLColumnExpression[str]) -> Iterator[sa.ColumnElement[bool]]:
    reasons = [reason for reason, closed in CLOSED_TO.items() if purpose in closed]
    if reasons:
        yield sa.exists().where(
            Suppression.address_digest == digest,
            Suppression.channel == Channel.EMAIL,
            Suppression.reason.in_(reasons),
            Suppression.lifted_at.is_(None),
        )


def _key_of(dialect: str, digest: sa.SQLColumnExpression[str]) -> sa.ColumnElement[Any]:
    if dialect == "postgresql":
        return sa.func.decode(sa.func.substr(digest, 1, 16), "hex")
    return sa.func.address_key(digest)


def _domain_of(dialect: str, address: sa.SQLColumnExpression[Any]) -> sa.ColumnElement[str]:
    """Return what stands behind the last at sign."""
    if dialect == "postgresql":
        return sa.func.reverse(sa.func.split_part(sa.func.reverse(address), "@", 1))
    before = sa.func.length(sa.func.rtrim(address, sa.func.replace(address, "@", "")))
    return sa.func.substr(address, before + 1)


def ends_of_waiting(session: Session) -> tuple[int, int, int]:
    """Return how many people wait, and the first and the last number among them (none: 0, 1, 0)."""
    people, first, last = session.execute(sa.text("SELECT count(*), min(n), max(n) FROM wave_waiting")).one()
    return (people, first, last) if people else (0, 1, 0)


def item_sets_of_waiting(session: Session) -> set[int]:
    """Return the item sets of which those who wait will be told."""
    return set(session.scalars(sa.text("SELECT DISTINCT item_set_id FROM wave_waiting")))


def lines_of_waiting(session: Session, first: int, last: int) -> Iterator[str]:
    """Yield the lines of which the digest of the audience is made, thousands in a text."""
    line = "person_id || ':' || item_set_id || ':' || confirmed_item_set_id || ':' || address_digest"
    if session.get_bind().dialect.name == "postgresql":
        query = f"SELECT string_agg({line}, E'\\n' ORDER BY n) FROM wave_waiting WHERE n BETWEEN :low AND :high"  # noqa: S608 - our own words
    else:
        each = f"SELECT {line} AS line FROM wave_waiting WHERE n BETWEEN :low AND :high ORDER BY n"  # noqa: S608 - our own words
        query = f"SELECT group_concat(line, char(10)) FROM ({each})"  # noqa: S608 - our own words
    for low in range(first, last + 1, PAGE):
        lines = session.scalar(sa.text(query), {"low": low, "high": low + PAGE - 1})
        if lines:
            yield f"{lines}\n"


def take_shared(session: Session) -> list[Candidate]:
    """Take those out of the table whose address others in it may have too: they are put into messages by rules."""
    session.execute(
        sa.text(
            "INSERT INTO wave_shared SELECT address_key FROM wave_waiting GROUP BY address_key HAVING count(*) > 1"
        ),
    )
    if session.scalar(sa.select(_SHARED.c.address_key).limit(1)) is None:
        return []
    shared = _WAITING.c.address_key.in_(sa.select(_SHARED.c.address_key))
    contact = aliased(CustomerContact, name="contact")
    rows = session.execute(
        sa.select(_WAITING, contact.customer_id, contact.name)
        .join(contact, contact.id == _WAITING.c.contact_id)
        .where(shared)
        .order_by(_WAITING.c.person_id)
    )
    found = [
        Candidate(
            person_id=row.person_id,
            customer_id=row.customer_id,
            contact_id=row.contact_id,
            address_digest=row.address_digest,
            name=row.name or "",
            language=row.language,
            item_set_id=row.item_set_id,
            confirmed_item_set_id=row.confirmed_item_set_id,
            certainty=row.certainty,
        )
        for row in rows
    ]
    session.execute(sa.delete(_WAITING).where(shared))
    return found


def domains_of_waiting(session: Session) -> list[str]:
    """Return the mail domains of those who wait."""
    return sorted(session.scalars(sa.text("SELECT DISTINCT domain FROM wave_waiting")))


def keep_domains(session: Session, keys: Mapping[str, int]) -> None:
    """Keep the key of each mail domain at hand for those who wait."""
    session.execute(
        sa.text("INSERT INTO wave_domains (name, id) VALUES (:name, :id)"),
        [{"name": name, "id": key} for name, key in keys.items()],
    )
