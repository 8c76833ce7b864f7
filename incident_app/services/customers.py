"""Importing customers and holdings: checked first, loaded in chunks, sealed in one short act."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import dropwhile, islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from incident_app.domain.column_profiles import ColumnProfile, Layout, layout_of
from incident_app.domain.customers import FileKind, Refusal, RowsRefused
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.events import CustomersImported
from incident_app.domain.ids import Actor
from incident_app.domain.vocabulary import ImportStatus
from incident_app.persistence.bulk import CHUNK, insert_new, make_room
from incident_app.persistence.customers import Holding, Import, ImportRefusal
from incident_app.rendering.tabular import csv_text
from incident_app.services.checking import Checked, Progress, check_file
from incident_app.services.collector import seldom_collected
from incident_app.services.loading import (
    HOLDINGS_AT_ONCE,
    HOLDINGS_ON_SQLITE,
    PEOPLE_AT_ONCE,
    PEOPLE_ON_SQLITE,
    Loader,
    Row,
    whole_numbers,
)
from incident_app.services.refused_rows import write_refused
from incident_app.services.sources import FileSource, OpenedFile, encoding_of, open_file
from incident_app.services.transaction import Turns, building, reading, transaction

LISTED = 1_000
"""Refused rows and remarks that a result lists; the rest stands in the file of refused rows and in the database."""
MOST_ON_A_PAGE = 100_000
"""Lines that a page hands out at once; longer lists come from the command line."""
NEXT_MOMENT = timedelta(microseconds=2)
"""Between two imports: one microsecond belongs to what an abandoned import gives back."""
NO_PROFILE = ColumnProfile()
CONTACT_COLUMNS = frozenset({"name", "email", "postal_address", "phone"})


class ImportUnderWay(IncidentAppError):
    """Import {import_id} is under way or was cut off. Import its file again to finish it, or abandon it."""

    ja = "取り込み {import_id} が進行中か、途中で切れています。同じファイルを取り込み直すか、破棄してください。"


class BeingAbandoned(IncidentAppError):
    """Somebody began to abandon import {import_id}. Finish that first: `incident-app customers abandon-import`."""

    ja = "取り込み {import_id} は破棄の途中です。先に `incident-app customers abandon-import` で破棄を終えてください。"


class ImportTakenUp(IncidentAppError):
    """Import {import_id} was taken up elsewhere, or abandoned; this attempt stops. Nothing was loaded twice."""

    ja = "取り込み {import_id} は別のところで再開または破棄されました。この処理は止めます。二重には取り込んでいません。"


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What became of a file."""

    import_id: int
    kind: FileKind
    rows_read: int
    rows_kept: int
    rows_refused: int
    refusals: tuple[Refusal, ...]
    """The first thousand lines that were refused or remarked on."""
    unchanged: bool
    encoding: str
    also_valid: tuple[str, ...]
    """Other encodings in which the file could have been read."""


@dataclass(frozen=True, kw_only=True)
class RefusedTo:
    """Where the list of refused rows goes; with `rows`, each stands beside its reason for correction."""

    path: Path
    rows: bool = False


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """One file and how to read it."""

    file: OpenedFile
    kind: FileKind
    digest: str
    profile: ColumnProfile


def import_file(
    engine: Engine,
    content: bytes | Path,
    *,
    address_key: bytes,
    keep_good: bool,
    actor: Actor,
    now: datetime,
    progress: Progress | None = None,
    profile: ColumnProfile = NO_PROFILE,
    refused_to: RefusedTo | None = None,
    folder: Path | None = None,
) -> ImportResult:
    """Import a file of customers or of holdings; a path is read piece by piece, never whole.

    With `keep_good` false, one refused row refuses the whole file (RowsRefused) and nothing is stored. The same file
    twice changes nothing; it finishes an import that a crash cut off. Rows wait on disk in `folder` between two passes.
    """
    file = open_file(FileSource(content), profile)
    layout = layout_of(file.header, profile)
    plan = _Plan(file=file, kind=layout.kind, digest=file.source.digest(), profile=profile)
    with seldom_collected(), ExitStack() as stack:
        checked = Checked(stack, layout, folder)
        with reading(engine) as session:
            earlier = _earlier(session, plan)
            if earlier is not None and earlier.status == ImportStatus.SEALED:
                return _result(session, earlier, plan, unchanged=True)
            check_file(session, file, layout, profile, checked, progress)
        if refused_to is not None:
            write_refused(refused_to.path, file, checked.refused, with_rows=refused_to.rows)
        if (first := checked.first_refusal()) and not keep_good:
            raise RowsRefused(refused=checked.refused.count, read=checked.read, line=first[0], reason=first[1])
        batch = _open_import(engine, plan, actor, now)
        _Loading(engine, _loader(batch, layout, address_key), batch, checked, progress).run()
        _seal(engine, batch.id, checked, actor=actor, now=now)
    with reading(engine) as session:
        return _result(session, session.get_one(Import, batch.id), plan, unchanged=False)


