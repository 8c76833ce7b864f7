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

    async def send(self, envelope: Envelope, *, before_data: Callable[[], None]) -> Outcome:
        """Send one message; call `before_data` immediately before the bytes that can complete it."""
        ...

    async def close(self) -> None:
        """Take leave of the server, or hang up if the line is broken."""
        ...


class Transport(Protocol):
    """Opens connections."""

    async def connect(self) -> Connection:
        """Return an open connection, or raise CannotConnect."""
        ...
