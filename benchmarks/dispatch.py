"""Filling waves and sending them, every recipient recorded durably, against mailers of the world.

`python -m benchmarks.dispatch [--json] [--messages N] [--rounds N] [--customers N]`. Two worker processes of five
connections each send to Postfix's smtp-sink; a round runs every contestant once. Rates count from the moment all
processes are ready to the end of the last. A peer that cannot be had is named under `skipped`.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import fill as fill_bench
from benchmarks.mail_peers import Mail, Nodemailer, PostOffice, Skipped, postfix
from benchmarks.measure import machine, ratio, show
from incident_app.demo.people import customers_csv, make_people
from incident_app.domain.delivery import AudienceRule
from incident_app.domain.digests import digest_of_content
from incident_app.domain.ids import Actor
from incident_app.persistence import schema
from incident_app.persistence.database import make_engine
from incident_app.persistence.outbox import DeliveryRow
from incident_app.services import customers, dispatch
from incident_app.services.composing import NoticeComposer
from incident_app.services.worker import Worker, WorkerSettings, collect_seldom
from notifications import loop
from notifications.dispatcher import DispatcherOptions
from notifications.smtp import Security, SmtpSettings, SmtpTransport
from tests import builders

MESSAGES, ROUNDS = 20_000, 5
WORKERS, CONNECTIONS = 2, 5
BOUNCE, DOMAIN = "bounce.example.jp", "example.jp"
GOALS = {
    "sqlite/smtp-source": 0.75,
    "postgresql/smtp-source": 0.65,
    "sqlite/nodemailer": 5.0,
    "sqlite/post_office": 10.0,
    "plain/nodemailer": 2.0,
}
Seconds = dict[str, list[float]]


def fill(engine: Engine, messages: int) -> None:
    """Put a started wave of so many messages into a fresh database."""
    crowd = [person for person in make_people(2 * messages + 100) if person.email and person.relation == "customer"]
    crowd = [person for person in crowd if not person.email.startswith("family")][:messages]
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


def _clock() -> datetime:
    return datetime.now(UTC)


def worker(url: str, journals: Path, port: int) -> Worker:
    """Return a worker as `incident-app worker` makes it, without a limit of its rate."""
    server = SmtpSettings(host="127.0.0.1", port=port, security=Security.PLAINTEXT_LOOPBACK_ONLY)
    settings = WorkerSettings(
        journals=journals,
        tools=builders.TOOLS,
        bounce_domain=BOUNCE,
        message_domain=DOMAIN,
        options=DispatcherOptions(
            connections=CONNECTIONS,
            idle_poll=timedelta(milliseconds=20),
            content_digest=partial(digest_of_content, builders.KEY),
        ),
    )
    return Worker(make_engine(url), SmtpTransport(server), settings, clock=_clock)


def work(url: str, journals: Path, port: int, ready: Any, go: Any) -> None:  # noqa: ANN401 - of multiprocessing
    """Be a worker in a process of its own, from the moment that all are ready to the end of the wave."""
    import asyncio  # noqa: PLC0415 - in the child

    made = worker(url, journals, port)
    collect_seldom()
    with made.engine.connect():
        ready.release()
        go.wait()
    loop.run(made.run(asyncio.Event(), until_idle=True))


def ours(url: str, port: int, messages: int) -> float:
    """Send a prepared wave with two workers; check that every row says accepted; return the seconds."""
    context = get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    with tempfile.TemporaryDirectory() as folder:
        children = [context.Process(target=work, args=(url, Path(folder), port, ready, go)) for _ in range(WORKERS)]
        for child in children:
            child.start()
        for _ in children:
            ready.acquire()
        start = time.perf_counter()
        go.set()
        for child in children:
            child.join()
        seconds = time.perf_counter() - start
    engine = make_engine(url)
    with engine.connect() as connection:
        counted = sa.select(DeliveryRow.state, sa.func.count()).group_by(DeliveryRow.state)
        states = {str(state): number for state, number in connection.execute(counted).all()}
    engine.dispose()
    assert states == {"accepted": messages}, states
    return seconds


def one_mail(url: str) -> Mail:
    """Write the first person's mail without claiming it."""
    engine = make_engine(url)
    made = worker(url, Path("unused"), 1)
    composer = NoticeComposer(engine, clock=_clock, bounce_domain=BOUNCE, message_domain=DOMAIN)
    (delivery,) = made._outbox.claim(limit=1, lease=timedelta(minutes=1))  # noqa: SLF001
    composer.prepare([delivery])
    octets = composer.compose(delivery, eight_bit=True).content
    made._outbox.give_back([delivery])  # noqa: SLF001
    made.engine.dispose()
    engine.dispose()
    parsed = message_from_bytes(octets, policy=policy.default)
    text, html = (parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    return Mail(
        subject=parsed["Subject"],
        sender="notice@sender.example",
        text=f"{{{{name}}}}\n{text.get_content()}",
        html=f"<p>{{{{name}}}}</p>{html.get_content()}",
        octets=octets,
    )


@contextmanager
def sqlite_waves(folder: Path, messages: int) -> Iterator[Callable[[], str]]:
    """Prepare a wave once; each call gives a fresh copy of it."""
    template, target = folder / "template.db", folder / "bench.db"
    engine = make_engine(f"sqlite:///{template}")
    schema.upgrade(engine)
    builders.fill_instance(engine)
    fill(engine, messages)
    engine.dispose()

    def fresh() -> str:
        for ending in ("", "-wal", "-shm"):
            Path(f"{target}{ending}").unlink(missing_ok=True)
        shutil.copy(template, target)
        return f"sqlite:///{target}"

    yield fresh


@contextmanager
def postgresql_waves(messages: int) -> Iterator[Callable[[], str]]:
    """Prepare a wave once in a database that each call copies."""
    from benchmarks.import_ import postgres_urls  # noqa: PLC0415 - it starts a server

    with postgres_urls() as urls:
        template = urls()
        engine = make_engine(template)
        fill(engine, messages)
        engine.dispose()
        base = sa.make_url(template)
        administrator = sa.create_engine(base.set(database="postgres"), isolation_level="AUTOCOMMIT")
        names = (f"wave_{number}" for number in itertools.count())
        made: list[str] = []

        def fresh() -> str:
            with administrator.connect() as connection:
                for old in made:
                    connection.exec_driver_sql(f"DROP DATABASE {old} WITH (FORCE)")
                made[:] = [next(names)]
                connection.exec_driver_sql(f"CREATE DATABASE {made[0]} TEMPLATE {base.database}")
            url = base.set(database=made[0]).render_as_string(hide_password=False)
            warmed = make_engine(url)
            with warmed.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
            warmed.dispose()
            return url

        yield fresh
        administrator.dispose()


def run(*, messages: int = MESSAGES, rounds: int = ROUNDS, customers: int = fill_bench.CUSTOMERS) -> dict[str, Any]:
    """Measure filling and sending."""
    sent = _sending(messages, rounds)
    filled = fill_bench.run(customers=customers)
    return sent | {"figures": sent["figures"] | filled["figures"], "ratios": sent["ratios"] | filled["ratios"]}


def _sending(messages: int, rounds: int) -> dict[str, Any]:
    skipped: dict[str, str] = {}
    seconds: Seconds = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        try:
            tools = postfix(folder)
        except Skipped as reason:
            return _document(seconds, {"smtp-sink, smtp-source": str(reason)}, messages)
        waves = {
            "sqlite": stack.enter_context(sqlite_waves(folder, messages)),
            "postgresql": stack.enter_context(postgresql_waves(messages)),
        }
        mail = one_mail(waves["sqlite"]())
        (folder / "mail.eml").write_bytes(mail.octets)
        contestants: dict[str, Callable[[int], float]] = {
            "smtp-source": lambda port: tools.source(port, folder / "mail.eml", messages),
            "sqlite": lambda port: ours(waves["sqlite"](), port, messages),
            "postgresql": lambda port: ours(waves["postgresql"](), port, messages),
        }
        for peer, make in (("nodemailer", Nodemailer), ("post_office", PostOffice)):
            try:
                contestants[peer] = _of(make(folder, mail), messages)
            except Skipped as reason:
                skipped[peer] = str(reason)
        for _ in range(rounds):
            for who, send in contestants.items():
                with tools.sink() as port:
                    seconds.setdefault(who, []).append(send(port))
            for who in ("sqlite", "nodemailer"):
                if who in contestants:
                    with tools.sink(pipelining=False) as port:
                        seconds.setdefault(f"{who} without PIPELINING", []).append(contestants[who](port))
    return _document(seconds, skipped, messages)


def _of(peer: Nodemailer | PostOffice, messages: int) -> Callable[[int], float]:
    few = messages // 4 if isinstance(peer, PostOffice) else messages  # the slow one; rates are compared
    return lambda port: peer.send(port, few) * messages / few


_PAIRS = {
    "sqlite/smtp-source": ("sqlite", "smtp-source"),
    "postgresql/smtp-source": ("postgresql", "smtp-source"),
    "sqlite/nodemailer": ("sqlite", "nodemailer"),
    "sqlite/post_office": ("sqlite", "post_office"),
    "plain/nodemailer": ("sqlite without PIPELINING", "nodemailer without PIPELINING"),
}


def _document(seconds: Seconds, skipped: dict[str, str], messages: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"messages": messages, "workers": WORKERS, "connections of each": CONNECTIONS}
    figures |= {
        f"{who}: messages per second": round(messages / statistics.median(times)) for who, times in seconds.items()
    }
    ratios = {
        name: ratio(seconds[theirs], seconds[mine], goal=GOALS[name])  # rates: times the other way round
        for name, (mine, theirs) in _PAIRS.items()
        if mine in seconds and theirs in seconds
    }
    return {"machine": machine(), "figures": figures, "ratios": ratios, "skipped": skipped}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--customers", type=int, default=fill_bench.CUSTOMERS, help="for the filling of waves")
    told = parser.parse_args()
    show(run(messages=told.messages, rounds=told.rounds, customers=told.customers))
