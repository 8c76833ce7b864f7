"""Incidents: opening one, its clocks, and who sees it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, IllegalMove, NotFound
from incident_app.domain.events import ClockStarted, IncidentClosed, IncidentOpened
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.incidents import (
    AWARENESS,
    DETECTION,
    Opening,
    check_awareness,
    check_moment,
    check_not_before,
    check_opening,
)
from incident_app.domain.lengths import check_length
from incident_app.domain.vocabulary import BuildStatus, ClockSource, DutyStatus, Phase
from incident_app.persistence.accounts import IncidentMember
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.incidents import ClockStart, Incident
from incident_app.persistence.obligations import Obligation
from incident_app.services.accounts import Account, join_incident, require_membership, user_of
from incident_app.services.playbooks import pin_playbooks
from incident_app.services.steps import plan_from_playbooks, replan
from incident_app.services.transaction import Transaction, reading, transaction


@dataclass(frozen=True, kw_only=True)
class IncidentView:
    """An incident as pages and commands show it."""

    id: IncidentId
    public_id: str
    reference: str
    kind: str
    title: str
    phase: Phase
    exercise: bool
    occurred_from: datetime | None
    occurred_until: datetime | None
    detected_at: datetime
    aware_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None


def open_incident(engine: Engine, opening: Opening, *, actor: Actor, now: datetime) -> IncidentView:
    """Record an incident: its times, its clocks, the playbooks it is judged by, and its first steps.

    The same external reference twice returns the incident that exists (A3).
    """
    check_opening(opening, now=now)
    opener = user_of(actor)
    with reading(engine) as session:
        if opening.external_reference and (known := _by_external_reference(session, opening.external_reference)):
            return _view(session, known)
    with transaction(engine, actor=actor, now=now) as act:
        row = _store(act, opening, opener)
        incident_id = IncidentId(row.id)
        act.record(
            IncidentOpened(
                reference=row.reference,
                incident_kind=row.kind,
                exercise=row.exercise,
                title_digest=digest_of([row.public_id, row.title]),
            ),
            incident=incident_id,
            occurred_at=opening.detected_at,
        )
        join_incident(act, incident_id, opener, "lead")
        _start_clocks(act, incident_id, opening)
        pinned = pin_playbooks(act, incident_id, response=opening.kind)
        plan_from_playbooks(act, incident_id, pinned, anchors_of(act.session, row))
        return _view(act.session, row)


def _store(act: Transaction, opening: Opening, opener: int) -> Incident:
    row = Incident(
        public_id=secrets.token_hex(12),
        reference=_next_reference(act.session, act.now),
        external_reference=opening.external_reference,
        kind=opening.kind,
        title=opening.title.strip(),
        phase=Phase.OPEN,
        exercise=opening.exercise,
        occurred_from=opening.occurred_from,
        occurred_until=opening.occurred_until,
        detected_at=opening.detected_at,
        lead_id=opener,
        opened_at=act.now,
    )
    act.session.add(row)
    act.session.flush()
    return row


def _start_clocks(act: Transaction, incident_id: IncidentId, opening: Opening) -> None:
    known_by = opening.known_by
    _start_clock(act, incident_id, DETECTION, opening.detected_at, ClockSource.DETECTED, known_by, None)
    if opening.aware_at is not None:
        reason = opening.aware_reason
        _start_clock(act, incident_id, AWARENESS, opening.aware_at, opening.aware_source, known_by, reason)


def record_awareness(
    engine: Engine,
    incident_id: IncidentId,
    *,
    aware_at: datetime,
    source: ClockSource,
    known_by: str = "",
    reason: str | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Record when we became aware, or correct it: an earlier entry stays and is pointed to (C9)."""
    check_moment(aware_at, field="aware_at", now=now)
    check_length(known_by, field="known_by")
    with transaction(engine, actor=actor, now=now) as act:
        row = get_row(act.session, incident_id)
        check_not_before(aware_at, row.occurred_from, field="aware_at")
        check_awareness(row.detected_at, aware_at, reason)
        corrects = newest_clocks(act.session, incident_id).get(AWARENESS)
        if corrects is not None and not (reason or "").strip():
            raise BadInput(field="reason", problem="say why the time of awareness is corrected")
        _start_clock(act, incident_id, AWARENESS, aware_at, source, known_by, reason, corrects=corrects)
        replan(act, incident_id, anchors_of(act.session, row))


def _start_clock(
    act: Transaction,
    incident_id: IncidentId,
    subject: str,
    at: datetime,
    source: ClockSource,
    known_by: str,
    reason: str | None,
    *,
    corrects: ClockStart | None = None,
) -> None:
    text = act.keep_text(reason) if reason else None
    act.session.add(
        ClockStart(
            incident_id=incident_id,
            subject=subject,
            at=at,
            known_by=known_by,
            source=source,
            reason_text_id=text.id if text else None,
            corrects_id=corrects.id if corrects else None,
            recorded_at=act.now,
            recorded_by=act.actor,
        ),
    )
    act.session.flush()
    act.record(
        ClockStarted(
            subject=subject,
            at=at,
            source=source,
            corrects=corrects.id if corrects else None,
            reason_digest=text.digest if text else None,
        ),
        incident=incident_id,
        occurred_at=at,
    )


