"""Workers killed at random moments, a mail server that writes down what it took, and the reckoning of the two.

Used by the suite with a dozen kills and by `benchmarks.chaos` with hundreds.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.brake import BrakeRule
from incident_app.persistence.database import make_engine
from incident_app.persistence.outbox import DeliveryRow
from incident_app.services.transaction import reading
from incident_app.services.worker import Worker, WorkerSettings
from notifications.dispatcher import DispatcherOptions
from notifications.retry import RetryPolicy
from notifications.smtp import Security, SmtpSettings, SmtpTransport
from tests import builders

CONNECTIONS = 5
NEVER = BrakeRule(at_least=10**9)
"""So many kills bring more doubts than any brake would let pass."""
_MESSAGE_ID = re.compile(rb"(?m)^Message-ID: <([0-9a-f]+)@")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How often the server does what it should not; shares of the messages."""

    refused_for_now: float = 0.0
    refused_for_good: float = 0.0
    dropped_after_dot: float = 0.0
    """The message is kept, but the line is cut before anybody is told."""
    closing: float = 0.0
    """421 instead of taking the recipient."""


class LoggingSink:
    """A mail server with PIPELINING on a port of the kernel's choice; it counts what it kept by Message-ID."""

    def __init__(self, *, seed: int, pause_seconds: float = 0.0, faults: Faults | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
        self._pause = pause_seconds
        self._faults = faults or Faults()
        self.kept: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.refused: set[str] = set()
        self._talks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()

    @property
    def messages(self) -> int:
        return self.kept.total()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._end.wait()
        server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self._session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the worker was killed
        finally:
            writer.close()
            self._talks.discard(task)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            elif verb == b"RCPT" and self._happens(self._faults.closing):
                writer.write(b"421 4.3.2 closing\r\n")
                return
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                await asyncio.sleep(self._pause)
                if not self._answer(content, writer):
                    return
            else:
                writer.write(b"250 2.0.0 ok\r\n")

    def _answer(self, content: bytes, writer: asyncio.StreamWriter) -> bool:
        found = _MESSAGE_ID.search(content)
        assert found is not None
        token = found[1].decode()
        if self._happens(self._faults.refused_for_now):
            writer.write(b"451 4.3.0 later\r\n")
        elif self._happens(self._faults.refused_for_good):
            self.refused.add(token)
            writer.write(b"550 5.1.1 unknown\r\n")
        else:
            self.kept[token] += 1
            if self._happens(self._faults.dropped_after_dot):
                return False
            self.told[token] += 1
            writer.write(b"250 2.0.0 kept\r\n")
        return True


def a_worker(engine: Engine, port: int, journals: Path) -> Worker:
    """A worker that tries again soon and never brakes."""
    server = SmtpSettings(host="127.0.0.1", port=port, security=Security.PLAINTEXT_LOOPBACK_ONLY, timeout=10.0)
    settings = WorkerSettings(
        journals=journals,
        tools=builders.TOOLS,
        bounce_domain="bounce.example.jp",
        message_domain="example.jp",
        options=DispatcherOptions(connections=CONNECTIONS, idle_poll=timedelta(milliseconds=10), record_batch=50),
        retry=RetryPolicy(first_delay=timedelta(milliseconds=20), jitter=0.0),
        brake=NEVER,
    )
    return Worker(engine, SmtpTransport(server), settings, clock=lambda: datetime.now(UTC))


def work(url: str, port: int, journals: str, until_idle: bool) -> None:
    """Be a worker, in a process of its own."""
    worker = a_worker(make_engine(url), port, Path(journals))
    asyncio.run(worker.run(asyncio.Event(), until_idle=until_idle))


@dataclass(kw_only=True)
class Reckoning:
    """What the rows say against what the server knows."""

    messages: int
    kills: int = 0
    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    """Told as accepted, but the server never had it; or left waiting for ever."""
    twice: int = 0
    """Kept twice by the server, although nobody chose to send it again."""
    denied: int = 0
    """Told as failed, although the server kept it."""
    most_in_doubt: int = 0
    """New doubts after one kill, the greatest number."""


class Killer:
    """Starts workers, kills them at random moments, and reckons at the end."""

    def __init__(self, url: str, journals: Path, sink: LoggingSink, *, seed: int) -> None:
        self._url = url
        self._journals = journals
        self._sink = sink
        self._random = random.Random(seed)  # noqa: S311
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["tests.killing"])
        self._engine: Engine = make_engine(url)
        journals.mkdir(exist_ok=True)

    def run(self, *, kills: int, patience: float = 120.0) -> Reckoning:
        """Kill so many workers, each after some messages of its own, then let one finish."""
        try:
            return self._run(kills, patience)
        finally:
            self._engine.dispose()

    def _run(self, kills: int, patience: float) -> Reckoning:
        with reading(self._engine) as session:
            total = session.scalar(sa.select(sa.func.count()).select_from(DeliveryRow)) or 0
        found = Reckoning(messages=total)
        doubts = self._doubts()
        while found.kills < kills and self._sink.messages < total:
            self._one_life(min(patience, 60.0), most=max(1, (total - self._sink.messages) // (kills - found.kills)))
            found.kills += 1
            self._settle_by_journal()
            now = self._doubts()
            found.most_in_doubt = max(found.most_in_doubt, now - doubts)
            doubts = now
        self._finish(patience)
        return self._reckoned(found)

    def _one_life(self, patience: float, *, most: int) -> None:
        before = self._sink.messages
        enough = before + self._random.randint(1, max(1, 2 * most - 1))
        child = self._start(until_idle=False)
        end = time.monotonic() + patience
        while self._sink.messages < enough and child.is_alive() and time.monotonic() < end:
            time.sleep(0.0005)
        time.sleep(self._random.uniform(0, 0.004))
        child.kill()
        child.join()

    def _start(self, *, until_idle: bool) -> Any:
        child = self._context.Process(target=work, args=(self._url, self._sink.port, str(self._journals), until_idle))
        child.start()
        return child

    def _settle_by_journal(self) -> None:
        a_worker(self._engine, self._sink.port, self._journals).recover()

    def _finish(self, patience: float) -> None:
        """Let workers work until nothing waits; a wave that was stopped by its brake is a fault of the test."""
        end = time.monotonic() + patience
        while self._states()["queued"] + self._states()["sending"] and time.monotonic() < end:
            child = self._start(until_idle=True)
            child.join(patience)
            assert child.exitcode == 0
            time.sleep(0.05)

    def _states(self) -> Counter[str]:
        with reading(self._engine) as session:
            rows = session.execute(sa.select(DeliveryRow.state, sa.func.count()).group_by(DeliveryRow.state)).all()
        return Counter({str(state): count for state, count in rows})

    def _doubts(self) -> int:
        return self._states()["uncertain"]

    def _reckoned(self, found: Reckoning) -> Reckoning:
        with reading(self._engine) as session:
            rows = session.execute(sa.select(DeliveryRow.token, DeliveryRow.state)).all()
        kept = self._sink.kept
        for token, state in rows:
            found.states[str(state)] += 1
            if state in {"queued", "sending"} or (state == "accepted" and not kept[token]):
                found.lost += 1
            if state == "failed" and kept[token]:
                found.denied += 1
        found.twice = sum(count > 1 for count in kept.values())
        return found
