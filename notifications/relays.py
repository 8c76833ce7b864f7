"""Several mail servers, the first of which is used while it can be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from notifications.errors import CannotConnect, SettingsRefused
from notifications.retry import Backoff, reconnect_delay
from notifications.transport import Connection, Transport


@dataclass(kw_only=True)
class _Relay:
    transport: Transport
    failures: int = 0
    rests_until: float = 0.0


class Relays:
    """Fulfils `Transport` with several servers in the order of their preference.

    One that could not be reached is left alone for a while, growing with its failures, and then tried first again: a
    server that came back gets its mail back without anybody's doing. Only when none can be reached is there no
    connection. The fault told is that of the first.
    """

    def __init__(self, transports: Sequence[Transport], *, backoff: Backoff | None = None) -> None:
        if not transports:
            raise SettingsRefused("at least one mail server must be named")
        self._relays = [_Relay(transport=transport) for transport in transports]
        self._backoff = backoff or Backoff()

    async def connect(self) -> Connection:
        """Return a connection to the first server that gives one, or raise CannotConnect when none does."""
        failures: dict[int, CannotConnect] = {}
        now = asyncio.get_running_loop().time()
        # Those at rest come last: they are asked only when nobody else answers.
        for relay in sorted(self._relays, key=lambda relay: relay.rests_until > now):
            try:
                connection = await relay.transport.connect()
            except CannotConnect as failure:
                self._failed(relay)
                failures[self._relays.index(relay)] = failure
            else:
                relay.failures, relay.rests_until = 0, 0.0
                return connection
        raise failures[0]

    def _failed(self, relay: _Relay) -> None:
        now = asyncio.get_running_loop().time()
        if relay.rests_until <= now:  # several lanes that fail at one time are one failure
            relay.failures += 1
            relay.rests_until = now + reconnect_delay(relay.failures, self._backoff).total_seconds()
