"""Results on their way into the outbox, in small batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from notifications.outbox import Attempt


class Recorder:
    """Collects attempts and stores them when enough have come or the first has waited long enough."""

    def __init__(
        self,
        store: Callable[[Sequence[Attempt]], Awaitable[None]],
        *,
        batch: int,
        within_seconds: float,
    ) -> None:
        self._store = store
        self._batch = batch
        self._within_seconds = within_seconds
        self._waiting: asyncio.Queue[Attempt | None] = asyncio.Queue()
        self._unrecorded = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether every result taken over is stored."""
        return self._unrecorded == 0

    @property
    def is_behind(self) -> bool:
        """Tell whether the outbox is slower than the sending, so that no more should be claimed."""
        return self._unrecorded > 2 * self._batch

    def add(self, attempt: Attempt) -> None:
        """Take a result over."""
        self._unrecorded += 1
        self._waiting.put_nowait(attempt)

    def close(self) -> None:
        """Let `run` return once everything is stored."""
        self._waiting.put_nowait(None)

    async def run(self) -> None:
        """Store results until closed."""
        is_open = True
        while is_open:
            batch, is_open = await self._next_batch()
            if batch:
                await self._store(batch)
                self._unrecorded -= len(batch)

    async def _next_batch(self) -> tuple[list[Attempt], bool]:
        batch: list[Attempt] = []
        attempt = await self._waiting.get()
        try:
            async with asyncio.timeout(self._within_seconds):
                while attempt is not None:
                    batch.append(attempt)
                    if len(batch) >= self._batch:
                        return batch, True
                    attempt = await self._waiting.get()
        except TimeoutError:
            return batch, True
        return batch, False
