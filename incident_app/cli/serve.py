"""`incident-app serve` and `worker`: the web server with an embedded worker, or a worker alone."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
import waitress
from sqlalchemy.engine import Engine

from incident_app.app import create_app
from incident_app.cli.context import World, command
from incident_app.keys import own_key
from incident_app.services.jobs import JobTools
from incident_app.services.worker import Worker, WorkerSettings
from incident_app.settings import Settings
from notifications.dispatcher import DispatcherOptions
from notifications.retry import RetryPolicy
from notifications.smtp import Security, SmtpSettings, SmtpTransport
from notifications.throttle import RateLimit


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def make_worker(engine: Engine, settings: Settings, *, retry: RetryPolicy | None = None) -> Worker:
    """Return a worker that sends through the configured mail server."""
    transport = SmtpTransport(
        SmtpSettings(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=Security(settings.smtp_security),
            username=settings.smtp_username,
            password=settings.smtp_password,
            ca_file=settings.smtp_ca_file,
        ),
    )
    return Worker(
        engine,
        transport,
        WorkerSettings(
            journals=settings.home / "journals",
            tools=JobTools(address_key=own_key(settings.home, "address"), uploads=settings.home / "uploads"),
            bounce_domain=settings.bounce_domain,
            message_domain=settings.bounce_domain,
            options=DispatcherOptions(
                connections=settings.smtp_connections, rate=RateLimit(per_second=settings.smtp_per_second)
            ),
            retry=retry or RetryPolicy(),
        ),
        clock=utc_now,
    )


@contextmanager
def worker_beside(worker: Worker) -> Iterator[None]:
    """Run a worker in a thread of its own while the block runs; let it finish what is under way at the end."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(worker.run(stop),), name="worker")
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@click.command()
@command
def serve(world: World) -> None:
    """Serve the pages, with a worker beside them."""
    settings, engine = world.settings, world.engine
    with worker_beside(make_worker(engine, settings)):
        serve_pages(settings, lambda port: click.echo(f"Serving on http://{settings.listen_host}:{port}", err=True))


def serve_pages(settings: Settings, started: Callable[[int], None]) -> None:
    """Serve until interrupted; port 0 lets the kernel choose one."""
    server = waitress.create_server(
        create_app(settings), host=settings.listen_host, port=settings.listen_port, threads=8, ident=None
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
    asyncio.run(_run(make_worker(world.engine, world.settings), until_idle=until_idle))
    world.show({"worker": "ended"}, "The worker ended; nothing is under way.")


async def _run(made: Worker, *, until_idle: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    await made.run(stop, until_idle=until_idle)
