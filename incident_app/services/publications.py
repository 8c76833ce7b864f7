"""Publications: recorded with place, text and desk, listed with whom they cover, and withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.events import PublicationAdded, PublicationRetracted
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.publications import Desk, PublicationWithdrawn, Published, check_published
from incident_app.domain.zones import JST
from incident_app.persistence.bulk import CHUNK
from incident_app.persistence.incidents import Incident
from incident_app.persistence.publications import (
    CoveredPerson,
    Covering,
    Publication,
    count_covered,
    cover,
    covered_after,
    uncover,
)
from incident_app.persistence.reports import Report, ReportVersion
from incident_app.persistence.timeline import TextRow
from incident_app.services.transaction import Transaction, building, reading, transaction
from incident_app.services.unreached_standing import stand_as_told

PUBLIC_FORMS = ("public-statement", "public-faq")


@dataclass(frozen=True, kw_only=True)
class PublicationView:
    """One publication, and how many people it covers now."""

    id: int
    version: int
    place: str
    url: str | None
    text: str | None
    """What was published; None when it is a report, and once it was erased."""
    report: tuple[int, int] | None
    """Number and version of the report that was published."""
    published_at: datetime
    desk: Desk
    withdrawn_at: datetime | None
    covered: int
    because: tuple[tuple[str, int], ...]
    """How many people it ever covered, by the reason."""
    may_cover: bool


def add_publication(
    engine: Engine,
    incident_id: IncidentId,
    published: Published,
    *,
    text: str = "",
    report_id: int | None = None,
    actor: Actor,
    now: datetime,
) -> PublicationView:
    """Record what was published, where, and the desk that people can ask: the text itself, or a report of ours."""
    check_published(published, now=now)
    if bool(text.strip()) == (report_id is not None):
        raise BadInput(field="text", problem="give the text that was published, or name the report that was")
    with transaction(engine, actor=actor, now=now) as act:
        act.session.get(Incident, incident_id, with_for_update={"key_share": True})
        kept = act.keep_text(text) if text.strip() else None
        report = _report_version(act.session, incident_id, report_id) if report_id is not None else None
        row = _row(act, incident_id, published)
        row.text_id = kept.id if kept else None
        row.report_version_id = report.id if report else None
        act.session.add(row)
        act.session.flush()
        act.record(
            PublicationAdded(
                publication_id=row.id,
                version=row.version,
                place_digest=act.keep_text(f"{row.place} {row.url or ''}".strip()).digest,
                text_digest=kept.digest if kept else report.content_digest if report else "",
                has_desk=published.desk.is_given,
            ),
            incident=incident_id,
            occurred_at=row.published_at,
        )
        return _view(act.session, row, now)


def _row(act: Transaction, incident_id: IncidentId, published: Published) -> Publication:
    newest = sa.select(sa.func.max(Publication.version)).where(Publication.incident_id == incident_id)
    return Publication(
        incident_id=incident_id,
        version=1 + (act.session.scalar(newest) or 0),
        place=published.place.strip(),
        url=published.url or None,
        published_at=published.published_at,
        desk_phone=published.desk.phone or None,
        desk_hours=published.desk.hours or None,
        desk_until=published.desk.until,
        recorded_at=act.now,
        recorded_by=act.actor,
    )


def withdraw_publication(
    engine: Engine, incident_id: IncidentId, version: int, *, reason: str, actor: Actor, now: datetime
) -> int:
    """Say that a publication no longer stands; return how many people it covered. They are not reached again."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why it was withdrawn")
    with transaction(engine, actor=actor, now=now) as act:
        row = get_publication(act.session, incident_id, version, lock=True)
        if row.withdrawn_at is not None:
            raise PublicationWithdrawn
        people = _withdraw(act, row, reason)
    finish_coverings(engine, now=now)
    return people


def _withdraw(act: Transaction, row: Publication, reason: str) -> int:
    text = act.keep_text(reason)
    row.withdrawn_at, row.withdrawn_by, row.withdraw_reason_text_id = act.now, act.actor, text.id
    act.session.flush()
    people = _in_force(act.session, row)
    act.record(
        PublicationRetracted(publication_id=row.id, version=row.version, people=people, reason_digest=text.digest),
        incident=IncidentId(row.incident_id),
    )
    return people


def _in_force(session: Session, row: Publication) -> int:
    """Count whom a publication covers, with those whose standing a run that was cut off has not moved yet."""
    waiting = session.scalar(
        sa.select(sa.func.count())
        .select_from(CoveredPerson)
        .join(Covering, Covering.id == CoveredPerson.covering_id)
        .where(Covering.publication_id == row.id, Covering.status == "sealed", Covering.applied_at.is_(None)),
    )
    return count_covered(session, row) or waiting or 0


