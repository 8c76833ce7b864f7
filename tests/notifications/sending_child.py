"""A worker to be killed: it sends numbered deliveries to a local server and journals them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from notifications.dispatcher import Dispatcher
from notifications.journal import Journal
from notifications.memory import MemoryOutbox
from notifications.smtp import SmtpTransport
from tests.notifications.builders import PlainComposer, a_delivery, loopback, noon, quick_options


async def send(port: int, journal: Path, count: int) -> None:
    outbox = MemoryOutbox([a_delivery(number) for number in range(1, count + 1)], clock=noon)
    dispatcher = Dispatcher(
        outbox=outbox,
        composer=PlainComposer(),
        transport=SmtpTransport(loopback(port)),
        journal=Journal(journal),
        clock=noon,
        options=quick_options(),
    )
    await dispatcher.run(asyncio.Event(), until_empty=True)


if __name__ == "__main__":
    asyncio.run(send(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
