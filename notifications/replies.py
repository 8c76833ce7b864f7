"""A line to a mail server on which several commands may wait for their replies at once (RFC 2920)."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from notifications.exchange import CLOSING, LINE_LOST, NO_ANSWER, NO_REPLY

LONGEST_REPLY = 64 * 1024
"""Octets of one reply, all its lines together; who says more says nothing that can be understood."""
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class Reply(NamedTuple):
    """One reply of the server: its code and all of its words."""

    code: int
    text: str


Listener = Callable[[bytes], bool]
"""Is offered the octets that nobody has taken yet, takes what it understands, and tells whether to go on listening."""


class LineBroken(Exception):
    """The line can be used no longer; the words say why and name nobody."""


class ReplyLine(asyncio.Protocol):
    """Takes over an open transport: writes groups of commands and hands out the replies in their order."""

    def __init__(self, transport: asyncio.Transport, *, timeout: float) -> None:
        self._transport = transport
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._listener: Listener | None = None
        self._timer: asyncio.TimerHandle
        self._wanted = 0
        self._writable: asyncio.Future[None] | None = None
        self._trouble: str | None = None
        self._heard_at = 0.0
        transport.set_protocol(self)

    def is_in_step(self) -> bool:
        """Tell whether the line stands and nothing was said on it that nobody asked for."""
        unasked = self._replies or self._lines or self._buffer
        return self._trouble is None and not unasked and not self._transport.is_closing()

    @property
    def trouble(self) -> str:
        """Return why the line broke."""
        return self._trouble or LINE_LOST

    def write(self, octets: bytes) -> None:
        """Hand octets to the line."""
        if self._trouble is not None or self._transport.is_closing():
            raise LineBroken(self.trouble)
        self._transport.write(octets)

    async def drained(self) -> None:
        """Wait until the server has taken enough of what was written."""
        if self._writable is not None:
            try:
                async with asyncio.timeout(self._timeout):
                    await asyncio.shield(self._writable)
            except TimeoutError:
                raise LineBroken(NO_ANSWER) from None
        if self._trouble is not None:
            raise LineBroken(self.trouble)

    async def replies(self, number: int, *, patience: float | None = None) -> list[Reply]:
        """Return the next replies: `number` of them, or fewer when the server closes or the line breaks after some.

        LineBroken when none came: the line broke, nothing was heard for the time of the line, or it was no reply.
        """
        if not self._have(number) and self._trouble is None:
            self._wanted = number
            await self._wait(self._timeout if patience is None else patience)
        taken: list[Reply] = []
        while self._replies and len(taken) < number:
            taken.append(self._replies.popleft())
            if taken[-1].code == CLOSING:
                break
        if not taken:
            raise LineBroken(self.trouble)
        return taken

    async def listen(self, listener: Listener) -> None:
        """Let `listener` answer whatever comes, at the moment it comes; return when it stops or is cut off.

        What it did not take is among the replies. Whatever it raises is raised here.
        """
        self._listener = listener
        try:
            await self._wait(self._timeout)
        finally:
            self._listener = None

    def _stop_listening(self) -> None:
        self._listener = None
        _wake(self._waiter)

    async def _wait(self, patience: float) -> None:
        self._waiter = self._loop.create_future()
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(patience, self._look_at_the_clock, patience)
        try:
            await self._waiter
        finally:
            self._timer.cancel()
            self._waiter = None

    def _look_at_the_clock(self, patience: float) -> None:
        """Give up when nothing was heard for so long; whoever answers slowly, but answers, is waited for."""
        left = self._heard_at + patience - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look_at_the_clock, patience)
        else:
            self._break(NO_ANSWER)

    def _have(self, number: int) -> bool:
        return len(self._replies) >= number or any(reply.code == CLOSING for reply in self._replies)

    def _break(self, trouble: str) -> None:
        if self._listener is not None:  # what it waited for the rest of is read as it is
            self._listener = None
            self._cut()
        if self._trouble is None:
            self._trouble = trouble
        _wake(self._waiter)
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Let the listener answer what comes, or cut it into replies."""
        if self._trouble is not None:
            return
        self._buffer = self._buffer + data if self._buffer else data
        if b"\n" in data:  # a line at least: whoever sends octets without end says nothing
            self._heard_at = self._loop.time()
        if self._listener is None or not self._is_answered(self._listener):
            self._cut()

    def take(self, octets: int) -> None:
        """Take the first of the octets that were offered."""
        self._buffer = self._buffer[octets:]

    def _is_answered(self, listener: Listener) -> bool:
        """Offer the listener what came; tell whether nobody else is to read it."""
        try:
            goes_on = listener(self._buffer)
        except Exception as fault:  # noqa: BLE001 - raised where `listen` is awaited, not lost in the loop
            self._listener = None
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(fault)
            return True
        if goes_on and len(self._buffer) <= LONGEST_REPLY:
            return True
        self._stop_listening()
        return False

    def _cut(self) -> None:
        """Cut what came into replies."""
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            if not self._take(line.removesuffix(b"\r")):
                self._break(NO_REPLY)
                return
        if self._size + len(self._buffer) > LONGEST_REPLY:
            self._break(NO_REPLY)
            return
        if lines and self._waiter is not None and self._have(self._wanted):
            _wake(self._waiter)

    def _take(self, line: bytes) -> bool:
        """Take one line of a reply; False when it is none."""
        found = _REPLY_LINE.fullmatch(line)
        if found is None or (self._lines and self._lines[0][:3] != found[1]):
            return False
        self._lines.append(line)
        self._size += len(line)
        if self._size > LONGEST_REPLY:
            return False
        if found[2] != b"-":
            text = b"\n".join(kept[4:] for kept in self._lines).decode("utf-8", "replace")
            self._replies.append(Reply(int(found[1]), text))
            self._lines, self._size = [], 0
        return True

    def eof_received(self) -> None:
        """Note that the server will say nothing more."""
        self._break(LINE_LOST)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the line is gone."""
        del error
        self._break(LINE_LOST)

    def pause_writing(self) -> None:
        """Let `drained` wait."""
        if self._writable is None and self._trouble is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let `drained` go on."""
        writable, self._writable = self._writable, None
        self._heard_at = self._loop.time()  # the server has taken something: it is there
        _wake(writable)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
