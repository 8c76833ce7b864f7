"""A lane: one connection and the messages that leave through it, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from notifications.board import Board
from notifications.errors import CannotConnect, MailerError, SharedFault
from notifications.journal import Journal
from notifications.outbox import Attempt, Composer, Delivery, Outbox
from notifications.outcome import Outcome, RefusedForGood, RefusedForNow, outcome_of_reply
from notifications.recorder import Recorder
from notifications.transport import Connection, Envelope, Transport

NOT_COMPOSED = "the message could not be composed"
_SERVICE_CLOSING = 421


class _Turn(Enum):
    DONE = auto()
    HELD = auto()
    UNSENT = auto()
    STALE_CONNECTION = auto()
    NO_CONNECTION = auto()


@dataclass(slots=True)
class _Message:
    delivery: Delivery
    envelope: Envelope
    begun: bool = False
    """Whether it may have been delivered."""


class Lane:
    """Takes deliveries from the board until it is told to end."""

    def __init__(
        self,
        *,
        board: Board,
        outbox: Outbox,
        composer: Composer,
        transport: Transport,
        journal: Journal,
        recorder: Recorder,
        clock: Callable[[], datetime],
        content_digest: Callable[[bytes], str],
    ) -> None:
        self._board = board
        self._outbox = outbox
        self._composer = composer
        self._transport = transport
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._content_digest = content_digest
        self._under_way: deque[_Message] = deque()
        """What is being sent: the first may have been delivered, of a second only the commands can have been said."""
        self._connection: Connection | None = None
        self._connection_is_new = True

    async def run(self) -> None:
        """Serve one delivery after the other; a None on the board ends the lane."""
        try:
            while (delivery := await self._board.waiting.get()) is not None:
                self._board.busy += 1
                try:
                    turn = await self._serve(delivery)
                finally:
                    self._board.busy -= 1
                    if self._board.runs_dry:
                        self._board.news.set()
                if turn is _Turn.NO_CONNECTION:
                    await self._board.rest(self._board.server_rests_for)
        finally:
            self._board.unsent += [message.delivery for message in self._under_way if not message.begun]
            await self._hang_up()

    async def _serve(self, delivery: Delivery) -> _Turn:
        """Send a delivery and whatever follows it at once on the same line."""
        turn = await self._sent(delivery)
        while self._under_way:  # its commands were said behind a message after which the line took no more
            turn = await self._sent(self._under_way.popleft().delivery)
        return turn

    async def _sent(self, delivery: Delivery) -> _Turn:
        turn = await self._try(delivery)
        if turn is _Turn.STALE_CONNECTION:
            delivery = self._under_way.popleft().delivery
            turn = await self._try(delivery)
        if turn is _Turn.STALE_CONNECTION:
            delivery = self._under_way.popleft().delivery
        if turn is _Turn.NO_CONNECTION and self._board.connected and not self._board.halt.is_set():
            self._board.put([delivery])  # the other lanes have a connection
        elif turn not in {_Turn.DONE, _Turn.HELD}:
            self._board.unsent.append(delivery)
        return turn

    async def _try(self, delivery: Delivery) -> _Turn:
        connection = await self._connected()
        if connection is None:
            return _Turn.NO_CONNECTION
        await self._board.wait_for_turn()
        if not self._may_send(delivery):
            return _Turn.UNSENT
        envelope = self._composed(delivery, connection)
        if isinstance(envelope, _Turn):
            return envelope
        return await self._send(connection, delivery, envelope)

    def _composed(self, delivery: Delivery, connection: Connection) -> Envelope | _Turn:
        try:
            envelope = self._composer.compose(delivery, eight_bit=connection.eight_bit)
        except SharedFault as fault:
            return self._hold(delivery, str(fault))
        except (MailerError, ValueError, LookupError):
            # What is wrong with one person's facts must not keep the others from being told.
            self._record(delivery, RefusedForGood(text=NOT_COMPOSED), content_digest="")
            return _Turn.DONE
        if (refused := connection.refuses(envelope)) is not None:
            self._record(delivery, refused, content_digest=self._content_digest(envelope.content))
            return _Turn.DONE
        return envelope

    def _hold(self, delivery: Delivery, reason: str) -> _Turn:
        """Leave a delivery to whoever mends what is wrong with us or with the server: it is no fault of the person."""
        self._board.held.append((delivery, reason))
        self._board.news.set()
        return _Turn.HELD

    def _may_send(self, delivery: Delivery) -> bool:
        lease_holds = self._board.leased_until is not None and self._clock() < self._board.leased_until
        return lease_holds and not self._board.halt.is_set() and self._outbox.may_send(delivery)

    async def _send(self, connection: Connection, delivery: Delivery, envelope: Envelope) -> _Turn:
        was_new, self._connection_is_new = self._connection_is_new, False
        first = _Message(delivery, envelope)
        self._under_way.append(first)
        outcome = await connection.send(envelope, before_data=self._before_data, following=_Behind(self, connection))
        if outcome is None:
            return _Turn.DONE
        earliest = self._under_way[0]
        if not earliest.begun and _is_about_the_connection(outcome) and not (was_new and earliest is first):
            return _Turn.STALE_CONNECTION
        self.ended(outcome)
        return _Turn.DONE

    def _before_data(self) -> None:
        message = self._under_way[0]
        self._journal.begin(message.delivery.id, message.delivery.attempt)
        message.begun = True

    def next(self, connection: Connection) -> Envelope | None:
        """Take up the next delivery that may leave at once; return its message."""
        while (delivery := self._board.next_at_once()) is not None:
            if not self._may_send(delivery):
                self._board.unsent.append(delivery)
                return None
            envelope = self._composed(delivery, connection)
            if not isinstance(envelope, _Turn):
                self._under_way.append(_Message(delivery, envelope))
                return envelope
        return None

    def ended(self, outcome: Outcome) -> None:
        """Settle the earliest message under way."""
        message = self._under_way.popleft()
        delivery = message.delivery
        if isinstance(outcome, RefusedForGood) and outcome.about_us and not message.begun:
            self._hold(delivery, f"the server refuses us: {outcome.code} {outcome.text}".strip())
            return
        self._record(delivery, outcome, content_digest=self._content_digest(message.envelope.content))
        if message.begun or isinstance(outcome_of_reply(outcome.code), RefusedForNow | RefusedForGood):
            self._journal.end(delivery.id, delivery.attempt, outcome.code)

    def _record(self, delivery: Delivery, outcome: Outcome, *, content_digest: str) -> None:
        self._board.outcomes[type(outcome)] += 1
        self._recorder.add(
            Attempt(
                delivery_id=delivery.id,
                number=delivery.attempt,
                outcome=outcome,
                finished_at=self._clock(),
                content_digest=content_digest,
            ),
        )

    async def _connected(self) -> Connection | None:
        if self._connection is not None:
            if self._connection.is_usable:
                return self._connection
            await self._hang_up()
        if self._board.server_rests_for > 0:
            return None
        try:
            self._connection = await self._transport.connect()
        except CannotConnect as failure:
            self._board.server_failed(failure)
            return None
        self._connection_is_new = True
        self._board.server_answered(connections=1)
        return self._connection

    async def _hang_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._board.server_answered(connections=-1)
            await connection.close()


class _Behind:
    """What follows a message on its line."""

    def __init__(self, lane: Lane, connection: Connection) -> None:
        self._lane = lane
        self._connection = connection
        self.ended = lane.ended

    def next(self) -> Envelope | None:
        return self._lane.next(self._connection)


def _is_about_the_connection(outcome: Outcome) -> bool:
    """Tell whether the server had already left: the message itself was never looked at."""
    return isinstance(outcome, RefusedForNow) and outcome.code in {None, _SERVICE_CLOSING}