def _loader(batch: _Batch, layout: Layout, address_key: bytes) -> Loader:
    named = set(layout.places) | set(layout.constants)
    return Loader(
        address_key=address_key,
        import_id=batch.id,
        at=batch.at,
        with_contacts=bool(CONTACT_COLUMNS & named),
        fresh=batch.fresh,
    )


def _earlier(session: Session, plan: _Plan) -> Import | None:
    """Return the import of the same file, if there is one; refuse while another one is under way."""
    live = sa.select(Import).where(Import.status != ImportStatus.ABANDONED)
    same = live.where(
        Import.kind == plan.kind, Import.file_digest == plan.digest, Import.profile_digest == plan.profile.digest
    )
    earlier = session.scalars(same).one_or_none()
    if earlier is None and (
        other := session.scalar(sa.select(Import.id).where(Import.status == ImportStatus.BUILDING))
    ):
        raise ImportUnderWay(import_id=other)
    return earlier


@dataclass(frozen=True, kw_only=True)
class _Batch:
    id: int
    at: datetime
    reached: str | None
    fresh: bool


def _open_import(engine: Engine, plan: _Plan, actor: Actor, now: datetime) -> _Batch:
    try:
        with building(engine) as session:
            row = _earlier(session, plan)
            fresh = row is None and session.scalar(sa.select(Holding.store_id).limit(1)) is None
            if row is None:
                newest = session.scalar(sa.select(sa.func.max(Import.at)))
                row = Import(
                    kind=plan.kind,
                    file_digest=plan.digest,
                    profile_digest=plan.profile.digest,
                    status=ImportStatus.BUILDING,
                    rows_read=0,
                    rows_kept=0,
                    rows_refused=0,
                    at=max(now, newest + NEXT_MOMENT) if newest else now,
                    actor=actor,
                )
                session.add(row)
                session.flush()
            return _Batch(id=row.id, at=row.at, reached=row.reached, fresh=fresh)
    except IntegrityError:  # somebody else began in the same moment
        with reading(engine) as session:
            other = session.scalar(sa.select(Import.id).where(Import.status == ImportStatus.BUILDING))
        raise ImportUnderWay(import_id=other) from None


