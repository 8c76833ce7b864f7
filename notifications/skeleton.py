"""A message compiled once for everybody who gets it: filling it for one person joins octets and builds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from notifications.addresses import Address
from notifications.errors import HeaderRefused
from notifications.headers import mailbox_header
from notifications.message import (
    LONGEST_LINE,
    Message,
    boundary_for,
    check_message_id,
    constant_head,
    encoded_part,
    multipart,
    with_network_line_ends,
)

Piece = tuple[str, str | None]
"""Text that is the same for everybody, and the name of the value that stands behind it; None at the end."""


class Value(NamedTuple):
    """What stands in one place of one person's copy."""

    octets: bytes
    longest_line: int


def value_of(text: str) -> Value:
    """Write a value for the wire; ContentRefused when UTF-8 cannot."""
    octets = with_network_line_ends(text)
    return Value(octets, max(map(len, octets.split(b"\r\n"))))


class _Part:
    """One of the texts of a message."""

    def __init__(self, subtype: bytes, pieces: Sequence[Piece]) -> None:
        self._subtype = subtype
        self._pieces: list[bytes] = []
        self._slots: list[tuple[int, str]] = []
        for literal, name in pieces:
            self._pieces.append(with_network_line_ends(literal))
            if name is not None:
                self._slots.append((len(self._pieces), name))
                self._pieces.append(b"")
        self._longest_line = max(map(len, b"".join(self._pieces).split(b"\r\n")))

    def filled(self, values: Mapping[str, Value], *, eight_bit: bool) -> bytes:
        pieces = self._pieces.copy()
        longest = self._longest_line
        for place, name in self._slots:
            pieces[place], more = values[name]
            longest += more
        # At most all values stand in the longest line; only then is it worth looking at each.
        return encoded_part(
            self._subtype, b"".join(pieces), eight_bit=eight_bit, lines_are_short=longest <= LONGEST_LINE
        )


class Skeleton:
    """The same message to many people.

    `pattern` says what is the same for all: sender, subject, language, reply address and further headers. The octets
    are those that `to_bytes` writes of the same message.
    """

    def __init__(self, pattern: Message, *, text: Sequence[Piece], html: Sequence[Piece] | None) -> None:
        self._sender, self._subject, self._rest = constant_head(pattern)
        self._text = _Part(b"plain", text)
        self._html = None if html is None else _Part(b"html", html)

    def fill(
        self,
        *,
        recipient: Address,
        message_id: str,
        date: datetime,
        text: Mapping[str, Value],
        html: Mapping[str, Value],
        eight_bit: bool = True,
    ) -> bytes:
        """Write one person's copy; KeyError names a value that is missing."""
        check_message_id(message_id)
        head = b"%b%b%bDate: %b\r\nMessage-ID: %b\r\n%b" % (
            self._sender,
            mailbox_header("To", "", recipient),
            self._subject,
            _date(date.replace(microsecond=0)),
            message_id.encode("ascii"),
            self._rest,
        )
        plain = self._text.filled(text, eight_bit=eight_bit)
        if self._html is None:
            return head + plain
        parts = (plain, self._html.filled(html, eight_bit=eight_bit))
        return head + multipart(boundary_for(message_id, *parts), *parts)


@lru_cache(maxsize=16)
def _date(second: datetime) -> bytes:
    if second.tzinfo is None:
        raise HeaderRefused("Date")
    return format_datetime(second).encode("ascii")
