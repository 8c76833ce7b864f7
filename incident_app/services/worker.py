"""The worker: takes jobs, sends what running waves hold, and recovers what a dead worker left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from incident_app.domain.brake import BrakeRule
from incident_app.domain.delivery import CampaignStatus, DeliveryState
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.ids import Actor, CampaignId
from incident_app.persistence.outbox import Campaign, DeliveryRow
from incident_app.persistence.sql_outbox import SqlOutbox, microseconds
from incident_app.services import dispatch, jobs
from incident_app.services.braking import brake_failing_waves
from incident_app.services.campaigns import drop_stale_fills
from incident_app.services.canaries import hold_sent_canaries
from incident_app.services.composing import NoticeComposer
from incident_app.services.publications import finish_coverings
from incident_app.services.transaction import reading, recording
from notifications.bounces.verp import ReturnPath
from notifications.dispatcher import Dispatcher, DispatcherOptions, Ended, Summary
from notifications.dkim import Signer
from notifications.errors import JournalFailed, JournalInUse
from notifications.journal import Journal, Replay, replay
from notifications.retry import RetryPolicy
from notifications.transport import Transport

WORKER = Actor("system:worker")
POLL_SECONDS = 1.0
SUFFIX = ".journal"
COLLECT_AFTER = (20_000, 20, 20)
log = logging.getLogger("incident_app")


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What a worker needs besides the database."""

    journals: Path
    tools: jobs.JobTools
    bounce_domain: str
    message_domain: str
    signer: Signer | None = None
    return_path: ReturnPath | None = None
    """Signed envelope senders; without it they bear the token alone, in the bounce domain."""
    options: DispatcherOptions = field(default_factory=DispatcherOptions)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    brake: BrakeRule = field(default_factory=BrakeRule)


