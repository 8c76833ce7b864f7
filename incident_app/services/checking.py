"""The first pass over a file: every row is judged, and nothing is stored but sorted rows on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.column_profiles import ColumnProfile, Layout
from incident_app.domain.customers import FileKind, RowFault
from incident_app.domain.import_rows import CustomerChecker, CustomerTuple, HoldingChecker, HoldingTuple
from incident_app.persistence.inventory import DataStore, StoreItem
from incident_app.persistence.people_in_bulk import ids_by_number
from incident_app.services.loading import HOLDINGS_AT_ONCE, ResolvedHolding, whole_numbers
from incident_app.services.sources import OpenedFile
from incident_app.services.spools import Spool

Row = TypeVar("Row", bound=tuple[Any, ...])
Progress = Callable[[int, int], None]
RefusedRow = tuple[int, str]
"""Line and reason."""
REPORT_EVERY = 20_000
UNKNOWN_NUMBER = "customer_number is not known; import the customers first"
_LINE_OF_CUSTOMER, _LINE_OF_HOLDING = 1, 4


class Checked:
    """The rows of a file, good and refused, sorted on disk."""

    def __init__(self, stack: ExitStack, layout: Layout, folder: Path | None) -> None:
        self.layout = layout
        self.read = 0
        self.customers: Spool[CustomerTuple] = stack.enter_context(Spool(folder, key=itemgetter(0)))
        self.holdings: Spool[HoldingTuple] = stack.enter_context(Spool(folder, key=itemgetter(0, 1, 2, 3)))
        self.resolved: Spool[ResolvedHolding] = stack.enter_context(Spool(folder, key=itemgetter(0, 1, 2, 3, 4)))
        self.refused: Spool[RefusedRow] = stack.enter_context(Spool(folder, key=itemgetter(0)))
        self.kept = 0

    def good_customers(self) -> Iterator[CustomerTuple]:
        """Yield the people to load in the order of their numbers."""
        return without_doubles(self.customers.rows(), itemgetter(0), _LINE_OF_CUSTOMER, None)

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
    check: Callable[[int, list[str]], Any]
    keep: Callable[[Any], None]
    if layout.kind is FileKind.HOLDINGS:
        check = HoldingChecker(layout, profile, stores_and_items(session)).check
        keep = checked.holdings.add
    else:
        people = CustomerChecker(layout)
        check, keep = people.check, checked.customers.add
    refuse = checked.refused.add
    read = 0
    for line, values in file.rows():
        read += 1
        if isinstance(values, str):
            refuse((line, values))
            continue
        try:
            keep(check(line, values))  # type: ignore[arg-type] # the two belong together
        except RowFault as fault:
            refuse((line, str(fault)))
        if progress and not read % REPORT_EVERY:
            _report(progress, file, read)
    checked.read = read
    if layout.kind is FileKind.CUSTOMERS:
        _count_customers(checked)
    else:
        _resolve(session, checked)


def _report(progress: Progress, file: OpenedFile, read: int) -> None:
    """Say how far the first of two passes is: half of the work, of as many rows as the file seems to have."""
    total = max(read, read * file.source.size // max(1, file.source.position))
    progress(read // 2, total)


def _count_customers(checked: Checked) -> None:
    if checked.customers.may_hold_doubles:
        for _ in without_doubles(checked.customers.rows(), itemgetter(0), _LINE_OF_CUSTOMER, checked.refused):
            checked.kept += 1
    else:
        checked.kept = checked.customers.count


def _resolve(session: Session, checked: Checked) -> None:
    """Find the customers and stores that holdings name; rows about unknown customers are refused."""
    stores = {code: store_id for code, store_id in session.execute(sa.select(DataStore.code, DataStore.id))}  # noqa: C416
    keep, refused = checked.resolved.add, checked.refused
    unique = without_doubles(checked.holdings.rows(), itemgetter(0, 1, 2, 3), _LINE_OF_HOLDING, refused)
    for chunk in whole_numbers(unique, HOLDINGS_AT_ONCE):
        ids = ids_by_number(session, {row[0] for row in chunk})
        for number, store, items, start, line, end in chunk:
            if number in ids:
                keep((number, ids[number], stores[store], items, start, end))
                checked.kept += 1
            else:
                refused.add((line, UNKNOWN_NUMBER))


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
