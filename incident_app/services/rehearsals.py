"""Rehearsing a wave: all of it through the real pipeline to a sink on this machine, with faults and a killed worker."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignStatus, DeliveryState
from incident_app.domain.digests import digest_of
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.events import DispatchRehearsed
from incident_app.domain.ids import Actor, CampaignId
from incident_app.persistence.outbox import DeliveryRow
from incident_app.persistence.rehearsal_copy import copy_wave
from incident_app.persistence.rehearsals import Rehearsal
from incident_app.services.approved_content import current_campaign_digest
from incident_app.services.forecasts import forecast_of
from incident_app.services.rehearsal_report import Played, report_of
from incident_app.services.rehearsal_sink import TallySink
from incident_app.services.transaction import reading, reading_one_moment, recording, transaction
from incident_app.services.waves import CampaignView, get_campaign

BEFORE_SENDING = (CampaignStatus.FROZEN, CampaignStatus.AWAITING_APPROVAL, CampaignStatus.APPROVED)
FOLDER, DATABASE = "rehearsals", "rehearsal.db"
WORKERS = 2
LOOK_SECONDS = 0.1
LONGEST_START_SECONDS, SLOWEST_PER_SECOND = 120.0, 20
"""A rehearsal that takes longer than its start and this rate is ended, and what is left is said to be waiting."""
Progress = Callable[[int, int], None]


class RehearsedTooLate(IncidentAppError):
    """Only a wave that is frozen and not yet started can be rehearsed."""

    ja = "リハーサルできるのは、宛先が確定していて、まだ送信を始めていない波だけです。"


class RehearsalBroke(IncidentAppError):
    """The workers of the rehearsal ended before anything was sent. Nothing of the wave was changed; look at the log."""

    ja = "リハーサルの送信処理が、何も送らないうちに終わりました。波には何も変わりはありません。記録を調べてください。"


@dataclass(frozen=True, kw_only=True)
class RehearsalTools:
    """What a rehearsal needs besides the database."""

    home: Path
    """Under which the copy of the wave lies while it is rehearsed."""
    start_worker: Sequence[str]
    """The command that starts a worker of the rehearsal; folder and port are added."""
    connections: int
    per_second: int
    """How fast one worker may send in earnest, for the forecast."""


@dataclass(frozen=True, kw_only=True)
class RehearsalView:
    """A rehearsal as it is stored with its wave."""

    id: int
    at: datetime
    by: str
    digest: str
    is_current: bool
    """True while the wave is still what was rehearsed."""
    report: Mapping[str, Any]

    @property
    def ends_at(self) -> datetime | None:
        """Return when the wave itself would have been sent, as it was foreseen then."""
        foreseen = self.report.get("forecast") or {}
        return datetime.fromisoformat(foreseen["ends_at"]) if foreseen.get("ends_at") else None


def rehearse(
    engine: Engine,
    campaign_id: CampaignId,
    tools: RehearsalTools,
    *,
    progress: Progress = lambda _done, _total: None,
    actor: Actor,
    now: datetime,
) -> RehearsalView:
    """Send a copy of a wave that can reach nobody, reconcile it, and keep the report with the wave.

    The wave itself and its people stay as they are.
    """
    wave = get_campaign(engine, campaign_id)
    if wave.status not in BEFORE_SENDING:
        raise RehearsedTooLate
    with _scratch(tools.home) as folder:
        content_digest = _copy(engine, campaign_id, folder, now)
        with TallySink() as sink:
            played = _play(folder, sink, wave.totals.planned, tools, progress)
        forecast = forecast_of(engine, wave, configured_per_second=tools.per_second, now=now)
        with _opened(folder) as session:
            report = report_of(session, wave, sink, played, forecast=forecast, content_digest=content_digest)
    return _keep(engine, wave, report, actor=actor, now=now)


def latest_rehearsal(engine: Engine, campaign_id: CampaignId) -> RehearsalView | None:
    """Return the newest rehearsal of a wave; None when it was never rehearsed."""
    with reading(engine) as session:
        newest = sa.select(Rehearsal).where(Rehearsal.campaign_id == campaign_id).order_by(Rehearsal.id.desc()).limit(1)
        row = session.scalars(newest).one_or_none()
        return None if row is None else _view(session, row)


def get_rehearsal(engine: Engine, campaign_id: CampaignId) -> RehearsalView:
    """Return the newest rehearsal of a wave; NotFound when it was never rehearsed."""
    found = latest_rehearsal(engine, campaign_id)
    if found is None:
        raise NotFound(what="rehearsal", name=campaign_id)
    return found


def _copy(engine: Engine, campaign_id: CampaignId, folder: Path, now: datetime) -> str:
    target = sa.create_engine(f"sqlite:///{folder / DATABASE}", hide_parameters=True)  # without foreign keys: see there
    try:
        with reading_one_moment(engine) as session:
            copy_wave(session, partial(recording, target), campaign_id, now=now)
            return current_campaign_digest(session, campaign_id)
    finally:
        target.dispose()


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """Give a folder that is closed to others, and remove it; what a rehearsal that was killed left goes as well."""
    (home / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in (home / FOLDER).iterdir():
        if not _is_in_use(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = home / FOLDER / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however that ends
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@contextmanager
def _opened(folder: Path) -> Iterator[Session]:
    engine = sa.create_engine(f"sqlite:///{folder / DATABASE}", hide_parameters=True)
    try:
        with reading(engine) as session:
            yield session
    finally:
        engine.dispose()


def _play(folder: Path, sink: TallySink, planned: int, tools: RehearsalTools, progress: Progress) -> Played:
    """Let workers send the copy, kill one of them in the middle, and wait until nothing is left to be sent."""
    command = [*tools.start_worker, str(folder), str(sink.port)]
    team = [_started(command) for _ in range(WORKERS)]
    began = time.monotonic()
    first_at: float | None = None
    kills = 0
    try:
        while (
            left := _left(folder)
        ) and time.monotonic() - began < LONGEST_START_SECONDS + planned / SLOWEST_PER_SECOND:
            first_at = first_at or (time.monotonic() if sink.total else None)
            if not kills and sink.total >= max(1, planned // 3):
                os.kill(team[0].pid, signal.SIGKILL)
                team[0].wait()
                team.append(_started(command))
                kills += 1
            if all(worker.poll() is not None for worker in team):
                break
            progress(planned - left, planned)
            time.sleep(LOOK_SECONDS)
        ended = time.monotonic()
    finally:
        _end(team)
    if not sink.total and planned:
        raise RehearsalBroke
    seconds = max(ended - (first_at or began), LOOK_SECONDS)
    return Played(kills=kills, seconds=seconds, connections=tools.connections)


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _end(team: Sequence[subprocess.Popen[bytes]]) -> None:
    for worker in team:
        if worker.poll() is None:
            worker.terminate()
    for worker in team:
        try:
            worker.wait(timeout=10)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _left(folder: Path) -> int:
    open_states = (DeliveryState.QUEUED, DeliveryState.SENDING)
    with _opened(folder) as session:
        return (
            session.scalar(
                sa.select(sa.func.count()).select_from(DeliveryRow).where(DeliveryRow.state.in_(open_states))
            )
            or 0
        )


def _keep(engine: Engine, wave: CampaignView, report: dict[str, Any], *, actor: Actor, now: datetime) -> RehearsalView:
    digest = digest_of(report)
    with transaction(engine, actor=actor, now=now) as act:
        row = Rehearsal(
            campaign_id=wave.id,
            content_digest=report["content_digest"],
            report=report,
            digest=digest,
            rehearsed_at=now,
            rehearsed_by=actor,
        )
        act.session.add(row)
        act.session.flush()
        names = ("planned", "sent", "failed", "skipped", "in_doubt", "waiting", "lost", "duplicates")
        act.record(
            DispatchRehearsed(
                campaign_id=wave.id,
                wave=wave.wave,
                rehearsal_id=row.id,
                content_digest=row.content_digest,
                report_digest=digest,
                **{name: int(report[name]) for name in names},
            ),
            incident=wave.incident_id,
        )
        return _view(act.session, row)


def _view(session: Session, row: Rehearsal) -> RehearsalView:
    return RehearsalView(
        id=row.id,
        at=row.rehearsed_at,
        by=row.rehearsed_by,
        digest=row.digest,
        is_current=row.content_digest == current_campaign_digest(session, row.campaign_id),
        report=row.report if isinstance(row.report, dict) else {},
    )