class _Loading:
    """The second pass: loads the sorted rows in chunks, each with the place it reaches, so that it can be resumed."""

    def __init__(
        self, engine: Engine, loader: Loader, batch: _Batch, checked: Checked, progress: Progress | None
    ) -> None:
        self._engine = engine
        self._loader = loader
        self._batch = batch
        self._checked = checked
        self._progress = progress
        self._reached = batch.reached
        self._turns = Turns()
        self._done = 0

    def run(self) -> None:
        """Load what is not loaded yet."""
        behind = self._batch.reached or ""
        people_at_once, holdings_at_once = PEOPLE_AT_ONCE, HOLDINGS_AT_ONCE
        if self._engine.dialect.name == "sqlite":
            people_at_once = min(people_at_once, PEOPLE_ON_SQLITE)
            holdings_at_once = min(holdings_at_once, HOLDINGS_ON_SQLITE)
        for chunk in whole_numbers(_behind(self._checked.good_customers(), behind), people_at_once):
            prepared = self._loader.prepare(chunk)
            with self._turns.building(self._engine) as session:
                self._move(session, chunk[-1][0])
                self._loader.load_customers(session, prepared)
            self._advance(len(chunk), chunk[-1][0])
        for held in whole_numbers(_behind(self._checked.good_holdings(), behind), holdings_at_once):
            with reading(self._engine) as session:
                resolved = self._loader.resolve(session, held)
            with self._turns.building(self._engine) as session:
                self._move(session, held[-1][0])
                self._loader.load_holdings(session, resolved)
            self._advance(len(held), held[-1][0])

    def _move(self, session: Session, reached: str) -> None:
        """Note how far this chunk gets. Whoever finds another place there than expected is not alone and stops."""
        make_room(session)
        moved = session.execute(
            sa.update(Import)
            .where(
                Import.id == self._batch.id,
                Import.status == ImportStatus.BUILDING,
                Import.reached.is_not_distinct_from(self._reached),
            )
            .values(reached=reached)
            .returning(Import.id),
        ).all()
        if not moved:
            raise ImportTakenUp(import_id=self._batch.id)

    def _advance(self, rows: int, reached: str) -> None:
        self._reached = reached
        self._done += rows
        if self._progress:
            total = max(1, self._checked.kept)
            self._progress(min(total, (total + self._done) // 2), total)


def _behind(rows: Iterator[Row], number: str) -> Iterator[Row]:
    """Leave out the rows up to this customer number: an earlier attempt has loaded them."""
    return dropwhile(lambda row: row[0] <= number, rows) if number else rows


def _seal(engine: Engine, import_id: int, checked: Checked, *, actor: Actor, now: datetime) -> None:
    refused = checked.refused.rows()
    while chunk := list(islice(refused, CHUNK)):
        with building(engine) as session:
            notes = [
                {"import_id": import_id, "line_number": line, "reason": reason, "person_kept": False}
                for line, reason in chunk
            ]
            insert_new(session, ImportRefusal, notes)
    with transaction(engine, actor=actor, now=now) as act:
        row = act.session.get_one(Import, import_id, with_for_update=True)
        if row.status != ImportStatus.BUILDING:
            raise ImportTakenUp(import_id=import_id)
        row.rows_read, row.rows_kept, row.rows_refused = checked.read, checked.kept, checked.refused.count
        row.reached, row.status = None, ImportStatus.SEALED
        act.record(
            CustomersImported(
                import_id=import_id,
                file_digest=row.file_digest,
                rows_read=row.rows_read,
                rows_kept=row.rows_kept,
                rows_refused=row.rows_refused,
            ),
        )


@dataclass(frozen=True, kw_only=True)
class ImportView:
    """An earlier import as a page or a list shows it."""

    id: int
    kind: str
    status: ImportStatus
    at: datetime
    rows_read: int
    rows_kept: int
    rows_refused: int
    refusals: tuple[Refusal, ...]


def list_imports(engine: Engine, *, limit: int = 20) -> list[ImportView]:
    """Return the latest imports with their refused lines (at most 50 each), newest first."""
    with reading(engine) as session:
        rows = session.scalars(sa.select(Import).order_by(Import.id.desc()).limit(limit)).all()
        return [
            ImportView(
                id=row.id,
                kind=row.kind,
                status=row.status,
                at=row.at,
                rows_read=row.rows_read,
                rows_kept=row.rows_kept,
                rows_refused=row.rows_refused,
                refusals=refusals_of(session, row.id, limit=50),
            )
            for row in rows
        ]


def refused_csv(engine: Engine, import_id: int) -> str:
    """Return line and reason of every line that an import refused or remarked on, as CSV: nothing personal."""
    with reading(engine) as session:
        if session.get(Import, import_id) is None:
            raise NotFound(what="import", name=str(import_id))
        notes = refusals_of(session, import_id, limit=MOST_ON_A_PAGE)
    rows = [(note.line, note.reason, "yes" if note.person_kept else "no") for note in notes]
    return csv_text(("line", "reason", "person_kept"), rows)


def refusals_of(session: Session, import_id: int, *, limit: int) -> tuple[Refusal, ...]:
    """Return the first refused or remarked lines of an import."""
    rows = session.scalars(
        sa.select(ImportRefusal)
        .where(ImportRefusal.import_id == import_id)
        .order_by(ImportRefusal.line_number)
        .limit(limit),
    )
    return tuple(Refusal(line=row.line_number, reason=row.reason, person_kept=row.person_kept) for row in rows)


def _result(session: Session, row: Import, plan: _Plan, *, unchanged: bool) -> ImportResult:
    encoding, also_valid = encoding_of(plan.file)
    return ImportResult(
        import_id=row.id,
        kind=plan.kind,
        rows_read=row.rows_read,
        rows_kept=row.rows_kept,
        rows_refused=row.rows_refused,
        refusals=refusals_of(session, row.id, limit=LISTED),
        unchanged=unchanged,
        encoding=encoding,
        also_valid=also_valid,
    )
