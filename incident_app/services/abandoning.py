"""Abandoning an import that was cut off: what it added becomes invisible, what it ended is given back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

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
    for step in (
        taking_back.stop,
        taking_back.retract_added,
        taking_back.give_back_ended,
        taking_back.erase_contacts,
        taking_back.give_back_contacts,
        taking_back.give_back_attributes,
        taking_back.erase_people,
    ):
        _until_done(engine, turns, step)
    with transaction(engine, actor=actor, now=now) as act:
        sealed = act.session.get_one(Import, import_id)
        taken_back = act.session.scalar(
            sa.select(sa.func.count())
            .select_from(Holding)
            .where(Holding.import_id == import_id, Holding.recorded_at == at)
        )
        sealed.status, sealed.reached = ImportStatus.ABANDONED, None
        act.record(
            ImportAbandoned(import_id=import_id, file_digest=sealed.file_digest, holdings_taken_back=taken_back or 0)
        )
    return taken_back or 0


def _until_done(engine: Engine, turns: Turns, step: Callable[[Session], int]) -> None:
    while True:
        with turns.building(engine) as session:
            if not step(session):
                return


class _TakingBack:
    """The steps; each does one chunk and returns how many rows it changed, 0 when nothing is left."""

    def __init__(self, import_id: int, at: datetime) -> None:
        self._import_id = import_id
        self._at = at
        self._later = at + timedelta(microseconds=1)
        self._person = 0
        self._contact = 0
        self._holding_person = 0

    def stop(self, session: Session) -> int:
        """Move the place that the import had reached, so that an attempt that still runs stops at its next chunk."""
        session.execute(sa.update(Import).where(Import.id == self._import_id).values(reached=ABANDONING))
        return 0

    def retract_added(self, session: Session) -> int:
        """Retract the holdings that the import added."""
        people = session.scalars(
            sa.select(Holding.customer_id)
            .where(Holding.customer_id > self._holding_person, *self._added())
            .distinct()
            .order_by(Holding.customer_id)
            .limit(AT_ONCE),
        ).all()
        if people:
            self._holding_person = people[-1]
            session.execute(
                sa.update(Holding).where(Holding.customer_id.in_(people), *self._added()).values(retracted_at=self._at)
            )
        return len(people)

    def _added(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            Holding.import_id == self._import_id,
            Holding.recorded_at == self._at,
            Holding.retracted_at.is_(None),
        )

    def give_back_ended(self, session: Session) -> int:
        """Record anew what the import had ended."""
        rows = session.scalars(
            sa.select(Holding)
            .where(Holding.customer_id > self._person, Holding.retracted_at == self._at, Holding.recorded_at < self._at)
            .order_by(Holding.customer_id)
            .limit(AT_ONCE),
        ).all()
        if not rows:
            return 0
        last = rows[-1].customer_id
        whole = [row for row in rows if row.customer_id != last] or rows
        if len(rows) < AT_ONCE:
            whole = rows
        self._person = whole[-1].customer_id
        columns = ("store_id", "customer_id", "item_set_id", "period", "held_from", "held_until", "import_id")
        again = [{name: getattr(row, name) for name in columns} | {"recorded_at": self._later} for row in whole]
        insert_new(session, Holding, again)
        return len(again)

    def erase_contacts(self, session: Session) -> int:
        """End the import's own contacts when they began, and drop name and address."""
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
        if ids:
            session.execute(
                sa.update(CustomerContact)
                .where(CustomerContact.id.in_(ids))
                .values(valid_until=self._at, name=None, address=None)
            )
        self._contact = ids[-1] if ids else 0
        return len(ids)

    def give_back_contacts(self, session: Session) -> int:
        """Open anew the contacts that the import closed."""
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
        columns = ("customer_id", "channel", "name", "address", "address_digest", "import_id")
        again = [{name: getattr(row, name) for name in columns} | {"valid_from": self._later} for row in rows]
        insert_new(session, CustomerContact, again)
        self._contact = rows[-1].id if rows else 0
        return len(rows)

    def give_back_attributes(self, session: Session) -> int:
        """Set attributes back; what the import had made of them stays in the history."""
        back = sa.orm.aliased(CustomerChange)
        given_back = sa.exists().where(back.customer_id == CustomerChange.customer_id, back.changed_at == self._later)
        changes = session.scalars(
            sa.select(CustomerChange).where(CustomerChange.changed_at == self._at, ~given_back).limit(AT_ONCE)
        ).all()
        for change in changes:
            customer = session.get_one(Customer, change.customer_id)
            names = ("kind", "relation", "language", "jurisdiction")
            session.add(
                CustomerChange(
                    customer_id=customer.id, changed_at=self._later, **{name: getattr(customer, name) for name in names}
                )
            )
            for name in names:
                setattr(customer, name, getattr(change, name))
        session.flush()
        return len(changes)

    def erase_people(self, session: Session) -> int:
        """Mark the people whom the import added; another import that names them brings them back."""
        ids = session.scalars(
            sa.select(Customer.id)
            .where(Customer.added_at == self._at, Customer.erased_at.is_(None))
            .order_by(Customer.id)
            .limit(AT_ONCE),
        ).all()
        if ids:
            session.execute(sa.update(Customer).where(Customer.id.in_(ids)).values(erased_at=self._at))
        return len(ids)
