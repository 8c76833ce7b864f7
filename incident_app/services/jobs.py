"""Jobs: asked for by a page, done by the worker, one after the other, with a lease."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.column_profiles import ColumnProfile
from incident_app.domain.contact_safety import ContactChoice
from incident_app.domain.delivery import AudienceRule, WhenUncertain
from incident_app.domain.errors import IncidentAppError, NotFound, find_refusal
from incident_app.domain.ids import Actor, CampaignId, IncidentId, NoticeId
from incident_app.domain.vocabulary import JobKind, JobStatus, Language
from incident_app.paths import find_file
from incident_app.persistence.jobs import Job
from incident_app.services.campaigns import Sender, fill_campaign
from incident_app.services.customers import import_file
from incident_app.services.letter_addressees import LetterPlan
from incident_app.services.letters import LETTER, Printing, prepare_letters
from incident_app.services.obligations import determine_and_derive
from incident_app.services.profiles import get_profile
from incident_app.services.rehearsals import RehearsalTools, rehearse
from incident_app.services.test_mails import Outgoing, send_test
from incident_app.services.transaction import reading, recording

LEASE = timedelta(minutes=10)
log = logging.getLogger("incident_app")
PROGRESS_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class JobTools:
    """What jobs need besides the database."""

    address_key: bytes
    uploads: Path
    """Where files lie that were handed in on a page, named by their digest, until they are imported."""
    outgoing: Outgoing | None = None
    """How mails leave; none where this process sends no mail."""
    rehearsing: RehearsalTools | None = None
    """How waves are rehearsed; none where this process starts no others."""


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as a page shows it."""

    id: int
    kind: JobKind
    incident_id: int | None
    status: JobStatus
    error_ja: str | None
    error_en: str | None
    refusal: IncidentAppError | None
    """The refusal itself, where a rule refused: a page says it in its own words."""
    requested_at: datetime
    finished_at: datetime | None
    done: int = 0
    total: int = 0


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


def list_jobs(engine: Engine, incident_id: IncidentId | None, *kinds: JobKind, most: int = 50) -> list[JobView]:
    """Return the newest jobs of an incident, or of those that belong to none: of these kinds, or of all."""
    query = sa.select(Job).where(Job.incident_id == incident_id).order_by(Job.id.desc()).limit(most)
    if kinds:
        query = query.where(Job.kind.in_(kinds))
    with reading(engine) as session:
        return [_view(row) for row in session.scalars(query)]


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """A job this worker holds."""

    id: int
    kind: JobKind
    incident_id: IncidentId
    parameters: Mapping[str, Any]
    actor: Actor


def work_on_next(engine: Engine, tools: JobTools, *, owner: str, now: datetime) -> bool:
    """Take the oldest waiting job, or one whose worker died, and do it; False when there is none."""
    taken = _take(engine, owner=owner, now=now)
    if taken is None:
        return False
    error = _do(engine, tools, taken, now)
    status = JobStatus.FAILED if error else JobStatus.DONE
    with recording(engine) as session:
        session.execute(
            sa.update(Job)
            .where(Job.id == taken.id, Job.owner == owner)
            .values(status=status, error=error, lease_until=None, finished_at=now),
        )
    return True


def _take(engine: Engine, *, owner: str, now: datetime) -> _Taken | None:
    """Lease the oldest job that waits or whose worker's lease ran out."""
    orphaned = sa.and_(Job.status == JobStatus.RUNNING, Job.lease_until < now)
    with recording(engine) as session:
        job = session.scalars(
            sa.select(Job)
            .where(sa.or_(Job.status == JobStatus.WAITING, orphaned))
            .order_by(Job.id)
            .limit(1)
            .with_for_update(skip_locked=True),
        ).one_or_none()
        if job is None:
            return None
        job.status, job.owner, job.lease_until = JobStatus.RUNNING, owner, now + LEASE
        return _Taken(
            id=job.id,
            kind=job.kind,
            incident_id=IncidentId(job.incident_id or 0),
            parameters=dict(job.parameters) if isinstance(job.parameters, dict) else {},
            actor=Actor(job.requested_by),
        )


def _do(engine: Engine, tools: JobTools, job: _Taken, now: datetime) -> dict[str, object] | None:
    """Do the job; return what went wrong in both languages, or None."""
    try:
        _WORK[job.kind](engine, tools, job.incident_id, job.parameters, job.actor, now)
    except IncidentAppError as refusal:
        said = {"ja": refusal.message("ja"), "en": refusal.message("en")}
        return {**said, "kind": type(refusal).__name__, "facts": {n: str(fact) for n, fact in refusal.facts.items()}}
    except Exception as failure:  # noqa: BLE001 - whatever is wrong with one job must not end the worker
        return _unexpected(job, failure)
    return None


