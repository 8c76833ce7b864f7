"""Who waits for SQLite's write lock is let in between two turns of long work."""

from __future__ import annotations

import multiprocessing
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.persistence import writers_line
from incident_app.persistence.database import give_way
from incident_app.persistence.writers_line import let_others_in, standing_in_line


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "some.db")


def test_where_nobody_waits_the_work_goes_on_at_once(database: str) -> None:
    begun = time.monotonic()
    let_others_in(database)
    assert time.monotonic() - begun < 0.1


def test_the_work_waits_until_nobody_stands_in_line(database: str) -> None:
    left_at = []

    def wait() -> None:
        with standing_in_line(database):
            inside.set()
            time.sleep(0.05)
            left_at.append(time.monotonic())

    inside = threading.Event()
    waiting = threading.Thread(target=wait)
    waiting.start()
    inside.wait()
    let_others_in(database)
    assert left_at
    assert time.monotonic() >= left_at[0]
    waiting.join()


def test_where_others_come_without_end_the_work_goes_on(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers_line, "LONGEST_COURTESY_SECONDS", 0.03)
    with standing_in_line(database), standing_in_line(database):  # many may wait together
        begun = time.monotonic()
        let_others_in(database)
        assert time.monotonic() - begun >= 0.03


def _stand(database: str, ready: object) -> None:
    with standing_in_line(database):
        ready.set()
        time.sleep(60)


def test_whoever_was_killed_while_waiting_holds_nobody_up(database: str) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    child = context.Process(target=_stand, args=(database, ready))
    child.start()
    ready.wait()
    child.kill()
    child.join()
    begun = time.monotonic()
    let_others_in(database)
    assert time.monotonic() - begun < 0.1


@pytest.mark.parametrize("nowhere", [None, "", ":memory:", "/nowhere/at/all.db"])
def test_a_database_beside_which_no_file_can_lie_has_no_line(nowhere: str | None) -> None:
    with standing_in_line(nowhere):
        let_others_in(nowhere)


def test_a_writer_stands_in_line_only_until_its_transaction_has_begun(engine: Engine) -> None:
    with engine.begin() as connection:
        begun = time.monotonic()
        give_way(connection)
        assert time.monotonic() - begun < 0.1
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
