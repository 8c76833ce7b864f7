"""The only place that commits: the changes of one act and their events, or neither."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.events import EventFacts
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.timeline import event_body, event_hash
from incident_app.persistence.database import FOR_READING, give_way
from incident_app.persistence.timeline import MOVE_CHAIN_HEAD, TAKE_CHAIN_HEAD, EventRow, TextRow

CHUNK_PAUSE_SECONDS = 0.01
"""Between two chunks of customer-sized work other writers get their turn."""


class NothingRecorded(IncidentAppError):
    """A change was made without an event. This is a fault of the program; nothing was saved."""

    ja = "記録を伴わない変更でした。プログラムの誤りです。何も保存していません。"


class Transaction:
    """One act of one person: a session, and the growing end of the event chain."""

    def __init__(self, session: Session, *, actor: Actor, now: datetime, sequence: int, head_hash: str) -> None:
        self.session = session
        self.actor = actor
        self.now = now
        self.sequence = sequence
        self.head_hash = head_hash

    def record(
        self, facts: EventFacts, *, incident: IncidentId | None = None, occurred_at: datetime | None = None
    ) -> int:
        """Append one event to the chain; return its sequence number."""
        self.sequence += 1
        happened = occurred_at or self.now
        body = event_body(
            sequence=self.sequence,
            incident_id=incident,
            kind=facts.kind,
            actor=self.actor,
            occurred_at=happened,
            recorded_at=self.now,
            facts=facts.as_mapping(),
        )
        previous, self.head_hash = self.head_hash, event_hash(self.head_hash, body)
        self.session.add(
            EventRow(
                sequence=self.sequence,
                incident_id=incident,
                kind=facts.kind,
                actor=self.actor,
                occurred_at=happened,
                recorded_at=self.now,
                body=body,
                previous_hash=previous,
                hash=self.head_hash,
            ),
        )
        self.session.flush()
        return self.sequence

    def keep_text(self, body: str) -> TextRow:
        """Store free text apart from the events that refer to it by digest, so that it can be erased."""
        salt = secrets.token_hex(16)
        row = TextRow(salt=salt, body=body, digest=digest_of([salt, body]))
        self.session.add(row)
        self.session.flush()
        return row


@contextmanager
def transaction(engine: Engine, *, actor: Actor, now: datetime) -> Iterator[Transaction]:
    """Open one act: its changes and its timeline events are saved together, or neither."""
    with Session(engine) as session, session.begin():
        # A write comes first: it queues the writers, so no two events can claim one place in the chain.
        sequence, head_hash = session.execute(TAKE_CHAIN_HEAD).one()
        act = Transaction(session, actor=actor, now=now, sequence=sequence, head_hash=head_hash)
        yield act
        if act.sequence == sequence:
            raise NothingRecorded
        session.flush()
        session.execute(MOVE_CHAIN_HEAD, {"to_sequence": act.sequence, "to_hash": act.head_hash})


@contextmanager
def building(engine: Engine | Connection, *, pause_seconds: float = CHUNK_PAUSE_SECONDS) -> Iterator[Session]:
    """Save one chunk below a parent in status building: no reader sees it and it writes no event.

    Who has other work to do before the next chunk may pause less: what counts is that others get their turn.
    """
    with Session(engine) as session, session.begin():
        yield session
    give_way(engine)
    time.sleep(pause_seconds)


class Turns:
    """Keeps the pause between chunks while the next one is prepared in it."""

    def __init__(self, *, pause_seconds: float = CHUNK_PAUSE_SECONDS) -> None:
        self._free_at = 0.0
        self._pause_seconds = pause_seconds

    @contextmanager
    def building(self, engine: Engine | Connection) -> Iterator[Session]:
        """Save one chunk, at least one pause after the last one."""
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        with building(engine, pause_seconds=0.0) as session:
            yield session
        self._free_at = time.monotonic() + self._pause_seconds


@contextmanager
def recording(engine: Engine) -> Iterator[Session]:
    """Save what a timer or the worker does to queue rows: leases, results of deliveries, sign-in counters.

    This is the one named exception to "nothing is saved without its event": a million mails are not a million
    chained events. Campaign milestones put counts and a digest over the attempts on the chain.
    """
    with Session(engine) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Read in one consistent view; whatever is changed in it is not saved."""
    with Session(engine.execution_options(**FOR_READING), autoflush=False) as session:
        yield session


@contextmanager
def reading_one_moment(engine: Engine) -> Iterator[Session]:
    """Read twice and find the same: on PostgreSQL every question of `reading` sees what was saved meanwhile."""
    with reading(engine) as session:
        if engine.dialect.name == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


@contextmanager
def on_one_connection(engine: Engine) -> Iterator[Connection]:
    """Keep one connection for several turns, so that temporary tables last until its end, and no longer."""
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            connection.invalidate()


@contextmanager
def setting_aside(connection: Connection) -> Iterator[Session]:
    """Put what is read at one moment into temporary tables: only they may be written, and they outlast the reading.

    On PostgreSQL every question of `reading` would see what was saved meanwhile.
    """
    connection.execution_options(**FOR_READING)
    with building(connection, pause_seconds=0.0) as session:
        if connection.dialect.name == "postgresql":
            session.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        yield session
    connection.execution_options(**dict.fromkeys(FOR_READING, False))


class TurnSize:
    """How many rows are stored in one turn: as many as others can wait for, learned from the turns before.

    SQLite lets nobody else write meanwhile; on PostgreSQL others only share the machine.
    """

    _SECONDS: ClassVar[Mapping[str, float]] = {"sqlite": 0.02, "postgresql": 0.2}
    _MOST = 20_000

    def __init__(self, dialect: str, first: int) -> None:
        self._wanted = self._SECONDS[dialect]
        self.rows = first
        self._least = max(1, first // 2)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure one turn of `rows`, and let the next be longer or shorter."""
        begun = time.monotonic()
        yield
        taken = max(time.monotonic() - begun, 1e-6)
        factor = min(2.0, max(0.5, self._wanted / taken))
        self.rows = min(self._MOST, max(self._least, int(self.rows * factor)))


def is_ready(engine: Engine) -> bool:
    """Tell whether the database has its tables."""
    return bool(sa.inspect(engine).has_table("chain_head"))