def start_clock(
    act: Transaction,
    incident_id: IncidentId,
    subject: str,
    at: datetime,
    source: ClockSource,
    *,
    known_by: str = "",
    reason: str | None = None,
) -> None:
    """Record inside a larger act when a clock began; an earlier entry stays and is pointed to."""
    corrects = newest_clocks(act.session, incident_id).get(subject)
    _start_clock(act, incident_id, subject, at, source, known_by, reason, corrects=corrects)


def newest_clocks(session: Session, incident_id: IncidentId) -> Mapping[str, ClockStart]:
    """Return the row that counts for each clock: the latest of its subject."""
    rows = session.scalars(sa.select(ClockStart).where(ClockStart.incident_id == incident_id).order_by(ClockStart.id))
    return {row.subject: row for row in rows}


def anchors_of(session: Session, row: Incident) -> dict[str, datetime | None]:
    """Return the moments that steps count from."""
    clocks = newest_clocks(session, IncidentId(row.id))
    aware = clocks.get(AWARENESS)
    return {"detected": row.detected_at, "aware": aware.at if aware else None, "opened": row.opened_at}


def close_incident(
    engine: Engine, incident_id: IncidentId, *, reason: str | None = None, actor: Actor, now: datetime
) -> None:
    """Close an incident whose duties are all settled; one whose impact nobody determined needs a reason."""
    with transaction(engine, actor=actor, now=now) as act:
        row = get_row(act.session, incident_id)
        if row.phase is Phase.CLOSED:
            raise IllegalMove(thing="incident", state=row.phase, event="close")
        unsettled = act.session.scalar(
            sa.select(sa.func.count()).where(
                Obligation.incident_id == incident_id,
                Obligation.status.in_([DutyStatus.OPEN, DutyStatus.TO_DECIDE, DutyStatus.CLOCK_NOT_STARTED]),
            ),
        )
        if unsettled:
            raise BadInput(field="incident", problem=f"{unsettled} duties are still open or undecided")
        if not (reason or "").strip() and not _is_determined(act.session, incident_id):
            raise BadInput(field="reason", problem="no impact was determined; say why it is closed all the same")
        row.phase, row.closed_at = Phase.CLOSED, now
        kept = act.keep_text(reason.strip()) if reason and reason.strip() else None
        act.record(
            IncidentClosed(reference=row.reference, reason_digest=kept.digest if kept else None), incident=incident_id
        )


def _is_determined(session: Session, incident_id: IncidentId) -> bool:
    """Tell whether there is a sealed determination: without one no duty can have been derived."""
    sealed = sa.select(ImpactDetermination.id).where(
        ImpactDetermination.incident_id == incident_id, ImpactDetermination.status == BuildStatus.SEALED
    )
    return session.scalar(sealed.limit(1)) is not None


def list_incidents(engine: Engine, account: Account) -> list[IncidentView]:
    """Return the incidents that this person belongs to, newest first."""
    mine = sa.select(IncidentMember.incident_id).where(
        IncidentMember.user_id == account.id, IncidentMember.removed_at.is_(None)
    )
    with reading(engine) as session:
        rows = session.scalars(sa.select(Incident).where(Incident.id.in_(mine)).order_by(Incident.id.desc()))
        return [_view(session, row) for row in rows]


def get_incident(engine: Engine, reference: str, account: Account) -> IncidentView:
    """Return an incident by its reference; without membership it does not exist (H2)."""
    with reading(engine) as session:
        row = session.scalars(sa.select(Incident).where(Incident.reference == reference)).one_or_none()
        require_membership(session, IncidentId(row.id if row else 0), account)
        if row is None:
            raise NotFound(what="incident", name=reference)
        return _view(session, row)


def get_row(session: Session, incident_id: IncidentId) -> Incident:
    """Return the row of an incident; NotFound otherwise."""
    row = session.get(Incident, incident_id)
    if row is None:
        raise NotFound(what="incident", name=incident_id)
    return row


def _by_external_reference(session: Session, reference: str) -> Incident | None:
    return session.scalars(sa.select(Incident).where(Incident.external_reference == reference)).one_or_none()


def _next_reference(session: Session, now: datetime) -> str:
    year = now.year
    numbers = session.scalar(
        sa.select(sa.func.count()).where(Incident.reference.startswith(f"INC-{year}-", autoescape=True)),
    )
    return f"INC-{year}-{(numbers or 0) + 1:04d}"


def _view(session: Session, row: Incident) -> IncidentView:
    clocks = newest_clocks(session, IncidentId(row.id))
    aware = clocks.get(AWARENESS)
    return IncidentView(
        id=IncidentId(row.id),
        public_id=row.public_id,
        reference=row.reference,
        kind=row.kind,
        title=row.title,
        phase=row.phase,
        exercise=row.exercise,
        occurred_from=row.occurred_from,
        occurred_until=row.occurred_until,
        detected_at=row.detected_at,
        aware_at=aware.at if aware else None,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
    )
