"""The first pass over a file: every row is judged, and nothing is stored but sorted rows on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.column_profiles import ColumnProfile, Layout
from incident_app.domain.customers import FileKind, RowFault
from incident_app.domain.import_rows import CustomerChecker, CustomerTuple, HoldingChecker, HoldingTuple
from incident_app.persistence.inventory import DataStore, StoreItem
from incident_app.persistence.people_in_bulk import ids_by_number
from incident_app.services.row_batches import Batch
from incident_app.services.sources import OpenedFile
from incident_app.services.spools import Spool

Row = TypeVar("Row", bound=tuple[Any, ...])
Progress = Callable[[int, int], None]
RefusedRow = tuple[int, str]
"""Line and reason."""
_WHO, _WHAT_IS_HELD = itemgetter(0), itemgetter(0, 1, 2, 3)
REPORT_EVERY = 20_000
UNKNOWN_NUMBER = "customer_number is not known; import the customers first"
_LINE_OF_CUSTOMER: Final = 1
_LINE_OF_HOLDING: Final = 4


class RowChecker(Protocol[Row]):
    """What judges the rows of one kind of file."""

    def check(self, line: int, values: list[str]) -> Row:
        """Return the row in the form that is loaded; RowFault says what is wrong."""

    def check_many(self, lines: Sequence[int], rows: Sequence[list[str]]) -> list[Row] | None:
        """Return what `check` makes of each row when all are ordinary; None says to check them one by one."""


class Checked:
    """The rows of a file, good and refused, sorted on disk."""

    def __init__(self, stack: ExitStack, layout: Layout, folder: Path | None) -> None:
        self.layout = layout
        self.read = 0
        self.customers: Spool[CustomerTuple] = stack.enter_context(Spool(folder, key=_WHO))
        self.holdings: Spool[HoldingTuple] = stack.enter_context(Spool(folder, key=_WHAT_IS_HELD))
        self.refused: Spool[RefusedRow] = stack.enter_context(Spool(folder, key=itemgetter(0)))
        self.kept = 0

    def good_customers(self) -> Iterator[CustomerTuple]:
        """Yield the people to load in the order of their numbers."""
        return _once(self.customers, _WHO, _LINE_OF_CUSTOMER, None)

    def good_holdings(self) -> Iterator[HoldingTuple]:
        """Yield what is held in the order of the customers' numbers."""
        return _once(self.holdings, _WHAT_IS_HELD, _LINE_OF_HOLDING, None)

    def count(self) -> None:
        """Count the rows to load; a row that stands in the file twice is refused the second time."""
        self.kept = _count(self.customers, _WHO, _LINE_OF_CUSTOMER, self.refused)
        self.kept += _count(self.holdings, _WHAT_IS_HELD, _LINE_OF_HOLDING, self.refused)

    def first_refusal(self) -> RefusedRow | None:
        """Return the refused row that stands first in the file."""
        return next(self.refused.rows(), None)


def check_file(
    session: Session,
    file: OpenedFile,
    layout: Layout,
    profile: ColumnProfile,
    checked: Checked,
    progress: Progress | None,
) -> None:
    """Judge every row of a file into `checked`."""
    if layout.kind is FileKind.HOLDINGS:
        holdings = HoldingChecker(layout, profile, stores_and_items(session))
        _judge(file, holdings, lambda rows: _keep_known(session, rows, checked), checked, progress)
    else:
        _judge(file, CustomerChecker(layout), checked.customers.add_all, checked, progress)
    checked.count()


def _judge(
    file: OpenedFile,
    checker: RowChecker[Row],
    keep: Callable[[list[Row]], None],
    checked: Checked,
    progress: Progress | None,
) -> None:
    """Judge rows by the thousand where all of them are ordinary, else one by one."""
    reported = 0
    for batch in file.batches():
        checked.read += len(batch.rows)
        rows = checker.check_many(batch.lines, batch.plain) if batch.plain is not None else None
        keep(_one_by_one(checker, batch, checked.refused) if rows is None else rows)
        if progress and checked.read - reported >= REPORT_EVERY:
            reported = checked.read
            _report(progress, file, checked.read)


def _one_by_one(checker: RowChecker[Row], batch: Batch, refused: Spool[RefusedRow]) -> list[Row]:
    good = []
    for line, values in zip(batch.lines, batch.rows, strict=True):
        if isinstance(values, str):
            refused.add((line, values))
            continue
        try:
            good.append(checker.check(line, values))
        except RowFault as fault:
            refused.add((line, str(fault)))
    return good


def _keep_known(session: Session, rows: list[HoldingTuple], checked: Checked) -> None:
    """Keep what is held of stored customers; rows about others are refused."""
    numbers = {row[0] for row in rows}
    known = ids_by_number(session, numbers) if numbers else {}
    if len(known) < len(numbers):
        for row in rows:
            if row[0] not in known:
                checked.refused.add((row[_LINE_OF_HOLDING], UNKNOWN_NUMBER))
        rows = [row for row in rows if row[0] in known]
    checked.holdings.add_all(rows)


def _report(progress: Progress, file: OpenedFile, read: int) -> None:
    """Say how far the first of two passes is: half of the work, of as many rows as the file seems to have."""
    total = max(read, read * file.source.size // max(1, file.source.position))
    progress(read // 2, total)


def _once(
    spool: Spool[Row], key: Callable[[Row], object], line: int, refused: Spool[RefusedRow] | None
) -> Iterator[Row]:
    return without_doubles(spool.rows(), key, line, refused) if spool.may_hold_doubles else spool.rows()


def _count(spool: Spool[Row], key: Callable[[Row], object], line: int, refused: Spool[RefusedRow]) -> int:
    return sum(1 for _ in _once(spool, key, line, refused)) if spool.may_hold_doubles else spool.count


def without_doubles(
    rows: Iterable[Row], key: Callable[[Row], object], line: int, refused: Spool[RefusedRow] | None
) -> Iterator[Row]:
    """Yield the first of the rows that have one key; note the others as refused, naming the line of the first."""
    last: object = None
    first = 0
    for row in rows:
        if (found := key(row)) != last:
            last, first = found, row[line]
            yield row
        elif refused is not None:
            refused.add((row[line], f"duplicate of line {first}"))


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
