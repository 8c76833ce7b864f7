"""Jobs: asked for by a page, done by the worker, one after the other, with a lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import AudienceRule, WhenUncertain
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.ids import Actor, IncidentId, NoticeId
from incident_app.domain.vocabulary import JobKind, JobStatus
from incident_app.persistence.jobs import Job
from incident_app.services.campaigns import Sender, fill_campaign
from incident_app.services.customers import import_file
from incident_app.services.obligations import determine_and_derive
from incident_app.services.transaction import reading, recording

LEASE = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class JobTools:
    """What jobs need besides the database."""

    address_key: bytes
    uploads: Path
    """Where files lie that were handed in on a page, named by their digest, until they are imported."""


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as a page shows it."""

    id: int
    kind: JobKind
    incident_id: int | None
    status: JobStatus
    error_ja: str | None
    error_en: str | None
    requested_at: datetime
    finished_at: datetime | None


def ask_for(
    engine: Engine,
    kind: JobKind,
    *,
    incident_id: IncidentId | None,
    parameters: Mapping[str, Any],
    actor: Actor,
    now: datetime,
) -> int:
    """Put work into the queue; return the job's number. The work itself leaves the events."""
    with recording(engine) as session:
        job = Job(
            kind=kind,
            incident_id=incident_id,
            parameters=dict(parameters),
            status=JobStatus.WAITING,
            done=0,
            total=0,
            requested_by=actor,
            requested_at=now,
        )
        session.add(job)
        session.flush()
        return job.id


def list_jobs(engine: Engine, incident_id: IncidentId | None) -> list[JobView]:
    """Return the jobs of an incident, or those that belong to none, newest first."""
    with reading(engine) as session:
        rows = session.scalars(sa.select(Job).where(Job.incident_id == incident_id).order_by(Job.id.desc()).limit(50))
        return [_view(row) for row in rows]


def work_on_next(engine: Engine, tools: JobTools, *, owner: str, now: datetime) -> bool:
    """Take the oldest waiting job, or one whose worker died, and do it; False when there is none."""
    with recording(engine) as session:
        job = session.scalars(
            sa.select(Job)
            .where(
                sa.or_(
                    Job.status == JobStatus.WAITING, sa.and_(Job.status == JobStatus.RUNNING, Job.lease_until < now)
                ),
            )
            .order_by(Job.id)
            .limit(1)
            .with_for_update(skip_locked=True),
        ).one_or_none()
        if job is None:
            return False
        job.status, job.owner, job.lease_until = JobStatus.RUNNING, owner, now + LEASE
        job_id, kind, actor = job.id, job.kind, Actor(job.requested_by)
        incident_id, parameters = (
            IncidentId(job.incident_id or 0),
            dict(job.parameters) if isinstance(job.parameters, dict) else {},
        )
    error: dict[str, str] | None = None
    try:
        _WORK[kind](engine, tools, incident_id, parameters, actor, now)
    except IncidentAppError as refusal:
        error = {"ja": refusal.message("ja"), "en": refusal.message("en")}
    with recording(engine) as session:
        session.execute(
            sa.update(Job)
            .where(Job.id == job_id, Job.owner == owner)
            .values(
                status=JobStatus.FAILED if error else JobStatus.DONE, error=error, lease_until=None, finished_at=now
            ),
        )
    return True


Work = Callable[[Engine, JobTools, IncidentId, Mapping[str, Any], Actor, datetime], None]


def _determine(
    engine: Engine, _tools: JobTools, incident_id: IncidentId, wanted: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    designated = bool(wanted.get("designated_operator"))
    determine_and_derive(engine, incident_id, designated_operator=designated, actor=actor, now=now)


def _fill(
    engine: Engine, _tools: JobTools, incident_id: IncidentId, wanted: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    fill_campaign(
        engine,
        incident_id,
        NoticeId(int(wanted["notice_id"])),
        rule=AudienceRule(wanted["rule"]),
        sender=Sender(address=wanted["sender_address"], names=wanted["sender_names"]),
        when_uncertain=WhenUncertain(wanted["when_uncertain"]),
        items=frozenset(wanted["items"]),
        actor=actor,
        now=now,
    )


def _import(
    engine: Engine, tools: JobTools, _incident: IncidentId, wanted: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    path = tools.uploads / f"{wanted['digest']}.csv"
    if not path.is_file():
        raise NotFound(what="uploaded file", name=str(wanted["digest"])[:12])
    import_file(
        engine,
        path.read_bytes(),
        address_key=tools.address_key,
        keep_good=bool(wanted["keep_good"]),
        actor=actor,
        now=now,
    )
    path.unlink()


_WORK: Mapping[JobKind, Work] = {JobKind.DETERMINE: _determine, JobKind.FILL: _fill, JobKind.IMPORT: _import}


def _view(row: Job) -> JobView:
    error = row.error if isinstance(row.error, dict) else {}
    return JobView(
        id=row.id,
        kind=row.kind,
        incident_id=row.incident_id,
        status=row.status,
        error_ja=error.get("ja"),
        error_en=error.get("en"),
        requested_at=row.requested_at,
        finished_at=row.finished_at,
    )
