"""Filling and freezing a wave, with its digest, against bare INSERT ... SELECT statements of the same rows.

`python -m benchmarks.fill [--json] [--customers N] [--rounds N] [--databases sqlite,postgresql]`. Seven sixteenths of
the customers are affected, and a third of all customers are affected and have a mail address: 3,130,000 customers give
a million messages.

The peer's two tables hold the same columns of the same types with the same primary keys, and no more: no second index,
no reference, no guard; each statement is one transaction. It draws no token, and takes the key of the contact as that
of the message. A second peer, shown as a figure, has our indexes too.
"""

from __future__ import annotations

import functools
import resource
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.measure import beside_others, machine, option, ratio, show, timed
from benchmarks.population import TOUCHED, population
from incident_app.domain.delivery import AudienceRule
from incident_app.domain.ids import IncidentId, NoticeId
from incident_app.persistence.database import make_engine
from incident_app.services import campaigns, dispatch
from incident_app.services.timeline import record_note
from tests import builders
from tests.builders import NOW

CUSTOMERS, ROUNDS = 1_000_000, 2
GOALS = {"sqlite": 3.5, "postgresql": 1.5}
_MAIL = (
    "people_to_inform person JOIN customer_contacts contact ON contact.customer_id = person.customer_id "
    "WHERE contact.channel = 'email' AND contact.valid_until IS NULL AND person.incident_id = {incident}"
)
_MESSAGES = (
    "id {key} PRIMARY KEY, campaign_id INTEGER, contact_id BIGINT, address_digest {octets}, told_apart_by TEXT, "
    "domain_id INTEGER, language TEXT, token TEXT, state TEXT, attempt_count INTEGER, next_attempt_at BIGINT"
)
_PEOPLE = (
    "delivery_id BIGINT, person_id BIGINT, item_set_id BIGINT, confirmed_item_set_id BIGINT, certainty TEXT, "
    "open BOOLEAN, PRIMARY KEY (delivery_id, person_id)"
)
_BARE = (
    f"CREATE TABLE bare_messages ({_MESSAGES})",
    f"CREATE TABLE bare_people ({_PEOPLE}) {{ending}}",
    "INSERT INTO bare_messages SELECT contact.id, 1, contact.id, {beginning}, '', 1, person.language, "
    "substr(contact.address_digest, 1, 24), 'queued', 0, 0 FROM " + _MAIL,
    "INSERT INTO bare_people SELECT contact.id, person.id, person.item_set_id, person.confirmed_item_set_id, "
    "person.certainty, TRUE FROM " + _MAIL,
)
_INDEXES = (
    "CREATE UNIQUE INDEX bare_address ON bare_messages (campaign_id, address_digest, told_apart_by)",
    "CREATE UNIQUE INDEX bare_token ON bare_messages (token)",
    "CREATE INDEX bare_queued ON bare_messages (campaign_id, next_attempt_at, id) WHERE state = 'queued'",
    "CREATE INDEX bare_state ON bare_messages (campaign_id, state)",
    "CREATE UNIQUE INDEX bare_open ON bare_people (person_id) WHERE open",
)
_GONE = ("DROP TABLE IF EXISTS bare_messages", "DROP TABLE IF EXISTS bare_people")
TABLES = ("deliveries", "delivery_people", "people_to_inform")


def run(*, customers: int = CUSTOMERS, rounds: int = ROUNDS) -> dict[str, Any]:
    chosen = next((word.split("=")[1].split(",") for word in sys.argv if word.startswith("--databases=")), list(GOALS))
    figures: dict[str, Any] = {"customers": customers}
    ratios: dict[str, Any] = {}
    for database in chosen:
        with population(database, customers) as engine:
            found, seconds = _measure(engine, rounds)
        figures |= {f"{database}: {name}": value for name, value in found.items()}
        ratios["fill/insert-select" if database == "sqlite" else f"fill/insert-select on {database}"] = ratio(
            seconds["ours"], seconds["bare"], goal=GOALS[database]
        )
    return {"machine": machine(), "figures": figures, "ratios": ratios}


