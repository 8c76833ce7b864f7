"""Lists of customers as people read them: where they come from, how they were matched, which rows named nobody."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.lists import NAMES_NOBODY, REMARKS
from incident_app.domain.vocabulary import BuildStatus, RowRemark
from incident_app.persistence.incidents import (
    CustomerList,
    CustomerListRemark,
    Evidence,
    IncidentScope,
    ScopeList,
)
from incident_app.services.transaction import reading

UNMATCHED_COLUMNS = ("line_number", "remark", "names_nobody", "meaning_ja", "meaning_en")
LINES_AT_ONCE = 10_000


@dataclass(frozen=True, kw_only=True)
class ListView:
    """A list that an incident loaded or uses."""

    id: int
    source: str
    people: int
    rows_read: int | None
    unmatched: int
    matched_by: dict[str, int]
    remarks: dict[str, int]
    loaded_at: datetime
    loaded_by: str
    in_versions: tuple[int, ...]


def lists_of(engine: Engine, incident_id: IncidentId) -> list[ListView]:
    """Return the lists that an incident loaded or uses, each with the versions of the scope that refer to it."""
    with reading(engine) as session:
        rows = session.scalars(_of_incident(incident_id).order_by(CustomerList.id)).all()
        return [_view(session, row, incident_id) for row in rows]


def _of_incident(incident_id: IncidentId) -> sa.Select[CustomerList]:
    files = sa.select(Evidence.sha256).where(Evidence.incident_id == incident_id)
    used = (
        sa.select(ScopeList.list_id)
        .join(IncidentScope, IncidentScope.id == ScopeList.scope_id)
        .where(IncidentScope.incident_id == incident_id)
    )
    return sa.select(CustomerList).where(
        CustomerList.status == BuildStatus.SEALED,
        sa.or_(
            CustomerList.id.in_(used),
            CustomerList.file_digest.in_(files),
            sa.and_(CustomerList.file_digest.is_(None), CustomerList.digest.in_(files)),
        ),
    )


def _view(session: Session, row: CustomerList, incident_id: IncidentId) -> ListView:
    remarks = session.execute(
        sa.select(CustomerListRemark.remark, sa.func.count())
        .where(CustomerListRemark.list_id == row.id)
        .group_by(CustomerListRemark.remark)
        .order_by(CustomerListRemark.remark),
    )
    versions = session.scalars(
        sa.select(IncidentScope.version)
        .join(ScopeList, ScopeList.scope_id == IncidentScope.id)
        .where(ScopeList.list_id == row.id, IncidentScope.incident_id == incident_id)
        .order_by(IncidentScope.version),
    )
    return ListView(
        id=row.id,
        source=row.source,
        people=row.row_count,
        rows_read=row.rows_read,
        unmatched=row.unmatched_count,
        matched_by=dict(row.matched_by) if isinstance(row.matched_by, dict) else {},
        remarks={str(remark): number for remark, number in remarks},
        loaded_at=row.loaded_at,
        loaded_by=row.loaded_by,
        in_versions=tuple(versions),
    )


def sources(engine: Engine, list_ids: Sequence[int]) -> dict[int, str]:
    """Return where each list came from, in the words of who loaded it."""
    with reading(engine) as session:
        found = sa.select(CustomerList.id, CustomerList.source).where(CustomerList.id.in_(list_ids))
        return dict(session.execute(found).all())


def unmatched_csv(engine: Engine, incident_id: IncidentId, list_id: int) -> Iterator[str]:
    """Yield a CSV of the rows that named nobody or are to be looked at: line and reason, never the content."""
    with reading(engine) as session:
        if session.scalar(_of_incident(incident_id).where(CustomerList.id == list_id)) is None:
            raise NotFound(what="list of this incident", name=list_id)
    return _lines(engine, list_id)


def _lines(engine: Engine, list_id: int) -> Iterator[str]:
    yield _written([UNMATCHED_COLUMNS])
    after = 0
    while True:
        with reading(engine) as session:
            rows = session.execute(
                sa.select(CustomerListRemark.line_number, CustomerListRemark.remark)
                .where(CustomerListRemark.list_id == list_id, CustomerListRemark.line_number > after)
                .order_by(CustomerListRemark.line_number)
                .limit(LINES_AT_ONCE),
            ).all()
        if not rows:
            return
        yield _written([_row(line, remark) for line, remark in rows])
        after = rows[-1][0]


def _row(line: int, remark: RowRemark) -> tuple[object, ...]:
    ja, en = REMARKS[remark]
    return (line, remark.value, "yes" if remark in NAMES_NOBODY else "no", ja, en)


def _written(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
