"""Importing customers and holdings: checked first, loaded in chunks, sealed in one short act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.customers import (
    CustomerRow,
    FileKind,
    HoldingRow,
    Refusal,
    RowFault,
    RowsRefused,
    customer_row,
    holding_row,
    read_rows,
)
from incident_app.domain.digests import digest_of_bytes
from incident_app.domain.encodings import decode
from incident_app.domain.events import CustomersImported
from incident_app.domain.ids import Actor
from incident_app.domain.vocabulary import BuildStatus
from incident_app.persistence.bulk import chunks, insert_new
from incident_app.persistence.customers import Customer, Import, ImportRefusal
from incident_app.persistence.inventory import DataStore, StoreItem
from incident_app.services.loading import Loader
from incident_app.services.transaction import building, reading, transaction

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What became of a file."""

    import_id: int
    kind: FileKind
    rows_read: int
    rows_kept: int
    refusals: tuple[Refusal, ...]
    unchanged: bool


def import_file(
    engine: Engine,
    content: bytes,
    *,
    address_key: bytes,
    keep_good: bool,
    actor: Actor,
    now: datetime,
    progress: Progress | None = None,
) -> ImportResult:
    """Import a CSV file of customers or of holdings.

    With `keep_good` false, one refused row refuses the whole file (RowsRefused) and nothing is stored. The same file
    twice changes nothing. An import that a crash cut off is taken up again by importing the same file.
    """
    text = decode(content)
    with reading(engine) as session:
        kind, rows = read_rows(text)
        known = sa.select(Import).where(Import.kind == kind, Import.file_digest == digest_of_bytes(content))
        earlier = session.scalars(known).one_or_none()
        if earlier is not None and earlier.status is BuildStatus.SEALED:
            return _earlier_result(session, earlier, kind)
        checked = _Checked(session, kind)
        for line, values in rows:
            checked.take(line, values)
    if checked.refused and not keep_good:
        first = checked.refused[0]
        raise RowsRefused(refused=len(checked.refused), read=checked.read, line=first.line, reason=first.reason)
    batch = _open_import(engine, kind, content, earlier.id if earlier else None, actor, now)
    loader = Loader(address_key=address_key, import_id=batch.id, at=batch.at)
    done = 0
    for people in chunks(checked.customers):
        with building(engine) as session:
            loader.load_customers(session, people)
        done = _advance(progress, done + len(people), checked.kept)
    for holdings in chunks(checked.holdings):
        with building(engine) as session:
            loader.load_holdings(session, holdings)
        done = _advance(progress, done + len(holdings), checked.kept)
    return _seal(engine, batch.id, kind, checked, loader, actor=actor, now=now)


def _advance(progress: Progress | None, done: int, total: int) -> int:
    if progress:
        progress(done, total)
    return done


@dataclass(frozen=True, kw_only=True)
class ImportView:
    """An earlier import as a page shows it."""

    id: int
    kind: str
    at: datetime
    rows_read: int
    rows_kept: int
    refusals: tuple[Refusal, ...]


def list_imports(engine: Engine, *, limit: int = 20) -> list[ImportView]:
    """Return the latest imports with their refused lines (at most 50 each), newest first."""
    with reading(engine) as session:
        rows = session.scalars(
            sa.select(Import).where(Import.status == BuildStatus.SEALED).order_by(Import.id.desc()).limit(limit),
        ).all()
        return [
            ImportView(
                id=row.id,
                kind=row.kind,
                at=row.at,
                rows_read=row.rows_read,
                rows_kept=row.rows_kept,
                refusals=_refusals_of(session, row.id)[:50],
            )
            for row in rows
        ]


def _refusals_of(session: Session, import_id: int) -> tuple[Refusal, ...]:
    rows = session.scalars(
        sa.select(ImportRefusal).where(ImportRefusal.import_id == import_id).order_by(ImportRefusal.line_number),
    )
    return tuple(Refusal(line=row.line_number, reason=row.reason, person_kept=row.person_kept) for row in rows)


