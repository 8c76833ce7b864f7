"""Sending a wave, every recipient recorded durably, against a bare aiosmtplib loop that records nothing."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiosmtplib

from benchmarks.measure import document, interleaved, show
from incident_app.demo.people import customers_csv, make_people
from incident_app.domain.delivery import AudienceRule
from incident_app.domain.ids import Actor
from incident_app.persistence import schema
from incident_app.persistence.database import make_engine
from incident_app.services import customers, dispatch
from notifications.sink import MailSink
from tests import builders

MESSAGES = 1_000
ROUNDS = 3


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, MailSink() as sink:
        instances = (prepared(Path(folder) / f"{number}") for number in itertools.count())
        ready = [next(instances) for _ in range(ROUNDS)]

        def ours() -> None:
            engine, home = ready.pop()
            worker = builders.a_worker(engine, sink.port, home / "journals", lambda: datetime.now(UTC))
            asyncio.run(worker.run(asyncio.Event(), until_idle=True))
            engine.dispose()

        def peer() -> None:
            asyncio.run(_bare(sink.port, sink.received[-MESSAGES:]))

        seconds = interleaved(ours, peer, rounds=ROUNDS)
    return document("dispatch/aiosmtplib", seconds, goal=2.0, per=MESSAGES)


def prepared(home: Path) -> tuple[Any, Path]:
    """Return an instance with a started wave of MESSAGES messages."""
    home.mkdir()
    engine = make_engine(f"sqlite:///{home / 'bench.db'}")
    schema.upgrade(engine)
    builders.fill_instance(engine)
    crowd = [person for person in make_people(2 * MESSAGES) if person.email and person.relation == "customer"]
    crowd = [person for person in crowd if not person.email.startswith("family")][:MESSAGES]
    holdings = "customer_number,store,items\n" + "".join(f"{person.number},member-db,name email\n" for person in crowd)
    for content in (customers_csv(crowd, with_faults=False), holdings.encode()):
        customers.import_file(
            engine,
            content,
            address_key=builders.KEY,
            keep_good=True,
            actor=Actor("system:bench"),
            now=builders.NOW,
        )
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(engine, view.id, builders.a_notice(engine, view.id), rule=AudienceRule.EVERYONE_TO_INFORM)
    dispatch.start_campaign(
        engine,
        wave.filled.campaign_id,
        typed_count=wave.filled.planned,
        actor=builders.author(engine).actor,
        now=builders.NOW,
    )
    return engine, home


async def _bare(port: int, mails: list[Any]) -> None:
    """Send the same bytes over the same number of connections, recording nothing."""
    queue = iter(mails)

    async def line() -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        for mail in queue:
            await client.sendmail(mail.sender, list(mail.recipients), mail.content)
        await client.quit()

    await asyncio.gather(line(), line())


if __name__ == "__main__":
    show(run())
