"""The dispatcher: claim deliveries, send them over several connections, record what came of them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import ParamSpec, TypeVar

from notifications.board import Board
from notifications.journal import Journal
from notifications.lane import Lane
from notifications.outbox import Attempt, Composer, Delivery, Outbox
from notifications.outcome import Accepted, RefusedForGood, RefusedForNow, Unknown
from notifications.recorder import Recorder
from notifications.retry import Backoff
from notifications.throttle import RateLimit
from notifications.transport import Transport

P = ParamSpec("P")
R = TypeVar("R")


def sha256_of(content: bytes) -> str:
    """Return the plain digest of a message; a keyed one tells less to whoever guesses the text."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class DispatcherOptions:
    """How a dispatcher works."""

    connections: int = 5
    claim_limit: int = 2_000
    """The most that is claimed at once; less where the sending is slow, so that no more waits here than soon leaves."""
    lease: timedelta = timedelta(minutes=5)
    record_batch: int = 1_000
    record_within: timedelta = timedelta(milliseconds=250)
    idle_poll: timedelta = timedelta(seconds=1)
    rate: RateLimit | None = None
    backoff: Backoff = field(default_factory=Backoff)
    connect_attempts: int = 5
    """Failures in a row after which a run `until_empty` ends."""
    content_digest: Callable[[bytes], str] = sha256_of


