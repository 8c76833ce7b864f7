"""Abandoning an import that was cut off: what it added becomes invisible, what it ended is given back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.customers import ABANDONING
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.events import ImportAbandoned
from incident_app.domain.ids import Actor
from incident_app.domain.vocabulary import ImportStatus
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.customers import Customer, CustomerChange, CustomerContact, Holding, Import
from incident_app.services.transaction import Turns, reading, transaction

AT_ONCE = 2_000
Find = Callable[[Session], Sequence[Any]]
Change = Callable[[Session, Sequence[Any]], None]


class NotUnderWay(IncidentAppError):
    """Import {import_id} is finished ({status}), so it cannot be abandoned. Correct it by another import."""

    ja = "取り込み {import_id} は終わっています（{status}）。破棄できないため、別の取り込みで訂正してください。"


def abandon_import(engine: Engine, import_id: int, *, actor: Actor, now: datetime) -> int:
    """Take back an import that was cut off; return how many holdings were taken back.

    Rows are never removed. Holdings it added are retracted at the moment they were recorded, so that no determination
    sees them; holdings it ended are recorded anew one microsecond later, and so are attributes and contacts. Its own
    contacts lose name and address, its own people are marked as erased. If this is cut off, do it again.
    """
    with reading(engine) as session:
        row = session.get(Import, import_id)
        if row is None:
            raise NotFound(what="import", name=str(import_id))
        if row.status != ImportStatus.BUILDING:
            raise NotUnderWay(import_id=import_id, status=row.status.value)
        at = row.at
    taking_back = _TakingBack(import_id, at)
    turns = Turns()
    with turns.building(engine) as session:
        taking_back.stop(session)
    for find, change in taking_back.steps():
        _until_done(engine, turns, find, change)
    with reading(engine) as session:
        added = sa.select(sa.func.count()).select_from(Holding)
        taken_back = session.scalar(added.where(Holding.import_id == import_id, Holding.recorded_at == at))
    with transaction(engine, actor=actor, now=now) as act:
        sealed = act.session.get_one(Import, import_id)
        sealed.status, sealed.reached = ImportStatus.ABANDONED, None
        act.record(
            ImportAbandoned(import_id=import_id, file_digest=sealed.file_digest, holdings_taken_back=taken_back or 0)
        )
    return taken_back or 0


def _until_done(engine: Engine, turns: Turns, find: Find, change: Change) -> None:
    """Change what is found, chunk by chunk. Finding may read a whole table, so nobody waits for it."""
    while True:
        with reading(engine) as session:
            found = find(session)
        if not found:
            return
        with turns.building(engine) as session:
            change(session, found)


class _TakingBack:
    """The steps: each finds one chunk, an empty one when nothing is left, and changes it."""

    def __init__(self, import_id: int, at: datetime) -> None:
        self._import_id = import_id
        self._at = at
        self._later = at + timedelta(microseconds=1)
        self._person = 0
        self._contact = 0
        self._holding_person = 0

    def steps(self) -> tuple[tuple[Find, Change], ...]:
        """Return the steps in their order."""
        return (
            (self._added_people, self._retract),
            (self._ended, self._record_anew),
            (self._own_contacts, self._erase_contacts),
            (self._closed_contacts, self._open_anew),
            (self._changed_attributes, self._set_back),
            (self._own_people, self._erase_people),
        )

    def stop(self, session: Session) -> None:
        """Move the place that the import had reached, so that an attempt that still runs stops at its next chunk."""
        session.execute(sa.update(Import).where(Import.id == self._import_id).values(reached=ABANDONING))

    def _added_people(self, session: Session) -> Sequence[Any]:
        people = session.scalars(
            sa.select(Holding.customer_id)
            .where(Holding.customer_id > self._holding_person, *self._added())
            .distinct()
            .order_by(Holding.customer_id)
            .limit(AT_ONCE),
        ).all()
        self._holding_person = people[-1] if people else 0
        return people

    def _retract(self, session: Session, people: Sequence[Any]) -> None:
        session.execute(
            sa.update(Holding).where(Holding.customer_id.in_(people), *self._added()).values(retracted_at=self._at)
        )

    def _added(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            Holding.import_id == self._import_id,
            Holding.recorded_at == self._at,
            Holding.retracted_at.is_(None),
        )

    def _ended(self, session: Session) -> Sequence[Any]:
        rows = session.scalars(
            sa.select(Holding)
            .where(Holding.customer_id > self._person, Holding.retracted_at == self._at, Holding.recorded_at < self._at)
            .order_by(Holding.customer_id)
            .limit(AT_ONCE),
        ).all()
        if len(rows) == AT_ONCE:  # the last person may have more rows than were found
            rows = [row for row in rows if row.customer_id != rows[-1].customer_id] or rows
        self._person = rows[-1].customer_id if rows else 0
        columns = ("store_id", "customer_id", "item_set_id", "period", "held_from", "held_until", "import_id")
        return [{name: getattr(row, name) for name in columns} for row in rows]

    def _record_anew(self, session: Session, rows: Sequence[Any]) -> None:
        """Record what the import had ended."""
        insert_new(session, Holding, [row | {"recorded_at": self._later} for row in rows])

    def _own_contacts(self, session: Session) -> Sequence[Any]:
        ids = session.scalars(
            sa.select(CustomerContact.id)
            .where(
                CustomerContact.import_id == self._import_id,
                CustomerContact.valid_from == self._at,
                CustomerContact.valid_until.is_(None),
                CustomerContact.id > self._contact,
            )
            .order_by(CustomerContact.id)
            .limit(AT_ONCE),
        ).all()
        self._contact = ids[-1] if ids else 0
        return ids

    def _erase_contacts(self, session: Session, ids: Sequence[Any]) -> None:
        """End the import's own contacts when they began, and drop name and address."""
        session.execute(
            sa.update(CustomerContact)
            .where(CustomerContact.id.in_(ids))
            .values(valid_until=self._at, name=None, address=None)
        )

    def _closed_contacts(self, session: Session) -> Sequence[Any]:
        rows = session.scalars(
            sa.select(CustomerContact)
            .where(
                CustomerContact.valid_until == self._at,
                CustomerContact.valid_from < self._at,
                CustomerContact.id > self._contact,
            )
            .order_by(CustomerContact.id)
            .limit(AT_ONCE),
        ).all()
        self._contact = rows[-1].id if rows else 0
        columns = ("customer_id", "channel", "name", "address", "address_digest", "import_id")
        return [{name: getattr(row, name) for name in columns} for row in rows]

    def _open_anew(self, session: Session, rows: Sequence[Any]) -> None:
        """Open anew the contacts that the import closed."""
        insert_new(session, CustomerContact, [row | {"valid_from": self._later} for row in rows])

    def _changed_attributes(self, session: Session) -> Sequence[Any]:
        back = sa.orm.aliased(CustomerChange)
        given_back = sa.exists().where(back.customer_id == CustomerChange.customer_id, back.changed_at == self._later)
        changed = sa.select(CustomerChange.customer_id).where(CustomerChange.changed_at == self._at, ~given_back)
        return session.scalars(changed.limit(AT_ONCE)).all()

    def _set_back(self, session: Session, people: Sequence[Any]) -> None:
        """Set attributes back; what the import had made of them stays in the history."""
        names = ("kind", "relation", "language", "jurisdiction")
        changes = session.scalars(
            sa.select(CustomerChange).where(
                CustomerChange.changed_at == self._at, CustomerChange.customer_id.in_(people)
            )
        ).all()
        for change in changes:
            customer = session.get_one(Customer, change.customer_id)
            made = {name: getattr(customer, name) for name in names}
            session.add(CustomerChange(customer_id=customer.id, changed_at=self._later, **made))
            for name in names:
                setattr(customer, name, getattr(change, name))

    def _own_people(self, session: Session) -> Sequence[Any]:
        return session.scalars(
            sa.select(Customer.id)
            .where(Customer.added_at == self._at, Customer.erased_at.is_(None))
            .order_by(Customer.id)
            .limit(AT_ONCE),
        ).all()

    def _erase_people(self, session: Session, ids: Sequence[Any]) -> None:
        """Mark the people whom the import added; another import that names them brings them back."""
        session.execute(sa.update(Customer).where(Customer.id.in_(ids)).values(erased_at=self._at))
