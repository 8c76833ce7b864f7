"""What is built in chunks has one builder at a time; whoever takes it up stops the one before, alive or dead.

Nobody can tell a builder that died from one that is slow. So the parent bears a token of its builder: each chunk begins
by confirming it, and a newcomer puts their own in its place. Without this, one builder could clear away what another
had stored, who would then seal it with people missing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import InstrumentedAttribute, Session

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.vocabulary import BuildStatus
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.incidents import CustomerList
from incident_app.services.transaction import building

Parent = type[ImpactDetermination] | type[CustomerList]
AT_ONCE = 2_500


class TakenUpElsewhere(IncidentAppError):
    """Somebody else began the same work at the same time and goes on with it; this attempt stops. Nothing is lost."""

    ja = "同じ処理が別のところで始まり、そちらで続いています。この処理は止めます。失われたものはありません。"


@dataclass(frozen=True, kw_only=True)
class Child:
    """A table below a parent: its column that names the parent, and one by which a few rows at a time are named."""

    parent: InstrumentedAttribute[int]
    key: InstrumentedAttribute[int]


@dataclass(frozen=True, kw_only=True)
class HalfBuilt:
    """A parent in status building, and the token of whoever builds it."""

    table: Parent
    id: int
    builder: str

    def confirm(self, session: Session) -> None:
        """Make sure, until the transaction ends, that nobody else has taken this up; TakenUpElsewhere otherwise."""
        mine = (self.table.id == self.id, self.table.builder == self.builder)
        still = sa.update(self.table).where(*mine, self.table.status == BuildStatus.BUILDING)
        # A write, so that whoever would take it up waits for this chunk.
        if not session.execute(still.values(builder=self.builder).returning(self.table.id)).all():
            raise TakenUpElsewhere

    @contextmanager
    def chunk(self, engine: Engine) -> Iterator[Session]:
        """Save one chunk below the parent, as its only builder."""
        with building(engine) as session:
            self.confirm(session)
            yield session

    def clear(self, engine: Engine, *children: Child) -> None:
        """Take away what stands below the parent, a few rows at a time; children of children come first."""
        for child in children:
            table = child.parent.class_
            while True:
                with self.chunk(engine) as session:
                    below = child.parent == self.id
                    keys = session.scalars(sa.select(child.key).where(below).distinct().limit(AT_ONCE)).all()
                    session.execute(sa.delete(table).where(below, child.key.in_(keys)))
                if len(keys) < AT_ONCE:
                    break

    def drop(self, engine: Engine, *children: Child) -> None:
        """Take the parent away with everything below it."""
        self.clear(engine, *children)
        with self.chunk(engine) as session:
            session.execute(sa.delete(self.table).where(self.table.id == self.id))


def new_builder() -> str:
    """Return a token that nobody else has."""
    return secrets.token_hex(16)


def take_up(session: Session, row: ImpactDetermination | CustomerList) -> HalfBuilt:
    """Become the builder of a parent that somebody else began."""
    found = HalfBuilt(table=type(row), id=row.id, builder=new_builder())
    taken = sa.update(found.table).where(found.table.id == row.id, found.table.status == BuildStatus.BUILDING)
    if not session.execute(taken.values(builder=found.builder).returning(found.table.id)).all():
        raise TakenUpElsewhere
    return found