def _measure(engine: Engine, rounds: int) -> tuple[dict[str, Any], dict[str, list[float]]]:
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope(*TOUCHED))
    notice = builders.a_notice(engine, view.id)
    seconds: dict[str, list[float]] = {"ours": [], "bare": [], "indexed": []}
    stored: dict[str, float] = {}
    planned = 0
    for _ in range(rounds):
        before = sizes(engine)
        seconds["ours"].append(timed(lambda: _fill(engine, view.id, notice)))
        stored = stored or bytes_per_recipient(engine, before)
        planned = _cancel(engine)
        for name, indexes in (("bare", ()), ("indexed", _INDEXES)):
            seconds[name].append(timed(functools.partial(_bare, engine, view.id, indexes)))
            _run(engine, *_GONE)
    me = builders.author(engine).actor
    peak, waits = beside_others(
        _fill_alone,
        (engine.url.render_as_string(hide_password=False), view.id, notice),
        lambda: record_note(engine, view.id, "note", occurred_at=NOW, actor=me, now=NOW),
    )
    medians = {f"{name} s": round(statistics.median(values), 2) for name, values in seconds.items()}
    of_indexed = ratio(seconds["ours"], seconds["indexed"], goal=0)["median"]
    found = {"messages": planned, **medians, "ours / a peer with our indexes": of_indexed, **stored}
    return found | {"peak MB": round(peak / 1024), **waits}, seconds


def sizes(engine: Engine) -> dict[str, int]:
    """Return the octets that each table of a wave takes with its indexes."""
    if engine.dialect.name == "postgresql":
        query = "SELECT pg_total_relation_size('{table}')"
    else:
        query = (
            "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE "
            "AND name IN (SELECT name FROM sqlite_master WHERE tbl_name = '{table}')"
        )
    with engine.connect() as connection:
        return {table: connection.execute(sa.text(query.format(table=table))).scalar_one() for table in TABLES}


def bytes_per_recipient(engine: Engine, before: Mapping[str, int]) -> dict[str, float]:
    """Return what one person of the first wave takes: what the wave added, and their row of those to inform."""
    after = sizes(engine)
    with engine.connect() as connection:
        waiting, listed = (
            connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES[1:]
        )
    return {
        "bytes of a recipient in a wave": round(sum(after[table] - before[table] for table in TABLES[:2]) / waiting),
        "bytes of a person to inform": round(after["people_to_inform"] / listed),
    }


def _fill(engine: Engine, incident: IncidentId, notice: NoticeId) -> None:
    campaigns.fill_campaign(
        engine,
        incident,
        notice,
        rule=AudienceRule.EVERYONE_TO_INFORM,
        sender=campaigns.Sender(address="notice@example.jp", names={"ja": "試験", "en": "Test"}),
        actor=builders.author(engine).actor,
        now=NOW,
    )


def _fill_alone(url: str, incident: IncidentId, notice: NoticeId, answers: Any) -> None:  # noqa: ANN401
    engine = make_engine(url)
    answers.put("ready")
    _fill(engine, incident, notice)
    answers.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    engine.dispose()


def _cancel(engine: Engine) -> int:
    """Cancel the newest wave, so that its people are free for the next round; return how many messages it had."""
    with engine.connect() as connection:
        newest = connection.execute(sa.text("SELECT max(id) FROM campaigns")).scalar_one()
    return dispatch.cancel_campaign(engine, newest, reason="bench", actor=builders.author(engine).actor, now=NOW)


def _bare(engine: Engine, incident: IncidentId, indexes: Sequence[str]) -> None:
    postgresql = engine.dialect.name == "postgresql"
    words: Mapping[str, object] = {
        "incident": incident,
        "octets": "BYTEA" if postgresql else "BLOB",
        # SQLite knows no way from hexadecimal to octets: its peer takes as many octets of the text.
        "beginning": "decode(substr(contact.address_digest, 1, 16), 'hex')"
        if postgresql
        else "CAST(substr(contact.address_digest, 1, 8) AS BLOB)",
        "key": "BIGINT" if postgresql else "INTEGER",
        "ending": "" if postgresql else "WITHOUT ROWID",
    }
    create, insert = _BARE[:2], _BARE[2:]
    for statement in (*create, *indexes, *insert):
        _run(engine, statement.format(**words))


def _run(engine: Engine, *statements: str) -> None:
    for statement in statements:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)


if __name__ == "__main__":
    show(run(customers=option("--customers", CUSTOMERS), rounds=option("--rounds", ROUNDS)))
