"""The worker of a rehearsal, in a process of its own that can be killed; started by the rehearsal, by nobody else.

It can reach nobody: its database is a file of the rehearsal, and its mail server is a port of this machine.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from incident_app.cli.context import return_path_of
from incident_app.cli.serve import mail_signer
from incident_app.domain.brake import BrakeRule
from incident_app.persistence.database import make_engine
from incident_app.services.approved_content import check_audience
from incident_app.services.jobs import JobTools
from incident_app.services.worker import Worker, WorkerSettings
from incident_app.settings import read_settings
from notifications import loop
from notifications.dispatcher import DispatcherOptions
from notifications.retry import RetryPolicy
from notifications.smtp import Security, SmtpSettings, SmtpTransport

LOOPBACK = "127.0.0.1"
TIMEOUT_SECONDS = 3.0
AGAIN = timedelta(seconds=1)


class RehearsingWorker(Worker):
    """A worker in every respect but one: the wave need not be approved yet, for nobody gets it."""

    def _admit(self, campaign_id: int) -> bool:
        check_audience(self.engine, campaign_id)
        return True


def make_rehearsing_worker(folder: Path, port: int) -> RehearsingWorker:
    """Return a worker that sends the wave in this folder to a sink on this machine."""
    settings = read_settings()
    return RehearsingWorker(
        make_engine(f"sqlite:///{folder / 'rehearsal.db'}"),
        SmtpTransport(
            SmtpSettings(host=LOOPBACK, port=port, security=Security.PLAINTEXT_LOOPBACK_ONLY, timeout=TIMEOUT_SECONDS)
        ),
        WorkerSettings(
            journals=folder,
            tools=JobTools(address_key=b"", uploads=folder),
            bounce_domain=settings.bounce_domain,
            message_domain=settings.bounce_domain,
            signer=mail_signer(settings),
            return_path=return_path_of(settings),
            options=DispatcherOptions(connections=settings.smtp_connections),
            retry=RetryPolicy(first_delay=AGAIN, longest_delay=AGAIN, jitter=0.0),
            brake=BrakeRule(percent=100),
        ),
        clock=lambda: datetime.now(UTC),
    )


async def _run(worker: Worker) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    watch = asyncio.create_task(_end_with(os.getppid(), stop))
    await worker.run(stop)
    watch.cancel()


async def _end_with(parent: int, stop: asyncio.Event) -> None:
    """Stop when whoever rehearses is gone: nobody else would."""
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells when a parent ends
        await asyncio.sleep(1)
    stop.set()


if __name__ == "__main__":
    loop.run(_run(make_rehearsing_worker(Path(sys.argv[1]), int(sys.argv[2]))))