class _Checked:
    """The rows of a file, good and refused."""

    def __init__(self, session: Session, kind: FileKind) -> None:
        self.kind = kind
        self.read = 0
        self.customers: list[CustomerRow] = []
        self.holdings: list[HoldingRow] = []
        self.refused: list[Refusal] = []
        self._lines: dict[object, int] = {}
        holdings = kind is FileKind.HOLDINGS
        self._stores = stores_and_items(session) if holdings else {}
        self._numbers = set(session.scalars(sa.select(Customer.customer_number))) if holdings else set()

    @property
    def kept(self) -> int:
        return len(self.customers) + len(self.holdings)

    def take(self, line: int, values: dict[str, str]) -> None:
        self.read += 1
        try:
            if self.kind is FileKind.CUSTOMERS:
                self._take_customer(line, values)
            else:
                self._take_holding(line, values)
        except RowFault as fault:
            self.refused.append(Refusal(line=line, reason=str(fault)))

    def _take_customer(self, line: int, values: dict[str, str]) -> None:
        row = customer_row(line, values)
        self._once(row.customer_number, line)
        self.customers.append(row)

    def _take_holding(self, line: int, values: dict[str, str]) -> None:
        row = holding_row(line, values, self._stores)
        if row.customer_number not in self._numbers:
            raise RowFault("customer_number is not known; import the customers first")
        self._once((row.customer_number, row.store, row.held_from), line)
        self.holdings.append(row)

    def _once(self, key: object, line: int) -> None:
        if key in self._lines:
            raise RowFault(f"duplicate of line {self._lines[key]}")
        self._lines[key] = line


@dataclass(frozen=True, kw_only=True)
class _Batch:
    id: int
    at: datetime


def _open_import(
    engine: Engine, kind: FileKind, content: bytes, resumed: int | None, actor: Actor, now: datetime
) -> _Batch:
    with building(engine) as session:
        if resumed is not None:
            earlier = session.get_one(Import, resumed)
            return _Batch(id=earlier.id, at=earlier.at)
        batch = Import(
            kind=kind,
            file_digest=digest_of_bytes(content),
            status=BuildStatus.BUILDING,
            rows_read=0,
            rows_kept=0,
            rows_refused=0,
            at=now,
            actor=actor,
        )
        session.add(batch)
        session.flush()
        return _Batch(id=batch.id, at=batch.at)


def stores_and_items(session: Session) -> dict[str, set[str]]:
    """Return the items that each store of the inventory may hold."""
    stores: dict[str, set[str]] = {code: set() for code in session.scalars(sa.select(DataStore.code))}
    held = (
        sa.select(DataStore.code, StoreItem.item_code)
        .join(StoreItem, StoreItem.store_id == DataStore.id)
        .where(StoreItem.retracted_at.is_(None))
    )
    for store, item in session.execute(held):
        stores[store].add(item)
    return stores


def _seal(
    engine: Engine, import_id: int, kind: FileKind, checked: _Checked, loader: Loader, *, actor: Actor, now: datetime
) -> ImportResult:
    notes = _keep_notes(engine, import_id, [*checked.refused, *loader.warnings])
    with transaction(engine, actor=actor, now=now) as act:
        batch = act.session.get_one(Import, import_id)
        batch.rows_read, batch.rows_kept = checked.read, checked.kept
        batch.rows_refused, batch.status = len(checked.refused), BuildStatus.SEALED
        act.record(
            CustomersImported(
                import_id=import_id,
                file_digest=batch.file_digest,
                rows_read=batch.rows_read,
                rows_kept=batch.rows_kept,
                rows_refused=batch.rows_refused,
            ),
        )
    return ImportResult(
        import_id=import_id,
        kind=kind,
        rows_read=checked.read,
        rows_kept=checked.kept,
        refusals=notes,
        unchanged=False,
    )


def _keep_notes(engine: Engine, import_id: int, notes: list[Refusal]) -> tuple[Refusal, ...]:
    by_line: dict[int, Refusal] = {}
    for note in sorted(notes, key=lambda refusal: refusal.line):
        by_line.setdefault(note.line, note)
    for chunk in chunks(list(by_line.values())):
        with building(engine) as session:
            rows = [
                {
                    "import_id": import_id,
                    "line_number": note.line,
                    "reason": note.reason,
                    "person_kept": note.person_kept,
                }
                for note in chunk
            ]
            insert_new(session, ImportRefusal, rows)
    return tuple(by_line.values())


def _earlier_result(session: Session, earlier: Import, kind: FileKind) -> ImportResult:
    return ImportResult(
        import_id=earlier.id,
        kind=kind,
        rows_read=earlier.rows_read,
        rows_kept=earlier.rows_kept,
        refusals=_refusals_of(session, earlier.id),
        unchanged=True,
    )
