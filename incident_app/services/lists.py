"""Loading lists of customers from forensic evidence: once, chunk by chunk, unmatched rows kept by line and reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.encodings import decoded, detect, lines_of
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import ListLoaded
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.lists import NAMES_NOBODY, ListRow, Match, Reading, read_list
from incident_app.domain.vocabulary import BuildStatus
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.findings import known_at
from incident_app.persistence.incidents import CustomerList, CustomerListMember, CustomerListRemark
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.item_sets import item_codes, item_set_id
from incident_app.services.evidence import Source, evidence_number, keep_file, measure, pieces_of, record_evidence
from incident_app.services.half_built import Child, HalfBuilt, new_builder, take_up
from incident_app.services.list_matching import Matcher, gathered, together
from incident_app.services.transaction import building, reading, transaction

ROWS_AT_ONCE = 2_500
LINES_NAMED = 1_000
"""So many unmatched lines are handed back at once; the whole list of them is stored."""
AS_IT_STANDS = Reading()
BELOW = (
    Child(parent=CustomerListMember.list_id, key=CustomerListMember.customer_id),
    Child(parent=CustomerListRemark.list_id, key=CustomerListRemark.line_number),
)


class ItemsUnknown(NotFound):
    """Line {line} names data items that do not exist: {items}."""

    ja = "{line}行目の項目がありません：{items}。"


class ListMatchesNobody(IncidentAppError):
    """None of the {rows} rows of this list matches a customer, so it was not loaded. Check columns and encoding.

    If nobody is really right, say so (--allow-empty, or the box on the page) and load it again.
    """

    ja = (
        "一覧の{rows}行のどれも顧客と一致しないため、読み込んでいません。列の名前と文字コードを確かめてください。"
        "該当者がいないことが正しいときは、その旨を指定（--allow-empty、またはページの確認欄）して読み込み直してください。"
    )


@dataclass(frozen=True, kw_only=True)
class LoadedList:
    """What became of a list."""

    list_id: int
    digest: str
    matched: int
    """People, each once."""
    unmatched: int
    """Rows that name nobody."""
    unmatched_lines: tuple[int, ...]
    """Their lines, the first thousand."""
    rows_read: int | None
    matched_by: dict[str, int]
    evidence_id: int
    unchanged: bool
    known_more_since: bool = False
    """Customers were imported since the list was matched, and some of its rows matched nobody."""


def load_list(
    engine: Engine,
    incident_id: IncidentId,
    content: Source,
    *,
    source: str,
    address_key: bytes,
    how: Reading = AS_IT_STANDS,
    evidence_folder: Path | None = None,
    allow_empty: bool = False,
    match_again: bool = False,
    actor: Actor,
    now: datetime,
) -> LoadedList:
    """Load a list of customers. The file is evidence itself; the same list again returns the one already loaded.

    A list that matches nobody is refused, unless that is said to be right. `match_again` looks for its people anew.
    """
    if not source.strip():
        raise BadInput(field="source", problem="say where the list comes from")
    file = _File(content=content, how=how)
    with reading(engine) as session:
        _check_items(session, file)
        known = known_at(session)
        digest = digest_of_list(file.digest, how, known if match_again else None)
        sealed = sa.select(CustomerList.id).where(CustomerList.status == BuildStatus.SEALED)
        finished = session.scalar(sealed.where(CustomerList.digest == digest))
    half = finished or _open(engine, digest, file, source, known, actor, now)
    if isinstance(half, int):
        file.keep(evidence_folder)
        return _share(engine, incident_id, half, file, actor=actor, now=now)
    matcher = Matcher(address_key)
    rows = _build(engine, half, file, matcher)
    if not matcher.matched_by and not allow_empty:
        half.drop(engine, *BELOW)
        raise ListMatchesNobody(rows=rows)
    file.keep(evidence_folder)
    return _seal(engine, incident_id, half, file, matcher, rows, actor=actor, now=now)


def digest_of_list(file_digest: str, how: Reading, matched_at: datetime | None) -> str:
    """Return the digest of a list: that of its file, and of how it was read and matched where that was told."""
    told = dict(how.decides)
    if matched_at is not None:
        told["matched_at"] = matched_at
    return digest_of({"file": file_digest, **told}) if told else file_digest


class _File:
    """A list that comes in: its bytes, how to read them, and its rows as often as they are needed."""

    def __init__(self, *, content: Source, how: Reading) -> None:
        self.content = content
        self.how = how
        self.digest, self.size = measure(content)
        self.encoding = detect(self.pieces, how.encoding)

    def pieces(self) -> Iterator[bytes]:
        return pieces_of(self.content)

    def keep(self, folder: Path | None) -> None:
        if folder is not None:
            keep_file(folder, self.content, digest=self.digest)

    def rows(self) -> Iterator[ListRow]:
        return read_list(lines_of(decoded(self.pieces(), self.encoding)), self.how)

    def chunks(self) -> Iterator[list[ListRow]]:
        rows = self.rows()
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            yield chunk


def _check_items(session: Session, file: _File) -> None:
    """Read the whole file once before anything is stored: an item that does not exist refuses it, by line."""
    known = frozenset(session.scalars(sa.select(DataItem.code)))
    told = {use.item for use in file.how.columns if use.item is not None}
    if unknown := sorted(told - known):
        raise NotFound(what="data item", name=", ".join(unknown))
    for row in file.rows():
        if row.items is not None and not row.items <= known:
            raise ItemsUnknown(line=row.line, items=", ".join(sorted(row.items - known)))


def _open(
    engine: Engine, digest: str, file: _File, source: str, known: datetime | None, actor: Actor, now: datetime
) -> HalfBuilt | int:
    """Become the one who loads this list: begun anew, or taken up from somebody who is slow or was cut off.

    If somebody finished it meanwhile, return its number.
    """
    try:
        return _begin_or_take_up(engine, digest, file, source, known, actor, now)
    except IntegrityError:  # somebody else began in the same moment: now their row is there
        return _begin_or_take_up(engine, digest, file, source, known, actor, now)


def _begin_or_take_up(
    engine: Engine, digest: str, file: _File, source: str, known: datetime | None, actor: Actor, now: datetime
) -> HalfBuilt | int:
    with building(engine) as session:
        row = session.scalars(sa.select(CustomerList).where(CustomerList.digest == digest)).one_or_none()
        if row is not None and row.status is BuildStatus.SEALED:
            return row.id
        if row is not None:
            taken = take_up(session, row)
            row.source, row.known_at, row.loaded_at, row.loaded_by = source, known, now, actor
            return taken
        row = CustomerList(
            digest=digest,
            source=source,
            status=BuildStatus.BUILDING,
            builder=new_builder(),
            row_count=0,
            unmatched_count=0,
            loaded_at=now,
            loaded_by=actor,
            file_digest=file.digest,
            reading=file.how.decides,
            known_at=known,
        )
        session.add(row)
        session.flush()
        return HalfBuilt(table=CustomerList, id=row.id, builder=row.builder or "")


def _build(engine: Engine, half: HalfBuilt, file: _File, matcher: Matcher) -> int:
    """Match the rows chunk by chunk below a list that no reader sees; return how many rows there were."""
    half.clear(engine, *BELOW)
    rows, sets = 0, _Sets()
    for chunk in file.chunks():
        rows += len(chunk)
        with reading(engine) as session:
            decided = matcher.match(session, chunk)
        with half.chunk(engine) as session:
            sets.store(session, half.id, decided)
            remarks = [
                {"list_id": half.id, "line_number": row.line, "remark": found.remark}
                for row, found in decided
                if found.remark is not None
            ]
            insert_new(session, CustomerListRemark, remarks)
    return rows


class _Sets:
    """Puts people on a list with their item sets; what an earlier chunk said of a person is added to."""

    def __init__(self) -> None:
        self._ids: dict[frozenset[str], int] = {}
        self._items: dict[int, frozenset[str]] = {}

    def store(self, session: Session, list_id: int, decided: Sequence[tuple[ListRow, Match]]) -> None:
        people = dict(gathered(decided))
        there = sa.select(CustomerListMember.customer_id, CustomerListMember.item_set_id).where(
            CustomerListMember.list_id == list_id, CustomerListMember.customer_id.in_(people)
        )
        before = dict(session.execute(there).all())
        for customer_id, set_id in before.items():
            people[customer_id] = together(self._codes(session, set_id), people[customer_id])
        members = {customer_id: self._id(session, items) for customer_id, items in people.items()}
        changed = [customer_id for customer_id, set_id in before.items() if members[customer_id] != set_id]
        session.execute(
            sa.delete(CustomerListMember).where(
                CustomerListMember.list_id == list_id, CustomerListMember.customer_id.in_(changed)
            ),
        )
        rows = [
            {"list_id": list_id, "customer_id": customer_id, "item_set_id": members[customer_id]}
            for customer_id in sorted(members)
        ]
        insert_new(session, CustomerListMember, rows)

    def _id(self, session: Session, items: frozenset[str] | None) -> int | None:
        if items is None:
            return None
        if items not in self._ids:
            self._ids[items] = item_set_id(session, items)
        return self._ids[items]

    def _codes(self, session: Session, set_id: int | None) -> frozenset[str] | None:
        if set_id is None:
            return None
        if set_id not in self._items:
            self._items[set_id] = frozenset(item_codes(session, [set_id])[set_id])
        return self._items[set_id]


def _seal(
    engine: Engine,
    incident_id: IncidentId,
    half: HalfBuilt,
    file: _File,
    matcher: Matcher,
    rows: int,
    *,
    actor: Actor,
    now: datetime,
) -> LoadedList:
    list_id = half.id
    with reading(engine) as session:
        members = sa.select(sa.func.count()).where(CustomerListMember.list_id == list_id)
        people, unmatched = session.scalar(members) or 0, session.scalar(_nobody(list_id)) or 0
    with transaction(engine, actor=actor, now=now) as act:
        half.confirm(act.session)
        row = act.session.get_one(CustomerList, list_id)
        row.row_count, row.unmatched_count, row.rows_read = people, unmatched, rows
        row.matched_by = {str(key): number for key, number in sorted(matcher.matched_by.items())}
        row.status, row.builder = BuildStatus.SEALED, None
        act.session.flush()
        evidence_id = record_evidence(
            act, incident_id, file.digest, file.size, file_name="customer-list.csv", media_type="text/csv"
        )
        act.record(
            ListLoaded(list_id=list_id, digest=row.digest, matched=people, unmatched=unmatched), incident=incident_id
        )
        return _loaded(act.session, row, evidence_id, unchanged=False)


def _nobody(list_id: int) -> sa.Select[int]:
    return sa.select(sa.func.count()).where(
        CustomerListRemark.list_id == list_id, CustomerListRemark.remark.in_(NAMES_NOBODY)
    )


def _share(
    engine: Engine, incident_id: IncidentId, list_id: int, file: _File, *, actor: Actor, now: datetime
) -> LoadedList:
    """Return a list that is loaded already; another incident gets the file as its own evidence."""
    with reading(engine) as session:
        row = session.get_one(CustomerList, list_id)
        evidence_id = session.scalar(evidence_number(incident_id, file.digest))
        if evidence_id is not None:
            return _loaded(session, row, evidence_id, unchanged=True)
    with transaction(engine, actor=actor, now=now) as act:
        row = act.session.get_one(CustomerList, list_id)
        evidence_id = record_evidence(
            act, incident_id, file.digest, file.size, file_name="customer-list.csv", media_type="text/csv"
        )
        act.record(
            ListLoaded(list_id=list_id, digest=row.digest, matched=row.row_count, unmatched=row.unmatched_count),
            incident=incident_id,
        )
        return _loaded(act.session, row, evidence_id, unchanged=True)


def _loaded(session: Session, row: CustomerList, evidence_id: int, *, unchanged: bool) -> LoadedList:
    remarks = CustomerListRemark.list_id == row.id, CustomerListRemark.remark.in_(NAMES_NOBODY)
    lines = sa.select(CustomerListRemark.line_number).where(*remarks).order_by(CustomerListRemark.line_number)
    newest = known_at(session)
    more = newest is not None and (row.known_at is None or newest > row.known_at)
    return LoadedList(
        list_id=row.id,
        digest=row.digest,
        matched=row.row_count,
        unmatched=row.unmatched_count,
        unmatched_lines=tuple(session.scalars(lines.limit(LINES_NAMED))),
        rows_read=row.rows_read,
        matched_by=dict(row.matched_by) if isinstance(row.matched_by, dict) else {},
        evidence_id=evidence_id,
        unchanged=unchanged,
        known_more_since=unchanged and more and row.unmatched_count > 0,
    )
