"""The port to the mail server: a transport opens connections, a connection takes messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from notifications.addresses import Address
from notifications.outcome import Accepted, Outcome


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One message for one recipient, ready for the wire but for dot stuffing."""

    sender: Address
    recipient: Address
    content: bytes = field(repr=False)
    plain_lines: bool = False
    """Whoever wrote the content vouches that each line ends with CRLF and none begins with a dot."""


Follow = Callable[[Accepted], Envelope | None]
"""Is told that a message was accepted, and names the next for the same line, if there is one that may leave now."""


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

    async def send(
        self, envelope: Envelope, *, before_data: Callable[[], None], follow: Follow | None = None
    ) -> Outcome | None:
        """Send one message; call `before_data` immediately before the bytes that can complete it.

        A line that can take more at once tells `follow` of each message accepted and sends the one that it returns.
        The outcome returned is that of the last message begun; None when `follow` was told of that one too.
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
