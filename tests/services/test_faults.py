"""What happens around a wave that nobody wishes for: a full disk, a database that is held, a clock that jumps."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from incident_app.domain.delivery import DeliveryState
from incident_app.persistence.database import make_engine
from incident_app.services import waves
from notifications.sink import MailSink, SinkScript
from tests.builders import a_worker, run_until_idle
from tests.conftest import Clock
from tests.services.test_chaos import a_crowd_to_tell
from tests.services.test_worker import states

PEOPLE = 60


def each_once(sink: MailSink) -> int:
    """Return to how many people the server has a message; nobody has two."""
    told = Counter(mail.recipients[0] for mail in sink.received)
    assert set(told.values()) <= {1}
    return len(told)


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_full_disk_stops_the_sending_and_loses_nothing(instance_url: str, instance: Engine, tmp_path: Path) -> None:
    """The database can grow no more while results are to be recorded; once there is room, the journal says the rest."""
    a_crowd_to_tell(instance, PEOPLE)
    cramped = make_engine(instance_url)
    pages = 0

    @sa.event.listens_for(cramped, "connect")
    def _let_it_be_full(connection: sqlite3.Connection, _record: object) -> None:
        if pages:
            connection.execute(f"PRAGMA max_page_count = {pages}")

    with instance.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    clock = Clock()
    with MailSink() as sink:
        with pytest.raises(SQLAlchemyError):
            run_until_idle(a_worker(cramped, sink.port, tmp_path / "j", clock))
        cramped.dispose()
        assert states(instance).get(DeliveryState.ACCEPTED, 0) < PEOPLE  # the disk was full indeed
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert each_once(sink) == PEOPLE
    assert states(instance) == {DeliveryState.ACCEPTED: PEOPLE}


def test_a_journal_without_room_delays_until_there_is_some(
    instance: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk is full at the first mark and later has room: the worker goes on by itself and says what was wrong."""
    a_crowd_to_tell(instance, PEOPLE)
    refused, real = [], os.pwrite

    def pwrite(file: int, octets: bytes, offset: int) -> int:
        if not refused:
            refused.append(offset)
            raise OSError(28, "No space left on device")
        return real(file, octets, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)

    taken = threading.Semaphore(0)

    def count(_recipient: str) -> None:
        taken.release()

    async def work(port: int) -> None:
        stop = asyncio.Event()
        working = asyncio.create_task(a_worker(instance, port, tmp_path / "j", Clock()).run(stop))
        everybody = asyncio.to_thread(lambda: [taken.acquire(timeout=60) for _ in range(PEOPLE)])
        await asyncio.wait([working, asyncio.ensure_future(everybody)], return_when=asyncio.FIRST_COMPLETED)
        taken.release(PEOPLE)  # who still counts need not
        stop.set()
        await working

    with MailSink(script=SinkScript(content=count)) as sink, caplog.at_level("WARNING", logger="incident_app"):
        asyncio.run(work(sink.port))
        assert each_once(sink) == PEOPLE
    assert refused
    assert states(instance) == {DeliveryState.ACCEPTED: PEOPLE}
    assert [record.message for record in caplog.records] == ["the journal cannot be used: JournalFailed"]


def test_a_database_that_somebody_holds_only_delays(instance_url: str, instance: Engine, tmp_path: Path) -> None:
    a_crowd_to_tell(instance, PEOPLE)
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        engine = make_engine(instance_url)
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("UPDATE campaigns SET id = id")
            else:
                connection.exec_driver_sql("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
            held.set()
            free.wait(20)
        engine.dispose()

    holder = threading.Thread(target=hold)

    def first_message(_recipient: str) -> str | None:
        if not held.is_set():
            holder.start()
            held.wait(20)
            threading.Timer(1.0, free.set).start()
        return None

    with MailSink(script=SinkScript(content=first_message)) as sink:
        began = time.monotonic()
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", Clock()))
        assert each_once(sink) == PEOPLE
    holder.join()
    assert free.is_set()
    assert time.monotonic() - began >= 1.0  # results had to wait for the database
    assert states(instance) == {DeliveryState.ACCEPTED: PEOPLE}


@pytest.mark.parametrize("jump", [timedelta(hours=3), timedelta(days=400), -timedelta(hours=3)])
def test_a_clock_that_jumps_while_messages_leave_sends_none_twice(
    instance: Engine, tmp_path: Path, jump: timedelta
) -> None:
    """Forward, every lease seems to have run out; backward, every one seems to last for hours."""
    a_crowd_to_tell(instance, PEOPLE)
    clock, seen = Clock(), Counter[str]()

    def jumping(_recipient: str) -> str | None:
        seen["messages"] += 1
        if seen["messages"] == PEOPLE // 3:
            clock.forward(jump)
        return None

    with MailSink(script=SinkScript(content=jumping)) as sink:
        worker = a_worker(instance, sink.port, tmp_path / "j", clock)
        asyncio.run(worker.run(asyncio.Event(), until_idle=True))
        if waiting := states(instance).get(DeliveryState.QUEUED, 0):  # due at a time that is now to come again
            assert jump < timedelta()
            assert waiting < PEOPLE
            clock.forward(-jump)
            run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        assert each_once(sink) == PEOPLE
    assert states(instance) == {DeliveryState.ACCEPTED: PEOPLE}
    assert waves.in_doubt(instance, 1) == []