class Ended(StrEnum):
    """Why a run came to its end."""

    EMPTY = "empty"
    STOPPED = "stopped"
    NOT_ALLOWED = "not_allowed"
    SERVER_UNREACHABLE = "server_unreachable"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What one run did."""

    ended: Ended
    accepted: int
    refused_for_now: int
    refused_for_good: int
    unknown: int
    given_back: int
    connect_failure: str | None
    """Why the server could not be reached the last time, if that ended the run."""


class Dispatcher:
    """Sends what an outbox holds, until it is empty or told to stop."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        composer: Composer,
        transport: Transport,
        journal: Journal,
        clock: Callable[[], datetime],
        options: DispatcherOptions | None = None,
    ) -> None:
        self._outbox = outbox
        self._composer = composer
        self._transport = transport
        self._journal = journal
        self._clock = clock
        self._options = options or DispatcherOptions()
        self._one_call_at_a_time = asyncio.Lock()

    async def run(self, stop: asyncio.Event, *, until_empty: bool) -> Summary:
        """Send until `stop` is set or, if so wished, nothing is left; messages under way are finished."""
        self._one_call_at_a_time = asyncio.Lock()
        board = Board(
            lanes=self._options.connections,
            rate=self._options.rate,
            backoff=self._options.backoff,
            claim_limit=self._options.claim_limit,
        )
        recorder = Recorder(
            partial(self._store, board),
            batch=self._options.record_batch,
            within_seconds=self._options.record_within.total_seconds(),
        )
        lanes = [asyncio.create_task(self._lane(board, recorder).run()) for _ in range(self._options.connections)]
        recording = asyncio.create_task(recorder.run())
        helpers = [asyncio.create_task(self._renew(board)), asyncio.create_task(_obey(stop, board))]
        for task in (*lanes, recording, *helpers):
            task.add_done_callback(lambda done: _stop_if_failed(done, board))
        try:
            ended = await self._feed(board, recorder, until_empty=until_empty)
        finally:
            await self._wind_up(board, recorder, lanes, recording, helpers)
        return _summary(board, ended)

    async def _feed(self, board: Board, recorder: Recorder, *, until_empty: bool) -> Ended:
        while not board.halt.is_set():
            board.news.clear()
            if board.server_rests_for > 0 and not board.connected:
                board.recall_waiting()
                await self._give_back(board)
                if until_empty and board.connect_failures >= self._options.connect_attempts:
                    return Ended.SERVER_UNREACHABLE
                await board.rest(board.server_rests_for)
            elif not self._outbox.sending_allowed():
                board.recall_waiting()
                await self._give_back(board)
                if until_empty and board.is_idle:
                    return Ended.NOT_ALLOWED
                await self._wait_for_news(board)
            elif not board.is_idle and self._leases_are_over(board):
                board.recall_waiting()  # nothing of it may leave now, nor of what would be claimed beside it
                await self._give_back(board)
                if not board.is_idle:
                    await self._wait_for_news(board)
            elif await self._claim(board, recorder):
                continue
            elif until_empty and board.is_idle and recorder.is_empty and self._outbox.opens_in() is None:
                return Ended.EMPTY
            else:
                await self._wait_for_news(board)
        return Ended.STOPPED

    def _leases_are_over(self, board: Board) -> bool:
        """Tell whether the clock has passed what was leased: it has jumped, or the worker was asleep."""
        return board.leased_until is not None and self._clock() >= board.leased_until

    async def _claim(self, board: Board, recorder: Recorder) -> bool:
        """Fetch the next deliveries when the lanes run dry; tell whether to look again at once."""
        await self._give_back(board)
        if recorder.is_behind or not board.runs_dry:
            return False
        was_idle, all_recorded = board.is_idle, recorder.is_empty
        leased_until = self._clock() + self._options.lease
        size = board.slice.next_size(asyncio.get_running_loop().time())
        claimed = await self._call(self._outbox.claim, limit=size, lease=self._options.lease)
        if was_idle or board.leased_until is None:
            board.leased_until = leased_until
        if claimed:
            await self._prepare(board, claimed)
            board.put(claimed)
        # An empty answer counts only if nothing was under way when the question was put.
        became_idle = board.is_idle and recorder.is_empty and not (was_idle and all_recorded)
        return bool(claimed) or became_idle

    async def _prepare(self, board: Board, claimed: Sequence[Delivery]) -> None:
        try:
            await self._call(self._composer.prepare, claimed)
        except BaseException:
            board.unsent += claimed  # nothing of it was begun
            raise

    async def _give_back(self, board: Board) -> None:
        while board.held:
            await self._call(self._outbox.hold, *board.held[0])
            del board.held[0]
            board.given_back += 1
        if board.unsent:
            deliveries, board.unsent = board.unsent, []
            await self._call(self._outbox.give_back, deliveries)
            board.given_back += len(deliveries)

    async def _renew(self, board: Board) -> None:
        while True:
            await asyncio.sleep(self._options.lease.total_seconds() / 3)
            leased_until = self._clock() + self._options.lease
            await self._call(self._outbox.renew, lease=self._options.lease)
            board.leased_until = leased_until

    async def _store(self, board: Board, attempts: Sequence[Attempt]) -> None:
        await self._call(self._outbox.record, attempts)
        board.news.set()

    async def _call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        async with self._one_call_at_a_time:
            call = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
            try:
                return await asyncio.shield(call)
            finally:
                await asyncio.wait([call])  # a thread goes on when its caller is cancelled

    async def _wait_for_news(self, board: Board) -> None:
        poll, opens_in = self._options.idle_poll.total_seconds(), self._outbox.opens_in()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(poll if opens_in is None else min(poll, opens_in)):
                await board.news.wait()

    def _lane(self, board: Board, recorder: Recorder) -> Lane:
        return Lane(
            board=board,
            outbox=self._outbox,
            composer=self._composer,
            transport=self._transport,
            journal=self._journal,
            recorder=recorder,
            clock=self._clock,
            content_digest=self._options.content_digest,
        )

    async def _wind_up(
        self,
        board: Board,
        recorder: Recorder,
        lanes: Sequence[asyncio.Task[None]],
        recording: asyncio.Task[None],
        helpers: Sequence[asyncio.Task[None]],
    ) -> None:
        """Finish what is under way, record it, give the rest back, and only then report what failed."""
        board.stop()
        board.recall_waiting()
        for _ in lanes:
            board.waiting.put_nowait(None)
        results = await asyncio.gather(*lanes, return_exceptions=True)
        recorder.close()
        results += await asyncio.gather(recording, return_exceptions=True)
        for helper in helpers:
            helper.cancel()
        results += await asyncio.gather(*helpers, return_exceptions=True)
        board.recall_waiting()
        failures = [result for result in results if isinstance(result, Exception)]
        try:
            await self._give_back(board)
        finally:
            if failures:
                raise failures[0]


async def _obey(stop: asyncio.Event, board: Board) -> None:
    await stop.wait()
    board.stop()


def _stop_if_failed(task: asyncio.Task[None], board: Board) -> None:
    if not task.cancelled() and task.exception() is not None:
        board.stop()


def _summary(board: Board, ended: Ended) -> Summary:
    return Summary(
        ended=ended,
        accepted=board.outcomes[Accepted],
        refused_for_now=board.outcomes[RefusedForNow],
        refused_for_good=board.outcomes[RefusedForGood],
        unknown=board.outcomes[Unknown],
        given_back=board.given_back,
        connect_failure=str(board.last_failure) if ended is Ended.SERVER_UNREACHABLE else None,
    )
