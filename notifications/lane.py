"""A lane: one connection and the messages that leave through it, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum, auto
from functools import partial

from notifications.board import Board
from notifications.errors import CannotConnect, MailerError, SharedFault
from notifications.journal import Journal
from notifications.outbox import Attempt, Composer, Delivery, Outbox
from notifications.outcome import Accepted, Outcome, RefusedForGood, RefusedForNow
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
        self._delivery: Delivery
        """The one under way."""
        self._envelope: Envelope
        self._begun = False
        """Whether it may have been delivered."""
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
            await self._hang_up()

    async def _serve(self, delivery: Delivery) -> _Turn:
        self._delivery = delivery
        turn = await self._try()
        if turn is _Turn.STALE_CONNECTION:
            turn = await self._try()
        if turn is _Turn.NO_CONNECTION and self._board.connected and not self._board.halt.is_set():
            self._board.put([self._delivery])  # the other lanes have a connection
        elif turn not in {_Turn.DONE, _Turn.HELD}:
            self._board.unsent.append(self._delivery)
        return turn

    async def _try(self) -> _Turn:
        connection = await self._connected()
        if connection is None:
            return _Turn.NO_CONNECTION
        await self._board.wait_for_turn()
        if not self._may_send(self._delivery):
            return _Turn.UNSENT
        envelope = self._composed(connection)
        if isinstance(envelope, _Turn):
            return envelope
        return await self._send(connection, envelope)

    def _composed(self, connection: Connection) -> Envelope | _Turn:
        try:
            return self._composer.compose(self._delivery, eight_bit=connection.eight_bit)
        except SharedFault as fault:
            return self._hold(self._delivery, str(fault))
        except (MailerError, ValueError, LookupError):
            # What is wrong with one person's facts must not keep the others from being told.
            self._record(RefusedForGood(text=NOT_COMPOSED), content_digest="")
            return _Turn.DONE

    def _hold(self, delivery: Delivery, reason: str) -> _Turn:
        """Leave a delivery to whoever mends what is wrong with us or with the server: it is no fault of the person."""
        self._board.held.append((delivery, reason))
        self._board.news.set()
        return _Turn.HELD

    def _may_send(self, delivery: Delivery) -> bool:
        lease_holds = self._board.leased_until is not None and self._clock() < self._board.leased_until
        return lease_holds and not self._board.halt.is_set() and self._outbox.may_send(delivery)

    async def _send(self, connection: Connection, envelope: Envelope) -> _Turn:
        was_new, self._connection_is_new = self._connection_is_new, False
        self._take_up(envelope)
        first = self._delivery
        outcome = await connection.send(
            envelope, before_data=self._before_data, follow=partial(self._follow, connection)
        )
        if outcome is None:
            return _Turn.DONE
        was_new = was_new and self._delivery is first
        if not self._begun and not was_new and _is_about_the_connection(outcome):
            return _Turn.STALE_CONNECTION
        if isinstance(outcome, RefusedForGood) and outcome.about_us and not self._begun:
            return self._hold(self._delivery, f"the server refuses us: {outcome.code} {outcome.text}".strip())
        self._settle(outcome)
        return _Turn.DONE

    def _take_up(self, envelope: Envelope) -> None:
        self._envelope, self._begun = envelope, False

    def _before_data(self) -> None:
        self._journal.begin(self._delivery.id, self._delivery.attempt)
        self._begun = True

    def _settle(self, outcome: Outcome) -> None:
        self._record(outcome, content_digest=self._content_digest(self._envelope.content))
        if self._begun or outcome.code is not None:
            self._journal.end(self._delivery.id, self._delivery.attempt, outcome.code)

    def _follow(self, connection: Connection, accepted: Accepted) -> Envelope | None:
        """Settle the message under way and take up the next one that may leave at once."""
        self._settle(accepted)
        while (delivery := self._board.next_at_once()) is not None:
            if not self._may_send(delivery):
                self._board.unsent.append(delivery)
                return None
            self._delivery = delivery
            envelope = self._composed(connection)
            if not isinstance(envelope, _Turn):
                self._take_up(envelope)
                return envelope
        return None

    def _record(self, outcome: Outcome, *, content_digest: str) -> None:
        self._board.outcomes[type(outcome)] += 1
        self._recorder.add(
            Attempt(
                delivery_id=self._delivery.id,
                number=self._delivery.attempt,
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


def _is_about_the_connection(outcome: Outcome) -> bool:
    """Tell whether the server had already left: the message itself was never looked at."""
    return isinstance(outcome, RefusedForNow) and outcome.code in {None, _SERVICE_CLOSING}