def _unexpected(job: _Taken, failure: Exception) -> dict[str, object]:
    """Log a failure under a number, its kind and place only: its values may hold personal data."""
    number, kind = f"E-{secrets.token_hex(2).upper()}", type(failure).__name__
    traceback = failure.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    where = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else "unknown place"
    log.error("%s: job %d (%s) failed with %s at %s", number, job.id, job.kind, kind, where)
    return {
        "ja": f"予期しない失敗です（{kind}、番号 {number}）。"
        "もう一度お試しのうえ、続くときは番号を管理者にお伝えください。",
        "en": f"It failed unexpectedly ({kind}, number {number}). Try again; if it goes on, give the number to your "
        "administrator.",
    }


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
        contacts=ContactChoice(
            as_of=datetime.fromisoformat(wanted["contacts_as_of"]) if wanted.get("contacts_as_of") else None,
            channel_reason=wanted.get("channel_reason", ""),
        ),
        actor=actor,
        now=now,
    )


def _import(
    engine: Engine, tools: JobTools, _incident: IncidentId, wanted: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    path = tools.uploads / f"{wanted['digest']}.csv"
    if not path.is_file():
        raise NotFound(what="uploaded file", name=str(wanted["digest"])[:12])
    try:
        name = wanted.get("profile")
        profile = get_profile(tools.uploads.parent / "profiles", name) if name else ColumnProfile()
        if encoding := wanted.get("encoding"):
            profile = replace(profile, encoding=encoding)
        import_file(
            engine,
            path,
            address_key=tools.address_key,
            keep_good=bool(wanted["keep_good"]),
            actor=actor,
            now=now,
            progress=_progress_of(engine, JobKind.IMPORT, "digest", str(wanted["digest"])),
            profile=profile,
            folder=tools.uploads,
        )
    finally:  # a refused file holds names and addresses all the same; whoever has it hands it in again
        path.unlink(missing_ok=True)


def _progress_of(engine: Engine, kind: JobKind, name: str, value: object) -> Callable[[int, int], None]:
    """Return what notes on the job with this parameter how far it is, and renews its lease: a long one outlives it."""
    with reading(engine) as session:
        running = session.scalars(sa.select(Job).where(Job.status == JobStatus.RUNNING, Job.kind == kind)).all()
        numbers = [job.id for job in running if isinstance(job.parameters, dict) and job.parameters[name] == value]
    noted = time.monotonic()

    def note(done: int, total: int) -> None:
        nonlocal noted
        passed = time.monotonic() - noted
        if passed < PROGRESS_SECONDS and done < total:
            return
        noted += passed
        with recording(engine) as session:
            for job in session.scalars(sa.select(Job).where(Job.id.in_(numbers), Job.status == JobStatus.RUNNING)):
                job.done, job.total = done, total
                job.lease_until = (job.lease_until or job.requested_at) + timedelta(seconds=passed)

    return note


def _letters(
    engine: Engine, tools: JobTools, incident_id: IncidentId, wanted: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    home = tools.uploads.parent
    template = find_file("templates", LETTER, home)
    if template is None:
        raise NotFound(what="template", name=LETTER)
    plan = LetterPlan(
        sender={Language(language): text for language, text in wanted["sender"].items()},
        printed_on=date.fromisoformat(wanted["printed_on"]),
        notice_id=wanted.get("notice_id"),
        batch_size=int(wanted["batch_size"]),
        go_on=bool(wanted["go_on"]),
    )
    printing = Printing(folder=home / "evidence", template=template)
    prepare_letters(engine, incident_id, plan, printing, actor=actor, now=now)


def _test_send(
    engine: Engine, tools: JobTools, _incident: IncidentId, wanted: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    if tools.outgoing is None:
        raise NotFound(what="mail server", name="-")
    send_test(
        engine,
        CampaignId(int(wanted["campaign_id"])),
        tools.outgoing,
        to=wanted["to"],
        customer_number=wanted.get("customer_number") or None,
        actor=actor,
        now=now,
    )


def _rehearse(
    engine: Engine, tools: JobTools, _incident: IncidentId, wanted: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    if tools.rehearsing is None:
        raise NotFound(what="mail server", name="-")
    campaign_id = CampaignId(int(wanted["campaign_id"]))
    progress = _progress_of(engine, JobKind.REHEARSE, "campaign_id", campaign_id)
    rehearse(engine, campaign_id, tools.rehearsing, progress=progress, actor=actor, now=now)


_WORK: Mapping[JobKind, Work] = {
    JobKind.DETERMINE: _determine,
    JobKind.FILL: _fill,
    JobKind.IMPORT: _import,
    JobKind.LETTERS: _letters,
    JobKind.TEST_SEND: _test_send,
    JobKind.REHEARSE: _rehearse,
}


def _view(row: Job) -> JobView:
    error = row.error if isinstance(row.error, dict) else {}
    return JobView(
        id=row.id,
        kind=row.kind,
        incident_id=row.incident_id,
        status=row.status,
        error_ja=error.get("ja"),
        error_en=error.get("en"),
        refusal=find_refusal(error.get("kind", ""), error.get("facts", {})),
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        done=row.done,
        total=row.total,
    )
