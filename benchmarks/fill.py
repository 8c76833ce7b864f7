"""Filling and freezing a wave, with its digest, against bare INSERT ... SELECT statements of the same rows.

`python -m benchmarks.fill [--json] [--customers N] [--rounds N]`. Seven sixteenths of the customers are affected; about
half of those have a mail address. The peer's tables hold the same columns with the same primary keys, and no more.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
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
    "DROP TABLE bare_messages",
    "DROP TABLE bare_people",
)


def run(*, customers: int = CUSTOMERS, rounds: int = ROUNDS) -> dict[str, Any]:
    figures: dict[str, Any] = {"customers": customers}
    ratios: dict[str, Any] = {}
    for database, goal in GOALS.items():
        with population(database, customers) as engine:
            found, seconds = _measure(engine, rounds)
        figures |= {f"{database}: {name}": value for name, value in found.items()}
        ratios["fill/insert-select" if database == "sqlite" else f"fill/insert-select on {database}"] = ratio(
            seconds["ours"], seconds["bare"], goal=goal
        )
    return {"machine": machine(), "figures": figures, "ratios": ratios}


def _measure(engine: Engine, rounds: int) -> tuple[dict[str, Any], dict[str, list[float]]]:
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope(*TOUCHED))
    notice = builders.a_notice(engine, view.id)
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    planned = 0
    for _ in range(rounds):
        seconds["ours"].append(timed(lambda: _fill(engine, view.id, notice)))
        planned = _cancel(engine)
        seconds["bare"].append(timed(lambda: _bare(engine, view.id)))
        with engine.begin() as connection:
            for statement in _BARE[4:]:
                connection.exec_driver_sql(statement)
    me = builders.author(engine).actor
    peak, waits = beside_others(
        _fill_alone,
        (engine.url.render_as_string(hide_password=False), view.id, notice),
        lambda: record_note(engine, view.id, "note", occurred_at=NOW, actor=me, now=NOW),
    )
    return {"messages": planned, "peak MB": round(peak / 1024), **waits}, seconds


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


def _bare(engine: Engine, incident: IncidentId) -> None:
    postgresql = engine.dialect.name == "postgresql"
    words: Mapping[str, object] = {
        "incident": incident,
        "octets": "BYTEA" if postgresql else "BLOB",
        # SQLite has no way from hexadecimal to octets: the peer gets as many octets of the text.
        "beginning": f"{'decode' if postgresql else 'CAST'}(substr(contact.address_digest, 1, {'16), ' + chr(39) + 'hex' + chr(39) if postgresql else '8) AS BLOB'})",
        "key": "BIGINT" if postgresql else "INTEGER",
        "ending": "" if postgresql else "WITHOUT ROWID",
    }
    for statement in _BARE[:4]:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement.format(**words))


if __name__ == "__main__":
    show(run(customers=option("--customers", CUSTOMERS), rounds=option("--rounds", ROUNDS)))
