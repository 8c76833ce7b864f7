"""What the lanes and the dispatcher share during one run."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from notifications.errors import CannotConnect
from notifications.outbox import Delivery
from notifications.outcome import Outcome
from notifications.retry import Backoff, reconnect_delay
from notifications.throttle import RateLimit, full_bucket, take

QUICK_SECONDS, SLOW_SECONDS = 0.5, 2.0


class Slice:
    """How much is claimed at once: as much as leaves in about a second, so that a claim is never far ahead."""

    def __init__(self, smallest: int, largest: int) -> None:
        self._smallest = min(smallest, largest)
        self._largest = largest
        self.size = self._smallest
        self._claimed_at: float | None = None

    def next_size(self, now: float) -> int:
        """Return how much to claim now: more when the last slice left quickly, less when it lingered."""
        if self._claimed_at is not None:
            took = now - self._claimed_at
            if took < QUICK_SECONDS:
                self.size = min(self._largest, 2 * self.size)
            elif took > SLOW_SECONDS:
                self.size = max(self._smallest, self.size // 2)
        self._claimed_at = now
        return self.size


class Board:
    """Deliveries waiting for a lane, deliveries to be given back, and the state of the server."""

    def __init__(self, *, lanes: int, rate: RateLimit | None, backoff: Backoff, claim_limit: int = 500) -> None:
        self._lanes = lanes
        self.slice = Slice(2 * lanes, claim_limit)
        self.waiting: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self.unsent: list[Delivery] = []
        self.held: list[tuple[Delivery, str]] = []
        """What could not be sent for a reason that is ours, with the reason."""
        self.outcomes: Counter[type[Outcome]] = Counter()
        self.given_back = 0
        self.busy = 0
        self.connected = 0
        self.connect_failures = 0
        self.last_failure: CannotConnect | None = None
        self.leased_until: datetime | None = None
        self.news = asyncio.Event()
        self.halt = asyncio.Event()
        self._backoff = backoff
        self._server_rests_until = 0.0
        self._rate = rate
        self._bucket = None if rate is None else full_bucket(rate, _monotonic())

    @property
    def is_idle(self) -> bool:
        """Tell whether no delivery waits, is under way or is still to be given back."""
        return self.waiting.empty() and self.busy == 0 and not self.unsent and not self.held

    @property
    def runs_dry(self) -> bool:
        """Tell whether so few deliveries wait that the lanes would be idle before the next have come."""
        return self.waiting.qsize() < max(self._lanes, self.slice.size // 2)

    @property
    def server_rests_for(self) -> float:
        """Return the seconds for which the server is to be left alone."""
        return max(0.0, self._server_rests_until - _monotonic())

    def stop(self) -> None:
        """Let the messages under way finish and begin no more."""
        self.halt.set()
        self.news.set()

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Hand deliveries to the lanes."""
        for delivery in deliveries:
            self.waiting.put_nowait(delivery)

    def recall_waiting(self) -> None:
        """Take back from the lanes what none of them has begun."""
        while not self.waiting.empty():
            delivery = self.waiting.get_nowait()
            if delivery is not None:
                self.unsent.append(delivery)

    def server_answered(self, *, connections: int) -> None:
        """Note an opened (1) or closed (-1) connection."""
        self.connected += connections
        if connections > 0:
            self.connect_failures = 0

    def server_failed(self, failure: CannotConnect) -> None:
        """Note a connection that could not be opened; several at one time count once."""
        self.last_failure = failure
        if self.server_rests_for == 0:
            self.connect_failures += 1
            delay = reconnect_delay(self.connect_failures, self._backoff)
            self._server_rests_until = _monotonic() + delay.total_seconds()
        self.news.set()

    def next_at_once(self) -> Delivery | None:
        """Return a delivery that need not wait for anything; None when there is none or the run is to end."""
        if self.halt.is_set() or self.waiting.empty() or not self._has_turn():
            return None
        delivery = self.waiting.get_nowait()
        if delivery is None:  # a lane is to end
            self.waiting.put_nowait(None)
        if self.runs_dry:
            self.news.set()
        return delivery

    def _has_turn(self) -> bool:
        """Take a turn if the rate limit gives one now."""
        if self._rate is None or self._bucket is None:
            return True
        bucket, seconds = take(self._rate, self._bucket, _monotonic())
        if seconds == 0:
            self._bucket = bucket
        return seconds == 0

    async def wait_for_turn(self) -> None:
        """Wait as long as the rate limit asks."""
        if self._rate is None or self._bucket is None:
            return
        self._bucket, seconds = take(self._rate, self._bucket, _monotonic())
        if seconds > 0:
            await self.rest(seconds)

    async def rest(self, seconds: float) -> None:
        """Wait, but not beyond the end of the run."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.halt.wait()


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
