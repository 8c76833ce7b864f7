"""A million messages from the fill to the last reply, once: rate, memory of the workers, and the reconciliation.

`python -m benchmarks.million [--json] [--customers N] [--databases=sqlite,postgresql]`. A third of the customers are
written to: 3,130,000 give a million messages. Two workers send to Postfix's smtp-sink, which counts what it took.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.dispatch import WORKERS, work
from benchmarks.mail_peers import Postfix, Skipped, postfix
from benchmarks.measure import machine, option, show
from benchmarks.population import TOUCHED, population
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from incident_app.services import dispatch, waves
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW

CUSTOMERS = 3_130_000


def run(*, customers: int = CUSTOMERS) -> dict[str, Any]:
    """Fill and send; what does not agree is an AssertionError."""
    chosen = next((word.split("=")[1].split(",") for word in sys.argv if word.startswith("--databases=")), ["sqlite"])
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        try:
            tools = postfix(Path(name))
        except Skipped as reason:
            return {"machine": machine(), "figures": {}, "ratios": {}, "skipped": {"smtp-sink": str(reason)}}
        for database in chosen:
            with population(database, customers) as engine:
                figures[database] = _once(engine, tools, Path(name) / database)
    return {"machine": machine(), "figures": figures, "ratios": {}, "skipped": {}}


def _once(engine: Engine, tools: Postfix, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope(*TOUCHED))
    notice = builders.a_notice(engine, view.id)
    begun = time.perf_counter()
    wave = builders.a_wave(engine, view.id, notice).filled
    filled = time.perf_counter() - begun
    me = builders.author(engine).actor
    dispatch.start_campaign(engine, wave.campaign_id, typed_count=wave.planned, actor=me, now=NOW)
    seconds, memory, taken = _send(engine, tools, folder)
    totals = waves.get_campaign(engine, wave.campaign_id).totals
    with reading(engine) as session:
        attempts = session.scalar(sa.select(sa.func.count()).select_from(DeliveryAttempt))
        rows = session.scalar(sa.select(sa.func.count()).select_from(DeliveryRow))
    assert totals.planned == rows == totals.sent + totals.failed + totals.skipped + totals.in_doubt + totals.waiting
    assert totals.sent == attempts == taken, (totals, attempts, taken)
    assert dispatch.verify_attempts(engine, wave.campaign_id)
    return {
        "people": wave.people,
        "messages planned": totals.planned,
        "sent, by the rows": totals.sent,
        "taken, by the server": taken,
        "failed": totals.failed,
        "in doubt": totals.in_doubt,
        "waiting": totals.waiting,
        "attempts digest agrees": True,
        "fill, approval and freeze s": round(filled, 1),
        "send s": round(seconds, 1),
        "messages per second": round(totals.sent / seconds),
        **memory,
    }


def _send(engine: Engine, tools: Postfix, folder: Path) -> tuple[float, dict[str, int], int]:
    """Send with two workers; return the seconds, what memory each took, and what the server counted."""
    context = get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    url = engine.url.render_as_string(hide_password=False)
    counted = folder / "counted"
    with counted.open("wb") as output, tools.sink(output=output) as port:
        children = [context.Process(target=work, args=(url, folder, port, ready, go)) for _ in range(WORKERS)]
        for child in children:
            child.start()
        for _ in children:
            ready.acquire()
        samples: list[int] = []
        watching = threading.Thread(target=_watch, args=([child.pid for child in children], samples))
        watching.start()
        begun = time.perf_counter()
        go.set()
        for child in children:
            child.join()
        seconds = time.perf_counter() - begun
        watching.join()
    taken = int(re.findall(rb"\d+", counted.read_bytes())[-1])
    tenth = max(1, len(samples) // 10)
    memory = {"worker MB after a tenth": max(samples[:tenth]) // 1024, "worker MB at most": max(samples) // 1024}
    return seconds, memory, taken


def _watch(pids: list[int | None], samples: list[int]) -> None:
    """Note every half second how many kilobytes the larger of the workers has."""
    while sizes := [size for pid in pids if (size := _resident(pid)) is not None]:
        samples.append(max(sizes))
        time.sleep(0.5)


def _resident(pid: int | None) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) if found else None


if __name__ == "__main__":
    show(run(customers=option("--customers", CUSTOMERS)))