def finish_coverings(engine: Engine, *, now: datetime) -> None:
    """Move the people of every covering and of every withdrawn publication that were not moved yet, in short turns.

    Called after each act, and by whoever comes next after a crash: doing it twice changes nothing.
    """
    with reading(engine) as session:
        coverings = session.scalars(
            sa.select(Covering.id).where(Covering.status == "sealed", Covering.applied_at.is_(None))
        ).all()
        withdrawn = session.scalars(
            sa.select(Publication.id).where(Publication.withdrawn_at.is_not(None), Publication.undone_at.is_(None))
        ).all()
    for covering_id in coverings:
        _apply(engine, covering_id, now)
    for publication_id in withdrawn:
        _undo(engine, publication_id, now)


def _apply(engine: Engine, covering_id: int, now: datetime) -> None:
    after = 0
    while True:
        with building(engine) as session:
            row = session.get_one(Covering, covering_id, with_for_update=True)
            publication = session.get_one(Publication, row.publication_id)
            if row.applied_at is not None:
                return
            people = covered_after(session, covering_id, after, CHUNK)
            if people and publication.withdrawn_at is None:
                cover(session, publication, row, people, row.covered_at)
            if len(people) < CHUNK:
                row.applied_at = now
                return
            after = people[-1]


def _undo(engine: Engine, publication_id: int, now: datetime) -> None:
    with reading(engine) as session:
        coverings = session.scalars(sa.select(Covering.id).where(Covering.publication_id == publication_id)).all()
    for covering_id in coverings:
        after, people = 0, [0]
        while people:
            with building(engine) as session:
                row = session.get_one(Publication, publication_id, with_for_update=True)
                people = covered_after(session, covering_id, after, CHUNK)
                moved = uncover(session, row, people, row.withdrawn_at or now)
                stand_as_told(session, moved, at=row.withdrawn_at or now)
                after = people[-1] if people else after
    with building(engine) as session:
        row = session.get_one(Publication, publication_id, with_for_update=True)
        row.undone_at = row.undone_at or now


def get_publication(session: Session, incident_id: IncidentId, version: int, *, lock: bool = False) -> Publication:
    """Return one publication of this incident by its number; NotFound otherwise."""
    query = sa.select(Publication).where(Publication.incident_id == incident_id, Publication.version == version)
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(what="publication", name=version)
    return row


def list_publications(engine: Engine, incident_id: IncidentId, *, now: datetime) -> list[PublicationView]:
    """Return the publications of an incident, first one first."""
    with reading(engine) as session:
        rows = session.scalars(
            sa.select(Publication).where(Publication.incident_id == incident_id).order_by(Publication.version)
        )
        return [_view(session, row, now) for row in rows]


def desk_of(row: Publication) -> Desk:
    """Return the desk that a publication names."""
    return Desk(phone=row.desk_phone or "", hours=row.desk_hours or "", until=row.desk_until)


def _report_version(session: Session, incident_id: IncidentId, report_id: int) -> ReportVersion:
    report = session.get(Report, report_id)
    if report is None or report.incident_id != incident_id:
        raise NotFound(what="report", name=report_id)
    if report.form not in PUBLIC_FORMS:
        raise BadInput(field="report", problem="this report is not written for the public")
    query = sa.select(ReportVersion).where(
        ReportVersion.report_id == report.id, ReportVersion.version == report.current_version
    )
    return session.scalars(query).one()


def _view(session: Session, row: Publication, now: datetime) -> PublicationView:
    text = session.get(TextRow, row.text_id) if row.text_id else None
    report = session.get(ReportVersion, row.report_version_id) if row.report_version_id else None
    because = session.execute(
        sa.select(CoveredPerson.because, sa.func.count())
        .join(Covering, Covering.id == CoveredPerson.covering_id)
        .where(Covering.publication_id == row.id, Covering.status == "sealed")
        .group_by(CoveredPerson.because)
        .order_by(CoveredPerson.because),
    )
    desk = desk_of(row)
    is_open = desk.until is not None and desk.until >= now.astimezone(JST).date()
    return PublicationView(
        id=row.id,
        version=row.version,
        place=row.place,
        url=row.url,
        text=text.body if text else None,
        report=(report.report_id, report.version) if report else None,
        published_at=row.published_at,
        desk=desk,
        withdrawn_at=row.withdrawn_at,
        covered=count_covered(session, row),
        because=tuple((str(reason), number) for reason, number in because),
        may_cover=row.withdrawn_at is None and desk.is_given and is_open,
    )
