"""The port to the mail server: a transport opens connections, a connection takes messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from notifications.addresses import Address
from notifications.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One message for one recipient, ready for the wire but for dot stuffing."""

    sender: Address
    recipient: Address
    content: bytes = field(repr=False)
    plain_lines: bool = False
    """Whoever wrote the content vouches that each line ends with CRLF and none begins with a dot."""


class Following(Protocol):
    """Where the messages come from that are to go out one after the other on one line."""

    def next(self) -> Envelope | None:
        """Return the next message if there is one that may leave at once; it may be asked for before the last ended."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """Take what came of the earliest message that has not ended yet."""
        ...


class Connection(Protocol):
    """An open, secured and authenticated line to the server."""

    @property
    def eight_bit(self) -> bool:
        """Tell whether the server takes 8-bit content."""
        ...

    @property
    def is_usable(self) -> bool:
        """Tell whether another message may be sent; if not, close it and open a new one."""
        ...

    def refuses(self, envelope: Envelope) -> Outcome | None:
        """Tell at once what becomes of a message that this server could never take; None when it can be offered."""
        ...

    async def send(
        self, envelope: Envelope, *, before_data: Callable[[], None], following: Following | None = None
    ) -> Outcome | None:
        """Send one message; call `before_data` immediately before the bytes that can complete it.

        A line that can take more goes on with what is `following`. The outcome returned is that of the earliest message
        that has not ended; None when all have. A message behind that one was not begun: it may be sent again.
        """
        ...

    async def close(self) -> None:
        """Take leave of the server, or hang up if the line is broken."""
        ...


class Transport(Protocol):
    """Opens connections."""

    async def connect(self) -> Connection:
        """Return an open connection, or raise CannotConnect."""
        ...
