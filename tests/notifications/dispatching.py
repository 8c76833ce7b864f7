"""Runs of a dispatcher, from beginning to end."""

from __future__ import annotations

import asyncio

from notifications.dispatcher import Dispatcher
from notifications.memory import MemoryOutbox
from notifications.outcome import Accepted
from tests.notifications.builders import PlainComposer, a_delivery, noon, quick_options


def an_outbox(count, **changes):
    return MemoryOutbox([a_delivery(number) for number in range(1, count + 1)], **{"clock": noon, **changes})


def dispatch(outbox, transport, journal, *, composer=None, until_empty=True, stop=None, clock=noon, **options):
    """Run a dispatcher to its end; `stop`, if given, receives the event by which to stop it."""

    async def scenario():
        event = asyncio.Event()
        if stop is not None:
            loop = asyncio.get_running_loop()
            stop.append(lambda: loop.call_soon_threadsafe(event.set))
        dispatcher = Dispatcher(
            outbox=outbox,
            composer=composer or PlainComposer(),
            transport=transport,
            journal=journal,
            clock=clock,
            options=quick_options(**options),
        )
        return await dispatcher.run(event, until_empty=until_empty)

    return asyncio.run(scenario())


def by_number(outcomes):
    """Script: outcomes by the number in the recipient's address; the others are accepted."""
    return lambda envelope: outcomes.get(
        int(envelope.recipient.partition("@")[0].rpartition("-")[2]), Accepted(code=250, text="queued")
    )
