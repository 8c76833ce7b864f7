"""Determining impact against one hand-written `insert ... select ... group by` on the same holdings, on SQLite."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.measure import document, interleaved, show
from incident_app.demo.people import customers_csv, holdings_csv, make_people
from incident_app.domain.ids import Actor
from incident_app.domain.incidents import Opening
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, Harm
from incident_app.persistence import schema
from incident_app.persistence.database import make_engine
from incident_app.services import customers, impact, incidents, scopes
from incident_app.services.inventory import current_inventory
from incident_app.services.transaction import reading
from tests.builders import NOW, author, fill_instance

PEOPLE = 50_000
ROUNDS = 5


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(f"sqlite:///{Path(folder) / 'bench.db'}")
        schema.upgrade(engine)
        fill_instance(engine)
        with reading(engine) as session:
            inventory = current_inventory(session)
        held = {store.code: frozenset(item.item for item in store.items) for store in inventory.stores}
        flags = {item.code: frozenset(item.flags) for item in inventory.items}
        crowd = make_people(PEOPLE)
        for content in (customers_csv(crowd, with_faults=False), holdings_csv(crowd, held, flags)):
            customers.import_file(
                engine, content, address_key=b"k" * 32, keep_good=True, actor=Actor("system:bench"), now=NOW
            )
        me = author(engine).actor
        view = incidents.open_incident(
            engine, Opening(kind="general", title="bench", detected_at=NOW, aware_at=NOW), actor=me, now=NOW
        )
        numbers = itertools.count(1)
        stores = ("member-db", "billing-db")

        def ours() -> None:
            causes = list(Cause)
            entries = tuple(TouchedStore(store=store, certainty=Certainty.CONFIRMED) for store in stores)
            # Another window each time: the same question would be answered from what is stored.
            moved = tuple(
                TouchedStore(
                    store=entry.store, certainty=entry.certainty, touched_until=NOW.replace(minute=next(numbers))
                )
                for entry in entries
            )
            scope = Scope(harms=frozenset({Harm.CONFIDENTIALITY}), cause=causes[0], stores=moved)
            scopes.set_scope(engine, view.id, scope, actor=me, now=NOW)
            impact.determine_impact(engine, view.id, actor=me, now=NOW)

        def peer() -> None:
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE bare (customer_id INTEGER PRIMARY KEY, sets TEXT)")
                connection.execute(
                    sa.text(
                        "INSERT INTO bare SELECT customer_id, group_concat(item_set_id) FROM holdings "
                        "WHERE store_id IN (SELECT id FROM data_stores WHERE code IN ('member-db', 'billing-db')) "
                        "GROUP BY customer_id",
                    ),
                )
                connection.exec_driver_sql("DROP TABLE bare")

        seconds = interleaved(ours, peer, rounds=ROUNDS)
        engine.dispose()
    return document("determination/bare-sql", seconds, goal=2.0, per=PEOPLE)


if __name__ == "__main__":
    show(run())