class Worker:
    """One worker process. Several may run at once; a lease and a journal keep them apart."""

    def __init__(
        self, engine: Engine, transport: Transport, settings: WorkerSettings, *, clock: Callable[[], datetime]
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.clock = clock
        self.owner = f"{socket.gethostname()[:24]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._transport = transport
        self._outbox = SqlOutbox(
            partial(recording, engine),
            read=partial(reading, engine),
            owner=self.owner,
            clock=clock,
            on_hold=self._hold,
            admit=self._admit,
            hold_canaries=self._hold_canaries,
            brake=self._brake,
            policy=settings.retry,
        )

    def _hold(self, campaign_id: int, reason: str) -> None:
        dispatch.pause_for_fault(self.engine, CampaignId(campaign_id), reason=reason, actor=WORKER, now=self.clock())

    def _hold_canaries(self) -> list[CampaignId]:
        return hold_sent_canaries(self.engine, actor=WORKER, now=self.clock())

    def _brake(self) -> list[CampaignId]:
        return brake_failing_waves(self.engine, self.settings.brake, actor=WORKER, now=self.clock())

    def _admit(self, campaign_id: int) -> bool:
        """Test a running wave before its first message leaves; one that fails is stopped with the reason."""
        try:
            dispatch.check_before_sending(self.engine, CampaignId(campaign_id))
        except IncidentAppError as refusal:
            self._hold(campaign_id, refusal.message("en"))
            return False
        return True

    def recover(self) -> int:
        """Settle what dead workers left leased, each by its journal; return how many messages are in doubt."""
        doubts = 0
        for owner in self._dead_owners():
            journal = self._journal_of(owner)
            if journal is None:
                continue
            with recording(self.engine) as session:
                doubts += self._outbox.recover(session, owner, journal)
            self._path(owner).unlink(missing_ok=True)
        if doubts:
            dispatch.note_doubts(self.engine, actor=WORKER, now=self.clock(), retry=self.settings.retry)
            self._brake()
        return doubts

    async def send(self, stop: asyncio.Event) -> Summary | None:
        """Send what is due in the running waves, until nothing is left or `stop` is set; None when no wave runs."""
        if not self._has_running_waves():
            return None
        with Journal.fresh(self._path(self.owner)) as journal:
            dispatcher = Dispatcher(
                outbox=self._outbox,
                composer=NoticeComposer(
                    self.engine,
                    clock=self.clock,
                    bounce_domain=self.settings.bounce_domain,
                    message_domain=self.settings.message_domain,
                    signer=self.settings.signer,
                    return_path=self.settings.return_path,
                ),
                transport=self._transport,
                journal=journal,
                clock=self.clock,
                options=self.settings.options,
            )
            summary = await dispatcher.run(stop, until_empty=True)
        self._path(self.owner).unlink(missing_ok=True)
        if summary.unknown:
            dispatch.note_doubts(self.engine, actor=WORKER, now=self.clock(), retry=self.settings.retry)
        self._hold_canaries()
        dispatch.finish_settled(self.engine, actor=WORKER, now=self.clock())
        return summary

    async def run(self, stop: asyncio.Event, *, until_idle: bool = False) -> None:
        """Work until `stop` is set, or, if so wished, until there is nothing to do now.

        While the database cannot be used, or the journal not be written, the worker waits and looks again; what it had
        under way is settled by its journal before anything else is sent.
        """
        while not stop.is_set():
            try:
                worked = await self._once(stop)
            except (SQLAlchemyError, JournalFailed) as trouble:
                if until_idle:
                    raise
                what = "journal" if isinstance(trouble, JournalFailed) else "database"
                log.warning("the %s cannot be used: %s", what, type(trouble).__name__)
                worked = False
            if until_idle and not worked:
                return
            if not worked:
                await _pause(stop, POLL_SECONDS)

    async def _once(self, stop: asyncio.Event) -> bool:
        """Recover, do one job, send what is due; tell whether there may be more to do at once."""
        await asyncio.to_thread(self._set_right)
        worked = await asyncio.to_thread(
            jobs.work_on_next, self.engine, self.settings.tools, owner=self.owner, now=self.clock()
        )
        summary = await self.send(stop)
        return worked or (summary is not None and summary.ended is Ended.STOPPED)

    def _set_right(self) -> None:
        """Settle what dead workers, dead fills and dead coverings left, and what came back of a cancelled wave."""
        self.recover()
        dispatch.withhold_cancelled(self.engine)
        drop_stale_fills(self.engine, now=self.clock())
        finish_coverings(self.engine, now=self.clock())

    def _has_running_waves(self) -> bool:
        with reading(self.engine) as session:
            running = sa.select(Campaign.id).where(Campaign.status == CampaignStatus.RUNNING).limit(1)
            return session.scalar(running) is not None

    def _dead_owners(self) -> list[str]:
        """Name the workers with leased rows that are known dead by their journal, or whose lease ran out."""
        with reading(self.engine) as session:
            rows = session.execute(
                sa.select(DeliveryRow.lease_owner, sa.func.max(DeliveryRow.lease_until))
                .where(DeliveryRow.state == DeliveryState.SENDING)
                .group_by(DeliveryRow.lease_owner),
            ).all()
        now = microseconds(self.clock())
        return [
            owner
            for owner, lease_until in rows
            if owner is not None and (self._path(owner).exists() or (lease_until or 0) < now)
        ]

    def _journal_of(self, owner: str) -> Replay | None:
        """Read a worker's journal; None while that worker lives."""
        try:
            return replay(self._path(owner))
        except JournalInUse:
            return None

    def _path(self, owner: str) -> Path:
        return self.settings.journals / f"{owner}{SUFFIX}"


def collect_seldom() -> None:
    """Let this process, which sends mail, leave what it loaded at its start out of every search for garbage.

    A message leaves some objects behind, none of them in a circle; looking through all that SQLAlchemy and the
    templates hold, every few hundred of them, took a tenth of a worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
