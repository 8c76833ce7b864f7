"""`incident-app serve` and `worker`: the web server with an embedded worker, or a worker alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import click
import flask
import waitress
from sqlalchemy.engine import Engine

from incident_app.app import create_app
from incident_app.cli.context import World, command, return_path_of
from incident_app.domain.brake import BrakeRule
from incident_app.domain.digests import digest_of_content
from incident_app.keys import own_key
from incident_app.services.jobs import JobTools
from incident_app.services.rehearsals import RehearsalTools
from incident_app.services.test_mails import Outgoing
from incident_app.services.worker import Worker, WorkerSettings, collect_seldom
from incident_app.settings import Settings
from notifications import loop
from notifications.dispatcher import DispatcherOptions
from notifications.dkim import Signer, read_key
from notifications.relays import Relays
from notifications.retry import RetryPolicy
from notifications.smtp import Security, SmtpSettings, SmtpTransport
from notifications.throttle import RateLimit

REST_SECONDS = 5.0
"""How long a worker that broke rests before it begins again."""
log = logging.getLogger("incident_app")


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def make_worker(engine: Engine, settings: Settings, *, retry: RetryPolicy | None = None) -> Worker:
    """Return a worker that sends through the configured mail server."""
    outgoing = outgoing_of(settings)
    return Worker(
        engine,
        outgoing.transport,
        WorkerSettings(
            journals=settings.home / "journals",
            tools=JobTools(
                address_key=own_key(settings.home, "address"),
                uploads=settings.home / "uploads",
                outgoing=outgoing,
                rehearsing=rehearsing_with(settings),
            ),
            bounce_domain=outgoing.bounce_domain,
            message_domain=outgoing.message_domain,
            signer=outgoing.signer,
            return_path=outgoing.return_path,
            options=DispatcherOptions(
                connections=settings.smtp_connections,
                rate=RateLimit(per_second=settings.smtp_per_second),
                content_digest=partial(digest_of_content, own_key(settings.home, "content")),
            ),
            retry=retry or RetryPolicy(),
            brake=BrakeRule(
                attempts=settings.brake_attempts,
                within=timedelta(minutes=settings.brake_minutes),
                percent=settings.brake_percent,
                at_least=settings.brake_at_least,
            ),
        ),
        clock=utc_now,
    )


def outgoing_of(settings: Settings) -> Outgoing:
    """Return how mails leave this instance."""
    return Outgoing(
        transport=mail_servers(settings),
        bounce_domain=settings.bounce_domain,
        message_domain=settings.bounce_domain,
        signer=mail_signer(settings),
        return_path=return_path_of(settings),
    )


def rehearsing_with(settings: Settings) -> RehearsalTools:
    """Return how waves are rehearsed in this instance."""
    return RehearsalTools(
        home=settings.home,
        start_worker=(sys.executable, "-m", "incident_app.cli.rehearsal_worker"),
        connections=settings.smtp_connections,
        per_second=settings.smtp_per_second,
    )


def mail_servers(settings: Settings) -> Relays:
    """Return the configured mail servers; those to fall back on are secured and signed in to like the first."""
    return Relays(
        [
            SmtpTransport(
                SmtpSettings(
                    host=host,
                    port=port,
                    security=Security(settings.smtp_security),
                    username=settings.smtp_username,
                    password=settings.smtp_password,
                    ca_file=settings.smtp_ca_file,
                )
            )
            for host, port in ((settings.smtp_host, settings.smtp_port), *settings.smtp_fallback)
        ]
    )


def mail_signer(settings: Settings) -> Signer | None:
    """Return what signs the mails in the name of the sender's domain, if a key is named."""
    if settings.dkim_key_file is None:
        return None
    return Signer(
        domain=settings.sender_address.rpartition("@")[2].lower(),
        selector=settings.dkim_selector,
        key=read_key(settings.dkim_key_file.read_bytes()),
    )


class WorkerBeside:
    """A worker in a thread of its own, begun again when it breaks; it tells whether it works."""

    def __init__(self, worker: Worker, *, rest_seconds: float = REST_SECONDS) -> None:
        self._worker = worker
        self._rest_seconds = rest_seconds
        self._stop = asyncio.Event()
        self._loop = loop.new_event_loop()
        self._broke_at: float | None = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), name="worker")

    @property
    def is_well(self) -> bool:
        """Tell whether the worker works and has not broken of late."""
        of_late = self._broke_at is not None and time.monotonic() - self._broke_at < 2 * self._rest_seconds
        return self._thread.is_alive() and not of_late

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def end(self) -> None:
        """Let it finish what is under way, and wait for that."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                await self._worker.run(self._stop)
            except Exception as failure:  # noqa: BLE001 - pages without a worker would look as if all were well
                self._broke_at = time.monotonic()
                log.error("the worker broke (%s) and begins again", type(failure).__name__)  # noqa: TRY400 - no values
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._rest_seconds):
                        await self._stop.wait()


@contextmanager
def worker_beside(worker: Worker) -> Iterator[WorkerBeside]:
    """Run a worker in a thread of its own while the block runs; let it finish what is under way at the end."""
    beside = WorkerBeside(worker)
    beside.start()
    try:
        yield beside
    finally:
        beside.end()


@click.command()
@command
def serve(world: World) -> None:
    """Serve the pages, with a worker beside them."""
    settings, engine = world.settings, world.engine
    collect_seldom()
    with worker_beside(make_worker(engine, settings)) as beside:
        serve_pages(
            settings,
            lambda port: click.echo(f"Serving on http://{settings.listen_host}:{port}", err=True),
            is_well=lambda: beside.is_well,
        )


def pages_with_health(settings: Settings, is_well: Callable[[], bool]) -> flask.Flask:
    """Return the pages; /healthz answers 503 while the worker beside them is not well."""
    app = create_app(settings)

    def healthz() -> tuple[str, int, dict[str, str]]:
        text, status = ("ok\n", 200) if is_well() else ("the worker does not work\n", 503)
        return text, status, {"Content-Type": "text/plain"}

    app.view_functions["healthz"] = healthz
    return app


def serve_pages(settings: Settings, started: Callable[[int], None], *, is_well: Callable[[], bool]) -> None:
    """Serve until interrupted; port 0 lets the kernel choose one."""
    server = waitress.create_server(
        pages_with_health(settings, is_well),
        host=settings.listen_host,
        port=settings.listen_port,
        threads=8,
        ident=None,
    )
    started(server.effective_port)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        server.run()
    except KeyboardInterrupt:
        server.close()


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


@click.command()
@click.option("--until-idle", is_flag=True, help="End when there is nothing to do, instead of waiting for more.")
@command
def worker(world: World, until_idle: bool) -> None:
    """Take jobs and send waves, without pages. Several may run at once."""
    collect_seldom()
    loop.run(_run(make_worker(world.engine, world.settings), until_idle=until_idle))
    world.show({"worker": "ended"}, "The worker ended; nothing is under way.")


async def _run(made: Worker, *, until_idle: bool) -> None:
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        running.add_signal_handler(name, stop.set)
    await made.run(stop, until_idle=until_idle)
